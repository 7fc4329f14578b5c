/** Pieces of statements that every load mode uses, and the tables that they write beside a target. */
import { sluiceError } from '../base/errors.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { LoadColumn, LoadInput } from './warehouse.ts'

/** A table beside the target. */
export interface Companion {
  /** Quoted. */
  readonly name: string
  readonly columns: readonly LoadColumn[]
}

/**
 * Column names, quoted and joined, each with an optional prefix.
 *
 * @example columnList(['a', 'b'], 's') // 's."a", s."b"'
 */
export function columnList(columns: readonly string[], alias?: string): string {
  return columns.map((column) => qualified(column, alias)).join(', ')
}

/**
 * Equality of two relations on columns that are never NULL.
 *
 * @example sameKey(['k'], 't', 's') // 't."k" = s."k"'
 */
export function sameKey(columns: readonly string[], a: string, b: string): string {
  return columns.map((column) => `${qualified(column, a)} = ${qualified(column, b)}`).join(' AND ')
}

/**
 * Whether a relation's key is among those of a table: as `IN`, which every warehouse runs as one hash join. No key is ever NULL.
 *
 * @example keyIn(['k', 'l'], 't', 'touched') // '(t."k", t."l") IN (SELECT "k", "l" FROM touched)'
 */
export function keyIn(columns: readonly string[], alias: string, table: string): string {
  return `(${columnList(columns, alias)}) IN (SELECT ${columnList(columns)} FROM ${table})`
}

/**
 * Whether two relations differ in any of the columns; false for no columns.
 *
 * @example anyDiffers(dialect, ['a'], 't', 's') // '(t."a" IS DISTINCT FROM s."a")'
 */
export function anyDiffers(dialect: Dialect, columns: readonly string[], a: string, b: string): string {
  if (columns.length === 0) return '(1 = 0)'
  return `(${columns.map((column) => dialect.differs(qualified(column, a), qualified(column, b))).join(' OR ')})`
}

/** A column, quoted, with an optional alias before it. */
export function qualified(column: string, alias?: string): string {
  return alias === undefined ? quoteIdentifier(column) : `${alias}.${quoteIdentifier(column)}`
}

/**
 * The first column of the first row, as a number: a count, or of a statement that writes how many rows it wrote.
 *
 * @example await countOf(sql, 'SELECT count(*) AS n FROM t')
 */
export async function countOf(sql: SqlRunner, statement: string, params?: readonly unknown[]): Promise<number> {
  const [row] = await sql.all(statement, params)
  return Number(Object.values(row ?? { n: 0 })[0] ?? 0)
}

/** Makes a working table anew, from tables of the warehouse; how many rows it has. */
export async function create(
  { sql, dialect }: { readonly sql: SqlRunner; readonly dialect: Dialect },
  name: string,
  select: string,
): Promise<number> {
  const { schema, untilCommit } = dialect.working
  await sql.run(`DROP TABLE IF EXISTS ${schema}.${name}`)
  const rows = await countOf(sql, `CREATE TEMP TABLE ${name} ${untilCommit} AS ${select}`)
  if (dialect.statistics !== undefined) await sql.run(dialect.statistics(name))
  return rows
}

/**
 * Refuses a load that names a column its input does not have.
 *
 * @throws Warehouse.Column
 */
export function requireColumns(
  input: Pick<LoadInput, 'target' | 'columns'>,
  names: readonly (string | undefined)[],
): void {
  for (const name of names) {
    if (name !== undefined && !input.columns.some((column) => column.name === name)) {
      throw sluiceError('Warehouse.Column', {
        target: input.target,
        column: name,
        why: `the input has only ${input.columns.map((column) => column.name).join(', ')}`,
      })
    }
  }
}

/** Rows for a message: at most three, as JSON. */
export function sampleText(rows: readonly Record<string, unknown>[]): string {
  return rows
    .slice(0, 3)
    .map((row) => JSON.stringify(row))
    .join(' ')
}
