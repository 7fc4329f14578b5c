import { appendFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { RunEvent, RunSummary } from './events.ts'
import { idleRun, listRuns, readEvents, readPlan, startRun } from './ledger.ts'
import { logText } from './log.ts'

const plan = { format: 1, project: 'shop', definition: 'd', layers: [], tasks: [] } as const
const stamp = { v: 1, ts: '2026-11-20T10:00:00.000Z', runId: 'r1' } as const
const summary: RunSummary = {
  status: 'succeeded',
  tasks: { succeeded: 1, failed: 0, skipped: 0, unchanged: 0 },
  rows: { read: 3, accepted: 2, quarantined: 1, dropped: 0, loaded: 2 },
  refusedFiles: 0,
  warnings: 0,
  durationMs: 12,
}

function start(id: string, token: number): Parameters<typeof startRun>[1] {
  return { id, startedAt: stamp.ts, pipelines: ['retail'], fencingToken: token }
}

test('OR-02: keeps events in order, leaves progress out, drops a torn last line', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-ledger-'))
  const storage = diskStorage(root)
  const entry = await startRun(storage, start('r1', 1), plan)
  const events: RunEvent[] = [
    { ...stamp, type: 'task.started', task: 'model:a.b', kind: 'model', table: 'a.b', attempt: 1 },
    { ...stamp, type: 'task.progress', task: 'model:a.b', rows: 1, bytes: 1 },
    {
      ...stamp,
      type: 'task.finished',
      task: 'model:a.b',
      kind: 'model',
      table: 'a.b',
      status: 'succeeded',
      durationMs: 5,
      version: 1,
    },
  ]
  for (const event of events) entry.record(event)
  await entry.flush()
  appendFileSync(join(root, 'runs/r1/events.jsonl'), '{"v":1,"ts":"2026')
  expect(await readEvents(storage, 'r1')).toEqual([events[0], events[2]])
  expect(logText((await readEvents(storage, 'r1')) ?? [], 'a.b')).toBe(
    `${stamp.ts} model:a.b started\n${stamp.ts} model:a.b succeeded in 5 ms, version 1\n`,
  )
  expect(await readPlan(storage, 'r1')).toEqual(plan)
  expect(await readEvents(storage, 'unknown')).toBeUndefined()
})

test('a run without an end is running while it holds its lease, and interrupted after', async () => {
  const storage = diskStorage(mkdtempSync(join(tmpdir(), 'sluice-ledger-')))
  await startRun(storage, start('r1', 1), plan)
  const second = await startRun(storage, start('r2', 2), plan)
  await second.finish('2026-11-20T10:00:05.000Z', summary)
  expect(
    (await listRuns(storage, ({ fencingToken }) => fencingToken === 1)).map(({ id, status }) => [id, status]),
  ).toEqual([
    ['r2', 'succeeded'],
    ['r1', 'running'],
  ])
  expect((await listRuns(storage, () => false)).map(({ status }) => status)).toEqual(['succeeded', 'interrupted'])
  expect(await listRuns(storage, () => false, 1)).toHaveLength(1)
})

test('a run with nothing to do is one file, written at its end, and is read like any other', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-ledger-'))
  const storage = diskStorage(root)
  const entry = idleRun(storage, start('r1', 1), plan)
  const event: RunEvent = { ...stamp, type: 'run.finished', summary }
  entry.record(event)
  await entry.flush()
  expect(await storage.list('')).toEqual([])
  await entry.finish('2026-11-20T10:00:05.000Z', summary)
  expect((await storage.list('')).map(({ path }) => path)).toEqual(['runs/r1/run.json'])
  expect(await readEvents(storage, 'r1')).toEqual([event])
  expect(await readPlan(storage, 'r1')).toEqual(plan)
  expect(await listRuns(storage, () => false)).toEqual([
    {
      id: 'r1',
      startedAt: stamp.ts,
      finishedAt: '2026-11-20T10:00:05.000Z',
      pipelines: ['retail'],
      status: 'succeeded',
      summary,
    },
  ])
})
