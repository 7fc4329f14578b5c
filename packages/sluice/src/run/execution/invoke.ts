/**
 * What stands behind the Task states: the one function that runs a task, settles it, or takes a step of the run, by what it is called with. It is
 * called here by the runner, in a process of its own by `sluice task`, and on AWS by Lambda.
 */
import { assert } from '../../base/errors.ts'
import type { Payload } from '../../statemachine/types.ts'
import type { ProjectContext } from '../context.ts'
import { type OpenRun, openRun, type Watching } from './open-run.ts'

/** What a state machine is answered: references, never data. */
export type Answer = Record<string, unknown>

/**
 * Does what a payload says, in a process that has nothing but it.
 *
 * @example await invoke(context, { runId, fencingToken: 7, task: 'model:stage.sales' })
 * @throws Run.NotFound, Run.Fenced, and whatever stops the task
 */
export async function invoke(context: ProjectContext, payload: Payload, watching: Watching = {}): Promise<Answer> {
  assert(!('step' in payload && payload.step === 'start'), 'a run is started by what executes it')
  await using run = await openRun(context, payload as Exclude<Payload, { step: 'start' }>, watching)
  return await invokeIn(context, run, payload)
}

/**
 * Does what a payload says, with what the runner lends.
 *
 * @param signal of this call alone
 * @example await invokeIn(context, run, { runId, fencingToken: 7, step: 'compact' })
 */
export async function invokeIn(
  context: ProjectContext,
  run: OpenRun,
  payload: Payload,
  signal?: AbortSignal,
): Promise<Answer> {
  if ('task' in payload)
    return { ...(await (await import('./run-task.ts')).runTask(context, run, payload.task, signal)) }
  if ('settle' in payload)
    return { ...(await (await import('./steps/settle.ts')).settle(context, run, payload.settle, payload.error)) }
  switch (payload.step) {
    case 'compact':
      await (await import('./steps/compact.ts')).compactTables(context, run)
      return {}
    case 'finish':
      return { ...(await (await import('./steps/finish.ts')).finish(context, run, payload.error)) }
    case 'notify':
      await (await import('./steps/notify.ts')).notify(context, run)
      return {}
    case 'clean':
      await (await import('./steps/clean.ts')).cleanDaily(context, run)
      return {}
    case 'start':
      assert(false, 'a run is started by what executes it')
  }
}
