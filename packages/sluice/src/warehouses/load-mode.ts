/** What a load mode is: its columns in the target, its tables beside it, and how it writes. Shared by every warehouse. */
import { sluiceError } from '../base/errors.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { FittedLookup } from './lookups.ts'
import type { Staging } from './staging.ts'
import type { LoadColumn, LoadInput, LoadResult } from './warehouse.ts'

/** A load inside its transaction: the target exists and fits. */
export interface LoadContext {
  readonly sql: SqlRunner
  readonly dialect: Dialect
  readonly staging: Staging
  readonly input: LoadInput
  /** The target's name, quoted. */
  readonly target: string
  /** What stands after FROM in the lake's SQL to read every row of the version. */
  readonly source: string
  /** The target's types as the engine spells them, by lower-case name: those of the input, or types that hold its values. */
  readonly types: ReadonlyMap<string, string>
  /** What the rows look up; their surrogates are the target's last columns. */
  readonly lookups: readonly FittedLookup[]
  /** Columns that were added to the target in this transaction. */
  readonly added: readonly string[]
  /** Whether columns of the target were made anew, so that every row has to be written again. */
  readonly rebuilt: boolean
}

/** What a mode reports; the totals are counted by whoever runs it. */
export interface LoadCounts extends Omit<LoadResult, 'status' | 'total'> {
  /** By how many rows the target has grown. @default what was inserted, less what was deleted */
  readonly growth?: number
}

/** One load mode. */
export interface LoadModeEntry {
  /** Whether it can write every row of the target anew, from the version alone. */
  readonly rewrites: boolean
  /** Whether it changes rows in their places. */
  readonly updates: boolean
  /** The columns that the target must have, beside those that are looked up. */
  columns(input: Pick<LoadInput, 'target' | 'load' | 'columns'>, dialect: Dialect): readonly LoadColumn[]
  /** Tables of Sluice's own that hold columns of the target and change with it; by name, quoted. */
  companions(input: Pick<LoadInput, 'target' | 'load' | 'columns'>, dialect: Dialect): readonly Companion[]
  /** The columns by which it finds rows again, in the target and its companions: what an index is for, where there are indexes. */
  findsBy(load: LoadInput['load']): readonly string[]
  /** Writes. Nothing that it does is visible before the caller commits. */
  run(context: LoadContext): Promise<LoadCounts>
}

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
  { sql, dialect }: Pick<LoadContext, 'sql' | 'dialect'>,
  name: string,
  select: string,
): Promise<number> {
  await sql.run(`DROP TABLE IF EXISTS ${name}`)
  const rows = await countOf(sql, `CREATE TEMP TABLE ${name} AS ${select}`)
  if (dialect.statistics !== undefined) await sql.run(dialect.statistics(name))
  return rows
}

/**
 * Refuses NULL in key columns, with the count and the first rows.
 *
 * @throws Warehouse.KeyNull
 */
export async function refuseNullKeys(
  context: Pick<LoadContext, 'staging' | 'source' | 'input'>,
  keys: readonly string[],
): Promise<void> {
  const { source, input } = context
  const { lake } = context.staging
  const isNull = keys.map((key) => `${quoteIdentifier(key)} IS NULL`).join(' OR ')
  const count = await countOf(lake, `SELECT count(*) FROM ${source} AS s WHERE ${isNull}`)
  if (count === 0) return
  const rows = await lake.all(`SELECT ${columnList(keys)} FROM ${source} AS s WHERE ${isNull} LIMIT 3`)
  throw sluiceError('Warehouse.KeyNull', {
    target: input.target,
    columns: keys.join(', '),
    count,
    samples: sampleText(rows),
  })
}

/**
 * Refuses keys that occur more than once, with the count and the first of them.
 *
 * @throws Warehouse.KeyDuplicate
 */
export async function refuseDuplicateKeys(
  context: Pick<LoadContext, 'staging' | 'source' | 'input'>,
  keys: readonly string[],
): Promise<void> {
  const { source, input } = context
  const { lake } = context.staging
  const repeated = `SELECT ${columnList(keys)}, count(*) AS rows FROM ${source} AS s GROUP BY ${columnList(keys)} HAVING count(*) > 1`
  const count = await countOf(lake, `SELECT count(*) FROM (${repeated}) AS r`)
  if (count === 0) return
  const rows = await lake.all(`${repeated} ORDER BY ${columnList(keys)} LIMIT 3`)
  throw sluiceError('Warehouse.KeyDuplicate', {
    target: input.target,
    columns: keys.join(', '),
    count,
    samples: sampleText(rows),
  })
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
