/** Keeps a lake in order: going back to an earlier version, removing what no kept version needs. */
import { newId } from '../base/clock.ts'
import type { Retention } from '../definition/types.ts'
import type { CommitRecord } from '../lake/record.ts'
import type { OpenProject } from './api.ts'
import type { ProjectContext } from './context.ts'
import { acquireLease } from './lease.ts'

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
export async function clean(
  context: ProjectContext,
  options: { readonly dryRun?: boolean } = {},
): ReturnType<OpenProject['clean']> {
  await using _lease = await acquireLease(context.state, 'project', {
    clock: context.clock,
    owner: newId(context.clock),
  })
  return context.lake.collectGarbage({
    retention: (table) => retentionOf(context, table),
    dryRun: options.dryRun ?? false,
  })
}

function retentionOf(context: ProjectContext, table: string): Retention {
  const own = context.project.pipelines.find((pipeline) => table in pipeline.tables)?.tables[table]?.retention
  return own ?? context.project.config.lake.retention
}
