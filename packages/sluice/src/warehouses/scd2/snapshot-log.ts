/** What a version of a table says of its snapshots, and the log of changes that they are: the SQL of the lake's engine. */
import { sluiceError } from '../../base/errors.ts'
import type { Column } from '../../definition/types.ts'
import { contentSql } from '../../lake/content.ts'
import { castColumn } from '../../quality/casts.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, refuseNullKeys } from '../load-mode.ts'
import { columnList, countOf, qualified, sampleText } from '../statements.ts'
import { own, type Scd2Shape } from './shape.ts'
import type { JudgedSnapshot, Snapshot, Window } from './snapshot-set.ts'
import { origin } from './timeline.ts'

/** What stands beside the rows of snapshots, as SELECTs. */
export interface BesideRows {
  /** Keys and instants of refused rows; a key that cannot be read is NULL. */
  readonly refused: string
  /** Instants of files without any row. */
  readonly empty: string
}

/** @example await besideRows(context, shape) // { refused: 'SELECT …', empty: 'SELECT …' } */
export async function besideRows(context: LoadContext, shape: Scd2Shape): Promise<BesideRows> {
  return { refused: await refusedSql(context, shape), empty: await emptySql(context, shape) }
}

async function refusedSql({ staging, input }: LoadContext, { load, keys, instant }: Scd2Shape): Promise<string> {
  const { lake } = staging
  const at = quoteIdentifier(load.snapshot!)
  const nothing = `SELECT ${columnList(keys)}, ${at} FROM ${await lake.from(input.relation)} AS s WHERE 1 = 0`
  const types = new Map(input.columns.map(({ name, type }) => [name, type]))
  const parts = [nothing]
  for (const { relation, instants, columns = {}, accepted } of input.snapshots?.refused ?? []) {
    const field = (name: string): string => readSql(name, types.get(name) ?? 'VARCHAR', columns[name])
    const rows = `${await lake.from(relation)} AS q`
    const key = keys.map(field).join(', ')
    if (instants !== undefined) {
      if (Object.keys(instants).length > 0)
        parts.push(`SELECT ${key}, d.taken FROM ${rows} JOIN ${filesSql(instants, instant)} ON q._file = d.file`)
      continue
    }
    const taken = field(load.snapshot!)
    parts.push(`SELECT ${key}, ${taken} FROM ${rows} WHERE ${taken} IS NOT NULL`)
    const unplaced = `SELECT _file FROM ${rows} WHERE ${taken} IS NULL`
    if (accepted === undefined || (await countOf(lake, `SELECT count(*) FROM (${unplaced}) AS u`)) === 0) continue
    // It is of an instant of its file.
    parts.push(
      `SELECT ${key}, d.taken FROM ${rows} JOIN (
         SELECT DISTINCT _file, ${at} AS taken FROM ${await lake.from(accepted)} AS s WHERE _file IN (${unplaced})) AS d
       ON q._file = d._file WHERE ${taken} IS NULL`,
    )
  }
  return parts.join(' UNION ALL ')
}

/** A field of a refused row as a value of a type: read as it is declared, or as the engine writes values; NULL where it cannot be read. */
function readSql(name: string, type: string, column: Column | undefined): string {
  const text = `json_extract_string(q.fields, ${quoteText(`$."${name}"`)})`
  if (column === undefined) return `TRY_CAST(${text} AS ${type})`
  const { value, valid } = castColumn(name, column, text)
  return `TRY_CAST(CASE WHEN ${valid} THEN ${value} END AS ${type})`
}

async function emptySql({ staging, input }: LoadContext, { instant }: Scd2Shape): Promise<string> {
  const { empty = [], refused = [], deliveries = [] } = input.snapshots ?? {}
  const parts = empty.map((date) => `SELECT CAST(${quoteText(date)} AS ${instant})`)
  for (const { relation, instants } of deliveries) {
    if (Object.keys(instants).length === 0) continue
    const seen = [`SELECT _file FROM ${await staging.lake.from(relation)} AS q WHERE _file IS NOT NULL`]
    for (const one of refused) {
      if (one.instants === undefined || Object.keys(one.instants).length === 0) continue
      const rows = `${await staging.lake.from(one.relation)} AS q`
      seen.push(`SELECT d.file FROM ${rows} JOIN ${filesSql(one.instants, instant)} ON q._file = d.file`)
    }
    parts.push(
      `SELECT d.taken FROM ${filesSql(instants, instant)} WHERE ${seen.map((rows) => `d.file NOT IN (${rows})`).join(' AND ')}`,
    )
  }
  return parts.length === 0 ? `SELECT CAST(NULL AS ${instant}) WHERE 1 = 0` : parts.join(' UNION ALL ')
}

/** Files with their instants, as the relation `d`. */
function filesSql(instants: { readonly [file: string]: string }, instant: string): string {
  const rows = Object.entries(instants).map(
    ([file, date]) => `(${quoteText(file)}, CAST(${quoteText(date)} AS ${instant}))`,
  )
  return `(VALUES ${rows.join(', ')}) AS d(file, taken)`
}

/**
 * Describes the snapshots, each by a digest of what it says. Where it is known which files came and went, only rows of their instants are read; else
 * every row is, once. Keys are counted, and looked at, only of snapshots that are not known as they are.
 *
 * @throws Warehouse.KeyNull, Warehouse.SnapshotConflict
 */
export async function describeSnapshots(
  context: LoadContext,
  shape: Scd2Shape,
  beside: BesideRows,
  known: readonly JudgedSnapshot[],
): Promise<readonly Snapshot[]> {
  const { lake } = context.staging
  const rows = await describeRows(context, shape, known)
  const refused = await lake.all<Described>(
    `SELECT epoch_us(${own.effective})::VARCHAR AS taken, count(*)::VARCHAR AS rows,
       ${contentSql(shape.keys.map((name) => ({ name, type: '' })))} FROM (${withNames(beside.refused, shape.keys)}) AS r GROUP BY ${own.effective}`,
  )
  const empty = await lake.all<Described>(
    `SELECT DISTINCT epoch_us(${own.effective})::VARCHAR AS taken, ${own.effective}::VARCHAR AS instant
     FROM (${beside.empty}) AS e(${own.effective}) WHERE ${own.effective} IS NOT NULL`,
  )
  const refusedAt = new Map(refused.map((one) => [one.taken, one]))
  const hasRows = new Set(rows.map((one) => one.taken))
  const without = empty.flatMap((one) => (hasRows.has(one.taken) ? [] : [{ ...one, digest: noRowsDigest }]))
  const found = [...rows, ...without].map(({ taken, instant, digest }) => {
    const lost = refusedAt.get(taken)
    const whole = lost === undefined ? digest : `${digest} ${digestOf(lost)}`
    return { at: BigInt(taken), instant, keys: 0, refused: Number(lost?.rows ?? 0), digest: whole }
  })
  const asKnown = new Map(known.map((one) => [one.at, one]))
  const isKnown = (one: Snapshot): boolean => asKnown.get(one.at)?.digest === one.digest
  const changed = found.filter((one) => !isKnown(one))
  const only = changed.length === found.length ? '1 = 1' : isOneOf(shape, changed)
  const counted = changed.length === 0 ? new Map<string, number>() : await countKeys(context, shape, beside, only)
  return found.map((one) => ({
    ...one,
    keys: isKnown(one) ? (asKnown.get(one.at)?.keys ?? 0) : (counted.get(String(one.at)) ?? 0),
  }))
}

interface Described {
  readonly taken: string
  readonly instant: string
  readonly rows: string
  readonly first: string
  readonly second: string
  readonly nulls: string
}

const digestOf = ({ rows, first, second }: Described): string => `${rows}/${first}/${second}`

/** The digest of a snapshot's rows where it has none. */
const noRowsDigest = '0//'

/** Of a snapshot's digest what says its rows. */
const rowsOf = ({ digest }: Snapshot): string => digest.split(' ', 1)[0] as string

/** The instants that rows have, with the digests of those. */
async function describeRows(
  context: LoadContext,
  shape: Scd2Shape,
  known: readonly JudgedSnapshot[],
): Promise<readonly { readonly taken: string; readonly instant: string; readonly digest: string }[]> {
  const { staging, source, input } = context
  const { load, keys } = shape
  const moved = known.length === 0 ? undefined : input.moved
  const place = [...keys, load.snapshot!]
  const at = quoteIdentifier(load.snapshot!)
  const instants = `epoch_us(${at})::VARCHAR AS taken, ${at}::VARCHAR AS instant`
  const touched = new Map<string, Pick<Snapshot, 'instant'>>()
  if (moved !== undefined) {
    const came = `SELECT DISTINCT ${instants} FROM ${await staging.lake.from(moved.came)} AS s WHERE ${at} IS NOT NULL`
    for (const one of await staging.lake.all<Described>(came)) touched.set(one.taken, one)
    for (const one of known)
      if (moved.went.some(({ min, max }) => min <= one.instant && one.instant <= max)) touched.set(String(one.at), one)
  }
  const stays = known.flatMap((one) =>
    moved === undefined || touched.has(String(one.at)) || rowsOf(one) === noRowsDigest
      ? []
      : [{ taken: String(one.at), instant: one.instant, digest: rowsOf(one) }],
  )
  if (moved !== undefined && touched.size === 0) return stays
  const types = new Map(input.columns.map(({ name, type }) => [name, type]))
  const content = contentSql([...keys, ...shape.attributes].map((name) => ({ name, type: types.get(name) ?? '' })))
  const isNull = place.map((name) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')
  const isUnplaced = moved === undefined ? '' : ` OR ${at} IS NULL`
  const only = moved === undefined ? '' : `WHERE ${isOneOf(shape, [...touched.values()])}${isUnplaced}`
  const rows = await staging.lake.all<Described>(
    `SELECT ${instants}, count(*)::VARCHAR AS rows, ${content}, count(CASE WHEN ${isNull} THEN 1 END)::VARCHAR AS nulls
     FROM ${source} AS s ${only} GROUP BY ${at}`,
  )
  if (rows.some(({ nulls }) => Number(nulls) > 0)) await refuseNullKeys(context, place)
  return [...stays, ...rows.map((one) => ({ taken: one.taken, instant: one.instant, digest: digestOf(one) }))]
}

/** Names the columns of the keys of refused rows. */
const withNames = (refused: string, keys: readonly string[]): string =>
  `SELECT * FROM (${refused}) AS q(${columnList([...keys, own.effective])}) WHERE ${own.effective} IS NOT NULL`

/** A condition on the instant of a row. */
function isOneOf({ load, instant }: Scd2Shape, snapshots: readonly Pick<Snapshot, 'instant'>[]): string {
  const instants = snapshots.map((one) => `CAST(${quoteText(one.instant)} AS ${instant})`)
  return `${quoteIdentifier(load.snapshot!)} IN (${instants.join(', ')})`
}

/** The keys of snapshots, by instant; a key has one state at each. */
async function countKeys(
  context: LoadContext,
  { load, keys, attributes }: Scd2Shape,
  { refused }: BesideRows,
  only: string,
): Promise<ReadonlyMap<string, number>> {
  const { staging, source, input } = context
  const at = quoteIdentifier(load.snapshot!)
  const key = columnList(keys)
  const noKey = keys.map((name) => `${qualified(name)} IS NULL`).join(' OR ')
  const states = `SELECT DISTINCT ${columnList([...keys, load.snapshot!, ...attributes])} FROM ${source} AS s WHERE ${only}`
  const conflicts = `SELECT ${key}, ${at}, count(*) AS states FROM (${states}) AS s GROUP BY ${key}, ${at} HAVING count(*) > 1`
  const count = await countOf(staging.lake, `SELECT count(*) FROM (${conflicts}) AS c`)
  if (count > 0)
    throw sluiceError('Warehouse.SnapshotConflict', {
      target: input.target,
      count,
      samples: sampleText(await staging.lake.all(`${conflicts} ORDER BY ${key}, ${at} LIMIT 3`)),
    })
  const rows = await staging.lake.all<{ taken: string; keys: string }>(
    `WITH refused AS (${withNames(refused, keys)})
     SELECT epoch_us(taken)::VARCHAR AS taken, sum(found)::VARCHAR AS keys FROM (
       SELECT taken, count(*) AS found FROM (
         SELECT ${key}, ${at} AS taken FROM ${source} AS s WHERE ${only}
         UNION SELECT ${key}, ${own.effective} FROM refused WHERE NOT (${noKey})) AS k GROUP BY taken
       UNION ALL SELECT ${own.effective}, count(*) FROM refused WHERE ${noKey} GROUP BY ${own.effective}) AS p GROUP BY taken`,
  )
  return new Map(rows.map((row) => [row.taken, Number(row.keys)]))
}

/** A window, and what in it does not count. */
export interface LogWindow extends Window {
  readonly held: readonly Snapshot[]
}

/**
 * The log of changes that the snapshots of a window are: a row where a key's state differs from the one before, and a delete at the first snapshot that a
 * key is absent from. The end of the window is not in it.
 *
 * Absent is what an accepted snapshot lacks. A key whose row was refused is not absent: its state goes on. Where a refused row's key cannot be
 * read, it may be that of any key, and such a snapshot deletes nothing: the next one does.
 *
 * @example snapshotLogSql(shape, 'prices', { refused: 'SELECT …', empty: 'SELECT …' }, { held: [] })
 */
export function snapshotLogSql(
  { load, keys, attributes, instant }: Pick<Scd2Shape, 'load' | 'keys' | 'attributes' | 'instant'>,
  source: string,
  { refused, empty }: BesideRows,
  { after, until, held }: LogWindow,
): string {
  const key = columnList(keys)
  const noKey = keys.map((name) => `${qualified(name)} IS NULL`).join(' OR ')
  const inTime = `OVER (PARTITION BY ${key} ORDER BY ${own.effective})`
  const nulls = attributes.map((name) => `, NULL AS ${quoteIdentifier(name)}`).join('')
  const before = attributes.map((name, index) => `, lag(${qualified(name)}) ${inTime} AS sluice_before_${index}`)
  const differs = attributes.map((name, index) => ` OR ${qualified(name)} IS DISTINCT FROM sluice_before_${index}`)
  const literal = (one: Snapshot): string => `CAST(${quoteText(one.instant)} AS ${instant})`
  const inWindow = (at: string): string =>
    [
      `${at} IS NOT NULL`,
      ...(after === undefined ? [] : [`${at} >= ${literal(after)}`]),
      ...(until === undefined ? [] : [`${at} < ${literal(until)}`]),
      ...(held.length === 0 ? [] : [`${at} NOT IN (${held.map(literal).join(', ')})`]),
    ].join(' AND ')
  const at = quoteIdentifier(load.snapshot!)
  // Any present key, then the first snapshot after it that says who is absent: whoever is not there again by then was deleted at it.
  return `
    WITH states AS (SELECT DISTINCT ${columnList([...keys, ...attributes])}, ${at} AS ${own.effective} FROM ${source} AS s WHERE ${inWindow(at)}),
    refused AS (SELECT * FROM (${refused}) AS q(${columnList([...keys, own.effective])}) WHERE ${inWindow(own.effective)}),
    empty AS (SELECT * FROM (${empty}) AS e(${own.effective}) WHERE ${inWindow(own.effective)}),
    instants AS (SELECT DISTINCT ${own.effective} FROM states UNION SELECT ${own.effective} FROM empty),
    unsure AS (SELECT DISTINCT ${own.effective} FROM refused WHERE ${noKey}),
    sure AS (
      SELECT i.${own.effective}, min(CASE WHEN u.${own.effective} IS NULL THEN i.${own.effective} END)
        OVER (ORDER BY i.${own.effective} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS sluice_after
      FROM instants AS i LEFT JOIN unsure AS u ON u.${own.effective} = i.${own.effective}),
    present AS (
      SELECT ${key}, ${own.effective} FROM states
      UNION SELECT ${key}, ${own.effective} FROM refused
        WHERE NOT (${noKey}) AND ${own.effective} IN (SELECT ${own.effective} FROM instants)),
    placed AS (
      SELECT p.*, s.sluice_after, lead(p.${own.effective}) OVER (PARTITION BY ${columnList(keys, 'p')} ORDER BY p.${own.effective}) AS sluice_again
      FROM present AS p JOIN sure AS s ON s.${own.effective} = p.${own.effective}),
    log AS (
      SELECT ${columnList([...keys, ...attributes])}, ${own.effective}, false AS ${own.deleted} FROM states
      UNION ALL
      SELECT ${key}${nulls}, sluice_after, true FROM placed WHERE sluice_after < sluice_again OR (sluice_again IS NULL AND sluice_after IS NOT NULL)),
    compared AS (SELECT l.*, lag(${own.deleted}) ${inTime} AS sluice_was_deleted${before.join('')} FROM log AS l)
    SELECT ${columnList([...keys, ...attributes])}, ${own.effective}, ${own.deleted}, ${origin.fresh} AS sluice_origin FROM compared
    WHERE CASE WHEN ${own.deleted} THEN NOT coalesce(sluice_was_deleted, true)
      ELSE coalesce(sluice_was_deleted, true)${differs.join('')} END`
}
