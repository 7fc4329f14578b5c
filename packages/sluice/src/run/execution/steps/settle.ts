/** Settles a task whose last attempt has failed, or has ended without a word: the one place where a failure becomes an outcome. */
import { type ErrorName, sluiceError } from '../../../base/errors.ts'
import { registry } from '../../../base/registry.ts'
import type { ProjectContext } from '../../context.ts'
import { type ErrorSummary, errorSummary } from '../../ledger/events.ts'
import { type LastFailure, readFailure, readOutcome } from '../../ledger/outcome.ts'
import { leaveTask, resultOf, type TaskResult, taskOf } from '../leave.ts'
import type { OpenRun } from '../open-run.ts'

/** An error as a state machine has it. */
export interface MachineError {
  readonly Error: string
  readonly Cause: string
}

/**
 * Settles. An outcome that is there already counts; the attempt that failed, or the run's end, may have been late.
 *
 * @example await settle(context, run, 'model:stage.sales', { Error: 'States.Timeout', Cause: '…' })
 */
export async function settle(
  context: ProjectContext,
  run: OpenRun,
  id: string,
  error: MachineError,
): Promise<TaskResult> {
  const task = taskOf(run, id)
  const of = { run: run.start.id, task }
  const left = await readOutcome(context.state, of)
  if (left !== undefined) return resultOf(left)
  const last = await readFailure(context.state, of)
  const summary = failureOf(id, error, last)
  const status = summary.name === 'Run.Cancelled' ? 'cancelled' : 'failed'
  const warnings = last.events.filter(({ type }) => type === 'task.warning').length
  const lag = last.events.findLast((event) => event.type === 'source.lag')
  const outcome = await leaveTask(
    context,
    run,
    task,
    { status, error: summary, durationMs: last.failure?.durationMs ?? 0 },
    { number: last.attempts, end: async () => ({ events: [], warnings, ...(lag === undefined ? {} : { lag }) }) },
  )
  return resultOf(outcome)
}

/** What the attempt said itself; where it could not say anything, what the machine knows of it. */
function failureOf(task: string, { Error: name, Cause }: MachineError, { failure }: LastFailure): ErrorSummary {
  const isOwn = !/^(States|Lambda)\./.test(name)
  if (isOwn && failure !== undefined) return failure.error
  const message = messageOf(Cause)
  if (!isOwn || !(name in registry))
    return errorSummary(sluiceError('Run.TaskLost', { task, why: `${name}: ${message}` }))
  const { code, retry } = registry[name as ErrorName]
  return { code, name, message, retryable: retry === 'transient' }
}

/** A function's error comes as JSON. */
function messageOf(cause: string): string {
  try {
    return (JSON.parse(cause) as { errorMessage?: string }).errorMessage ?? cause
  } catch {
    return cause
  }
}
