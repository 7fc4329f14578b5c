import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { RunEvent, RunSummary } from './events.ts'
import {
  cancelRun,
  endRun,
  forgetRun,
  isCancelled,
  keepIdleRun,
  listRuns,
  readEnd,
  readPlan,
  readRun,
  startRun,
} from './ledger.ts'
import { logText } from './log.ts'
import { beginAttempt, finishedEvent, leaveOutcome } from './outcome.ts'
import { keepStep, readEvents, stamp } from './run-events.ts'

const task = { id: 'model:a.b', kind: 'model', table: 'a.b', action: 'run', dependsOn: [] } as unknown as PlanTask
const plan: Plan = { format: 1, project: 'shop', definition: 'd', layers: [], tasks: [task] }
const at = '2026-11-20T10:00:00.000Z'
const summary: RunSummary = {
  status: 'succeeded',
  tasks: { succeeded: 1, failed: 0, skipped: 0, unchanged: 0 },
  rows: { read: 3, accepted: 2, quarantined: 1, dropped: 0, loaded: 2 },
  refusedFiles: 0,
  warnings: 0,
  durationMs: 12,
}
const end = { finishedAt: '2026-11-20T10:00:05.000Z', summary }

function start(id: string, token: number): Parameters<typeof startRun>[1] {
  return { id, startedAt: at, pipelines: ['retail'], fencingToken: token }
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'sluice-ledger-'))
const time = (seconds: number): Date => new Date(Date.parse(at) + seconds * 1000)

test('OR-01: the events of a run are those of its attempts, its outcomes and its steps, in order; progress is left out', async () => {
  const storage = diskStorage(folder())
  await startRun(storage, start('r1', 1), plan)
  const attempt = await beginAttempt(storage, systemClock, { run: 'r1', task })
  const begun = stamp('r1', time(1), { type: 'task.started', task: task.id, kind: 'model', table: 'a.b', attempt: 1 })
  attempt.emit(begun)
  attempt.emit(stamp('r1', time(2), { type: 'task.progress', task: task.id, rows: 1, bytes: 1 }))
  const made = { format: 1, task: task.id, attempt: 1, status: 'succeeded', durationMs: 5, version: 1 } as const
  const finished = stamp('r1', time(3), finishedEvent(task, made))
  const { events, warnings } = await attempt.end()
  expect(events).toEqual([begun])
  await leaveOutcome(storage, { run: 'r1', task }, { ...made, finishedAt: at, warnings, events: [...events, finished] })
  const warning = stamp('r1', time(4), { type: 'task.warning', task: task.id, message: 'small' })
  await keepStep(storage, 'r1', 'compact', [warning])
  await endRun(storage, 'r1', end)
  const kept = (await readEvents(storage, 'r1')) ?? []
  expect(kept.slice(1, -1)).toEqual([begun, finished, warning])
  expect([kept[0], kept.at(-1)]).toMatchObject([
    { type: 'run.started', ts: at, tasks: 1, project: 'shop', pipelines: ['retail'] },
    { type: 'run.finished', ts: end.finishedAt, summary },
  ])
  expect(logText(kept, 'a.b')).toBe(
    `${time(1).toISOString()} model:a.b started\n${time(3).toISOString()} model:a.b succeeded in 5 ms, version 1\n${time(4).toISOString()} model:a.b warning: small\n`,
  )
  expect(await readPlan(storage, 'r1')).toEqual(plan)
  expect(await readEvents(storage, 'unknown')).toBeUndefined()
  // A short task is two objects.
  expect((await storage.list('runs/r1/tasks')).map(({ path }) => path.split('/').at(-1))).toEqual([
    '1.json',
    'outcome.json',
  ])
})

test('OR-02: the ledger of an older Sluice is read; a torn last line is dropped', async () => {
  const root = folder()
  const storage = diskStorage(root)
  const event: RunEvent = stamp('r1', time(0), { type: 'task.warning', task: task.id, message: 'old' })
  mkdirSync(join(root, 'runs/r1'), { recursive: true })
  writeFileSync(join(root, 'runs/r1/run.json'), JSON.stringify(start('r1', 1)))
  writeFileSync(join(root, 'runs/r1/plan.json'), JSON.stringify(plan))
  writeFileSync(join(root, 'runs/r1/events.jsonl'), `${JSON.stringify(event)}\n`)
  appendFileSync(join(root, 'runs/r1/events.jsonl'), '{"v":1,"ts":"2026')
  expect(await readEvents(storage, 'r1')).toEqual([event])
  // And the one object of a run with nothing to do.
  mkdirSync(join(root, 'runs/r2'), { recursive: true })
  writeFileSync(join(root, 'runs/r2/run.json'), JSON.stringify({ ...start('r2', 2), end, events: [event], plan }))
  expect(await readEvents(storage, 'r2')).toEqual([event])
  expect(await readPlan(storage, 'r2')).toEqual(plan)
  expect((await listRuns(storage, () => false)).map(({ id, status }) => [id, status])).toEqual([
    ['r2', 'succeeded'],
    ['r1', 'interrupted'],
  ])
})

test('a run without an end is running while it holds its lease, and interrupted after', async () => {
  const storage = diskStorage(folder())
  await startRun(storage, start('r1', 1), plan)
  await startRun(storage, start('r2', 2), plan)
  await endRun(storage, 'r2', end)
  expect(
    (await listRuns(storage, ({ fencingToken }) => fencingToken === 1)).map(({ id, status }) => [id, status]),
  ).toEqual([
    ['r2', 'succeeded'],
    ['r1', 'running'],
  ])
  expect((await listRuns(storage, () => false)).map(({ status }) => status)).toEqual(['succeeded', 'interrupted'])
  expect(await listRuns(storage, () => false, { limit: 1 })).toHaveLength(1)
})

test('what never started is no run, and hides none', async () => {
  const storage = diskStorage(folder())
  await startRun(storage, start('r1', 1), plan)
  for (const id of ['r2', 'r3', 'r4']) await storage.write(`runs/${id}/plan.json`, '{}')
  expect((await listRuns(storage, () => false, { limit: 2 })).map(({ id }) => id)).toEqual(['r1'])
})

test('a run with nothing to do is one object, and is read like any other', async () => {
  const storage = diskStorage(folder())
  const idle: Plan = { ...plan, tasks: [{ ...task, action: 'skip', reason: 'unchanged', detail: '', current: 3 }] }
  await keepIdleRun(storage, start('r1', 1), idle, end)
  expect((await storage.list('')).map(({ path }) => path)).toEqual(['runs/r1/run.json'])
  expect((await readEvents(storage, 'r1'))?.map(({ type }) => type)).toEqual([
    'run.started',
    'task.finished',
    'run.finished',
  ])
  expect(await readPlan(storage, 'r1')).toEqual(idle)
  expect(await listRuns(storage, () => false)).toEqual([
    {
      id: 'r1',
      startedAt: at,
      finishedAt: end.finishedAt,
      pipelines: ['retail'],
      status: 'succeeded',
      summary,
    },
  ])
})

test('the first end of a run counts; a run that is forgotten leaves nothing', async () => {
  const storage = diskStorage(folder())
  await startRun(storage, start('r1', 1), plan)
  await endRun(storage, 'r1', end)
  const late = await endRun(storage, 'r1', { ...end, finishedAt: '2026-11-20T11:00:00.000Z' })
  expect(late).toEqual(end)
  expect(await readEnd(storage, 'r1')).toEqual(end)
  await beginAttempt(storage, systemClock, { run: 'r1', task })
  await forgetRun(storage, 'r1')
  expect(await storage.list('')).toEqual([])
})

test('a run is cancelled by an object; one that is not there cannot be', async () => {
  const storage = diskStorage(folder())
  await startRun(storage, start('r1', 1), plan)
  expect(await isCancelled(storage, 'r1')).toBe(false)
  await cancelRun(storage, 'r1', time(1))
  await cancelRun(storage, 'r1', time(2))
  expect(await isCancelled(storage, 'r1')).toBe(true)
  await expect(cancelRun(storage, 'r9', time(1))).rejects.toMatchObject({ name: 'Run.NotFound' })
})

test.each(['end.json', 'run.json'])('a damaged %s is named, and the other runs are listed', async (file) => {
  for (const damage of ['', '{"id', '{"id":"r2"}', 'null']) {
    const storage = diskStorage(folder())
    for (const [at, id] of ['r1', 'r2', 'r3'].entries()) {
      await startRun(storage, start(id, at + 1), plan)
      await endRun(storage, id, end)
    }
    await storage.write(`runs/r2/${file}`, damage)
    const damaged: string[] = []
    const runs = await listRuns(storage, () => false, { damaged: (path) => damaged.push(path) })
    expect(damaged).toEqual([`runs/r2/${file}`])
    expect(runs.map(({ id }) => id)).toEqual(file === 'run.json' ? ['r3', 'r1'] : ['r3', 'r2', 'r1'])
  }
})

test('any kept run is found by its id, however many are newer; what is no id is no path', async () => {
  const storage = diskStorage(folder())
  for (let at = 0; at < 150; at++) await startRun(storage, start(`r${1000 + at}`, at + 1), plan)
  expect(await listRuns(storage, () => false, { limit: Number.POSITIVE_INFINITY })).toHaveLength(150)
  expect(await readRun(storage, 'r1000', () => false)).toMatchObject({ id: 'r1000', status: 'interrupted' })
  for (const id of ['r1', '../r1000', '', '.', 'a/b']) expect(await readRun(storage, id, () => false)).toBeUndefined()
})
