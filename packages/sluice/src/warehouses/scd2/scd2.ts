/**
 * `scd2`: a dimension that keeps its history, as a pure function of the ordered log of changes of each key.
 *
 * The log is never stored twice. The dimension holds each change that opened a version; the observations table holds all others:
 * deletes, changes that changed nothing tracked, and the first state of a version whose untracked columns were overwritten. Both
 * together are the log, so a late change can be put in its place: the key's timeline is then made anew from the log. Keys
 * without late changes only continue from the version that holds now.
 */
import { assert, sluiceError } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import {
  anyDiffers,
  columnList,
  countOf,
  type LoadContext,
  type LoadModeEntry,
  qualified,
  sameKey,
  sampleText,
} from '../load-mode.ts'
import { addAbsences, addReturns, asOf, create, readChanges } from './changes.ts'
import { assertInvariants } from './invariants.ts'
import { dataOf, dimensionColumns, observationsTable, original, own, type Scd2Shape, scd2Shape } from './shape.ts'
import { writeTimelines } from './write.ts'

export const scd2: LoadModeEntry = {
  columns: (input, dialect) => dimensionColumns(scd2Shape(input, dialect), input),
  companions: (input, dialect) => [observationsTable(scd2Shape(input, dialect), input)],
  async run(context) {
    const { sql, dialect, input, target } = context
    const shape = scd2Shape(input, dialect)
    const incoming = await readChanges(context, shape)
    await refuseStale(context, shape)
    await addAbsences(context, shape)
    await readKnown(context, shape)
    await addReturns(context, shape)
    const rejected = await findFresh(context, shape)
    const moved = context.added.length > 0 || (await countOf(sql, 'SELECT count(*) FROM sluice_fresh')) > 0
    const tally = moved ? await writeTimelines(context, shape) : { opened: 0, overwrote: 0, closed: 0, idle: 0 }
    if (moved)
      await assertInvariants(sql, shape, { target, name: input.target, keysOf: await findTouched(context, shape) })
    const known = incoming.rows - tally.opened - tally.overwrote - tally.idle - rejected.rows
    assert(known >= 0, `no more changes of ${input.target} were applied than came in`)
    return {
      read: input.rows,
      inserted: tally.opened,
      updated: tally.overwrote,
      deleted: tally.closed,
      unchanged: incoming.repeated + known + tally.idle,
      rejected: rejected.rows + rejected.markers,
      markers: incoming.markers - rejected.markers,
      current: await countOf(sql, `SELECT count(*) FROM ${target} WHERE ${quoteIdentifier(shape.columns.current)}`),
    }
  },
}

/** `sluice_touched`: the keys of which a version began or ended; the others kept their rows. */
async function findTouched(context: LoadContext, { keys }: Scd2Shape): Promise<string> {
  const moved = `FROM sluice_timeline WHERE sluice_opens OR ${own.deleted}`
  await create(context, 'sluice_touched', `SELECT DISTINCT ${columnList(keys)} ${moved}`)
  return 'sluice_touched'
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
  const cameIn = `EXISTS (SELECT 1 FROM sluice_keys AS k WHERE ${sameKey(keys, 'k', 't')})`
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
async function findFresh(context: LoadContext, shape: Scd2Shape): Promise<{ rows: number; markers: number }> {
  const { sql } = context
  const { keys, sequence } = shape
  const place = sameKey([...keys, own.effective], 'o', 'i')
  const later = sequence.map((name) => ` OR i.${quoteIdentifier(name)} > o.${quoteIdentifier(name)}`).join('')
  if (context.added.length > 0) await fillAdded(context, shape)
  await refuseRewrites(context, shape, place)
  await create(
    context,
    'sluice_fresh',
    `
    SELECT i.* FROM sluice_incoming AS i LEFT JOIN ${original(shape)} AS o ON ${place}
    WHERE o.${quoteIdentifier(keys[0]!)} IS NULL${later}`,
  )
  await create(
    context,
    'sluice_newest',
    `
    SELECT ${columnList(keys)}, max(${own.effective}) AS sluice_newest FROM ${original(shape)} AS o GROUP BY ${columnList(keys)}`,
  )
  const newest = (comparison: string): string =>
    `EXISTS (SELECT 1 FROM sluice_newest AS n WHERE ${sameKey(keys, 'n', 'f')} AND f.${own.effective} ${comparison} n.sluice_newest)`
  let rejected = { rows: 0, markers: 0 }
  if (shape.load.late === 'reject') {
    const refused = `FROM sluice_fresh AS f WHERE ${newest('<')}`
    rejected = {
      rows: await countOf(sql, `SELECT count(*) ${refused} AND NOT ${own.deleted}`),
      // A delete that was told by absence is no row.
      markers:
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

/**
 * What was delivered once is never rewritten: a change at a known place must be the known change.
 *
 * @throws Warehouse.Scd2Conflict
 */
async function refuseRewrites({ sql, dialect, input }: LoadContext, shape: Scd2Shape, place: string): Promise<void> {
  const samePlace = [place, ...shape.sequence.map((name) => `${qualified(name, 'i')} = ${qualified(name, 'o')}`)].join(
    ' AND ',
  )
  const rewritten = `FROM sluice_incoming AS i JOIN ${original(shape)} AS o ON ${samePlace}
    WHERE ${anyDiffers(dialect, [own.deleted, ...shape.attributes], 'i', 'o')}`
  const count = await countOf(sql, `SELECT count(*) ${rewritten}`)
  if (count === 0) return
  const names = columnList([...shape.keys, own.effective], 'i')
  throw sluiceError('Warehouse.Scd2Conflict', {
    target: input.target,
    count,
    samples: sampleText(await sql.all(`SELECT ${names} ${rewritten} ORDER BY ${names} LIMIT 3`)),
    order: ['effective time', ...shape.sequence].join(' and '),
  })
}
