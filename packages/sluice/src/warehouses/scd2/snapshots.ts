/**
 * A dimension from dated full snapshots, as a pure function of their set: whatever the order and the batches in which they came.
 *
 * The input holds the rows of all instants. What each snapshot says is known by a digest, so that the history is made again only between the neighbours
 * of a snapshot that has come, has changed or has gone; see `snapshot-set.ts`. The lake's engine makes the log of changes between them, see
 * `snapshot-log.ts`. Only that log goes to the warehouse, where `timeline.ts` makes versions of it; those that differ from what the dimension holds
 * are written, and no others.
 */
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, type LoadCounts, refuseUntaken, removeRows } from '../load-mode.ts'
import { anyDiffers, columnList, countOf, create, keyIn, qualified, sameKey } from '../statements.ts'
import { assertInvariants } from './invariants.ts'
import { liftMembers } from './members.ts'
import { dataOf, own, type Scd2Shape } from './shape.ts'
import { type BesideRows, besideRows, describeSnapshots, snapshotLogSql } from './snapshot-log.ts'
import { changedWindows, type JudgedSnapshot, judgeSnapshots, type Snapshot, type Window } from './snapshot-set.ts'
import { keepSnapshots, knownSnapshots } from './snapshot-state.ts'
import { origin, surrogateSql, timelineSql } from './timeline.ts'

/** What was written. */
interface Written {
  readonly inserted: number
  readonly updated: number
  readonly vanished: number
  readonly deleted: number
}

/**
 * Loads the snapshots.
 *
 * @throws Warehouse.KeyNull, Warehouse.SnapshotConflict, Warehouse.Scd2Invariant
 */
export async function loadSnapshots(context: LoadContext, shape: Scd2Shape): Promise<LoadCounts> {
  const { sql, dialect, input } = context
  const { minShareOfPrevious: minShare = 0.5 } = shape.load
  const known = await knownSnapshots(context, shape)
  const beside = await besideRows(context, shape)
  const found = await describeSnapshots(context, shape, beside, known)
  const { judged, held } = judgeSnapshots(found, { minShare, accepted: input.snapshots?.accepted ?? [] })
  const windows = changedWindows(known, judged)
  const putBack = await liftMembers(sql, { dialect, load: shape.load, target: input.target, instant: shape.instant })
  let all: Written = { inserted: 0, updated: 0, vanished: 0, deleted: 0 }
  for (const window of windows) all = sumOf(all, await loadWindow(context, shape, { window, beside, judged }))
  await putBack()
  await keepSnapshots(context, shape, known, judged)
  const { inserted, updated, vanished, deleted } = all
  return {
    read: input.rows,
    inserted,
    updated,
    deleted,
    unchanged: input.rows - inserted - updated,
    rejected: 0,
    ...(vanished === 0 ? {} : { vanished }),
    ...(held.length === 0 ? {} : { held }),
    growth: inserted - vanished,
  }
}

const sumOf = (a: Written, b: Written): Written => ({
  inserted: a.inserted + b.inserted,
  updated: a.updated + b.updated,
  vanished: a.vanished + b.vanished,
  deleted: a.deleted + b.deleted,
})

/** Makes the history of a window again. */
async function loadWindow(
  context: LoadContext,
  shape: Scd2Shape,
  of: { readonly window: Window; readonly beside: BesideRows; readonly judged: readonly JudgedSnapshot[] },
): Promise<Written> {
  const { sql, dialect, staging, input, target, source } = context
  const { window, beside } = of
  const held = of.judged.filter(
    ({ at, counts }) => !counts && at > (window.after?.at ?? at - 1n) && at < (window.until?.at ?? at + 1n),
  )
  await staging.create('sluice_log', snapshotLogSql(shape, source, beside, { ...window, held }))
  await addBounds(context, shape, window)
  await create(context, 'sluice_timeline', timelineSql(dialect, shape))
  await create(context, 'sluice_versions', versionsSql(context, shape, window))
  const counts = await writeVersions(context, shape, window)
  const deleted = await writeDeletes(context, shape, window)
  await assertInvariants(sql, shape, { target, name: input.target, keysOf: 'sluice_touched' })
  return { ...counts, deleted }
}

/** The instant of a snapshot, in the warehouse's SQL. */
const literal = ({ dialect }: LoadContext, { instant }: Scd2Shape, one: Snapshot): string =>
  `CAST(${quoteText(one.instant)} AS ${dialect.columnType(instant)})`

/**
 * What the dimension knows of a window's bounds: the versions that began before it, and `sluice_until`, those that hold at its end. Their states there
 * are as they were, whatever has changed between.
 */
async function addBounds(context: LoadContext, shape: Scd2Shape, { after, until }: Window): Promise<void> {
  const { sql, target } = context
  const { keys, attributes, columns } = shape
  const [effective, expiry] = [columns.effective, columns.expiry].map((name) => qualified(name, 't'))
  const data = columnList([...keys, ...attributes])
  const held = columnList([...keys, ...attributes], 't')
  const log = `INSERT INTO sluice_log (${data}, ${own.effective}, ${own.deleted}, sluice_origin)`
  if (until !== undefined) {
    const end = literal(context, shape, until)
    await create(
      context,
      'sluice_until',
      `SELECT ${held}, ${expiry} AS sluice_expiry, ${qualified(columns.current, 't')} AS sluice_current
       FROM ${target} AS t WHERE ${effective} <= ${end} AND ${expiry} > ${end}`,
    )
    await sql.run(
      `INSERT INTO sluice_log (${columnList([...keys, own.effective, own.deleted])}, sluice_origin)
       SELECT DISTINCT ${columnList(keys, 'l')}, ${end}, true, ${origin.fresh} FROM sluice_log AS l WHERE NOT ${keyIn(keys, 'l', 'sluice_until')}`,
    )
    await sql.run(`${log} SELECT ${data}, ${end}, false, ${origin.fresh} FROM sluice_until AS u`)
  }
  if (after === undefined) return
  const begin = literal(context, shape, after)
  await sql.run(
    `${log} SELECT ${held}, ${effective}, false, ${origin.seed} FROM ${target} AS t WHERE ${effective} < ${begin} AND ${expiry} > ${begin}`,
  )
}

/** The dimension as it is to be, as far as it overlaps the window. */
function versionsSql(
  { dialect }: LoadContext,
  { keys, untracked, columns, forever, ...shape }: Scd2Shape,
  { until }: Window,
): string {
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
  // What holds at the end of the window ends when it did.
  const [ends, holds, join] =
    until === undefined
      ? [`coalesce(sluice_next, ${forever})`, 'sluice_next IS NULL', '']
      : [
          'coalesce(sluice_next, u.sluice_expiry)',
          'sluice_next IS NULL AND u.sluice_current',
          `LEFT JOIN sluice_until AS u ON ${sameKey(keys, 'u', 'l')}`,
        ]
  return `
    SELECT ${surrogateSql(
      dialect,
      keys.map((name) => qualified(name, 'l')),
      `l.${own.effective}`,
    )} AS ${surrogate}, ${values.join(', ')},
      l.${own.effective} AS ${effective}, ${ends} AS ${expiry}, ${holds} AS ${current}
    FROM sluice_timeline AS l ${join} WHERE sluice_opens`
}

/** Makes the dimension what it is to be, row by row that differs, and `sluice_touched` of their keys. */
async function writeVersions(
  context: LoadContext,
  shape: Scd2Shape,
  { after, until }: Window,
): Promise<Omit<Written, 'deleted'>> {
  const { sql, dialect, target } = context
  const { keys, attributes, columns } = shape
  const place = [...keys, columns.effective]
  const held = qualified(columns.surrogate, 't')
  const overlaps = [
    ...(after === undefined ? [] : [`${qualified(columns.expiry, 'r')} > ${literal(context, shape, after)}`]),
    ...(until === undefined ? [] : [`${qualified(columns.effective, 'r')} <= ${literal(context, shape, until)}`]),
  ]
  const old =
    overlaps.length === 0 ? `${target} AS t` : `(SELECT r.* FROM ${target} AS r WHERE ${overlaps.join(' AND ')}) AS t`
  await create(
    context,
    'sluice_moves',
    `SELECT v.*, ${held} IS NULL AS sluice_is_new, ${anyDiffers(dialect, attributes, 'v', 't')} AS sluice_differs
     FROM sluice_versions AS v LEFT JOIN ${old} ON ${sameKey(place, 't', 'v')}
     WHERE ${held} IS NULL OR ${anyDiffers(dialect, [...attributes, columns.expiry, columns.current], 'v', 't')}`,
  )
  await create(
    context,
    'sluice_gone',
    `SELECT ${columnList(place, 't')} FROM ${old} LEFT JOIN sluice_versions AS v ON ${sameKey(place, 'v', 't')}
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
async function writeDeletes(context: LoadContext, shape: Scd2Shape, { after, until }: Window): Promise<number> {
  const { sql } = context
  const { keys, observations } = shape
  const place = [...keys, own.effective]
  const within = [
    ...(after === undefined ? [] : [`o.${own.effective} > ${literal(context, shape, after)} AND `]),
    ...(until === undefined ? [] : [`o.${own.effective} <= ${literal(context, shape, until)} AND `]),
  ]
  await sql.run(
    `DELETE FROM ${observations} AS o WHERE ${within.join('')}NOT EXISTS (
       SELECT 1 FROM sluice_timeline AS l WHERE ${sameKey(place, 'l', 'o')} AND l.sluice_closes)`,
  )
  return countOf(
    sql,
    `INSERT INTO ${observations} (${columnList([...place, own.deleted])})
     SELECT ${columnList(place, 'l')}, true FROM sluice_timeline AS l
     WHERE sluice_closes AND NOT EXISTS (SELECT 1 FROM ${observations} AS o WHERE ${sameKey(place, 'o', 'l')})`,
  )
}
