/**
 * Rules: what strict casts and row checks become, so that one scan can decide every row.
 *
 * A rule's `valid` is a DuckDB expression that is never NULL: true where the row obeys. Rules are numbered by their place; a refused row carries a
 * bit mask of every rule that it breaks, and the first of them is its reason.
 */

/** One rule on one row. */
export interface RowRule {
  /** The reason that a refused row carries: `cast:quantity`, `notNull:customer_id`, or a check's own name. */
  readonly name: string
  readonly kind: string
  readonly columns: readonly string[]
  readonly valid: string
  readonly severity: 'warn' | 'error'
  readonly action: 'quarantine' | 'stop'
  readonly maxShare?: number
  readonly maxCount?: number
}

/** A value and whether a text is one; all over a text that is not NULL. */
export interface TypeCast {
  /** DuckDB's type. */
  readonly type: string
  /** Never raises, whatever the text. */
  readonly value: string
  /** Never NULL for a text that is not NULL; `value` stands for the value. */
  readonly valid: (value: string) => string
  /**
   * True only where `valid` is, and for half of its cost: where the text is what DuckDB itself would write for the value. Left out where
   * that proves nothing.
   */
  readonly usual?: (value: string) => string
  /** Whether all readings of the text are one value; a part of `valid`. Left out where there is one reading. */
  readonly oneMeaning?: string
}

/** How one column's text becomes its value. */
export interface ColumnCast {
  readonly name: string
  /** DuckDB's type of the value. */
  readonly type: string
  readonly nullable: boolean
  /** The value; NULL where the text means NULL; unspecified where `valid` is false. */
  readonly value: string
  /** Whether the text is exactly a value of the type (or means NULL, whatever `nullable` says). Never NULL. */
  readonly valid: string
  /**
   * The same as `valid`, for a scan that has the value already: refers to it by the column's quoted name, and asks the cheapest question first.
   * @default `valid`
   */
  readonly validTyped?: string
  /** Whether the text has one meaning, where its column declares several patterns: the reason of a text that has two is told by it. */
  readonly oneMeaning?: string
  /** Whether the value is present: the implicit not-null rule of a column that is not nullable. */
  readonly present: string
}
