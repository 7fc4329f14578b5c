/** `sluice/task`: one task of a run by itself, in whatever process. What a runner elsewhere calls; no definition needs it. */
import type { Payload } from '../statemachine/types.ts'
import type { RunOptions } from './api.ts'

export type { Payload } from '../statemachine/types.ts'

/**
 * Does what a state of a run's machine asks for, from the project's folder and its ledger alone: runs a task, settles it, or takes a step of the
 * run. It opens what it needs, and closes it.
 *
 * @example await runTask('/srv/my-pipeline', { runId, fencingToken: 7, task: 'model:stage.sales' }) // { task, status: 'succeeded', version: 3 }
 * @param project the folder of the project
 * @throws Run.NotFound; Run.Fenced where another run has taken over; and whatever stops the task
 */
export async function runTask(
  project: string,
  payload: Payload,
  options: Pick<RunOptions, 'onEvent' | 'signal'> = {},
): Promise<Record<string, unknown>> {
  const { openProject } = await import('./project.ts')
  const opened = await openProject(project)
  try {
    return await opened.task(payload, options)
  } finally {
    await opened[Symbol.asyncDispose]()
  }
}
