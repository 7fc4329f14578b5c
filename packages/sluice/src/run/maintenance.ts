/** Keeps a lake in order: going back to an earlier version, removing what no kept version needs. */
import { join } from 'node:path'
import { newId } from '../base/clock.ts'
import type { Retention } from '../definition/types.ts'
import type { CommitRecord } from '../lake/record.ts'
import { forgetKept, keptLogs, keptTables } from '../sources/cdc/copy/kept-copy.ts'
import type { OpenProject } from './api.ts'
import type { ProjectContext } from './context.ts'
import { acquireLease } from './ledger/lease.ts'
import { openWorkspace } from './workspace.ts'

/**
 * Makes version N+1 with the content of an earlier version.
 *
 * @throws Run.Busy while a run holds the project
 * @throws Lake.UnknownVersion where the version is not kept
 */
export async function rollback(context: ProjectContext, table: string, version: number): Promise<CommitRecord> {
  const id = newId(context.clock)
  await using lease = await acquireLease(context.state, 'project', { clock: context.clock, owner: id })
  return context.lake.rollback({
    table,
    version,
    run: id,
    attempt: 1,
    fencingToken: lease.token,
    fence: () => lease.assertHeld(),
  })
}

/**
 * Removes versions beyond their retention, data files that no kept version names, and what crashed attempts left.
 *
 * @throws Run.Busy while a run holds the project
 */
export async function clean(context: ProjectContext, options: { readonly dryRun?: boolean } = {}): Promise<Cleaned> {
  await using _lease = await acquireLease(context.state, 'project', {
    clock: context.clock,
    owner: newId(context.clock),
  })
  return removeUnneeded(context, options.dryRun ?? false)
}

/**
 * Applies retention once a day, by the run that comes first; the caller holds the project's lease.
 *
 * @returns undefined where it is not time yet
 */
export async function cleanDaily(context: ProjectContext): Promise<Cleaned | undefined> {
  const now = context.clock.now()
  const last = await context.state.read(lastCleanedPath)
  if (last !== undefined && now.getTime() - Date.parse(new TextDecoder().decode(last)) < dayMs) return undefined
  const cleaned = await removeUnneeded(context, false)
  await context.state.write(lastCleanedPath, now.toISOString())
  return cleaned
}

type Cleaned = Awaited<ReturnType<OpenProject['clean']>>

const dayMs = 86_400_000

/** A cache: without it, the next run cleans. */
const lastCleanedPath = 'cache/cleaned'

async function removeUnneeded(context: ProjectContext, dryRun: boolean): Promise<Cleaned> {
  const { removed, bytes } = await context.lake.collectGarbage({
    retention: (table) => retentionOf(context, table),
    dryRun,
  })
  if (!dryRun) await removeCopies(context)
  const before = context.clock.now()
  const leftovers = [
    ...(await context.state.removeLeftovers({ before, dryRun })),
    ...(await openWorkspace(join(context.root, '.sluice')).removeLeftovers({ before, dryRun })),
    ...(await context.workspace.removeLeftovers({ before: new Date(before.getTime() - dayMs), dryRun })),
  ]
  return {
    removed: [...removed, ...leftovers.map(({ path }) => path)],
    bytes: leftovers.reduce((sum, object) => sum + object.bytes, bytes),
  }
}

/** Of first copies that nobody will go on with: their logs have versions, or are no sources any more. */
async function removeCopies({ state, lake, project }: ProjectContext): Promise<void> {
  const logs = project.pipelines.flatMap(({ layers, sources }) =>
    Object.entries(sources).flatMap(([key, { kind }]) => (kind === 'cdc' ? [`${layers[0]}.${key}`] : [])),
  )
  for (const log of await keptLogs(state)) {
    const isCommitted = (await lake.current(log)) !== undefined
    if (isCommitted || !logs.includes(log))
      await forgetKept({ state, lake }, await keptTables(state, log), { isCommitted })
  }
}

function retentionOf(context: ProjectContext, table: string): Retention {
  const own = context.project.pipelines.find((pipeline) => table in pipeline.tables)?.tables[table]?.retention
  return own ?? context.project.config.lake.retention
}
