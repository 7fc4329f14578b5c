/**
 * The ledger: what runs did, as objects that are created and never changed.
 *
 * `runs/<id>/plan.json` and `run.json` are created when a run starts, `tasks/` has the attempts and outcomes of its tasks, `steps/` what its own
 * steps have to say, `end.json` is created when it ends. A run without an end was interrupted. A run with nothing to do is one object: its
 * `run.json` holds everything. Whether work is done is never read from here: tables say that by their commit records, targets by their load ledger.
 */
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import type { Plan } from '../../plan/types.ts'
import { type Damaged, readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RunInfo } from '../api.ts'
import type { RunSummary } from './events.ts'
import { runPath } from './paths.ts'

/** What is written when a run starts. */
export interface RunStart {
  readonly id: string
  readonly startedAt: string
  readonly pipelines: readonly string[]
  readonly fencingToken: number
  /** What it does, where it is a command and not a run of the project's tasks. */
  readonly command?: string
  /** Of runs that follow each other: the troubles that the ones before have reported. */
  readonly reported?: readonly string[]
}

/** How a run ended. */
export interface RunEnd {
  readonly finishedAt: string
  readonly summary: RunSummary
}

/** A run with nothing to do, as one object. */
interface WholeRun extends RunStart {
  readonly plan: Plan
  readonly end: RunEnd
}

/**
 * Starts a run in the ledger.
 *
 * @example await startRun(state, { id, startedAt, pipelines: ['retail'], fencingToken: 7 }, plan)
 */
export async function startRun(storage: Storage, start: RunStart, plan: Plan): Promise<void> {
  crashPoint('run.ledger.before_start')
  await storage.write(runPath(start.id, 'plan.json'), canonicalJson(plan))
  await storage.create(runPath(start.id, 'run.json'), canonicalJson(start))
  crashPoint('run.ledger.after_start')
}

/**
 * Keeps a run with nothing to do: written as a whole, because it has no half-way that a crash could leave.
 *
 * @example await keepIdleRun(state, { id, startedAt, pipelines: ['retail'], fencingToken: 7 }, plan, { finishedAt, summary })
 */
export async function keepIdleRun(storage: Storage, start: RunStart, plan: Plan, end: RunEnd): Promise<RunStart> {
  const whole: WholeRun = { ...start, plan, end }
  await storage.create(runPath(start.id, 'run.json'), canonicalJson(whole))
  crashPoint('run.ledger.after_idle')
  return whole
}

/** Ends a run; the first end counts. @example const { summary } = await endRun(state, id, { finishedAt, summary }) */
export async function endRun(storage: Storage, id: string, end: RunEnd): Promise<RunEnd> {
  crashPoint('run.ledger.before_end')
  if (!(await storage.create(runPath(id, 'end.json'), canonicalJson(end)))) return (await readEnd(storage, id)) ?? end
  crashPoint('run.ledger.after_end')
  return end
}

/** Asks the tasks of a run to end, in whatever processes they are. @example await cancelRun(state, id, clock.now()) */
export async function cancelRun(storage: Storage, id: string, at: Date): Promise<void> {
  if ((await readStart(storage, id)) === undefined) throw sluiceError('Run.NotFound', { run: id })
  await storage.create(cancelPath(id), canonicalJson({ at: at.toISOString() }))
}

/** Whether somebody has asked for the end of a run. @example if (await isCancelled(state, id)) stop() */
export async function isCancelled(storage: Storage, id: string): Promise<boolean> {
  return (await storage.stat(cancelPath(id))) !== undefined
}

const cancelPath = (id: string): string => runPath(id, 'cancel.json')

/** As if there had been no run. @example await forgetRun(state, id) */
export async function forgetRun(storage: Storage, id: string): Promise<void> {
  // Without the first of these, the others are of no run.
  await storage.remove(runPath(id, 'run.json'))
  for (const { path } of await storage.list(`runs/${id}`)) await storage.remove(path)
}

/**
 * The runs of a project, newest first.
 *
 * @param isRunning whether a run without an end still holds its leases
 * @example await listRuns(state, async ({ id }) => (await leaseHolder(state, 'retail', clock))?.owner === id)
 */
export async function listRuns(
  storage: Storage,
  isRunning: IsRunning,
  { limit = 20, damaged }: { readonly limit?: number | undefined; readonly damaged?: Damaged | undefined } = {},
): Promise<readonly RunInfo[]> {
  const runs: RunInfo[] = []
  const ids = [...(await storage.folders('runs'))].sort().reverse()
  const some = Math.min(limit, readsAtATime)
  // What never started leaves a folder without a run.
  for (let from = 0; runs.length < limit && from < ids.length; from += some) {
    const found = await Promise.all(ids.slice(from, from + some).map((id) => readRun(storage, id, isRunning, damaged)))
    runs.push(...found.filter((run) => run !== undefined))
  }
  return runs.slice(0, limit)
}

/** How many runs are read at a time. */
const readsAtATime = 64

/** Whether a run without an end still holds its leases. */
export type IsRunning = (start: RunStart) => boolean | Promise<boolean>

/** One run, by its id; undefined where there is no such run. @example await readRun(state, id, () => false) */
export async function readRun(
  storage: Storage,
  id: string,
  isRunning: IsRunning,
  damaged?: Damaged,
): Promise<RunInfo | undefined> {
  if (!/^[\w-][\w.-]*$/.test(id)) return undefined
  const start = await readStart(storage, id, damaged)
  if (start === undefined) return undefined
  const end = await readEnd(storage, id, start, damaged)
  const { startedAt, pipelines, command } = start
  const base = { id, startedAt, pipelines, ...(command === undefined ? {} : { command }) }
  if (end === undefined) return { ...base, status: (await isRunning(start)) ? 'running' : 'interrupted' }
  return { ...base, finishedAt: end.finishedAt, status: end.summary.status, summary: end.summary }
}

/** The start of a run; undefined where there is no such run, or its start is damaged. @example await readStart(state, id) */
export async function readStart(storage: Storage, id: string, damaged?: Damaged): Promise<RunStart | undefined> {
  const isWhole = (start: RunStart): boolean =>
    start?.id === id && isInstant(start.startedAt) && Array.isArray(start.pipelines)
  return readJson<RunStart>(storage, runPath(id, 'run.json'), { damaged, isWhole })
}

/** The end of a run; undefined where it has none, or it is damaged. @example (await readEnd(state, id))?.summary.status */
export async function readEnd(
  storage: Storage,
  id: string,
  start?: RunStart,
  damaged?: Damaged,
): Promise<RunEnd | undefined> {
  const whole = (start ?? (await readStart(storage, id, damaged))) as Partial<WholeRun> | undefined
  const isWhole = ({ finishedAt, summary }: RunEnd): boolean =>
    isInstant(finishedAt) && typeof summary?.status === 'string' && typeof summary.rows?.read === 'number'
  if (whole?.end === undefined) return readJson<RunEnd>(storage, runPath(id, 'end.json'), { damaged, isWhole })
  if (isWhole(whole.end)) return whole.end
  damaged?.(runPath(id, 'run.json'))
  return undefined
}

function isInstant(text: unknown): boolean {
  return typeof text === 'string' && !Number.isNaN(Date.parse(text))
}

/** The plan that a run pinned. @example await readPlan(state, id) */
export async function readPlan(storage: Storage, id: string, start?: RunStart): Promise<Plan | undefined> {
  const whole = (start ?? (await readStart(storage, id))) as Partial<WholeRun> | undefined
  return whole?.plan ?? readJson<Plan>(storage, runPath(id, 'plan.json'))
}
