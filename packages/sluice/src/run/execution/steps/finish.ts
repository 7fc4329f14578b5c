/** Ends a run: settles what was left without an outcome, sums up, gives the verdict, and says what is to be sent. */
import { type SluiceError, sluiceError } from '../../../base/errors.ts'
import type { ProjectContext } from '../../context.ts'
import { type ErrorSummary, errorSummary, type RunSummary } from '../../ledger/events.ts'
import { endRun, isCancelled, readEnd } from '../../ledger/ledger.ts'
import { type Outcome, readFailure, readOutcomes } from '../../ledger/outcome.ts'
import { readStep } from '../../ledger/run-events.ts'
import type { OpenRun } from '../open-run.ts'
import { summaryOf, waitingOf } from '../summary.ts'
import { type MachineError, settle } from './settle.ts'

/** What the state machine goes on with. */
export interface Verdict {
  readonly status: RunSummary['status']
  /** The cause of a run that is no success, as a function's error is in JSON; empty for one that is. */
  readonly cause: string
  /** What is published to the topic. */
  readonly message: { readonly runId: string; readonly status: string; readonly summary: string }
}

/**
 * Finishes. The first end of a run counts: finished again, the verdict is the same.
 *
 * @param failed what stopped the machine before it came to this, if anything did
 */
export async function finish(context: ProjectContext, run: OpenRun, failed: MachineError | null): Promise<Verdict> {
  const { state, clock } = context
  const { start, plan, lease } = run
  const ended = await readEnd(state, start.id, start)
  if (ended !== undefined) return verdictOf(run, ended.summary, await readOutcomes(state, start.id, plan))
  const fenced = await lease.assertHeld().then(
    () => undefined,
    (error: SluiceError) => errorSummary(error),
  )
  const cancelled = failed?.Error === 'Run.Cancelled' || (await isCancelled(state, start.id))
  await settleRest(context, run, cancelled ? { Error: 'Run.Cancelled', Cause: '' } : failed)
  const outcomes = await readOutcomes(state, start.id, plan)
  const finishedAt = clock.now()
  const error = fenced ?? (cancelled ? undefined : stoppedBy(failed))
  const summary = summaryOf({
    ...{ plan, outcomes, isCancelled: cancelled && fenced === undefined },
    durationMs: finishedAt.getTime() - Date.parse(start.startedAt),
    kept: await readStep(state, start.id, 'compact'),
    isFollowing: start.reported !== undefined,
    ...(error === undefined ? {} : { error }),
  })
  const end = await endRun(state, start.id, { finishedAt: finishedAt.toISOString(), summary })
  return verdictOf(run, end.summary, outcomes)
}

/** Characters: it is part of a payload, which has a limit. */
const longestText = 8000

/** Attempts that left nothing: the machine was stopped before it could settle them. */
async function settleRest(context: ProjectContext, run: OpenRun, failed: MachineError | null): Promise<void> {
  const tasks = run.plan.tasks.filter(({ action }) => action === 'run')
  const outcomes = await readOutcomes(context.state, run.start.id, { tasks })
  for (const task of tasks.filter(({ id }) => !outcomes.has(id))) {
    const { attempts } = await readFailure(context.state, { run: run.start.id, task })
    const lost = { Error: 'States.TaskFailed', Cause: 'the run ended while it was at work' }
    if (attempts > 0) await settle(context, run, task.id, failed ?? lost)
  }
}

function stoppedBy(failed: MachineError | null): ErrorSummary | undefined {
  if (failed === null) return undefined
  const { Error: error, Cause: cause } = failed
  return errorSummary(sluiceError('Run.StateMachineFailed', { error, cause }))
}

function verdictOf({ start, plan }: OpenRun, summary: RunSummary, outcomes: ReadonlyMap<string, Outcome>): Verdict {
  const { status } = summary
  const reason = reasonOf(
    plan.tasks.map(({ id }) => id),
    summary,
    outcomes,
  )
  const text = (reason?.message ?? `${start.pipelines.join(', ')} ${status}`).slice(0, longestText)
  const cause = reason === undefined ? '' : JSON.stringify({ errorType: reason.name, errorMessage: text })
  return { status, cause, message: { runId: start.id, status, summary: text } }
}

/** Why a run is no success, in one error: whatever weighs most. */
function reasonOf(
  tasks: readonly string[],
  summary: RunSummary,
  outcomes: ReadonlyMap<string, Outcome>,
): Pick<ErrorSummary, 'name' | 'message'> | undefined {
  const { succeeded: kept, failed, skipped } = summary.tasks
  if (summary.status === 'succeeded') return undefined
  if (summary.error !== undefined) return summary.error
  if (summary.status === 'cancelled') return sluiceError('Run.Cancelled', {})
  const names = tasks.filter((id) => outcomes.get(id)?.status === 'failed')
  if (failed + skipped > 0) return sluiceError('Run.TasksFailed', { failed: names, skipped, kept })
  if (summary.refusedFiles > 0) return sluiceError('Run.FilesRefused', { count: summary.refusedFiles })
  const [table = ''] = waitingOf([...outcomes.values()])
  return sluiceError('Source.TableWaits', { table })
}
