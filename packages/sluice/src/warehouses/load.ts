/**
 * One load, inside a transaction that the caller opened: ask the ledger, find drift, write, account, write the ledger.
 *
 * The order is the promise: a load that is in the ledger happened whole, and one that is not left nothing.
 */

import type { Clock } from '../base/clock.ts'
import { crashPoint } from '../base/crash.ts'
import { assert, sluiceError } from '../base/errors.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import { areExact } from '../sql/types/lattice.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import { classifyDrift, driftText, type FoundColumn, fittings, shapeOf } from './drift.ts'
import { insertLedgerRow, ledgerRows, ledgerTables, type TargetHistory, targetHistory } from './ledger.ts'
import type { LoadContext, LoadCounts, LoadModeEntry } from './load-mode.ts'
import { fitLookups, lookedUpBy, lookUpAgain, lookupColumns, lookupState } from './lookups.ts'
import { loadModes } from './modes.ts'
import { membersTable } from './scd2/members.ts'
import { refuseRespelledKeys } from './scd2/shape.ts'
import type { Staging } from './staging.ts'
import { type Companion, countOf, sampleText } from './statements.ts'
import type { LoadColumn, LoadInput, LoadResult, TargetDrift } from './warehouse.ts'

/** What a load needs of the warehouse it runs in. */
export interface LoadSetting {
  readonly sql: SqlRunner
  readonly dialect: Dialect
  readonly staging: Staging
  readonly clock: Clock
  /** The columns of a table, in order; empty where there is no such table. */
  readonly columnsOf: (table: string) => Promise<readonly FoundColumn[]>
  /** Makes a schema where it is missing; `sluice` is the one of Sluice's own tables. */
  readonly makeSchema: (name: string) => Promise<void>
  /** Where the warehouse has indexes: makes those that are missing, by table (quoted) and columns. */
  readonly index?: (table: string, columns: readonly string[]) => Promise<void>
}

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
  if (done !== undefined) return { ...done.result, status: 'already-loaded' }

  const history = await targetHistory(sql, dialect, input.target)
  if (history.newestToken > input.fencingToken) {
    const { target, fencingToken: token } = input
    throw sluiceError('Warehouse.Fenced', { target, token, newest: history.newestToken })
  }
  const source = await staging.lake.from(input.relation)
  await refuseOtherRowCount(staging, input, source)
  const target = dialect.table(input.target)
  const fitted = await fitTarget(setting, input, history)
  const before = (dialect.countsByScan ? history.last?.total : undefined) ?? (await rowsOf(setting, input))
  const types = new Map((await setting.columnsOf(input.target)).map(({ name, type }) => [name.toLowerCase(), type]))
  const lookups = await fitLookups(dialect, input, setting.columnsOf)
  const context: LoadContext = { sql, dialect, staging, input, target, source, types, lookups, ...fitted }
  const { growth, ...counts } = await lookUp(context, history, () => mode.run(context))
  for (const table of [target, ...mode.companions(input, dialect).map(({ name }) => name)])
    await setting.index?.(table, mode.findsBy(input.load))

  // Nobody else writes to the target until the COMMIT, so that it has what it had and what the statements say that they wrote.
  const expected = before + (growth ?? counts.inserted - counts.deleted)
  const total = dialect.countsByScan ? expected : await rowsOf(setting, input)
  // A dimension's rows follow from its invariants.
  assert(total === expected || input.load.mode === 'scd2', `${input.target} has ${total} rows, not those it was given`)
  assert(
    counts.read === counts.inserted + counts.updated + counts.unchanged + counts.rejected + (counts.markers ?? 0),
    `every row that was read for ${input.target} is accounted for: ${JSON.stringify(counts)}`,
  )
  const result: LoadResult = { status: 'loaded', ...counts, total }
  crashPoint('warehouse.load.before_ledger')
  await insertLedgerRow(sql, dialect, input, {
    result,
    shape: shapeOf(await setting.columnsOf(input.target)),
    loadedAt: clock.now().toISOString(),
    ordinal: history.loads + 1,
  })
  return result
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

/** The target's rows; of a dimension those of its history, without inferred members. */
async function rowsOf({ sql, dialect }: LoadSetting, { load, target }: LoadInput): Promise<number> {
  const rows = await countOf(sql, `SELECT count(*) FROM ${dialect.table(target)}`)
  return load.mode === 'scd2'
    ? rows - (await countOf(sql, `SELECT count(*) FROM ${membersTable(target, dialect)}`))
    : rows
}

/** Compares the target with what the load needs; changes nothing. */
export async function findDrift(
  { columnsOf, dialect }: Pick<LoadSetting, 'columnsOf' | 'dialect'>,
  input: Pick<LoadInput, 'target' | 'load' | 'columns'>,
  history: Pick<TargetHistory, 'shape'>,
): Promise<readonly TargetDrift[]> {
  const found = await columnsOf(input.target)
  return found.length === 0 ? [] : driftOf(dialect, input, history, found)
}

function driftOf(
  dialect: Dialect,
  input: Pick<LoadInput, 'target' | 'load' | 'columns'>,
  history: Pick<TargetHistory, 'shape'>,
  found: readonly FoundColumn[],
): readonly TargetDrift[] {
  const altered = history.shape !== undefined && history.shape !== shapeOf(found)
  const mode: LoadModeEntry = loadModes[input.load.mode]
  return classifyDrift(heldColumns(targetColumns(input, dialect), dialect), found, {
    altered,
    rewritten: mode.rewrites,
  })
}

/** Makes the target, or mends it where nothing can be lost, or makes its columns anew where that is approved. */
async function fitTarget(
  setting: LoadSetting,
  input: LoadInput,
  history: TargetHistory,
): Promise<Pick<LoadContext, 'added' | 'rebuilt'>> {
  const { sql, dialect, columnsOf } = setting
  const mode: LoadModeEntry = loadModes[input.load.mode]
  const companions = mode.companions(input, dialect)
  const found = await columnsOf(input.target)
  if (found.length === 0 && history.loads > 0) {
    throw sluiceError('Warehouse.TargetVanished', {
      target: input.target,
      loads: history.loads,
      ledger: dialect.ownSchema,
    })
  }
  for (const companion of companions) await createTable(setting, companion)
  if (found.length === 0) {
    const [schema, table] = input.target.split('.', 2)
    if (table !== undefined) await setting.makeSchema(schema!)
    const made = { name: dialect.table(input.target), columns: targetColumns(input, dialect) }
    await createTable(setting, made, mode.updates ? dialect.roomForUpdates : undefined)
    return { added: [], rebuilt: false }
  }

  refuseRespelledKeys(input, dialect, found)
  const drift = driftOf(dialect, input, history, found)
  const refused = drift.filter(
    ({ kind, change, expected, found: is }) =>
      change === 'destructive' || (change === 'lossy' && !(kind === 'retyped' && areExact(expected ?? '', is ?? ''))),
  )
  const rebuilt = refused.length > 0 && input.approve === true && mode.rewrites
  if (refused.length > 0 && !rebuilt)
    throw driftError(setting.dialect, input, history, found, drift, { refused, companions })
  if (!rebuilt) {
    for (const { column, found: is } of drift.filter((one) => one.change === 'lossy')) {
      assert(is !== undefined, 'only a retyped column is left')
      await refuseUnfitValues(setting, input, column, is)
    }
  }
  for (const one of drift) {
    const beside = companions.filter(({ columns }) => columns.some(({ name }) => name === one.column))
    for (const table of [dialect.table(input.target), ...beside.map(({ name }) => name)])
      for (const statement of mend(dialect, one, rebuilt)) await sql.run(`ALTER TABLE ${table} ${statement}`)
  }
  return { added: drift.filter(({ kind }) => kind === 'missing').map(({ column }) => column), rebuilt }
}

/** What is said after ALTER TABLE. Where columns are made anew their values go: every row is written again in this transaction. */
function mend(dialect: Dialect, { column, kind, change, expected }: TargetDrift, rebuilt: boolean): readonly string[] {
  const name = quoteIdentifier(column)
  if (kind === 'extra') return rebuilt ? [`DROP COLUMN ${name}`] : []
  const type = dialect.columnType(expected!)
  if (kind === 'missing') return [`ADD COLUMN ${name} ${type}`]
  if (change === 'widening') return [`ALTER COLUMN ${name} TYPE ${type}`]
  if (!rebuilt) return []
  return [`ALTER COLUMN ${name} TYPE ${type} USING CAST(NULL AS ${type})`]
}

function driftError(
  dialect: Dialect,
  { target, load }: LoadInput,
  { shape }: TargetHistory,
  found: readonly FoundColumn[],
  drift: readonly TargetDrift[],
  { refused, companions }: { readonly refused: readonly TargetDrift[]; readonly companions: readonly Companion[] },
): Error {
  const since =
    shape === shapeOf(found) ? 'the columns that are loaded have changed' : 'someone altered it after the last load'
  // What is only missing is added by the load; beside one too many it may be that one under another name.
  const isLoads = ({ change }: TargetDrift): boolean =>
    change === 'additive' && refused.every(({ kind }) => kind !== 'extra')
  const statements = fittings(
    drift.filter((one) => !isLoads(one)),
    (type) => dialect.columnType(type),
  ).flatMap(({ column, statement }) => {
    const beside = companions.filter(({ columns }) => columns.some(({ name }) => name === column))
    return [dialect.table(target), ...beside.map(({ name }) => name)].map(
      (table) => `ALTER TABLE ${table} ${statement}`,
    )
  })
  return sluiceError('Warehouse.Drift', {
    ...{ target, mode: load.mode, rewrites: loadModes[load.mode].rewrites, statements },
    differences: refused.map(driftText).join('; '),
    cause: shape === undefined ? 'it was not made by a load' : since,
  })
}

/** No constraints: unique indexes make DuckDB's writes slow and are checked too early inside a transaction; loads assert by query. */
async function createTable({ sql, dialect }: LoadSetting, { name, columns }: Companion, storage = ''): Promise<void> {
  const list = columns.map(
    ({ name: column, type }: LoadColumn) => `${quoteIdentifier(column)} ${dialect.columnType(type)}`,
  )
  await sql.run(`CREATE TABLE IF NOT EXISTS ${name} (${list.join(', ')}) ${storage}`)
}

/** The columns of the target: those of its mode, then those that are looked up. */
function targetColumns(input: Pick<LoadInput, 'target' | 'load' | 'columns'>, dialect: Dialect): readonly LoadColumn[] {
  return [...loadModes[input.load.mode].columns(input, dialect), ...lookupColumns(input)]
}

/** The columns with the types that the warehouse has for them. */
function heldColumns(columns: readonly LoadColumn[], dialect: Dialect): readonly LoadColumn[] {
  return columns.map((column) => ({ ...column, type: dialect.heldAs(column.type) }))
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

/** Exact numbers of a narrower type pass one by one: each must come back from the target's type unchanged. */
async function refuseUnfitValues(
  { staging: { lake } }: LoadSetting,
  input: LoadInput,
  column: string,
  type: string,
): Promise<void> {
  const value = quoteIdentifier(column)
  const cast = `TRY_CAST(${value} AS ${type})`
  const unfit = `FROM ${await lake.from(input.relation)} AS s WHERE ${value} IS NOT NULL AND (${cast} IS NULL OR ${cast} <> ${value})`
  const count = await countOf(lake, `SELECT count(*) ${unfit}`)
  if (count === 0) return
  const rows = await lake.all(`SELECT ${value} ${unfit} ORDER BY 1 LIMIT 3`)
  throw sluiceError('Warehouse.OutOfRange', { target: input.target, column, type, count, samples: sampleText(rows) })
}
