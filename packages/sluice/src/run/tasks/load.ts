/** Loads a version of a lake table into the warehouse. */

import { assert, sluiceError } from '../../base/errors.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Load } from '../../definition/types.ts'
import { type Growth, rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { heldInWords } from '../../plan/held.ts'
import { editsInWords } from '../../warehouses/examine.ts'
import type { LoadInput, LoadLedgerRow, LoadResult } from '../../warehouses/warehouse.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import type { LoadFigures } from '../ledger/events.ts'
import { resolveInputs } from './inputs.ts'
import { loadColumns, loadFiles, loadIdOf, movedFiles } from './load-rows.ts'
import { snapshotsOf } from './snapshots.ts'

/**
 * Runs a load task; a load that the ledger already has is not done again.
 *
 * @throws Warehouse.* as the warehouse refuses
 */
export async function runLoad(context: TaskContext): Promise<TaskOutcome> {
  const { task, emit } = context
  const load = projectIndex(context.project).load(task.table)?.load
  assert(load !== undefined, `the plan's load ${task.table} is defined`)
  const [record] = await resolveInputs(context)
  if (record === undefined) throw sluiceError('Run.NoVersion', { table: load.from })
  const result = await context.withWarehouse(
    async (warehouse) => {
      const loads = await warehouse.ledger({ target: task.table })
      const since = await growthOf(context, record, loads[0])
      const { ownSchema: ledger } = warehouse.capabilities
      assertStillHeld({ target: task.table, load, record, growth: since, loads, ledger })
      const growth = isForced(context) ? await growthOf(context, record, undefined) : since
      return warehouse.load(await loadInput(context, load, record, growth, loads[0]))
    },
    { signal: context.signal },
  )
  emit({ type: 'task.progress', task: task.id, rows: result.read, bytes: record.bytes })
  if (result.rejected > 0) {
    emit({
      type: 'task.warning',
      task: task.id,
      message: `${result.rejected} changes came too late for the declared order and were not loaded`,
    })
  }
  for (const message of heldInWords(task.table, result.held ?? []))
    emit({ type: 'task.warning', task: task.id, message })
  if (result.edits !== undefined) {
    const { edits } = result
    const message = `${task.table} ${editsInWords(edits)}; ${editsSettled(task.table, load, result)}`
    emit({ type: 'task.warning', task: task.id, message })
  }
  return {
    status: result.status === 'loaded' ? 'succeeded' : 'unchanged',
    version: record.version,
    // What was loaded before is no work of this run.
    loaded: result.status === 'loaded' ? result.inserted + result.updated + result.deleted : 0,
    load: loadOutcome(load, result),
  }
}

/** A target that is written again is written from all that the lake has. */
const isForced = ({ task }: TaskContext): boolean => task.forced === true

/**
 * What becomes of rows that somebody else has changed.
 *
 * @example editsSettled('fact', appendLoad, result) // 'to replace it from the lake: sluice run --force --select fact'
 */
export function editsSettled(
  target: string,
  load: Pick<Load, 'mode'> & { readonly deletes?: unknown },
  { status, rewritten }: Pick<LoadResult, 'status' | 'rewritten'>,
): string {
  const isUpsert = load.mode === 'upsert' && load.deletes !== 'absence'
  if (status !== 'loaded' || !(rewritten === true || load.mode === 'replace' || load.mode === 'upsert'))
    return `to replace it from the lake: sluice run --force --select ${target}`
  return isUpsert
    ? 'this load wrote the rows of its table again, and left all others'
    : 'this load wrote it again from the lake'
}

/**
 * What a load did, for events and summaries. What a delete closes in a history keeps its row, and is no deleted one: of those there are only the
 * versions that late changes made needless.
 *
 * @example loadOutcome(scd2Load, result) // { inserted: 25907, updated: 0, deleted: 0, closed: 1275, total: 25907 }
 */
export function loadOutcome(
  { mode }: Pick<Load, 'mode'>,
  { inserted, updated, deleted, vanished = 0, total }: LoadResult,
): LoadFigures {
  return mode === 'scd2'
    ? { inserted, updated, deleted: vanished, closed: deleted, total }
    : { inserted, updated, deleted, total }
}

async function loadInput(
  context: TaskContext,
  load: Load,
  record: CommitRecord,
  growth: Growth,
  last: LoadLedgerRow | undefined,
): Promise<LoadInput> {
  const { task } = context
  const columns = loadColumns(context, load, record)
  const files = await loadFiles(context, load, record, growth, last)
  const snapshots = await snapshotsOf(context, load, record)
  const moved = await movedFiles(context, load, record, last, snapshots?.accepted)
  return {
    loadId: loadIdOf(task, record, columns, snapshots?.accepted),
    target: task.table,
    load,
    definition: task.definition,
    columns,
    version: rowsVersion(record),
    committedAt: record.committedAt,
    relation: relationOf({ ...record, files }),
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    ...(record.operation !== 'replace' ? { added: batches(record, growth.fresh) } : {}),
    ...(moved === undefined ? {} : { moved }),
    ...(snapshots === undefined ? {} : { snapshots }),
    dimensions: dimensionsOf(context),
    ...(task.approved === true ? { approve: true } : {}),
    ...(isForced(context) ? { rewrite: true } : {}),
    run: context.run,
    attempt: context.attempt,
    fencingToken: context.fencingToken,
    signal: context.signal,
  }
}

/** What the table has grown by since the last load; where that is not known any more, nothing of a file is known that is not known of all of it. */
async function growthOf({ lake }: TaskContext, record: CommitRecord, last: LoadLedgerRow | undefined): Promise<Growth> {
  const growth = await lake.growthSince(record, last?.version ?? 0)
  if (growth === undefined) return { known: [], fresh: record.files }
  await lake.verify({ ...record, files: growth.fresh, quarantine: [] })
  return growth
}

/** The project's dimensions, by their targets. */
function dimensionsOf({ project }: TaskContext): NonNullable<LoadInput['dimensions']> {
  const { loads } = projectIndex(project)
  return Object.fromEntries(loads.flatMap(({ target, load }) => (load.mode === 'scd2' ? [[target, load]] : [])))
}

/** An append can only add: where rows that it added have left their table since, adding the rest would double or keep what was taken back. */
function assertStillHeld({
  target,
  load,
  record,
  growth,
  loads,
  ledger,
}: {
  readonly target: string
  readonly load: Load
  readonly record: CommitRecord
  readonly growth: Growth
  readonly loads: readonly LoadLedgerRow[]
  readonly ledger: string
}): void {
  const [last] = loads
  if (load.mode !== 'append' || load.batch !== undefined || record.operation === 'replace' || last === undefined) return
  // What was written again took the place of all that was loaded before.
  const again = loads.findIndex(({ result }) => result.rewritten === true)
  const since = again < 0 ? loads : loads.slice(0, again + 1)
  const loaded = since.reduce(
    (sum, { result }) => sum + result.inserted - (result.rewritten === true ? 0 : result.deleted),
    0,
  )
  const held = growth.known.reduce((sum, file) => sum + file.rows, 0)
  if (loaded !== held)
    throw sluiceError('Warehouse.AppendUndone', { target, table: record.table, loaded, held, ledger })
}

/** What later versions added to an appending table, a batch a version; of those that were compacted, a batch together. */
function batches(record: CommitRecord, fresh: readonly DataFile[]): NonNullable<LoadInput['added']> {
  const versions = [...new Set(fresh.map((file) => file.addedIn))].sort((a, b) => a - b)
  return versions.map((version) => {
    const files = fresh.filter((file) => file.addedIn === version)
    return {
      version,
      rows: files.reduce((sum, file) => sum + file.rows, 0),
      relation: relationOf({ ...record, files }),
    }
  })
}
