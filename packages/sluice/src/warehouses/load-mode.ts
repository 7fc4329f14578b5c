/** What a load mode is: its columns in the target, its tables beside it, and how it writes. Shared by every warehouse. */
import { sluiceError } from '../base/errors.ts'
import type { Lookup } from '../definition/types.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { Members } from './scd2/members.ts'
import type { Staging } from './staging.ts'
import { type Companion, columnList, countOf, sampleText } from './statements.ts'
import type { LoadColumn, LoadInput, LoadResult } from './warehouse.ts'

/** A lookup whose dimension is there and fits. */
export interface FittedLookup {
  /** The target's column that takes the surrogate. */
  readonly column: string
  readonly lookup: Lookup
  readonly members: Members
  /** The dimension's key column, and the row's column as its type. */
  readonly key: readonly (readonly [dimension: string, row: (alias: string) => string])[]
  /** The row's time, as the dimension's type. */
  readonly at: (alias: string) => string
}

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
  /** What of the warehouse's own may change or swallow rows that are written to the target, in words. */
  readonly meddlers: () => Promise<readonly string[]>
  /** Whether every row has to be written again: columns of the target were made anew, or it was asked for. */
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
  /** Whether each load leaves the target as the version says, whatever somebody else did to it. */
  readonly repairs: boolean
  /** Whether it may delete rows of the target. */
  readonly deletes: (load: LoadInput['load']) => boolean
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

/**
 * Refuses a target that took other rows than it was given: a trigger or a rule of the warehouse skipped, moved or added some.
 *
 * @param what What the target was: `to take`, `to change`, `to remove`, `to hold`.
 * @throws Warehouse.RowsNotTaken
 */
export async function refuseUntaken(
  { input, meddlers }: Pick<LoadContext, 'input' | 'meddlers'>,
  what: 'to take' | 'to change' | 'to remove' | 'to hold',
  expected: number,
  found: number,
): Promise<void> {
  if (expected === found) return
  const { target } = input
  throw sluiceError('Warehouse.RowsNotTaken', { target, what, expected, found, meddlers: await meddlers() })
}

/**
 * Removes rows of the target, and tells how many.
 *
 * @param condition Over the target as `t`. @default all rows
 * @throws Warehouse.RowsNotTaken where a trigger or a rule keeps some
 */
export async function removeRows(context: LoadContext, condition = '1 = 1'): Promise<number> {
  const { sql, target, meddlers } = context
  const rows = `FROM ${target} AS t WHERE ${condition}`
  const removed = await countOf(sql, `DELETE ${rows}`)
  // Only something of the warehouse's own can keep a row, and looking for such rows may read all of them.
  const kept = (await meddlers()).length === 0 ? 0 : await countOf(sql, `SELECT count(*) ${rows}`)
  await refuseUntaken(context, 'to remove', removed + kept, removed)
  return removed
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
