/**
 * Surrogate keys that facts look up: of the version of a dimension that is valid at the row's time, found inside the load's transaction.
 *
 * A row that finds no version has, where that is declared, the inferred member of its key, which stands for the key at every time of which the
 * dimension says nothing. What a row found stays: a version's surrogate never changes. Only where surrogates may be gone (the dimension was made
 * anew, late changes made a version vanish) or mean something else (the lookups changed) do rows loaded earlier look theirs up again.
 */
import { sluiceError } from '../base/errors.ts'
import { digest } from '../base/json.ts'
import { lookupsOf } from '../definition/cdc/cdc.ts'
import type { Load } from '../definition/types.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import { areTimes, holds, isWhole } from '../sql/types/lattice.ts'
import type { Dialect } from './dialect.ts'
import type { FoundColumn } from './drift.ts'
import { type FittedLookup, type LoadContext, refuseUntaken, removeRows } from './load-mode.ts'
import { beginningSql, inferMembers } from './scd2/members.ts'
import { surrogateSql } from './scd2/timeline.ts'
import { columnList, countOf, create, qualified, requireColumns, sampleText } from './statements.ts'
import type { LoadColumn, LoadInput, LoadResult } from './warehouse.ts'

/** What resolving works in. */
type Looking = Pick<LoadContext, 'sql' | 'dialect' | 'input' | 'lookups'>

/**
 * The columns that lookups add to a target, after its own. NULL where the row's key is.
 *
 * @throws Warehouse.Column where the rows have a column of that name already
 */
export function lookupColumns({
  target,
  load,
  columns,
}: Pick<LoadInput, 'target' | 'load' | 'columns'>): readonly LoadColumn[] {
  return Object.keys(lookupsOf(load)).map((name) => {
    const why = 'a lookup adds it, and the rows have it already'
    if (columns.some((column) => column.name === name))
      throw sluiceError('Warehouse.Column', { target, column: name, why })
    return { name, type: 'VARCHAR', nullable: true }
  })
}

/** The dimensions that a load looks up, each once, and always in this order, so that loads that wait for them never wait for each other. */
export function lookedUpBy(load: Load): readonly string[] {
  return [...new Set(Object.values(lookupsOf(load)).map(({ dimension }) => dimension))].sort()
}

/**
 * Finds the dimensions of a load's lookups.
 *
 * @param columnsOf The columns of a table; none where there is no such table.
 * @throws Warehouse.DimensionMissing, Warehouse.Column
 */
export async function fitLookups(
  dialect: Dialect,
  input: LoadInput,
  columnsOf: (table: string) => Promise<readonly FoundColumn[]>,
): Promise<readonly FittedLookup[]> {
  const fitted: FittedLookup[] = []
  for (const [column, lookup] of Object.entries(lookupsOf(input.load))) {
    const { dimension, key, at } = lookup
    requireColumns(input, [...Object.keys(key), at])
    const load = input.dimensions?.[dimension]
    const found = new Map((await columnsOf(dimension)).map(({ name, type }) => [name, type]))
    if (load === undefined || found.size === 0)
      throw sluiceError('Warehouse.DimensionMissing', { target: input.target, dimension })
    const valueAs = (name: string, of: string): ((alias: string) => string) => {
      const type = found.get(of)!
      refuseOtherType(dialect, input, { name, type, of: `${of} of ${dimension}` })
      return (alias) => `CAST(${qualified(name, alias)} AS ${dialect.columnType(type)})`
    }
    const from = Object.entries(key)
    fitted.push({
      column,
      lookup,
      members: { dialect, load, target: dimension, instant: found.get(load.columns.effective)! },
      key: load.key.map((name) => [name, valueAs(from.find(([, of]) => of === name)![0], name)]),
      at: valueAs(at, load.columns.effective),
    })
  }
  return fitted
}

/**
 * Rows with the surrogates that they look up, as a SELECT; members are inferred first where that is declared.
 *
 * @param rows What stands after FROM.
 * @param columns What is taken of them. @default the input's columns
 * @throws Warehouse.LookupMissing
 */
export async function resolvedRows(
  context: Looking,
  rows: string,
  columns: readonly LoadColumn[] = context.input.columns,
): Promise<string> {
  const { lookups } = context
  for (const fitted of lookups) await settleMissing(context, fitted, rows)
  const names = columns.map(({ name }) => qualified(name, 'r'))
  const surrogates = lookups.map(
    (fitted, at) => `${surrogateOf(fitted, `d${at}`)} AS ${quoteIdentifier(fitted.column)}`,
  )
  const joins = lookups.map((fitted, at) => `LEFT JOIN ${validVersion(fitted, `d${at}`)}`)
  return `SELECT ${[...names, ...surrogates].join(', ')} FROM ${rows} AS r ${joins.join(' ')}`
}

/**
 * Adds rows of the lake to the target, by the input's columns, with what they look up.
 *
 * @param from What stands after FROM.
 * @param expected How many rows that are, and no others come in.
 * @throws Warehouse.LookupMissing, Warehouse.GrainBroken, Warehouse.RowsNotTaken
 */
export async function insertRows(context: LoadContext, from: string, expected: number): Promise<number> {
  const { sql, staging, input, target, lookups } = context
  const names = input.columns.map((column) => column.name)
  const rows = `SELECT ${columnList(names)} FROM ${from}`
  if (lookups.length === 0) {
    const found = await staging.insert(target, names, rows)
    await refuseUntaken(context, 'to take', expected, found)
    return found
  }
  const resolved = await resolvedRows(context, await staging.bring('sluice_rows', rows))
  const looked = lookups.map(({ column }) => column)
  const found = await countOf(sql, `INSERT INTO ${target} (${columnList([...names, ...looked])}) ${resolved}`)
  if (found < expected) await refuseUntaken(context, 'to take', expected, found)
  refuseFanOut(context, expected, found)
  return found
}

/** Writes a target's rows again, with what they look up now. */
export async function lookUpAgain(context: LoadContext): Promise<void> {
  const { sql, input, target, types } = context
  const columns = input.columns.filter(({ name }) => types.has(name.toLowerCase()))
  const names = columnList([...columns, ...lookupColumns(input)].map(({ name }) => name))
  const found = await create(context, 'sluice_again', await resolvedRows(context, target, columns))
  refuseFanOut(context, await removeRows(context), found)
  const taken = await countOf(sql, `INSERT INTO ${target} (${names}) SELECT ${names} FROM sluice_again`)
  await refuseUntaken(context, 'to take', found, taken)
}

/** What the surrogates of a target's rows depend on; where it is another than after the load before, its rows look theirs up again. */
export async function lookupState({ sql, dialect, input }: Looking): Promise<string> {
  const dimensions: unknown[] = []
  for (const dimension of lookedUpBy(input.load)) {
    const rows = await sql.all<{ load_id: string; loaded_at: string; result: string }>(
      `SELECT load_id, loaded_at, result FROM ${dialect.ownSchema}.load_ledger
       WHERE target = $1 AND (ordinal = 1 OR result LIKE '%"vanished":%') ORDER BY ordinal`,
      [dimension],
    )
    const vanished = rows.map(({ result }) => (JSON.parse(result) as LoadResult).vanished ?? 0)
    dimensions.push([dimension, rows[0]?.load_id, rows[0]?.loaded_at, vanished, input.dimensions?.[dimension]?.columns])
  }
  return digest([lookupsOf(input.load), dimensions])
}

/**
 * A lookup finds one version or none (WH-17).
 *
 * @throws Warehouse.GrainBroken
 */
export function refuseFanOut(
  { input, lookups }: Pick<Looking, 'input' | 'lookups'>,
  rows: number,
  found: number,
): void {
  if (rows === found) return
  const dimensions = lookups.map(({ lookup }) => lookup.dimension).join(', ')
  throw sluiceError('Warehouse.GrainBroken', { target: input.target, dimensions, rows, found })
}

/** The version that holds at the row's time, as what stands after JOIN. */
function validVersion({ lookup, members, key, at }: FittedLookup, alias: string): string {
  const [effective, expiry] = [members.load.columns.effective, members.load.columns.expiry].map((name) =>
    qualified(name, alias),
  )
  const same = key.map(([name, row]) => `${qualified(name, alias)} = ${row('r')}`)
  return `${members.dialect.table(lookup.dimension)} AS ${alias} ON ${same.join(' AND ')} AND ${effective} <= ${at('r')} AND ${at('r')} < ${expiry}`
}

function surrogateOf({ lookup, members, key }: FittedLookup, alias: string): string {
  const found = qualified(members.load.columns.surrogate, alias)
  if (lookup.missing === 'fail') return found
  const values = key.map(([, row]) => row('r'))
  // A key that is NULL makes this NULL.
  return `coalesce(${found}, ${surrogateSql(members.dialect, values, beginningSql(members))})`
}

/** Infers members of the keys that find no version, or refuses the rows. */
async function settleMissing(context: Looking, fitted: FittedLookup, rows: string): Promise<void> {
  const { sql, input } = context
  const { lookup, key, members, at } = fitted
  const missing = `FROM ${rows} AS r LEFT JOIN ${validVersion(fitted, 'd')}
    WHERE ${qualified(members.load.columns.surrogate, 'd')} IS NULL AND ${key.map(([, row]) => `${row('r')} IS NOT NULL`).join(' AND ')}`
  const keys = key.map(([name, row]) => `${row('r')} AS ${quoteIdentifier(name)}`).join(', ')
  await create(context, 'sluice_missing', `SELECT DISTINCT ${keys} ${missing}`)
  const count = await countOf(sql, 'SELECT count(*) FROM sluice_missing')
  if (count === 0) return
  if (lookup.missing === 'infer') return inferMembers(sql, members, 'sluice_missing')
  const times = `${at('r')} AS ${quoteIdentifier(lookup.at)}`
  const samples = sampleText(await sql.all(`SELECT DISTINCT ${keys}, ${times} ${missing} ORDER BY 1, 2 LIMIT 3`))
  throw sluiceError('Warehouse.LookupMissing', { target: input.target, dimension: lookup.dimension, count, samples })
}

/** A value is looked for as what it is: its text makes the surrogate of an inferred member. */
function refuseOtherType(
  dialect: Dialect,
  { target, columns }: LoadInput,
  { name, type, of }: { readonly name: string; readonly type: string; readonly of: string },
): void {
  const is = dialect.heldAs(columns.find((column) => column.name === name)!.type)
  if (areTimes(is, type) || holds(type, is) || (isWhole(type) && isWhole(is))) return
  const why = `it is ${is}, and ${of}, in which it is looked up, is ${type}`
  throw sluiceError('Warehouse.Column', { target, column: name, why })
}
