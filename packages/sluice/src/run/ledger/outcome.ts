/**
 * What becomes of a task: attempts, and one outcome.
 *
 * `tasks/<task>/<attempt>.json` is created exclusively, so an attempt has the first free number. `tasks/<task>/outcome.json` is created
 * exclusively, so the first attempt to leave one decides, whoever else is still at work; an outcome that comes later counts for nothing. The events
 * of an attempt are objects of its own, the last of them part of the outcome: a short task writes two objects.
 */
import type { Clock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import { thisProcess } from '../../base/process-identity.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import type { TaskOutcome } from '../context.ts'
import { type ErrorSummary, type EventSink, errorSummary, type NewRunEvent, type RunEvent } from './events.ts'
import type { LagEvent } from './lag.ts'
import { taskFolder } from './paths.ts'

/** The outcome of a task as it is kept. */
export interface Outcome extends TaskOutcome {
  readonly format: 1
  readonly task: string
  /** 0 where none was made: the plan or a task before decided it. */
  readonly attempt: number
  readonly durationMs: number
  readonly finishedAt: string
  readonly warnings: number
  readonly error?: ErrorSummary
  /** Why it was not run. */
  readonly reason?: string
  /** How far behind its server its source was, at the last measure. */
  readonly lag?: LagEvent
  /** The last events of its attempt. */
  readonly events: readonly RunEvent[]
}

/** A task of a run. */
export interface TaskOfRun {
  readonly run: string
  readonly task: PlanTask
}

/** One attempt of a task, and its events. */
export interface Attempt {
  readonly number: number
  readonly emit: EventSink
  /** Ends the writing of events, and returns those that are not written yet. */
  end(): Promise<Pick<Outcome, 'events' | 'warnings' | 'lag'>>
  /** Ends it without an outcome: its last events are written. */
  fail(): Promise<void>
}

/** Between two objects of events. */
const eventsEveryMs = 2000

/**
 * Begins an attempt, with the first free number.
 *
 * @example const attempt = await beginAttempt(state, clock, { run, task })
 */
export async function beginAttempt(storage: Storage, clock: Clock, { run, task }: TaskOfRun): Promise<Attempt> {
  const folder = taskFolder(run, task.id)
  const claim = canonicalJson({ task: task.id, startedAt: clock.now().toISOString(), process: thisProcess() })
  crashPoint('run.ledger.before_attempt')
  let number = 1
  while (!(await storage.create(`${folder}/${number}.json`, claim))) number++
  crashPoint('run.ledger.after_attempt')

  const done = new AbortController()
  let waiting: RunEvent[] = []
  let [objects, warnings] = [0, 0]
  let lag: LagEvent | undefined
  const write = async (): Promise<void> => {
    const events = waiting
    if (events.length === 0) return
    await storage.write(`${folder}/${number}/events-${objects + 1}.jsonl`, linesOf(events))
    crashPoint('run.ledger.after_events')
    objects++
    waiting = waiting.slice(events.length)
  }
  let due: Promise<void> | undefined
  const writeLater = async (): Promise<void> => {
    await clock.sleep(eventsEveryMs, done.signal)
    // What cannot be written now comes with the next, or with the outcome.
    if (!done.signal.aborted) await write().catch(() => undefined)
    due = waiting.length > 0 && !done.signal.aborted ? writeLater() : undefined
  }
  const end = async (): Promise<void> => {
    done.abort()
    await due
  }
  return {
    number,
    emit(event) {
      // Progress is shown and not kept.
      if (event.type === 'task.progress') return
      if (event.type === 'task.warning') warnings++
      if (event.type === 'source.lag') lag = event
      waiting = [...waiting, event]
      due ??= writeLater()
    },
    async end() {
      await end()
      return { events: waiting, warnings, ...(lag === undefined ? {} : { lag }) }
    },
    async fail() {
      await end()
      await write()
    },
  }
}

/**
 * Leaves an outcome where the task has none, and returns the one that counts.
 *
 * @example const { status } = await leaveOutcome(state, { run, task }, outcome)
 */
export async function leaveOutcome(storage: Storage, { run, task }: TaskOfRun, outcome: Outcome): Promise<Outcome> {
  crashPoint('run.ledger.before_outcome')
  const isFirst = await storage.create(outcomePath(run, task), canonicalJson(outcome))
  crashPoint('run.ledger.after_outcome')
  if (isFirst) return outcome
  const { attempt, events } = outcome
  // What it did is worth reading, if only as an attempt.
  if (attempt > 0)
    await storage.write(`${taskFolder(run, task.id)}/${attempt}/events-late.jsonl`, linesOf(events)).catch(() => {})
  return (await readOutcome(storage, { run, task })) ?? outcome
}

/**
 * The outcome of a task: by the plan, where that does not run it; else as it was left.
 *
 * @example (await readOutcome(state, { run, task }))?.version
 */
export async function readOutcome(storage: Storage, { run, task }: TaskOfRun): Promise<Outcome | undefined> {
  if (task.action === 'skip') return plannedOutcome(task)
  const path = outcomePath(run, task)
  const outcome = await readJson<Outcome>(storage, path)
  if (outcome !== undefined || (await storage.stat(path)) === undefined) return outcome
  // It is there, and nobody can read it: what it said is lost, and nothing else can be left in its place.
  const error = errorSummary(sluiceError('Run.TaskLost', { task: task.id, why: 'its outcome is damaged' }))
  return {
    format: 1,
    task: task.id,
    attempt: 0,
    status: 'failed',
    durationMs: 0,
    finishedAt: '',
    warnings: 0,
    error,
    events: [],
  }
}

/** All outcomes of a run, by task, in the order of the plan. @example (await readOutcomes(state, run, plan)).get('load:sales') */
export async function readOutcomes(
  storage: Storage,
  run: string,
  { tasks }: Pick<Plan, 'tasks'>,
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = await Promise.all(tasks.map((task) => readOutcome(storage, { run, task })))
  return new Map(outcomes.flatMap((outcome) => (outcome === undefined ? [] : [[outcome.task, outcome]])))
}

/** What the plan has decided already. @example plannedOutcome(task).status // 'unchanged' */
export function plannedOutcome(task: PlanTask): Outcome {
  const { id, reason, detail, current } = task
  return {
    ...{ format: 1, task: id, attempt: 0, durationMs: 0, finishedAt: '', warnings: 0, events: [] },
    status: reason === 'needs-approval' ? 'skipped' : 'unchanged',
    ...(current === undefined ? {} : { version: current }),
    ...(reason === 'unchanged' ? {} : { reason: detail }),
  }
}

/** How the last attempt of a task failed, where it could say so; `attempts` is 0 where none was made. */
export interface LastFailure {
  readonly attempts: number
  readonly failure?: Extract<RunEvent, { type: 'task.failed' }>
  readonly events: readonly RunEvent[]
}

/**
 * How an attempt failed, the last one by default.
 *
 * @example (await readFailure(state, { run, task })).failure?.error.name
 */
export async function readFailure(storage: Storage, { run, task }: TaskOfRun, number?: number): Promise<LastFailure> {
  const objects = await readAttempts(storage, taskFolder(run, task.id))
  const attempts = Math.max(0, ...objects.map(({ attempt }) => attempt))
  const events = objects.filter(({ attempt }) => attempt === (number ?? attempts)).flatMap((object) => object.events)
  const failure = events.findLast((event) => event.type === 'task.failed')
  return { attempts, events, ...(failure === undefined ? {} : { failure }) }
}

interface AttemptObject {
  readonly attempt: number
  readonly events: readonly RunEvent[]
}

/** What attempts have left below a folder, in order; those that left no events yet, too. */
async function readAttempts(storage: Storage, folder: string): Promise<readonly AttemptObject[]> {
  const objects = (await storage.list(folder)).flatMap(({ path }) => {
    const [, attempt, object] = /\/(\d+)(?:\.json|\/events-(\w+)\.jsonl)$/.exec(path) ?? []
    const order = object === 'late' ? Number.POSITIVE_INFINITY : Number(object ?? 0)
    return attempt === undefined ? [] : [{ path, attempt: Number(attempt), order }]
  })
  objects.sort((a, b) => a.attempt - b.attempt || a.order - b.order)
  return Promise.all(
    objects.map(async ({ path, attempt }) => ({
      attempt,
      events: path.endsWith('.jsonl') ? parseLines(await storage.read(path)) : [],
    })),
  )
}

/** The events of a task's attempts that are no part of an outcome. @example await readAttemptEvents(state, { run, task }) */
export async function readAttemptEvents(storage: Storage, { run, task }: TaskOfRun): Promise<readonly RunEvent[]> {
  return (await readAttempts(storage, taskFolder(run, task.id))).flatMap(({ events }) => events)
}

/** The event of an outcome. @example emit(finishedEvent(task, outcome)) */
export function finishedEvent(
  task: PlanTask,
  outcome: Omit<Outcome, 'events' | 'finishedAt' | 'warnings'>,
): Extract<NewRunEvent, { type: 'task.finished' }> {
  const { status, durationMs, version, accounting, partitions, load, error, reason } = outcome
  return {
    ...{ type: 'task.finished', task: task.id, kind: task.kind, table: task.table, status, durationMs },
    ...(version === undefined ? {} : { version }),
    ...(accounting === undefined ? {} : { accounting, rows: accounting.accepted }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(load === undefined ? {} : { load }),
    ...(error === undefined ? {} : { error }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** Events of lines; one that was torn or damaged is left out (fault OR-02). @example parseLines(await state.read(path)) */
export function parseLines(bytes: Uint8Array | undefined): readonly RunEvent[] {
  return new TextDecoder()
    .decode(bytes ?? new Uint8Array())
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as RunEvent]
      } catch {
        return []
      }
    })
}

const linesOf = (events: readonly RunEvent[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('')
const outcomePath = (run: string, { id }: PlanTask): string => `${taskFolder(run, id)}/outcome.json`
