/** The events of a run, collected from what its attempts, its outcomes and its own steps have left, and put in order. */

import type { Plan } from '../../plan/types.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import type { NewRunEvent, RunEvent } from './events.ts'
import { type RunEnd, type RunStart, readEnd, readPlan, readStart } from './ledger.ts'
import { finishedEvent, type Outcome, parseLines, plannedOutcome, readAttemptEvents, readOutcomes } from './outcome.ts'
import { runPath } from './paths.ts'

/** What a step of the run itself had to say. */
export interface StepRecord {
  readonly events: readonly RunEvent[]
}

/** Steps that have events. */
const steps = ['compact', 'notify'] as const

/** Keeps what a step had to say. @example await keepStep(state, run, 'compact', events) */
export async function keepStep(
  storage: Storage,
  run: string,
  step: (typeof steps)[number],
  events: readonly RunEvent[],
): Promise<void> {
  if (events.length > 0) await storage.write(stepPath(run, step), JSON.stringify({ events } satisfies StepRecord))
}

/** @example (await readStep(state, run, 'compact')).length */
export async function readStep(
  storage: Storage,
  run: string,
  step: (typeof steps)[number],
): Promise<readonly RunEvent[]> {
  return (await readJson<StepRecord>(storage, stepPath(run, step)))?.events ?? []
}

const stepPath = (run: string, step: string): string => runPath(run, `steps/${step}.json`)

/** An event with its run and its time. @example stamp(run, clock.now(), { type: 'run.finished', summary }) */
export function stamp(runId: string, at: Date, event: NewRunEvent): RunEvent {
  return { ...event, v: 1, ts: at.toISOString(), runId } as RunEvent
}

/** How a run begins. @example startedEvent(start, plan) */
export function startedEvent({ id, startedAt, pipelines, command }: RunStart, { project, tasks }: Plan): RunEvent {
  const running = tasks.filter((task) => task.action === 'run').length
  const what = command === undefined ? {} : { command }
  return stamp(id, new Date(startedAt), { type: 'run.started', pipelines, tasks: running, project, ...what })
}

/** What the plan has decided already, as events. @example plannedEvents(start, plan) */
export function plannedEvents({ id, startedAt }: RunStart, { tasks }: Plan): readonly RunEvent[] {
  return tasks
    .filter(({ action }) => action === 'skip')
    .map((task) => stamp(id, new Date(startedAt), finishedEvent(task, plannedOutcome(task))))
}

/**
 * The kept events of a run, in order; undefined where there is no such run.
 *
 * @example await readEvents(state, '20261120T100000Z-00000001')
 */
export async function readEvents(storage: Storage, id: string): Promise<readonly RunEvent[] | undefined> {
  const start = await readStart(storage, id)
  if (start === undefined) return undefined
  const former = await formerEvents(storage, start)
  if (former !== undefined) return former
  const plan = await readPlan(storage, id, start)
  const end = await readEnd(storage, id, start)
  if (plan === undefined) return endEvents(start, end)
  const working = plan.tasks.filter(({ action }) => action === 'run')
  const isIdle = working.length === 0
  const attempts = isIdle ? [] : await Promise.all(working.map((task) => readAttemptEvents(storage, { run: id, task })))
  const outcomes = isIdle ? new Map<string, Outcome>() : await readOutcomes(storage, id, { tasks: working })
  const own = await Promise.all(steps.map((step) => readStep(storage, id, step)))
  const all = [plannedEvents(start, plan), ...attempts, ...[...outcomes.values()].map(({ events }) => events), ...own]
  const sorted = all.flat().sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0))
  return [startedEvent(start, plan), ...sorted, ...endEvents(start, end)]
}

function endEvents({ id }: RunStart, end: RunEnd | undefined): readonly RunEvent[] {
  return end === undefined ? [] : [stamp(id, new Date(end.finishedAt), { type: 'run.finished', summary: end.summary })]
}

/** As an older Sluice has kept them: all in one object that grew, or in that of an idle run. */
async function formerEvents(storage: Storage, start: RunStart): Promise<readonly RunEvent[] | undefined> {
  if ('events' in start) return start.events as readonly RunEvent[]
  const bytes = await storage.read(runPath(start.id, 'events.jsonl'))
  return bytes === undefined ? undefined : parseLines(bytes)
}
