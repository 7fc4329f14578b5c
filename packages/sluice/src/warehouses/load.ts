/**
 * One load, inside a transaction that the caller opened: ask the ledger, find drift, write, account, write the ledger.
 *
 * The order is the promise: a load that is in the ledger happened whole, and one that is not left nothing.
 */

import { crashPoint } from '../base/crash.ts'
import { assert, sluiceError } from '../base/errors.ts'
import { contentOf, editsBetween, leaveContent, leftContent } from './content.ts'
import type { Dialect } from './dialect.ts'
import { shapeOf } from './drift.ts'
import { fitTarget, prepareTarget, refuseDrift, targetColumns } from './fit.ts'
import { reachingFrom } from './foreign-keys.ts'
import { insertLedgerRow, ledgerRows, ledgerTables, type TargetHistory, targetHistory, updateShape } from './ledger.ts'
import { type LoadContext, type LoadCounts, type LoadModeEntry, refuseUntaken } from './load-mode.ts'
import type { LoadSetting } from './load-setting.ts'
import { fitLookups, lookedUpBy, lookUpAgain, lookupState } from './lookups.ts'
import { loadModes } from './modes.ts'
import { membersTable } from './scd2/members.ts'
import type { Staging } from './staging.ts'
import { countOf } from './statements.ts'
import type { LoadInput, LoadResult, TargetEdits } from './warehouse.ts'

/**
 * Loads; the caller commits on return and rolls back on an error.
 *
 * @throws Warehouse.NameTooLong, Warehouse.Fenced, Warehouse.Drift, Warehouse.TargetVanished, Warehouse.RowsDiffer, Warehouse.OutOfRange, Warehouse.DimensionMissing,
 *   Warehouse.LookupMissing, Warehouse.GrainBroken and what the mode raises
 */
export async function loadInTransaction(setting: LoadSetting, input: LoadInput): Promise<LoadResult> {
  const { sql, dialect, staging, clock } = setting
  const mode: LoadModeEntry = loadModes[input.load.mode]
  refuseLongNames(dialect, input)
  await setting.makeSchema('sluice')
  for (const statement of ledgerTables(dialect)) await sql.run(statement)
  const [done] = await ledgerRows(sql, dialect, { loadId: input.loadId })
  const history = await targetHistory(sql, dialect, input.target)
  const isAgain = done !== undefined && input.rewrite === true && done.run !== input.run
  if (done !== undefined && !isAgain) return alreadyLoaded(setting, input, history, done.result)

  if (history.newestToken > input.fencingToken) {
    const { target, fencingToken: token } = input
    throw sluiceError('Warehouse.Fenced', { target, token, newest: history.newestToken })
  }
  const source = await staging.lake.from(input.relation)
  await refuseOtherRowCount(staging, input, source)
  const target = dialect.table(input.target)
  await prepareTarget(setting, input, history)
  await refuseReaching(setting, input)
  const before = await heldRows(setting, input, history)
  const fitted = await fitTarget(setting, input, history)
  for (const table of [input.target, ...lookedUpBy(input.load)]) await setting.ready?.(table)
  const types = new Map((await setting.columnsOf(input.target)).map(({ name, type }) => [name.toLowerCase(), type]))
  const lookups = await fitLookups(dialect, input, setting.columnsOf)
  const meddlers = (): Promise<readonly string[]> => setting.meddlersOf(input.target)
  const context: LoadContext = {
    ...{ sql, dialect, staging, input, target, source, types, lookups, meddlers },
    ...fitted,
  }
  const { growth, ...counts } = await lookUp(context, history, () => mode.run(context))
  for (const table of [target, ...mode.companions(input, dialect).map(({ name }) => name)])
    await setting.index?.(table, mode.findsBy(input.load))

  await setting.settle?.()
  const columns = await setting.columnsOf(input.target)
  const content = await contentOf(setting, input, columns)
  // Nobody else writes to the target until the COMMIT, so that it has what it had and what the statements say that they wrote.
  await refuseUntaken(context, 'to hold', before.rows + (growth ?? counts.inserted - counts.deleted), content.rows)
  assert(
    counts.read === counts.inserted + counts.updated + counts.unchanged + counts.rejected + (counts.markers ?? 0),
    `every row that was read for ${input.target} is accounted for: ${JSON.stringify(counts)}`,
  )
  const { edits } = before
  const result: LoadResult = {
    ...{ status: 'loaded', ...counts, total: content.rows },
    ...(edits === undefined ? {} : { edits }),
    ...(input.rewrite === true ? { rewritten: true } : {}),
  }
  const isWhole = input.rewrite === true || fitted.rebuilt || mode.repairs
  await leaveContent(setting, input.target, content, isWhole ? undefined : (before.known ?? edits))
  crashPoint('warehouse.load.before_ledger')
  await insertLedgerRow(sql, dialect, input, {
    result,
    shape: shapeOf(columns),
    loadedAt: clock.now().toISOString(),
    ordinal: history.loads + 1,
  })
  return result
}

/** Rows of another table that follow a DELETE would be gone without a word: the target's own come again, those do not. */
async function refuseReaching(
  { foreignKeys, placeOf }: LoadSetting,
  { target, load, rewrite }: LoadInput,
): Promise<void> {
  const mode: LoadModeEntry = loadModes[load.mode]
  if (!mode.deletes(load) && rewrite !== true) return
  const keys = reachingFrom(await foreignKeys(), placeOf(target))
  if (keys.length === 0) return
  const named = keys.map(({ name, table, onDelete }) => `${name} of ${table} (ON DELETE ${onDelete})`)
  throw sluiceError('Warehouse.DeletesReach', { target, mode: load.mode, keys: named })
}

/** The target's rows before the load, and what somebody else did to them: now, and what an earlier load found. */
async function heldRows(
  setting: LoadSetting,
  input: LoadInput,
  { last, shape }: TargetHistory,
): Promise<{ readonly rows: number; readonly edits?: TargetEdits; readonly known?: TargetEdits }> {
  const columns = await setting.columnsOf(input.target)
  if (columns.length === 0) return { rows: 0 }
  const content = await contentOf(setting, input, columns)
  const left = await leftContent(setting, input.target)
  // Loads of earlier releases only said how many rows there were.
  const before = left ?? (last === undefined ? undefined : { rows: last.total, digest: null, comparable: false })
  if (before === undefined) return { rows: content.rows }
  const comparable = before.comparable && shape === shapeOf(columns)
  const edits = editsBetween({ ...before, comparable }, content, setting.clock.now().toISOString())
  return {
    rows: content.rows,
    ...(edits === undefined ? {} : { edits }),
    ...(left?.edits === undefined ? {} : { known: left.edits }),
  }
}

/** Nothing to load: but the target may have been changed since, and says so now. */
async function alreadyLoaded(
  setting: LoadSetting,
  input: LoadInput,
  history: TargetHistory,
  { edits: _reported, ...result }: LoadResult,
): Promise<LoadResult> {
  if (history.loadId !== input.loadId) return { ...result, status: 'already-loaded' }
  const { sql, dialect } = setting
  await prepareTarget(setting, input, history)
  await refuseDrift(setting, input, history)
  const columns = await setting.columnsOf(input.target)
  const { rows, edits, known } = await heldRows(setting, input, history)
  const shape = shapeOf(columns)
  if (shape !== history.shape) await updateShape(sql, dialect, { target: input.target, shape, ordinal: history.loads })
  if (edits !== undefined)
    await leaveContent(setting, input.target, await contentOf(setting, input, columns), known ?? edits)
  return { ...result, status: 'already-loaded', total: rows, ...(edits === undefined ? {} : { edits }) }
}

/** Runs the mode; rows that were loaded before look up again where what they found may be gone or mean something else. */
async function lookUp(
  context: LoadContext,
  { last }: TargetHistory,
  run: () => Promise<LoadCounts>,
): Promise<LoadCounts> {
  const { sql, dialect, input, lookups } = context
  if (lookups.length === 0) return run()
  const members = async (): Promise<number> => {
    let sum = 0
    for (const dimension of lookedUpBy(input.load))
      sum += await countOf(sql, `SELECT count(*) FROM ${membersTable(dimension, dialect)}`)
    return sum
  }
  const before = await members()
  const state = await lookupState(context)
  const known = last === undefined ? state : last.lookups
  if (known !== state && input.load.mode !== 'replace' && !context.rebuilt) await lookUpAgain(context)
  const counts = await run()
  return { ...counts, inferred: (await members()) - before, lookups: state }
}

/** A longer name would be cut in silence, and might then be another's. */
function refuseLongNames(dialect: Dialect, input: LoadInput): void {
  const names = targetColumns(input, dialect).map(({ name }) => name)
  for (const name of [...input.target.split('.'), ...names]) {
    const bytes = Buffer.byteLength(name)
    const limit = dialect.maxIdentifierBytes
    if (bytes > limit) throw sluiceError('Warehouse.NameTooLong', { target: input.target, name, bytes, limit })
  }
}

/** What was loaded before was counted then. */
async function refuseOtherRowCount(
  { lake }: Staging,
  { target, rows, moved }: LoadInput,
  source: string,
): Promise<void> {
  const expected = moved?.rows ?? rows
  const read = moved === undefined ? source : await lake.from(moved.came)
  const found = await countOf(lake, `SELECT count(*) FROM ${read} AS s`)
  if (found !== expected) throw sluiceError('Warehouse.RowsDiffer', { target, expected, found })
}
