/**
 * A dimension from dated full snapshots, as a pure function of their set: whatever the order and the batches in which they came.
 *
 * The input holds the rows of all instants. The lake's engine makes the log of changes of it: a row where a key's state differs from the one
 * before, and a delete at the first snapshot that a key is absent from. Only that log goes to the warehouse, where `timeline.ts` makes versions of it;
 * those that differ from what the dimension holds are written, and no others.
 *
 * Absent is what an accepted snapshot lacks. A key whose row was refused is not absent: its state goes on. Where a refused row's key cannot be
 * read, it may be that of any key, and such a snapshot deletes nothing: the next one does.
 */
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, type LoadCounts, refuseNullKeys, refuseUntaken, removeRows } from '../load-mode.ts'
import { anyDiffers, columnList, countOf, create, qualified, sameKey, sampleText } from '../statements.ts'
import { assertInvariants } from './invariants.ts'
import { liftMembers } from './members.ts'
import { dataOf, own, type Scd2Shape } from './shape.ts'
import { origin, surrogateSql, timelineSql } from './timeline.ts'

/**
 * Loads the snapshots.
 *
 * @throws Warehouse.KeyNull, Warehouse.Scd2Conflict, Warehouse.Scd2Invariant
 */
export async function loadSnapshots(context: LoadContext, shape: Scd2Shape): Promise<LoadCounts> {
  const { sql, dialect, staging, input, target, source } = context
  await refuseUnclear(context, shape)
  const putBack = await liftMembers(sql, { dialect, load: shape.load, target: input.target, instant: shape.instant })
  await staging.create(
    'sluice_log',
    snapshotLogSql(shape, source, {
      refused: await refusedSql(context, shape),
      empty: await emptySql(context, shape),
    }),
  )
  await create(context, 'sluice_timeline', timelineSql(dialect, shape))
  await create(context, 'sluice_versions', versionsSql(context, shape))
  const counts = await writeVersions(context, shape)
  const deleted = await writeDeletes(context, shape)
  await putBack()
  await assertInvariants(sql, shape, { target, name: input.target, keysOf: 'sluice_touched' })
  const { inserted, updated, vanished } = counts
  return {
    read: input.rows,
    inserted,
    updated,
    deleted,
    unchanged: input.rows - inserted - updated,
    rejected: 0,
    ...(vanished === 0 ? {} : { vanished }),
    growth: inserted - vanished,
  }
}

/** A row has a key and an instant, and a key one state at an instant. */
async function refuseUnclear(context: LoadContext, { load, keys, attributes }: Scd2Shape): Promise<void> {
  const { staging, source, input } = context
  const place = [...keys, load.snapshot!]
  await refuseNullKeys(context, place)
  const states = `SELECT DISTINCT ${columnList([...place, ...attributes])} FROM ${source} AS s`
  const conflicts = `SELECT ${columnList(place)}, count(*) AS states FROM (${states}) AS s GROUP BY ${columnList(place)} HAVING count(*) > 1`
  const count = await countOf(staging.lake, `SELECT count(*) FROM (${conflicts}) AS c`)
  if (count === 0) return
  throw sluiceError('Warehouse.SnapshotConflict', {
    target: input.target,
    count,
    samples: sampleText(await staging.lake.all(`${conflicts} ORDER BY ${columnList(place)} LIMIT 3`)),
  })
}

/** SELECTs of the keys of refused rows with their instants; a key that cannot be read is NULL. */
async function refusedSql({ staging, input }: LoadContext, { load, keys, instant }: Scd2Shape): Promise<string> {
  const nothing = `SELECT ${columnList(keys)}, ${quoteIdentifier(load.snapshot!)} FROM ${await staging.lake.from(input.relation)} AS s WHERE 1 = 0`
  const parts = [nothing]
  for (const { relation, instants } of input.snapshots?.refused ?? []) {
    const field = (name: string): string => {
      const type = input.columns.find((column) => column.name === name)?.type ?? 'VARCHAR'
      return `TRY_CAST(trim(json_extract_string(q.fields, ${quoteText(`$."${name}"`)})) AS ${type})`
    }
    const rows = `${await staging.lake.from(relation)} AS q`
    const key = keys.map(field).join(', ')
    if (instants === undefined) parts.push(`SELECT ${key}, ${field(load.snapshot!)} FROM ${rows}`)
    else if (Object.keys(instants).length > 0) {
      parts.push(`SELECT ${key}, d.taken FROM ${rows} JOIN ${filesSql(instants, instant)} ON q._file = d.file`)
    }
  }
  return parts.join(' UNION ALL ')
}

/** A SELECT of the instants of snapshots without a row. */
async function emptySql({ staging, input }: LoadContext, { instant }: Scd2Shape): Promise<string> {
  const { empty = [], refused = [], deliveries = [] } = input.snapshots ?? {}
  const parts = empty.map((date) => `SELECT CAST(${quoteText(date)} AS ${instant})`)
  for (const { relation, instants } of deliveries) {
    if (Object.keys(instants).length === 0) continue
    const seen = [relation, ...refused.flatMap((one) => (one.instants === undefined ? [] : [one.relation]))]
    const lacks = await Promise.all(
      seen.map(
        async (of) => `d.file NOT IN (SELECT _file FROM ${await staging.lake.from(of)} AS q WHERE _file IS NOT NULL)`,
      ),
    )
    parts.push(`SELECT d.taken FROM ${filesSql(instants, instant)} WHERE ${lacks.join(' AND ')}`)
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
 * The log of changes that the snapshots are: in the engine's SQL, over all rows once.
 *
 * @param beside `refused`: a SELECT of keys and instants of rows that were refused, a key is NULL where it cannot be read; `empty`: one of the
 *   instants of snapshots without a row.
 * @example snapshotLogSql(shape, 'prices', { refused: 'SELECT …', empty: 'SELECT …' })
 */
export function snapshotLogSql(
  { load, keys, attributes }: Pick<Scd2Shape, 'load' | 'keys' | 'attributes'>,
  source: string,
  { refused, empty }: { readonly refused: string; readonly empty: string },
): string {
  const at = quoteIdentifier(load.snapshot!)
  const key = columnList(keys)
  const noKey = keys.map((name) => `${qualified(name)} IS NULL`).join(' OR ')
  const inTime = `OVER (PARTITION BY ${key} ORDER BY ${own.effective})`
  const nulls = attributes.map((name) => `, NULL AS ${quoteIdentifier(name)}`).join('')
  const before = attributes.map((name, index) => `, lag(${qualified(name)}) ${inTime} AS sluice_before_${index}`)
  const differs = attributes.map((name, index) => ` OR ${qualified(name)} IS DISTINCT FROM sluice_before_${index}`)
  // Any present key, then the first snapshot after it that says who is absent: whoever is not there again by then was deleted at it.
  return `
    WITH states AS (SELECT DISTINCT ${columnList([...keys, ...attributes])}, ${at} AS ${own.effective} FROM ${source} AS s),
    refused(${columnList([...keys, own.effective])}) AS (${refused}),
    instants AS (SELECT DISTINCT ${own.effective} FROM states UNION ${empty}),
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

/** The dimension as it is to be. */
function versionsSql({ dialect }: LoadContext, { keys, untracked, columns, forever, ...shape }: Scd2Shape): string {
  const [surrogate, effective, expiry, current] = [
    columns.surrogate,
    columns.effective,
    columns.expiry,
    columns.current,
  ].map(quoteIdentifier)
  const values = [...keys, ...shape.attributes].map((name) => {
    const index = untracked.indexOf(name)
    return index < 0 ? `l.${quoteIdentifier(name)}` : `l.sluice_final_${index} AS ${quoteIdentifier(name)}`
  })
  return `
    SELECT ${surrogateSql(dialect, keys.map(quoteIdentifier), own.effective)} AS ${surrogate}, ${values.join(', ')},
      ${own.effective} AS ${effective}, coalesce(sluice_next, ${forever}) AS ${expiry}, sluice_next IS NULL AS ${current}
    FROM sluice_timeline AS l WHERE sluice_opens`
}

/** Makes the dimension what it is to be, row by row that differs, and `sluice_touched` of their keys. */
async function writeVersions(
  context: LoadContext,
  shape: Scd2Shape,
): Promise<{ readonly inserted: number; readonly updated: number; readonly vanished: number }> {
  const { sql, dialect, target } = context
  const { keys, attributes, columns } = shape
  const place = [...keys, columns.effective]
  const held = qualified(columns.surrogate, 't')
  await create(
    context,
    'sluice_moves',
    `SELECT v.*, ${held} IS NULL AS sluice_is_new, ${anyDiffers(dialect, attributes, 'v', 't')} AS sluice_differs
     FROM sluice_versions AS v LEFT JOIN ${target} AS t ON ${sameKey(place, 't', 'v')}
     WHERE ${held} IS NULL OR ${anyDiffers(dialect, [...attributes, columns.expiry, columns.current], 'v', 't')}`,
  )
  await create(
    context,
    'sluice_gone',
    `SELECT ${columnList(place, 't')} FROM ${target} AS t LEFT JOIN sluice_versions AS v ON ${sameKey(place, 'v', 't')}
     WHERE ${qualified(columns.surrogate, 'v')} IS NULL`,
  )
  await create(
    context,
    'sluice_touched',
    `SELECT ${columnList(keys)} FROM sluice_moves UNION SELECT ${columnList(keys)} FROM sluice_gone`,
  )
  const vanished = await removeRows(
    context,
    `EXISTS (SELECT 1 FROM sluice_gone AS g WHERE ${sameKey(place, 'g', 't')})`,
  )
  const set = [...attributes, columns.expiry, columns.current].map(
    (name) => `${quoteIdentifier(name)} = ${qualified(name, 'm')}`,
  )
  const changed = await countOf(
    sql,
    `UPDATE ${target} AS t SET ${set.join(', ')} FROM sluice_moves AS m WHERE ${sameKey(place, 'm', 't')} AND NOT m.sluice_is_new`,
  )
  await refuseUntaken(
    context,
    'to change',
    await countOf(sql, 'SELECT count(*) FROM sluice_moves WHERE NOT sluice_is_new'),
    changed,
  )
  const names = columnList([columns.surrogate, ...dataOf(shape), columns.effective, columns.expiry, columns.current])
  const inserted = await countOf(
    sql,
    `INSERT INTO ${target} (${names}) SELECT ${names} FROM sluice_moves WHERE sluice_is_new`,
  )
  const given = (which: string): Promise<number> => countOf(sql, `SELECT count(*) FROM sluice_moves WHERE ${which}`)
  await refuseUntaken(context, 'to take', await given('sluice_is_new'), inserted)
  const updated = await given('sluice_differs AND NOT sluice_is_new')
  return { inserted, updated, vanished }
}

/** Keeps the deletes, which explain gaps; how many are new. */
async function writeDeletes({ sql }: LoadContext, { keys, observations }: Scd2Shape): Promise<number> {
  const place = [...keys, own.effective]
  await sql.run(
    `DELETE FROM ${observations} AS o WHERE NOT EXISTS (
       SELECT 1 FROM sluice_timeline AS l WHERE ${sameKey(place, 'l', 'o')} AND l.sluice_closes)`,
  )
  return countOf(
    sql,
    `INSERT INTO ${observations} (${columnList([...place, own.deleted])})
     SELECT ${columnList(place, 'l')}, true FROM sluice_timeline AS l
     WHERE sluice_closes AND NOT EXISTS (SELECT 1 FROM ${observations} AS o WHERE ${sameKey(place, 'o', 'l')})`,
  )
}
