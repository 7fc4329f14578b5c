/** Writes whole timelines of keys into the dimension and its observations. */
import { quoteIdentifier } from '../../sql/quote.ts'
import { type LoadContext, refuseUntaken, removeRows } from '../load-mode.ts'
import { columnList, countOf, create, keyIn, sameKey } from '../statements.ts'
import { dataOf, original, own, type Scd2Shape, type Tally } from './shape.ts'
import { origin, surrogateSql, timelineSql } from './timeline.ts'

/** Makes the timelines from `sluice_fresh`, `sluice_late` and what is known, and writes what is new. */
export async function writeTimelines(
  context: LoadContext,
  shape: Scd2Shape,
): Promise<Pick<Tally, 'opened' | 'overwrote' | 'closed' | 'idle' | 'vanished' | 'growth'>> {
  const { sql, dialect } = context
  await makeLog(context, shape)
  await create(context, 'sluice_timeline', timelineSql(dialect, shape))
  let [vanished, growth] = [0, 0]
  if ((await countOf(sql, 'SELECT count(*) FROM sluice_late')) > 0) {
    vanished = await countOf(
      sql,
      `SELECT count(*) FROM sluice_known AS k WHERE ${keyIn(shape.keys, 'k', 'sluice_late')} AND NOT EXISTS (
         SELECT 1 FROM sluice_timeline AS l WHERE ${sameKey([...shape.keys, own.effective], 'l', 'k')} AND l.sluice_opens)`,
    )
    const late = `AS t WHERE ${keyIn(shape.keys, 't', 'sluice_late')}`
    growth -= await removeRows(context, keyIn(shape.keys, 't', 'sluice_late'))
    await sql.run(`DELETE FROM ${shape.observations} ${late}`)
  }
  await continueVersions(context, shape)
  growth += await insertVersions(context, shape)
  await insertObservations(context, shape)
  const [row] = await sql.all<{ opened: string; overwrote: string; closed: string; idle: string }>(
    `SELECT count(CASE WHEN sluice_opens THEN 1 END) AS opened,
       count(CASE WHEN NOT sluice_opens AND sluice_differs THEN 1 END) AS overwrote,
       count(CASE WHEN sluice_closes THEN 1 END) AS closed,
       count(CASE WHEN NOT sluice_opens AND NOT sluice_differs AND NOT ${own.deleted} THEN 1 END) AS idle
     FROM sluice_timeline WHERE sluice_origin = ${origin.fresh}`,
  )
  const number = (text: string | undefined): number => Number(text ?? 0)
  return {
    opened: number(row?.opened),
    overwrote: number(row?.overwrote),
    closed: number(row?.closed),
    idle: number(row?.idle),
    vanished,
    growth,
  }
}

/** `sluice_log`: the fresh changes; for late keys all that is known beside; for the others the version that holds now. */
async function makeLog(context: LoadContext, shape: Scd2Shape): Promise<void> {
  const { keys } = shape
  const row = (alias: string, from: number): string =>
    `SELECT ${columnList([...dataOf(shape), own.effective, own.deleted], alias)}, ${from} AS sluice_origin`
  const isLate = (alias: string): string => keyIn(keys, alias, 'sluice_late')
  await create(
    context,
    'sluice_log',
    `
    ${row('f', origin.fresh)} FROM sluice_fresh AS f
    UNION ALL
    ${row('o', origin.replayed)} FROM ${original(shape)} AS o WHERE ${isLate('o')}
      AND NOT EXISTS (SELECT 1 FROM sluice_fresh AS f WHERE ${sameKey([...keys, own.effective], 'f', 'o')})
    UNION ALL
    ${row('k', origin.seed)} FROM sluice_known AS k WHERE k.sluice_current AND NOT ${isLate('k')}
      AND ${keyIn(keys, 'k', 'sluice_fresh')}`,
  )
}

/** Ends the versions that held until now, and overwrites their untracked columns. */
async function continueVersions(context: LoadContext, shape: Scd2Shape): Promise<void> {
  const { sql, dialect, target } = context
  const { keys, columns } = shape
  const [effective, expiry, current] = [columns.effective, columns.expiry, columns.current].map(quoteIdentifier)
  const seeds = `FROM sluice_timeline AS l
    WHERE ${sameKey(keys, 't', 'l')} AND t.${effective} = l.${own.effective} AND l.sluice_origin = ${origin.seed}`
  const ended = await countOf(
    sql,
    `UPDATE ${target} AS t SET ${expiry} = l.sluice_next, ${current} = false ${seeds} AND l.sluice_next IS NOT NULL`,
  )
  const ends = `SELECT count(*) FROM sluice_timeline WHERE sluice_origin = ${origin.seed} AND sluice_next IS NOT NULL`
  await refuseUntaken(context, 'to change', await countOf(sql, ends), ended)
  if (shape.untracked.length === 0) return
  const set = shape.untracked.map((name, index) => `${quoteIdentifier(name)} = l.sluice_final_${index}`).join(', ')
  const seen = `${seeds} AND (${shape.untracked.map((name, index) => dialect.differs(`l.${quoteIdentifier(name)}`, `l.sluice_final_${index}`)).join(' OR ')})`
  await sql.run(`UPDATE ${target} AS t SET ${set} ${seen}`)
}

/** Begins versions; how many. */
async function insertVersions(context: LoadContext, shape: Scd2Shape): Promise<number> {
  const { sql, dialect, target } = context
  const { keys, untracked, columns } = shape
  const values = dataOf(shape).map((name) => {
    const index = untracked.indexOf(name)
    return index < 0 ? `l.${quoteIdentifier(name)}` : `l.sluice_final_${index}`
  })
  const names = columnList([columns.surrogate, ...dataOf(shape), columns.effective, columns.expiry, columns.current])
  const versions = `FROM sluice_timeline AS l WHERE sluice_opens AND sluice_origin <> ${origin.seed}`
  const taken = await countOf(
    sql,
    `
    INSERT INTO ${target} (${names})
    SELECT ${surrogateSql(dialect, keys.map(quoteIdentifier), own.effective)}, ${values.join(', ')}, ${own.effective},
      coalesce(sluice_next, ${shape.forever}), sluice_next IS NULL
    ${versions}`,
  )
  await refuseUntaken(context, 'to take', await countOf(sql, `SELECT count(*) ${versions}`), taken)
  return taken
}

/** Keeps every change that the dimension does not show exactly as it was; of inputs without their own time, only deletes. */
async function insertObservations({ sql, dialect }: LoadContext, shape: Scd2Shape): Promise<void> {
  const names = [...dataOf(shape), own.effective, own.deleted]
  const overwritten =
    shape.untracked.length === 0
      ? '(1 = 0)'
      : `(${shape.untracked.map((name, index) => dialect.differs(`l.${quoteIdentifier(name)}`, `l.sluice_final_${index}`)).join(' OR ')})`
  const kept = shape.timed
    ? `((NOT l.sluice_opens AND l.sluice_origin <> ${origin.seed}) OR (l.sluice_opens AND ${overwritten}))`
    : `(l.${own.deleted} AND l.sluice_origin <> ${origin.seed})`
  await sql.run(`
    INSERT INTO ${shape.observations} (${columnList(names)})
    SELECT ${columnList(names, 'l')} FROM sluice_timeline AS l
    WHERE ${kept} AND NOT EXISTS (SELECT 1 FROM ${shape.observations} AS o WHERE ${sameKey([...shape.keys, own.effective], 'o', 'l')})`)
}
