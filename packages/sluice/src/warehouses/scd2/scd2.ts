/**
 * `scd2`: a dimension that keeps its history, as a pure function of the ordered log of changes of each key.
 *
 * The log is never stored twice. The dimension holds each change that opened a version; the observations table holds all others:
 * deletes, changes that changed nothing tracked, and the first state of a version whose untracked columns were overwritten. Both
 * together are the log, so a late change can be put in its place: the key's timeline is then made anew from the log. Most keys
 * are only extended, see `extend.ts`.
 */
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { LoadContext, LoadModeEntry } from '../load-mode.ts'
import { anyDiffers, columnList, countOf, create, keyIn, qualified, sameKey, sampleText } from '../statements.ts'
import { addAbsences, addReturns, asOf, readChanges } from './changes.ts'
import { extendedKeys, extendVersions } from './extend.ts'
import { assertInvariants } from './invariants.ts'
import { liftMembers, membersTable } from './members.ts'
import {
  dataOf,
  dimensionColumns,
  noChanges,
  observationsTable,
  original,
  own,
  type Scd2Shape,
  scd2Shape,
  type Tally,
} from './shape.ts'
import { loadSnapshots } from './snapshots.ts'
import { writeTimelines } from './write.ts'

export const scd2: LoadModeEntry = {
  rewrites: false,
  repairs: false,
  deletes: () => true,
  updates: true,
  columns: (input, dialect) => dimensionColumns(scd2Shape(input, dialect), input),
  companions: (input, dialect) => {
    const shape = scd2Shape(input, dialect)
    const keys = input.columns.filter(({ name }) => shape.keys.includes(name))
    return [observationsTable(shape, input), { name: membersTable(input.target, dialect), columns: keys }]
  },
  findsBy: (load) => (load.mode === 'scd2' ? load.key : []),
  async run(context) {
    const { sql, dialect, input, target } = context
    const shape = scd2Shape(input, dialect)
    if (shape.load.snapshot !== undefined) return loadSnapshots(context, shape)
    const putBack = await liftMembers(sql, { dialect, load: shape.load, target: input.target, instant: shape.instant })
    const incoming = await readChanges(context, shape)
    await refuseStale(context, shape)
    const changes = incoming.changes + (await addAbsences(context, shape))
    const extended = await extendVersions(context, shape, { ...incoming, changes })
    const replayed = extended.left === 0 ? noChanges : await replay(context, shape)
    const sum = (name: keyof Tally): number => extended.tally[name] + replayed[name]
    await putBack()
    await create(context, 'sluice_touched', touchedKeys(shape, extended.left > 0))
    await assertInvariants(sql, shape, { target, name: input.target, keysOf: 'sluice_touched' })
    return {
      read: input.rows,
      inserted: sum('opened'),
      updated: sum('overwrote'),
      deleted: sum('closed'),
      unchanged: incoming.repeated + sum('known') + sum('idle'),
      rejected: sum('rejected') + sum('rejectedMarkers'),
      markers: incoming.markers - sum('rejectedMarkers'),
      ...(sum('vanished') === 0 ? {} : { vanished: sum('vanished') }),
      growth: sum('growth'),
    }
  },
}

/** The keys of which a version began or ended, each once; the others kept their rows. */
function touchedKeys(shape: Scd2Shape, replayed: boolean): string {
  const again = `SELECT DISTINCT ${columnList(shape.keys)} FROM sluice_timeline WHERE sluice_opens OR ${own.deleted}`
  return replayed ? `${extendedKeys(shape)} UNION ALL ${again}` : extendedKeys(shape)
}

/** Finds the places of the changes in the logs of their keys, and makes those timelines anew from there. */
async function replay(context: LoadContext, shape: Scd2Shape): Promise<Tally> {
  await readKnown(context, shape)
  const returned = await addReturns(context, shape)
  if (context.added.length > 0) await fillAdded(context, shape)
  const known = await findKnown(context, shape)
  const rejected = await findFresh(context, shape)
  const written = await writeTimelines(context, shape)
  // A return is a known row at a new place.
  return { ...written, ...rejected, known: known - returned }
}

/** Without a time of its own, an input is true as of its version's commit, and cannot be put before what is known. */
async function refuseStale(context: LoadContext, shape: Scd2Shape): Promise<void> {
  if (shape.timed) return
  const { sql, target, input } = context
  const [row] = await sql.all<{ newest: string | null }>(
    `SELECT CAST(max(${quoteIdentifier(shape.columns.effective)}) AS VARCHAR) AS newest FROM ${target}
     HAVING max(${quoteIdentifier(shape.columns.effective)}) > ${asOf(context, shape)}`,
  )
  if (row?.newest != null) {
    throw sluiceError('Warehouse.Scd2Stale', { target: input.target, effective: input.committedAt, newest: row.newest })
  }
}

/** `sluice_known`: the versions of the keys that came in. `sluice_noted`: their observations. */
async function readKnown(context: LoadContext, shape: Scd2Shape): Promise<void> {
  const { keys, columns } = shape
  const data = dataOf(shape)
  await create(context, 'sluice_keys', `SELECT DISTINCT ${columnList(keys)} FROM sluice_incoming`)
  const cameIn = keyIn(keys, 't', 'sluice_keys')
  await create(
    context,
    'sluice_known',
    `
    SELECT ${columnList(data, 't')}, t.${quoteIdentifier(columns.effective)} AS ${own.effective}, false AS ${own.deleted},
      t.${quoteIdentifier(columns.current)} AS sluice_current
    FROM ${context.target} AS t WHERE ${cameIn}`,
  )
  await create(context, 'sluice_noted', `SELECT t.* FROM ${shape.observations} AS t WHERE ${cameIn}`)
}

/**
 * `sluice_fresh`: the changes that the log does not have yet. `sluice_late`: the keys whose history they change.
 *
 * @returns how many late changes were rejected: rows, and delete markers among them.
 */
async function findFresh(context: LoadContext, shape: Scd2Shape): Promise<Pick<Tally, 'rejected' | 'rejectedMarkers'>> {
  const { sql } = context
  const { keys } = shape
  await create(
    context,
    'sluice_fresh',
    `
    SELECT i.* FROM sluice_incoming AS i LEFT JOIN ${original(shape)} AS o ON ${sameKey([...keys, own.effective], 'o', 'i')}
    WHERE o.${quoteIdentifier(keys[0]!)} IS NULL OR ${supersedes(shape)}`,
  )
  await create(
    context,
    'sluice_newest',
    `
    SELECT ${columnList(keys)}, max(${own.effective}) AS sluice_newest FROM ${original(shape)} AS o GROUP BY ${columnList(keys)}`,
  )
  const newest = (comparison: string): string =>
    `EXISTS (SELECT 1 FROM sluice_newest AS n WHERE ${sameKey(keys, 'n', 'f')} AND f.${own.effective} ${comparison} n.sluice_newest)`
  let rejected = { rejected: 0, rejectedMarkers: 0 }
  if (shape.load.late === 'reject') {
    const refused = `FROM sluice_fresh AS f WHERE ${newest('<')}`
    rejected = {
      rejected: await countOf(sql, `SELECT count(*) ${refused} AND NOT ${own.deleted}`),
      // A delete that was told by absence is no row.
      rejectedMarkers:
        shape.load.deletes === 'absence' ? 0 : await countOf(sql, `SELECT count(*) ${refused} AND ${own.deleted}`),
    }
    await sql.run(`DELETE ${refused}`)
  }
  // After columns were added, what was known may read differently now: every key is made anew.
  const late = context.added.length > 0 ? 'sluice_keys AS f' : `sluice_fresh AS f WHERE ${newest('<=')}`
  await create(context, 'sluice_late', `SELECT DISTINCT ${columnList(keys)} FROM ${late}`)
  return rejected
}

/** A column that was just added is NULL in what is known; the same changes, delivered again, bring its values. */
async function fillAdded({ sql, target, added }: LoadContext, shape: Scd2Shape): Promise<void> {
  const set = added.map((name) => `${quoteIdentifier(name)} = i.${quoteIdentifier(name)}`).join(', ')
  for (const [table, effective] of [
    [target, shape.columns.effective],
    [shape.observations, own.effective],
    ['sluice_known', own.effective],
    ['sluice_noted', own.effective],
  ] as const) {
    await sql.run(
      `UPDATE ${table} AS t SET ${set} FROM sluice_incoming AS i
       WHERE ${sameKey(shape.keys, 't', 'i')} AND t.${quoteIdentifier(effective)} = i.${own.effective} AND NOT i.${own.deleted}`,
    )
  }
}

/** Whether a change comes after the known one at its instant, by the declared sequence. */
function supersedes({ sequence }: Scd2Shape): string {
  const later = sequence.map((name) => `${qualified(name, 'i')} > ${qualified(name, 'o')}`)
  return later.length === 0 ? '(1 = 0)' : later.join(' OR ')
}

/**
 * What was delivered once is never rewritten: a change at a known place must be the known change.
 *
 * @returns how many rows that are no deletes the log has already, or something later at their instant
 * @throws Warehouse.Scd2Conflict
 */
async function findKnown({ sql, dialect, input }: LoadContext, shape: Scd2Shape): Promise<number> {
  const { keys, sequence, attributes } = shape
  const samePlace = `FROM sluice_incoming AS i JOIN ${original(shape)} AS o ON ${sameKey([...keys, own.effective], 'o', 'i')}`
  const sameOrder = sequence.map((name) => `${qualified(name, 'i')} = ${qualified(name, 'o')} AND `).join('')
  const rewritten = `${sameOrder}${anyDiffers(dialect, [own.deleted, ...attributes], 'i', 'o')}`
  const [row] = await sql.all<{ rewritten: string; known: string }>(
    `SELECT count(CASE WHEN ${rewritten} THEN 1 END) AS rewritten,
       count(CASE WHEN NOT i.${own.deleted} AND NOT (${supersedes(shape)}) THEN 1 END) AS known ${samePlace}`,
  )
  const count = Number(row?.rewritten ?? 0)
  if (count === 0) return Number(row?.known ?? 0)
  const names = columnList([...keys, own.effective], 'i')
  throw sluiceError('Warehouse.Scd2Conflict', {
    target: input.target,
    count,
    samples: sampleText(await sql.all(`SELECT ${names} ${samePlace} WHERE ${rewritten} ORDER BY ${names} LIMIT 3`)),
    order: ['effective time', ...sequence].join(' and '),
  })
}
