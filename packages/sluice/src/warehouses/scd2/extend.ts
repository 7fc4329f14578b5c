/**
 * The usual changes, settled by one join with the versions that hold now and without windows: the key has one change, and it comes
 * after all that is known of the key, or is the version that holds. The dimension is only extended at its end.
 *
 * What is not settled here stays in `sluice_incoming`, for the replay; both write what the timeline says.
 */

import { quoteIdentifier } from '../../sql/quote.ts'
import { type LoadContext, refuseUntaken } from '../load-mode.ts'
import { anyDiffers, columnList, countOf, create, keyIn, sameKey } from '../statements.ts'
import type { Incoming } from './changes.ts'
import { assertInvariants } from './invariants.ts'
import { dataOf, noChanges, own, type Scd2Shape, type Tally } from './shape.ts'
import { surrogateSql } from './timeline.ts'

/**
 * What becomes of a change: it `opens` a version and ends the one that held; it is a delete that `closes` the one that held, or `marks`
 * that nothing holds; it is newer and `idle`; it is the version that holds, `known`; or it is `left` undecided.
 */
type Fate = 'opens' | 'closes' | 'marks' | 'idle' | 'known' | 'left'

const fateIs = (...fates: readonly Fate[]): string => `sluice_fate IN (${fates.map((one) => `'${one}'`).join(', ')})`

/**
 * Settles and writes what it can.
 *
 * @returns what was done, and how many changes are left in `sluice_incoming`
 * @throws Warehouse.Scd2Invariant
 */
export async function extendVersions(
  context: LoadContext,
  shape: Scd2Shape,
  { changes, several }: Pick<Incoming, 'changes' | 'several'>,
): Promise<{ readonly tally: Tally; readonly left: number }> {
  const { sql, input } = context
  const matched = await create(context, 'sluice_moves', fatesSql(context, shape))
  // A key with two current rows was matched twice: someone edited the dimension.
  if (matched !== changes) await assertInvariants(sql, shape, { target: context.target, name: input.target })
  // After columns were added, what is known may read differently now: every key is made anew.
  if (context.added.length > 0) await sql.run(`UPDATE sluice_moves SET sluice_fate = 'left'`)
  else await leaveUnclear(context, shape, several)
  const fates = await sql.all<{ sluice_fate: Fate; changes: string; held: string }>(
    'SELECT sluice_fate, count(*) AS changes, count(sluice_since) AS held FROM sluice_moves GROUP BY sluice_fate',
  )
  const found = (fate: Fate) => fates.find((one) => one.sluice_fate === fate)
  const of = (fate: Fate): number => Number(found(fate)?.changes ?? 0)
  const ended = await endVersions(context, shape)
  await refuseUntaken(context, 'to change', Number(found('opens')?.held ?? 0) + of('closes'), ended)
  const opened = await addVersions(context, shape)
  await refuseUntaken(context, 'to take', of('opens'), opened)
  await addObservations(context, shape)
  const left = of('left')
  if (left > 0) {
    const data = columnList([...dataOf(shape), own.effective, own.deleted])
    await create(context, 'sluice_incoming', `SELECT ${data} FROM sluice_moves WHERE ${fateIs('left')}`)
  }
  return {
    tally: {
      ...noChanges,
      opened: of('opens'),
      closed: of('closes'),
      idle: of('idle'),
      known: of('known'),
      growth: opened,
    },
    left,
  }
}

/** The keys of which a version began or ended here, or might have: each once. */
export function extendedKeys({ keys }: Scd2Shape): string {
  return `SELECT ${columnList(keys)} FROM sluice_moves WHERE ${fateIs('opens', 'closes', 'marks')}`
}

/** Each change with the version that holds now and its fate, by that version alone. */
function fatesSql({ dialect, target }: LoadContext, shape: Scd2Shape): string {
  const { keys, tracked, untracked, sequence, columns } = shape
  const row = (dialect.rowAddress ?? []).map((name, index) => `, c.${name} AS sluice_row_${index}`).join('')
  // Each comparison once: the fates are then cheap.
  return `
    SELECT m.*,
      CASE WHEN sluice_since IS NULL THEN CASE WHEN ${own.deleted} THEN 'marks' ELSE 'opens' END
        WHEN ${own.effective} > sluice_since THEN
          CASE WHEN ${own.deleted} THEN 'closes' WHEN sluice_differs THEN 'opens' WHEN sluice_overwrites THEN 'left' ELSE 'idle' END
        WHEN ${own.effective} = sluice_since AND NOT (${own.deleted} OR sluice_differs OR sluice_overwrites OR sluice_moved) THEN 'known'
        ELSE 'left' END AS sluice_fate
    FROM (SELECT i.*, c.${quoteIdentifier(columns.effective)} AS sluice_since${row},
        ${anyDiffers(dialect, tracked, 'i', 'c')} AS sluice_differs, ${anyDiffers(dialect, untracked, 'i', 'c')} AS sluice_overwrites,
        ${anyDiffers(dialect, sequence, 'i', 'c')} AS sluice_moved
      FROM sluice_incoming AS i
      LEFT JOIN ${target} AS c ON ${sameKey(keys, 'c', 'i')} AND c.${quoteIdentifier(columns.current)}) AS m`
}

/** Leaves what the version alone cannot decide: keys with several changes, and those with an observation at that instant or after it. */
async function leaveUnclear(context: LoadContext, { keys, observations }: Scd2Shape, several: boolean): Promise<void> {
  const { sql } = context
  if (several) {
    await sql.run(`UPDATE sluice_moves AS m SET sluice_fate = 'left' WHERE ${keyIn(keys, 'm', 'sluice_repeated')}`)
  }
  if ((await countOf(sql, `SELECT count(*) FROM (SELECT 1 FROM ${observations} LIMIT 1) AS o`)) === 0) return
  // The newest observation of a key decides alike for each of its changes: a join with all of them would grow as changes times observations.
  await create(
    context,
    'sluice_observed',
    `SELECT ${columnList(keys)}, max(o.${own.effective}) AS sluice_newest FROM ${observations} AS o
     WHERE ${keyIn(keys, 'o', 'sluice_moves')} GROUP BY ${columnList(keys)}`,
  )
  await sql.run(
    `UPDATE sluice_moves AS m SET sluice_fate = 'left' FROM sluice_observed AS o
     WHERE ${sameKey(keys, 'o', 'm')} AND o.sluice_newest >= m.${own.effective}`,
  )
}

/** Ends the versions that held until now; how many. */
async function endVersions({ sql, dialect, target }: LoadContext, { keys, columns }: Scd2Shape): Promise<number> {
  const [effective, expiry, current] = [columns.effective, columns.expiry, columns.current].map(quoteIdentifier)
  const sameRow =
    dialect.rowAddress === undefined
      ? `${sameKey(keys, 't', 'm')} AND t.${effective} = m.sluice_since`
      : dialect.rowAddress.map((name, index) => `t.${name} = m.sluice_row_${index}`).join(' AND ')
  if (dialect.byAddress !== undefined) await sql.run(dialect.byAddress.before)
  const ended = await countOf(
    sql,
    `UPDATE ${target} AS t SET ${expiry} = m.${own.effective}, ${current} = false FROM sluice_moves AS m
     WHERE ${sameRow} AND m.sluice_since IS NOT NULL AND ${fateIs('opens', 'closes')}`,
  )
  if (dialect.byAddress !== undefined) await sql.run(dialect.byAddress.after)
  return ended
}

/** Begins versions; how many. */
function addVersions({ sql, dialect, target }: LoadContext, shape: Scd2Shape): Promise<number> {
  const { columns, keys, forever } = shape
  const data = dataOf(shape)
  return countOf(
    sql,
    `INSERT INTO ${target} (${columnList([columns.surrogate, ...data, columns.effective, columns.expiry, columns.current])})
     SELECT ${surrogateSql(dialect, keys.map(quoteIdentifier), own.effective)}, ${columnList(data)}, ${own.effective}, ${forever}, true
     FROM sluice_moves WHERE ${fateIs('opens')}`,
  )
}

/** Keeps what the dimension does not show; of inputs without their own time, only deletes. */
async function addObservations({ sql }: LoadContext, shape: Scd2Shape): Promise<void> {
  const data = columnList([...dataOf(shape), own.effective, own.deleted])
  await sql.run(
    `INSERT INTO ${shape.observations} (${data}) SELECT ${data} FROM sluice_moves
     WHERE ${shape.timed ? fateIs('closes', 'marks', 'idle') : fateIs('closes', 'marks')}`,
  )
}
