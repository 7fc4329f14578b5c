/** How a task leaves its outcome in the ledger, and what it answers to the state machine. */
import { assert } from '../../base/errors.ts'
import type { PlanTask } from '../../plan/types.ts'
import type { ProjectContext, TaskOutcome } from '../context.ts'
import { type Attempt, finishedEvent, leaveOutcome, type Outcome } from '../ledger/outcome.ts'
import { stamp } from '../ledger/run-events.ts'
import type { OpenRun } from './open-run.ts'

/** What a task answers: references, never data. */
export interface TaskResult {
  readonly task: string
  readonly status: TaskOutcome['status']
  /** The version of its table afterwards. */
  readonly version?: number
}

/** @example taskOf(run, 'ingest:raw.sales').table // 'raw.sales' */
export function taskOf({ plan }: Pick<OpenRun, 'plan'>, id: string): PlanTask {
  const task = plan.tasks.find((one) => one.id === id)
  assert(task !== undefined, `the run's plan has the task ${id}`)
  return task
}

/** @example resultOf(outcome).version // 3 */
export function resultOf({ task, status, version }: Outcome): TaskResult {
  return { task, status, ...(version === undefined ? {} : { version }) }
}

/**
 * Leaves an outcome with the last events of its attempt, and tells of it; returns the one that counts.
 *
 * @param attempt none where none was made
 * @example await leaveTask(context, run, task, { status: 'skipped', reason, durationMs: 0 })
 */
export async function leaveTask(
  { state, clock }: ProjectContext,
  run: OpenRun,
  task: PlanTask,
  made: TaskOutcome & Pick<Outcome, 'durationMs' | 'reason' | 'error'>,
  attempt: Pick<Attempt, 'number' | 'end'> = noAttempt,
): Promise<Outcome> {
  const at = clock.now()
  const outcome = { ...made, format: 1, task: task.id, attempt: attempt.number } as const
  const finished = stamp(run.start.id, at, finishedEvent(task, outcome))
  const { events, ...rest } = await attempt.end()
  const left: Outcome = { ...outcome, ...rest, finishedAt: at.toISOString(), events: [...events, finished] }
  const counts = await leaveOutcome(state, { run: run.start.id, task }, left)
  if (counts === left) run.tell(finished)
  return counts
}

const noAttempt: Pick<Attempt, 'number' | 'end'> = { number: 0, end: async () => ({ events: [], warnings: 0 }) }

/** Tells of an outcome that nothing is written of. @example tellOf(context, run, task, plannedOutcome(task)) */
export function tellOf({ clock }: ProjectContext, run: OpenRun, task: PlanTask, outcome: Outcome): TaskResult {
  run.tell(stamp(run.start.id, clock.now(), finishedEvent(task, outcome)))
  return resultOf(outcome)
}
