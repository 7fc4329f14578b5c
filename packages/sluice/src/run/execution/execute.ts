/**
 * Executes a run: starts it, has the interpreter walk the emitted state machine from there, and reads how it ended.
 *
 * What a run does is in the text of the machine (`statemachine/`) and in its steps (`steps/`); nothing passes between them but the ledger. Nothing is
 * resumed from the ledger either: a run that follows a crash plans again from what is committed, and so goes on by itself.
 */
import { newId } from '../../base/clock.ts'
import { assert, isSluiceError, sluiceError, sluiceErrorOf } from '../../base/errors.ts'
import { registry } from '../../base/registry.ts'
import type { Plan } from '../../plan/types.ts'
import type { Payload } from '../../statemachine/types.ts'
import type { RunOptions } from '../api.ts'
import type { ProjectContext } from '../context.ts'
import type { RunSummary } from '../ledger/events.ts'
import { cancelRun, readEnd, readPlan, readStart } from '../ledger/ledger.ts'
import { type Outcome, readOutcome } from '../ledger/outcome.ts'
import { plannedEvents, readEvents, stamp, startedEvent } from '../ledger/run-events.ts'
import { type Command, commandPlan } from './command-plan.ts'
import { keepOpen, type OpenRun } from './open-run.ts'
import { finish } from './steps/finish.ts'
import { type Started, type StartOptions, start } from './steps/start.ts'

/** How a run is executed. */
export interface ExecuteOptions extends RunOptions, StartOptions {}

/** A run that has ended. */
export interface EndedRun {
  readonly id: string
  readonly summary: RunSummary
}

/** Apart, because the compiler leaves the ending of an import as it is where it is inside a block with `await using`. */
const notifying = (): Promise<typeof import('./steps/notify.ts')> => import('./steps/notify.ts')

/**
 * Runs a project once.
 *
 * @example const { id, summary } = await executeRun(context, { select: ['raw.sales'] })
 * @throws Definition.Invalid before anything ran, when the definition has problems
 * @throws Run.Busy when another run holds one of the pipelines; Run.Fenced when another run has taken over
 */
export async function executeRun(context: ProjectContext, options: ExecuteOptions = {}): Promise<EndedRun> {
  const id = newId(context.clock)
  const started = await start(context, id, options)
  await using run = keepOpen(context, started, options)
  run.tell(startedEvent(run.start, run.plan))
  const failure = started.kind === 'nothing' ? await passOver(context, run) : await walk(context, run, started, options)
  const end = await readEnd(context.state, id, run.start)
  if (run.lease.lost.aborted) throw run.lease.lost.reason
  if (end === undefined) throw unfinished(failure)
  run.tell(stamp(id, new Date(end.finishedAt), { type: 'run.finished', summary: end.summary }))
  return { id, summary: end.summary }
}

/** Why a run has no end: what kept its last state from writing one, not that the machine has failed by it. */
function unfinished(failure: unknown): unknown {
  if (!isSluiceError(failure, 'Run.StateMachineFailed')) return failure
  try {
    const { errorType, errorMessage } = JSON.parse(String(failure.params['cause']))
    return errorType in registry ? sluiceErrorOf({ name: errorType, message: errorMessage }) : failure
  } catch {
    return failure
  }
}

/**
 * Runs a command, and returns what its task left.
 *
 * @example const { version } = await executeCommand(context, { kind: 'rollback', table: 'raw.sales', version: 3 })
 * @throws what the task failed with; Run.Busy
 */
export async function executeCommand(
  context: ProjectContext,
  command: Command,
  options: Pick<RunOptions, 'signal' | 'onEvent'> = {},
): Promise<Outcome> {
  const { id: run } = await executeRun(context, { ...options, command })
  const [task] = commandPlan(context, command).tasks
  const outcome = await readOutcome(context.state, { run, task: task! })
  if (outcome === undefined) throw sluiceError('Run.Cancelled', {})
  if (outcome.error !== undefined) throw sluiceErrorOf(outcome.error)
  return outcome
}

/**
 * Runs again what failed, was skipped or was cut short in a run, and what depends on it.
 *
 * @throws Run.NotFound, Run.NothingToRetry
 */
export async function retryRun(context: ProjectContext, runId: string, options: RunOptions = {}): Promise<EndedRun> {
  const { state } = context
  const planned = (await readStart(state, runId)) && (await readPlan(state, runId))
  const events = planned && (await readEvents(state, runId))
  if (events === undefined || planned === undefined) throw sluiceError('Run.NotFound', { run: runId })
  const done = new Set(
    events.flatMap((event) =>
      event.type === 'task.finished' && ['succeeded', 'unchanged'].includes(event.status) ? [event.task] : [],
    ),
  )
  const select = planned.tasks
    .filter(({ id, action, command }) => action === 'run' && command === undefined && !done.has(id))
    .map((task) => `${task.table}+`)
  if (select.length === 0) throw sluiceError('Run.NothingToRetry', { run: runId })
  return executeRun(context, { ...options, select, parameters: givenAgain(planned) })
}

/** What a plan was made with, so that what is tried again is the same. */
function givenAgain({ parameters = {} }: Plan): NonNullable<RunOptions['parameters']> {
  const named = Object.entries(parameters).flatMap(([pipeline, values]) =>
    Object.entries(values).map(([name, value]) => [`${pipeline}.${name}`, value] as const),
  )
  return Object.fromEntries(named)
}

/** The way of the text where there is nothing to do, without its interpreter: an idle run costs next to nothing. */
async function passOver(context: ProjectContext, run: OpenRun): Promise<undefined> {
  for (const event of plannedEvents(run.start, run.plan)) run.tell(event)
  await finish(context, run, null)
  const { config, pipelines } = context.project
  const isSent = [config, ...pipelines].some(({ notifications }) => notifications.length > 0)
  if (isSent) await (await notifying()).notify(context, run)
  return undefined
}

/** Walks the machine from where the run was started; stopped, it goes on at its finish. Returns what the machine failed with. */
async function walk(
  context: ProjectContext,
  run: OpenRun,
  { kind }: Started,
  options: ExecuteOptions,
): Promise<unknown> {
  const [{ compileStateMachines }, { executeStateMachines }, { AFTER_START, AT_FINISH }, { invokeIn }] =
    await Promise.all([
      import('../../statemachine/compile.ts'),
      import('./interpreter.ts'),
      import('../../statemachine/master.ts'),
      import('./invoke.ts'),
    ])
  const { id: runId, fencingToken } = run.start
  const concurrency = options.concurrency ?? context.project.config.concurrency
  const machines = compileStateMachines(run.plan, { concurrency })
  const perform = options.invoke ?? ((payload, signal) => invokeIn(context, run, payload, signal))
  const from = (state: string, error: unknown, signal: AbortSignal): Promise<unknown> =>
    executeStateMachines(
      machines,
      { runId, start: { fencingToken, kind, task: run.plan.tasks[0]?.id ?? null, error } },
      {
        invoke: (payload, stop) => perform(payload as unknown as Payload, stop),
        // There is no topic here: notifiers of the project have the state before this one.
        notify: async () => {},
        signal,
      },
      state,
    ).then(
      () => undefined,
      (failure: unknown) => failure,
    )
  const failure = await from(AFTER_START, null, run.ended)
  if (!run.ended.aborted || (await readEnd(context.state, runId)) !== undefined) return failure
  // Its tasks may be in other processes, which find this.
  if (!run.lease.lost.aborted) await cancelRun(context.state, runId, context.clock.now()).catch(() => undefined)
  const { name, message } = run.ended.reason as Error
  assert(name !== undefined, 'a run ends with an error of its own')
  return from(AT_FINISH, { Error: name, Cause: message }, new AbortController().signal)
}
