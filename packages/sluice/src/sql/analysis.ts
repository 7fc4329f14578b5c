/** What parsing a SQL model finds out. Pure: schemas come in, data goes out. */
import type { Problem } from '../base/errors.ts'

/** A table's columns, by the table's full name. */
export interface TableSchema {
  readonly [table: string]: readonly { readonly name: string; readonly type: string }[]
}

/** One output column and the columns it is made from. */
export interface ColumnLineage {
  readonly column: string
  /** `raw.sales.quantity`; empty for constants. */
  readonly from: readonly string[]
}

/** The findings of one model. */
export interface SqlAnalysis {
  /** Tables it reads, `<layer>.<table>`, sorted. */
  readonly tables: readonly string[]
  readonly columns: readonly ColumnLineage[]
  /** Names of nondeterministic functions and constructs. */
  readonly nondeterministic: readonly string[]
  readonly problems: readonly Problem[]
}
