/** Keeps a lake in order: removes what no kept version needs. */
import { join } from 'node:path'
import { newId } from '../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { capturedLogs } from '../../definition/cdc/cdc.ts'
import { projectIndex } from '../../definition/project-index.ts'
import { missingVersions } from '../../lake/record/witnesses.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { forgetKept, keptLogs, keptTables } from '../../sources/cdc/copy/kept-copy.ts'
import type { StoredObject } from '../../storage/storage.ts'
import type { IcebergTable, OpenProject } from '../api.ts'
import type { ProjectContext } from '../context.ts'
import { type DamagedTable, intactTables } from '../intact.ts'
import { acquireLease } from '../ledger/lease.ts'
import { type HeldLease, heldLeases, releaseHeld } from '../ledger/release.ts'
import { retireRuns } from '../ledger/run-retention.ts'
import { allPipelines } from '../pipelines.ts'
import { loadWitnesses } from '../planning/load-witnesses.ts'
import { targetStates } from '../planning/target-states.ts'
import { openWorkspace } from '../workspace.ts'
import { ageOut } from './dismiss.ts'
import { withReserve } from './reserve.ts'
import { retentionOf } from './retention.ts'

/**
 * Removes versions beyond their retention, data files that no kept version names, and what crashed attempts left.
 *
 * @throws Run.Busy while a run holds the project
 */
export function clean(context: ProjectContext, options: { readonly dryRun?: boolean } = {}): Promise<Cleaned> {
  const { state, cache, clock } = context
  const run = newId(clock)
  const dryRun = options.dryRun ?? false
  return withReserve(cache, async () => {
    await using lease = await acquireLease(state, allPipelines(context), { clock, owner: run })
    const by = { run, fencingToken: lease.token, fence: () => lease.assertHeld(), dryRun }
    const removed = await removeUnneeded(context, dryRun)
    // After it, because it writes records.
    return { ...removed, agedOut: await ageOut(context, await context.lake.tables(), by) }
  })
}

/**
 * Frees the leases of runs whose machine is gone; see `OpenProject.release`.
 *
 * @example await release(context, async ({ run }) => run === gone)
 */
export async function release(
  context: ProjectContext,
  ask: (held: HeldLease) => Promise<boolean>,
): Promise<readonly HeldLease[]> {
  const { state, clock } = context
  const freed: HeldLease[] = []
  const all = await heldLeases(state, clock, allPipelines(context))
  const [living] = all
  if (living !== undefined && all.every(({ state }) => state === 'living')) throw sluiceError('Run.StillLives', living)
  for (const held of all) {
    if (held.state === 'living' || !(await ask(held))) continue
    await releaseHeld(state, held)
    freed.push(held)
  }
  return freed
}

/**
 * Writes Iceberg metadata again; see `OpenProject.syncCatalog`.
 *
 * @example await syncCatalog(context, 'raw.sales')
 */
export async function syncCatalog({ lake }: ProjectContext, table?: string): Promise<readonly IcebergTable[]> {
  const synced: IcebergTable[] = []
  for (const one of table === undefined ? await lake.tables() : [table]) {
    const state = await lake.syncIceberg(one)
    if (state !== undefined) synced.push({ table: one, ...state })
  }
  return synced
}

/** Folders of other machines' processes are left alone for so long after they were written to. */
const dayMs = 86_400_000

type Cleaned = Awaited<ReturnType<OpenProject['clean']>>

type Removed = Pick<Cleaned, 'removed' | 'bytes'>

/** Removes it; the caller holds the leases of all pipelines. @example await removeUnneeded(context, false) */
export async function removeUnneeded(context: ProjectContext, dryRun: boolean): Promise<Removed> {
  const before = context.clock.now()
  // First what needs no new byte to be removed: the disk may be full.
  const leftovers = [
    ...(await openWorkspace(join(context.root, '.sluice')).removeLeftovers({ before, dryRun })),
    ...(await context.workspace.removeLeftovers({ before: new Date(before.getTime() - dayMs), dryRun })),
    ...(await context.state.removeLeftovers({ before, dryRun })),
  ]
  const { records, damaged: found } = await intactTables(context.lake)
  const damaged = [...found, ...(await lostAsLoadsSay(context, records))]
  for (const { error } of damaged) context.warn(error.message)
  const { removed, bytes } = await context.lake.collectGarbage({
    retention: (table) => retentionOf(context, table),
    dryRun,
    skip: new Set(damaged.map(({ table }) => table)),
    damaged: ({ message }) => context.warn(message),
  })
  if (!dryRun) await removeCopies(context)
  if (damaged.length === 0) leftovers.push(...(await retireOldRuns(context, dryRun)))
  return {
    removed: [...removed, ...leftovers.map(({ path }) => path)],
    bytes: leftovers.reduce((sum, object) => sum + object.bytes, bytes),
  }
}

/**
 * Tables whose newest record only the load ledger knows to be lost: its files look like garbage. Where the warehouse cannot be asked, so may those of
 * any table that is loaded.
 */
async function lostAsLoadsSay(
  context: ProjectContext,
  records: readonly CommitRecord[],
): Promise<readonly DamagedTable[]> {
  try {
    const witnesses = await loadWitnesses(context, await targetStates(context), records)
    return missingVersions(records, witnesses)
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const loaded = new Set(projectIndex(context.project).loads.map(({ load }) => load.from))
    const tables = records.flatMap(({ table }) => (loaded.has(table) ? [table] : []))
    return tables.map((table) => ({ table, error: sluiceError('Lake.LoadsUnknown', { table, why: error.message }) }))
  }
}

/** Where somebody cannot say which runs it names, because it is damaged or in use, all stay for another day. */
async function retireOldRuns(context: ProjectContext, dryRun: boolean): Promise<readonly StoredObject[]> {
  const named = await namedRuns(context).catch((error: unknown) => {
    if (isSluiceError(error)) return undefined
    throw error
  })
  return named === undefined
    ? []
    : retireRuns(context.state, context.clock.now(), {
        ...{ retention: context.project.config.runRetention, named, dryRun },
      })
}

/** Runs that kept versions, logs of extractions, or the newest loads name. */
async function namedRuns(context: ProjectContext): Promise<ReadonlySet<string>> {
  const { lake } = context
  const runs = new Set<string>()
  for (const table of await lake.tables())
    for await (const { run, compacted } of lake.streamVersions(table)) runs.add(run).add(compacted?.run ?? run)
  return new Set([
    ...runs,
    ...(await lake.extractions()).map(({ run }) => run),
    ...Object.values(await targetStates(context)).flatMap(({ run }) => run ?? []),
  ])
}

/** Of first copies that nobody will go on with: their logs have versions, or are no sources any more. */
async function removeCopies({ state, lake, project }: ProjectContext): Promise<void> {
  const logs = capturedLogs(project).map(({ log }) => log)
  for (const log of await keptLogs(state)) {
    const isCommitted = (await lake.tables()).includes(log)
    if (isCommitted || !logs.includes(log))
      await forgetKept({ state, lake }, await keptTables(state, log), { isCommitted })
  }
}
