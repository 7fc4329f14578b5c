/** Makes a target what its load needs, or refuses it by name: tables and columns, before any row is written. */

import { assert, sluiceError } from '../base/errors.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import { areExact } from '../sql/types/lattice.ts'
import type { Dialect } from './dialect.ts'
import { classifyDrift, driftText, type FoundColumn, fittings, shapeOf } from './drift.ts'
import type { TargetHistory } from './ledger.ts'
import type { LoadContext, LoadModeEntry } from './load-mode.ts'
import type { LoadSetting } from './load-setting.ts'
import { lookupColumns } from './lookups.ts'
import { loadModes } from './modes.ts'
import { refuseRespelledKeys } from './scd2/shape.ts'
import { type Companion, countOf, sampleText } from './statements.ts'
import type { LoadColumn, LoadInput, TargetDrift } from './warehouse.ts'

/** Compares the target with what the load needs; changes nothing. */
export async function findDrift(
  { columnsOf, blockersOf, dialect }: Pick<LoadSetting, 'columnsOf' | 'blockersOf' | 'dialect'>,
  input: Pick<LoadInput, 'target' | 'load' | 'columns'>,
  history: Pick<TargetHistory, 'shape'>,
): Promise<readonly TargetDrift[]> {
  const found = await columnsOf(input.target)
  if (found.length === 0) return []
  const drift: TargetDrift[] = []
  for (const one of driftOf(dialect, input, history, found)) {
    const blockers = one.change === 'widening' ? await blockersOf(input.target, [one.column]) : []
    drift.push(blockers.length === 0 ? one : { ...one, blockers })
  }
  return drift
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

/** Finds the target, and makes the tables beside it. */
export async function prepareTarget(setting: LoadSetting, input: LoadInput, history: TargetHistory): Promise<void> {
  const { dialect, columnsOf, kindOf } = setting
  const { target } = input
  const found = await columnsOf(target)
  const kind = found.length === 0 ? await kindOf(target) : undefined
  if (kind !== undefined) throw sluiceError('Warehouse.NotATable', { target, kind })
  if (found.length === 0 && history.loads > 0 && !isWhole(input)) {
    const ledger = dialect.ownSchema
    throw sluiceError('Warehouse.TargetVanished', { target, loads: history.loads, ledger, again: hasAll(input.load) })
  }
  for (const companion of loadModes[input.load.mode].companions(input, dialect)) await createTable(setting, companion)
}

/** Whether all that the target is to hold is written by this load. */
const isWhole = ({ load, rewrite }: LoadInput): boolean => rewrite === true && hasAll(load)

/** Whether the lake has all of it: of a history without times of its own it has only what is true now. */
const hasAll = (load: LoadInput['load']): boolean =>
  load.mode !== 'scd2' || load.effective !== undefined || load.snapshot !== undefined

/** @throws Warehouse.Drift where the target does not fit, and no load makes it fit */
export async function refuseDrift(setting: LoadSetting, input: LoadInput, history: TargetHistory): Promise<void> {
  const { dialect, columnsOf } = setting
  const found = await columnsOf(input.target)
  const drift = driftOf(dialect, input, history, found)
  const refused = refusedAmong(drift)
  const companions = loadModes[input.load.mode].companions(input, dialect)
  if (refused.length > 0) throw driftError(dialect, input, history, found, drift, { refused, companions })
}

/** Drift that a load does not fix by itself; whether exact numbers fit, their values say. */
function refusedAmong(drift: readonly TargetDrift[]): readonly TargetDrift[] {
  return drift.filter(
    ({ kind, change, expected, found: is }) =>
      change === 'destructive' || (change === 'lossy' && !(kind === 'retyped' && areExact(expected ?? '', is ?? ''))),
  )
}

/** Makes the target, or alters it where nothing can be lost, or makes its columns again where that is approved. */
export async function fitTarget(
  setting: LoadSetting,
  input: LoadInput,
  history: TargetHistory,
): Promise<Pick<LoadContext, 'added' | 'rebuilt'>> {
  const { sql, dialect, columnsOf } = setting
  const mode: LoadModeEntry = loadModes[input.load.mode]
  const companions = mode.companions(input, dialect)
  const found = await columnsOf(input.target)
  if (found.length === 0) {
    const [schema, table] = input.target.split('.', 2)
    if (table !== undefined) await setting.makeSchema(schema!)
    const made = { name: dialect.table(input.target), columns: targetColumns(input, dialect) }
    await createTable(setting, made, mode.updates ? dialect.roomForUpdates : undefined)
    return { added: [], rebuilt: input.rewrite === true && mode.rewrites }
  }

  refuseRespelledKeys(input, dialect, found)
  const drift = driftOf(dialect, input, history, found)
  const refused = refusedAmong(drift)
  const rebuilt = refused.length > 0 && input.approve === true && mode.rewrites
  if (refused.length > 0 && !rebuilt)
    throw driftError(setting.dialect, input, history, found, drift, { refused, companions })
  if (!rebuilt) {
    for (const { column, found: is } of drift.filter((one) => one.change === 'lossy')) {
      assert(is !== undefined, 'only a retyped column is left')
      await refuseUnfitValues(setting, input, column, is)
    }
  }
  await refuseBlocked(setting, input, rebuilt ? drift : drift.filter(({ change }) => change === 'widening'))
  for (const one of drift) {
    const beside = companions.filter(({ columns }) => columns.some(({ name }) => name === one.column))
    for (const table of [dialect.table(input.target), ...beside.map(({ name }) => name)])
      for (const statement of alterations(dialect, one, rebuilt)) await sql.run(`ALTER TABLE ${table} ${statement}`)
  }
  return {
    added: drift.filter(({ kind }) => kind === 'missing').map(({ column }) => column),
    rebuilt: rebuilt || (input.rewrite === true && mode.rewrites),
  }
}

/** A warehouse says that something needs a column as it is, and not always what. */
async function refuseBlocked(
  { blockersOf }: LoadSetting,
  { target }: LoadInput,
  drift: readonly TargetDrift[],
): Promise<void> {
  const columns = drift.filter(({ kind }) => kind === 'retyped').map(({ column }) => column)
  const blockers = columns.length === 0 ? [] : await blockersOf(target, columns)
  if (blockers.length > 0) throw sluiceError('Warehouse.TypeNeeded', { target, columns, blockers })
}

/** What is said after ALTER TABLE. Where columns are made again their values go: every row is written again in this transaction. */
function alterations(
  dialect: Dialect,
  { column, kind, change, expected }: TargetDrift,
  rebuilt: boolean,
): readonly string[] {
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
export function targetColumns(
  input: Pick<LoadInput, 'target' | 'load' | 'columns'>,
  dialect: Dialect,
): readonly LoadColumn[] {
  return [...loadModes[input.load.mode].columns(input, dialect), ...lookupColumns(input)]
}

/** The columns with the types that the warehouse has for them. */
function heldColumns(columns: readonly LoadColumn[], dialect: Dialect): readonly LoadColumn[] {
  return columns.map((column) => ({ ...column, type: dialect.heldAs(column.type) }))
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
