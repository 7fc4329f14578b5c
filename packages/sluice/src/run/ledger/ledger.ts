/**
 * The ledger: what runs did, as files that only ever appear or grow.
 *
 * `runs/<id>/run.json` is created when a run starts, `events.jsonl` grows by durable lines, `end.json` is created when it ends. A run without an
 * end was interrupted. A run with nothing to do is written once, when it has ended: its `run.json` holds everything. Whether work is done is never read from here: tables say that by their commit records, targets by their load ledger.
 */
import { crashPoint } from '../../base/crash.ts'
import { canonicalJson } from '../../base/json.ts'
import type { Plan } from '../../plan/types.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RunInfo } from '../api.ts'
import type { RunEvent, RunSummary } from './events.ts'

/** What is written when a run starts. */
export interface RunStart {
  readonly id: string
  readonly startedAt: string
  readonly pipelines: readonly string[]
  readonly fencingToken: number
}

/** A run that is being written. */
export interface LedgerEntry {
  /** Keeps an event; progress is not kept. Returns at once, {@link finish} waits for all. */
  record(event: RunEvent): void
  /** Waits until everything recorded so far is durable. */
  flush(): Promise<void>
  finish(finishedAt: string, summary: RunSummary): Promise<void>
  /** In place of {@link finish}: as if there had been no run. */
  forget(): Promise<void>
}

/**
 * Starts a run in the ledger.
 *
 * @example const entry = await startRun(storage, { id, startedAt, pipelines: ['retail'], fencingToken: 7 }, plan)
 */
export async function startRun(storage: Storage, start: RunStart, plan: Plan): Promise<LedgerEntry> {
  crashPoint('run.ledger.before_start')
  await storage.write(`runs/${start.id}/plan.json`, canonicalJson(plan))
  await storage.create(`runs/${start.id}/run.json`, canonicalJson(start))
  crashPoint('run.ledger.after_start')
  let waiting: string[] = []
  let writing: Promise<void> = Promise.resolve()
  const write = (): void => {
    writing = writing.then(async () => {
      if (waiting.length === 0) return
      const lines = waiting.join('')
      waiting = []
      await storage.append(`runs/${start.id}/events.jsonl`, lines)
      crashPoint('run.ledger.after_append')
    })
    // What could not be kept is told to whoever waits for it, in flush() and finish().
    writing.catch(() => {})
  }
  return {
    record(event) {
      if (event.type === 'task.progress') return
      waiting.push(`${JSON.stringify(event)}\n`)
      if (waiting.length === 1) write()
    },
    flush: () => writing,
    async finish(finishedAt, summary) {
      await writing
      crashPoint('run.ledger.before_end')
      await storage.create(`runs/${start.id}/end.json`, canonicalJson({ finishedAt, summary }))
      crashPoint('run.ledger.after_end')
    },
    async forget() {
      await writing.catch(() => {})
      // Without the first of these, the others are of no run.
      for (const file of ['run.json', 'plan.json', 'events.jsonl']) await storage.remove(`runs/${start.id}/${file}`)
    },
  }
}

/** A run with nothing to do, as one file. */
interface WholeRun extends RunStart {
  readonly end: RunEnd
  readonly events: readonly RunEvent[]
  readonly plan: Plan
}

interface RunEnd {
  readonly finishedAt: string
  readonly summary: RunSummary
}

/**
 * A run with nothing to do: written as a whole when it has ended, because it has no half-way that a crash could leave.
 *
 * @example const entry = idleRun(storage, { id, startedAt, pipelines: ['retail'], fencingToken: 7 }, plan)
 */
export function idleRun(storage: Storage, start: RunStart, plan: Plan): LedgerEntry {
  const events: RunEvent[] = []
  return {
    record(event) {
      if (event.type !== 'task.progress') events.push(event)
    },
    flush: async () => {},
    async finish(finishedAt, summary) {
      const whole: WholeRun = { ...start, end: { finishedAt, summary }, events, plan }
      await storage.create(`runs/${start.id}/run.json`, canonicalJson(whole))
      crashPoint('run.ledger.after_idle')
    },
    forget: async () => {},
  }
}

/**
 * The runs of a project, newest first.
 *
 * @param isRunning whether a run without an end still holds its lease
 * @example await listRuns(storage, (start) => start.fencingToken === holder?.token)
 */
export async function listRuns(
  storage: Storage,
  isRunning: (start: RunStart) => boolean,
  limit = 20,
): Promise<readonly RunInfo[]> {
  const ids = (await storage.list('runs'))
    .filter((object) => object.path.endsWith('/run.json'))
    .map((object) => object.path.split('/')[1] as string)
    .sort()
    .reverse()
    .slice(0, limit)
  const runs = await Promise.all(ids.map((id) => readRun(storage, id, isRunning)))
  return runs.filter((run) => run !== undefined)
}

async function readRun(
  storage: Storage,
  id: string,
  isRunning: (start: RunStart) => boolean,
): Promise<RunInfo | undefined> {
  const start = await readJson<RunStart | WholeRun>(storage, `runs/${id}/run.json`)
  if (start === undefined) return undefined
  const end = 'end' in start ? start.end : await readJson<RunEnd>(storage, `runs/${id}/end.json`)
  const base = { id, startedAt: start.startedAt, pipelines: start.pipelines }
  if (end === undefined) return { ...base, status: isRunning(start) ? 'running' : 'interrupted' }
  return { ...base, finishedAt: end.finishedAt, status: end.summary.status, summary: end.summary }
}

/** The kept events of a run, in order; undefined where there is no such run. A torn last line, left by a crash, is dropped (fault OR-02). */
export async function readEvents(storage: Storage, id: string): Promise<readonly RunEvent[] | undefined> {
  const start = await readJson<RunStart | WholeRun>(storage, `runs/${id}/run.json`)
  if (start === undefined) return undefined
  if ('events' in start) return start.events
  const bytes = await storage.read(`runs/${id}/events.jsonl`)
  const lines = new TextDecoder().decode(bytes ?? new Uint8Array()).split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as RunEvent)
}

/** The plan that a run pinned. */
export async function readPlan(storage: Storage, id: string): Promise<Plan | undefined> {
  const start = await readJson<RunStart | WholeRun>(storage, `runs/${id}/run.json`)
  return start !== undefined && 'plan' in start ? start.plan : readJson<Plan>(storage, `runs/${id}/plan.json`)
}

async function readJson<T>(storage: Storage, path: string): Promise<T | undefined> {
  const bytes = await storage.read(path)
  return bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as T)
}
