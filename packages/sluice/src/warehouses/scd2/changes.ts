/** Reads the input as changes: one row per key and instant, in the working table `sluice_incoming`; refuses what has no order. */
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, refuseNullKeys } from '../load-mode.ts'
import { columnList, countOf, create, qualified, sameKey, sampleText } from '../statements.ts'
import { own, type Scd2Shape } from './shape.ts'

/** What the input held. */
export interface Incoming {
  /** Rows that only say "delete". */
  readonly markers: number
  /** Rows that repeat another, or that a later one of the same instant supersedes. */
  readonly repeated: number
  /** Whether some keys have several changes; `sluice_repeated` has those keys then. */
  readonly several: boolean
  /** How many changes there are. */
  readonly changes: number
}

/**
 * Makes `sluice_incoming`, and where keys have several rows `sluice_repeated`.
 *
 * @throws Warehouse.KeyNull, Warehouse.Scd2Conflict
 */
export async function readChanges(context: LoadContext, shape: Scd2Shape): Promise<Incoming> {
  const { staging, source, input } = context
  const { load, keys } = shape
  const flag =
    typeof load.deletes === 'object'
      ? `coalesce(CAST(${quoteIdentifier(load.deletes.column)} AS VARCHAR) = ${quoteText(load.deletes.value)}, false)`
      : 'false'
  const instant = load.effective === undefined ? asOf(context, shape) : quoteIdentifier(load.effective)
  // What a delete says beside its key means nothing, and must not make two deletes differ.
  const attribute = (name: string): string =>
    flag === 'false'
      ? quoteIdentifier(name)
      : `CASE WHEN NOT (${flag}) THEN ${quoteIdentifier(name)} END AS ${quoteIdentifier(name)}`
  const declared = load.effective === undefined ? [] : [load.effective]
  const places = [...keys, ...declared, ...shape.sequence]
  // The lake is asked, which reads these columns alone.
  const [told] = await staging.lake.all<{ nulls: string; live: string; again: string }>(
    `SELECT count(CASE WHEN ${places.map((name) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')} THEN 1 END) AS nulls,
       count(CASE WHEN NOT (${flag}) THEN 1 END) AS live, count(*) - count(DISTINCT (${columnList(keys)})) AS again FROM ${source} AS s`,
  )
  if (Number(told?.nulls) > 0) await refuseNullKeys(context, places)
  const rows = await staging.create(
    'sluice_incoming',
    `SELECT ${[columnList(keys), ...shape.attributes.map(attribute), ...shape.sequence.map(quoteIdentifier)].join(', ')},
      ${instant} AS ${own.effective}, ${flag} AS ${own.deleted}
    FROM ${source} AS s`,
  )
  const live = Number(told?.live)
  const markers = input.rows - live
  if (Number(told?.again) === 0) return { markers, repeated: 0, several: false, changes: rows }
  const repeated = `SELECT ${columnList(keys)} FROM sluice_incoming GROUP BY ${columnList(keys)} HAVING count(*) > 1`
  await create(context, 'sluice_repeated', repeated)
  await collapse(context, shape)
  const [left] = await context.sql.all<{ live: string; rows: string }>(
    `SELECT count(CASE WHEN NOT ${own.deleted} THEN 1 END) AS live, count(*) AS rows FROM sluice_incoming`,
  )
  return { markers, repeated: live - Number(left?.live), several: true, changes: Number(left?.rows) }
}

/**
 * When deletes are told by absence: a delete, at the commit of the version, for every live key that it lacks.
 *
 * @returns how many
 */
export async function addAbsences(context: LoadContext, shape: Scd2Shape): Promise<number> {
  const { sql, target } = context
  if (shape.load.deletes !== 'absence') return 0
  const nulls = [...shape.attributes, ...shape.sequence].map((name) => `, NULL AS ${quoteIdentifier(name)}`).join('')
  return countOf(
    sql,
    `
    INSERT INTO sluice_incoming (${columnList([...shape.keys, ...shape.attributes, ...shape.sequence])}, ${own.effective}, ${own.deleted})
    SELECT ${columnList(shape.keys, 't')}${nulls}, ${asOf(context, shape)}, true
    FROM ${target} AS t LEFT JOIN (SELECT DISTINCT ${columnList(shape.keys)} FROM sluice_incoming) AS i ON ${sameKey(shape.keys, 'i', 't')}
    WHERE t.${quoteIdentifier(shape.columns.current)} AND i.${quoteIdentifier(shape.keys[0]!)} IS NULL`,
  )
}

/**
 * A key that was deleted by absence and is there again, with no newer change of its own, has returned at the commit of the version.
 * Needs the working tables of what is known.
 *
 * @returns how many returned
 */
export async function addReturns(context: LoadContext, { load, timed, ...shape }: Scd2Shape): Promise<number> {
  if (load.deletes !== 'absence' || !timed) return 0
  const data = columnList([...shape.keys, ...shape.attributes, ...shape.sequence])
  return countOf(
    context.sql,
    `
    INSERT INTO sluice_incoming (${data}, ${own.effective}, ${own.deleted})
    SELECT ${data}, ${asOf(context, shape)}, false
    FROM (SELECT i.*, row_number() OVER (PARTITION BY ${columnList(shape.keys)} ORDER BY ${own.effective} DESC) AS sluice_place
          FROM sluice_incoming AS i WHERE NOT ${own.deleted}) AS i
    WHERE sluice_place = 1
      AND NOT EXISTS (SELECT 1 FROM sluice_known AS k WHERE ${sameKey(shape.keys, 'k', 'i')} AND k.sluice_current)
      AND EXISTS (SELECT 1 FROM sluice_noted AS n WHERE ${sameKey(shape.keys, 'n', 'i')} AND n.${own.deleted} AND n.${own.effective} > i.${own.effective})`,
  )
}

/** The version's commit, in the dimension's type of instant. */
export function asOf(
  { input, dialect }: Pick<LoadContext, 'input' | 'dialect'>,
  shape: Pick<Scd2Shape, 'instant'>,
): string {
  // Without its zone the text is UTC, which is what the session's zone is too.
  return `CAST(${quoteText(input.committedAt.replace('T', ' ').replace('Z', ''))} AS ${dialect.columnType(shape.instant)})`
}

/** Leaves one row per key and instant: repeated rows once, and of a sequence its last. */
async function collapse(context: LoadContext, { keys, sequence }: Scd2Shape): Promise<void> {
  const { sql, input } = context
  const instant = `${columnList(keys)}, ${own.effective}`
  const repeated = `SELECT 1 FROM sluice_incoming GROUP BY ${instant} HAVING count(*) > 1`
  if ((await countOf(sql, `SELECT count(*) FROM (${repeated}) AS r`)) === 0) return
  await create(context, 'sluice_distinct', 'SELECT DISTINCT * FROM sluice_incoming')
  const place = [instant, ...sequence.map((name) => qualified(name))].join(', ')
  const conflicts = `SELECT ${place}, count(*) AS changes FROM sluice_distinct GROUP BY ${place} HAVING count(*) > 1`
  const count = await countOf(sql, `SELECT count(*) FROM (${conflicts}) AS c`)
  if (count > 0) {
    throw sluiceError('Warehouse.Scd2Conflict', {
      target: input.target,
      count,
      samples: sampleText(await sql.all(`${conflicts} ORDER BY ${place} LIMIT 3`)),
      order: ['effective time', ...sequence].join(' and '),
    })
  }
  const later = sequence.map((name) => `b.${quoteIdentifier(name)} > a.${quoteIdentifier(name)}`).join('')
  await create(
    context,
    'sluice_incoming',
    `
    SELECT a.* FROM sluice_distinct AS a
    ${later === '' ? '' : `WHERE NOT EXISTS (SELECT 1 FROM sluice_distinct AS b WHERE ${sameKey([...keys, own.effective], 'a', 'b')} AND ${later})`}`,
  )
}
