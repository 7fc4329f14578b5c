/** Keeps a lake in order: removes what no kept version needs. */
import { join } from 'node:path'
import { newId } from '../base/clock.ts'
import { isSluiceError, sluiceError } from '../base/errors.ts'
import { capturedLogs } from '../definition/cdc/cdc.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { Retention } from '../definition/types.ts'
import { forgetKept, keptLogs, keptTables } from '../sources/cdc/copy/kept-copy.ts'
import type { StoredObject } from '../storage/storage.ts'
import type { IcebergTable, OpenProject } from './api.ts'
import type { ProjectContext } from './context.ts'
import { intactTables } from './intact.ts'
import { acquireLease } from './ledger/lease.ts'
import { type HeldLease, heldLeases, releaseHeld } from './ledger/release.ts'
import { retireRuns } from './ledger/run-retention.ts'
import { allPipelines } from './pipelines.ts'
import { targetStates } from './planning/target-states.ts'
import { openWorkspace } from './workspace.ts'

/**
 * Removes versions beyond their retention, data files that no kept version names, and what crashed attempts left.
 *
 * @throws Run.Busy while a run holds the project
 */
export async function clean(context: ProjectContext, options: { readonly dryRun?: boolean } = {}): Promise<Cleaned> {
  const { state, clock } = context
  await using _lease = await acquireLease(state, allPipelines(context), { clock, owner: newId(clock) })
  return await removeUnneeded(context, options.dryRun ?? false)
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

/** Removes it; the caller holds the leases of all pipelines. @example await removeUnneeded(context, false) */
export async function removeUnneeded(context: ProjectContext, dryRun: boolean): Promise<Cleaned> {
  const { damaged } = await intactTables(context.lake)
  for (const { error } of damaged) context.warn(error.message)
  const { removed, bytes } = await context.lake.collectGarbage({
    retention: (table) => retentionOf(context, table),
    dryRun,
    skip: new Set(damaged.map(({ table }) => table)),
    damaged: ({ message }) => context.warn(message),
  })
  if (!dryRun) await removeCopies(context)
  const before = context.clock.now()
  const leftovers = [
    ...(damaged.length > 0 ? [] : await retireOldRuns(context, dryRun)),
    ...(await context.state.removeLeftovers({ before, dryRun })),
    ...(await openWorkspace(join(context.root, '.sluice')).removeLeftovers({ before, dryRun })),
    ...(await context.workspace.removeLeftovers({ before: new Date(before.getTime() - dayMs), dryRun })),
  ]
  return {
    removed: [...removed, ...leftovers.map(({ path }) => path)],
    bytes: leftovers.reduce((sum, object) => sum + object.bytes, bytes),
  }
}

/** Where somebody cannot say which runs it names, because it is damaged or in use, all stay for another day. */
async function retireOldRuns(context: ProjectContext, dryRun: boolean): Promise<readonly StoredObject[]> {
  const named = await namedRuns(context).catch((error: unknown) => {
    if (isSluiceError(error)) return undefined
    throw error
  })
  return named === undefined ? [] : retireRuns(context.state, context.clock.now(), { named, dryRun })
}

/** Runs that kept versions, logs of extractions, or the newest loads name. */
async function namedRuns(context: ProjectContext): Promise<ReadonlySet<string>> {
  const { lake } = context
  const records = (await Promise.all((await lake.tables()).map((table) => lake.versions(table)))).flat()
  return new Set([
    ...records.flatMap(({ run, compacted }) => (compacted === undefined ? [run] : [run, compacted.run])),
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

function retentionOf(context: ProjectContext, table: string): Retention {
  return projectIndex(context.project).options(table).retention ?? context.project.config.lake.retention
}
