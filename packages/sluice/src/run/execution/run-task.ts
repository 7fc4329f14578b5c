/**
 * Runs one task of a run: a function of references. It reads the plan, what the tasks before it left, and its inputs from storage, holds its run's
 * fence by token, and leaves its events and its outcome in the ledger. So it can be run by any process, and by several at once.
 *
 * It does or it throws. Whether it is tried again says the state machine; what a failure is to the run is settled in `steps/settle.ts`.
 */

import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { PlanTask } from '../../plan/types.ts'
import type { ProjectContext, TaskContext, TaskOutcome } from '../context.ts'
import { errorSummary, type NewRunEvent } from '../ledger/events.ts'
import { isCancelled } from '../ledger/ledger.ts'
import {
  type Attempt,
  beginAttempt,
  type Outcome,
  plannedOutcome,
  readFailure,
  readOutcome,
  readOutcomes,
} from '../ledger/outcome.ts'
import { stamp } from '../ledger/run-events.ts'
import { withParameters } from '../planning/parameters.ts'
import type { WorkFolder } from '../workspace.ts'
import { leaveTask, resultOf, type TaskResult, taskOf, tellOf } from './leave.ts'
import type { OpenRun } from './open-run.ts'

/** What runs each kind of task, imported when one runs. */
const handlers: { readonly [kind in PlanTask['kind']]: (context: TaskContext) => Promise<TaskOutcome> } = {
  ingest: async (context) => (await import('../tasks/ingest.ts')).runIngest(context),
  model: async (context) =>
    isOfChanges(context)
      ? (await import('../tasks/changes.ts')).runChanges(context)
      : (await import('../tasks/model.ts')).runModel(context),
  load: async (context) => (await import('../tasks/load.ts')).runLoad(context),
  rollback: async (context) => (await import('../tasks/rollback.ts')).runRollback(context),
  dismiss: async (context) => (await import('../maintenance/dismiss.ts')).runDismiss(context),
  resnapshot: async (context) => (await import('../cdc/resnapshot.ts')).runResnapshot(context),
  'accept-snapshot': async (context) => (await import('../tasks/accept-snapshot.ts')).runAcceptSnapshot(context),
  accept: async (context) => (await import('../cdc/accept.ts')).runAccept(context),
}

const isOfChanges = ({ project, task }: TaskContext): boolean =>
  projectIndex(project).model(task.table)?.model.kind === 'changes'

/**
 * Runs a task of an open run.
 *
 * @param signal of this call alone: a task that is stopped at its timeout
 * @throws whatever stops this attempt; Run.Fenced, Run.Cancelled
 */
export async function runTask(
  context: ProjectContext,
  run: OpenRun,
  id: string,
  signal?: AbortSignal,
): Promise<TaskResult> {
  const { state } = context
  const task = taskOf(run, id)
  const of = { run: run.start.id, task }
  // What the plan passes over is in the plan: nothing is written of it.
  if (task.action === 'skip') return tellOf(context, run, task, plannedOutcome(task))
  const earlier = await readOutcome(state, of)
  if (earlier !== undefined) return resultOf(earlier)
  await run.lease.assertHeld()
  if (run.ended.aborted || (await isCancelled(state, of.run))) throw sluiceError('Run.Cancelled', {})
  const needs = run.plan.tasks.filter(({ id: other }) => task.dependsOn.includes(other))
  const outcomes = await readOutcomes(state, of.run, { tasks: needs })
  const reason = whySkipped(task, outcomes)
  if (reason !== undefined) {
    // Who needs it takes no outcome for one, too: a ledger that takes nothing keeps no task waiting.
    const left = await leaveTask(context, run, task, { status: 'skipped', reason, durationMs: 0 }).catch(
      () => undefined,
    )
    return left === undefined ? { task: id, status: 'skipped' } : resultOf(left)
  }
  const stop = AbortSignal.any([run.ended, ...(signal === undefined ? [] : [signal])])
  return resultOf(await attemptTask(context, run, task, outcomes, stop))
}

/** Why a task has nothing to work on; what is before it has come to an end by then, or will not. */
function whySkipped({ dependsOn }: PlanTask, outcomes: ReadonlyMap<string, Outcome>): string | undefined {
  const isBroken = (id: string): boolean =>
    ['failed', 'skipped', 'cancelled'].includes(outcomes.get(id)?.status ?? 'cancelled')
  const broken = dependsOn.filter(isBroken)
  if (broken.length > 0) return `needs ${broken.join(', ')}`
  const empty = dependsOn.find((id) => outcomes.get(id)?.version === undefined)
  return empty === undefined ? undefined : `${empty} has no version yet`
}

async function attemptTask(
  context: ProjectContext,
  run: OpenRun,
  task: PlanTask,
  outcomes: ReadonlyMap<string, Outcome>,
  signal: AbortSignal,
): Promise<Outcome> {
  const { state, clock } = context
  const { start, plan, lease } = run
  const of = { run: start.id, task }
  const attempt = await beginAttempt(state, clock, of)
  const emit = emitter(context, run, attempt)
  const began = clock.now().getTime()
  const scratch: WorkFolder[] = []
  try {
    emit({ type: 'task.started', task: task.id, kind: task.kind, table: task.table, attempt: attempt.number })
    if (attempt.number > 1) await tellEarlier(context, of, attempt.number, emit)
    const made = await handlers[task.kind]({
      ...(await withParameters(context, plan.parameters)),
      run: start.id,
      startedAt: new Date(start.startedAt),
      fencingToken: lease.token,
      plan,
      task,
      attempt: attempt.number,
      outcomes,
      fence: () => lease.assertHeld(),
      emit,
      scratch: async (name) => {
        const work = await context.workspace.folder(
          `${start.id}-${task.id.replace(/\W/g, '-')}-${attempt.number}-${name}`,
        )
        scratch.push(work)
        return work.folder
      },
      signal,
    })
    // Of a run that was succeeded in the meantime nothing counts, not even that there was nothing to do.
    await lease.assertHeld()
    return await leaveTask(context, run, task, { ...made, durationMs: clock.now().getTime() - began }, attempt)
  } catch (thrown) {
    const error = await reasonOf(run, thrown)
    const durationMs = clock.now().getTime() - began
    const failed = { type: 'task.failed', task: task.id, attempt: attempt.number, durationMs } as const
    emit({ ...failed, error: errorSummary(error) })
    // What the ledger cannot take must not hide what went wrong: the machine has the error, too.
    await attempt.fail().catch(() => undefined)
    throw error
  } finally {
    await Promise.all(scratch.map((work) => work[Symbol.asyncDispose]()))
  }
}

function emitter({ clock }: ProjectContext, { start, tell }: OpenRun, attempt: Attempt): (event: NewRunEvent) => void {
  return (event) => {
    const stamped = stamp(start.id, clock.now(), event)
    attempt.emit(stamped)
    tell(stamped)
  }
}

/** That there was an attempt before is worth a warning: who waits for this one sees why. */
async function tellEarlier(
  { state }: ProjectContext,
  of: { readonly run: string; readonly task: PlanTask },
  number: number,
  emit: (event: NewRunEvent) => void,
): Promise<void> {
  const { failure } = await readFailure(state, of, number - 1)
  const why = failure === undefined ? 'has left nothing' : `failed and is tried again: ${failure.error.message}`
  emit({ type: 'task.warning', task: of.task.id, message: `attempt ${number - 1} ${why}` })
}

/** Whatever was under way when a run was cancelled or fenced ends with an error of its own: the run's says why. */
async function reasonOf(run: OpenRun, thrown: unknown): Promise<unknown> {
  if (isSluiceError(thrown, 'Run.Fenced')) return thrown
  const isFenced = await run.lease.assertHeld().then(
    () => false,
    (error) => isSluiceError(error, 'Run.Fenced'),
  )
  if (isFenced) return run.lease.lost.reason
  return run.ended.aborted ? run.ended.reason : thrown
}
