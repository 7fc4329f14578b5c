import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { PlanTask } from '../../plan/types.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { beginAttempt, leaveOutcome, type Outcome, plannedOutcome, readFailure, readOutcome } from './outcome.ts'
import { taskFolder } from './paths.ts'
import { stamp } from './run-events.ts'

const task = { id: 'load:fact/sales ü', kind: 'load', table: 'fact_sales', action: 'run' } as unknown as PlanTask
const of = { run: 'r1', task }
const at = new Date('2026-11-20T10:00:00.000Z')
let root: string
let storage: Storage

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-outcome-'))
  storage = diskStorage(root)
})

const warning = (message: string) => stamp('r1', at, { type: 'task.warning', task: task.id, message })

function outcome(attempt: number, status: Outcome['status'] = 'succeeded'): Outcome {
  const finishedAt = at.toISOString()
  return { format: 1, task: task.id, attempt, status, durationMs: 1, finishedAt, warnings: 0, events: [] }
}

test('OR-03: attempts that begin at once have numbers of their own, in a folder that any name has', async () => {
  const attempts = await Promise.all(Array.from({ length: 8 }, () => beginAttempt(diskStorage(root), systemClock, of)))
  expect(attempts.map(({ number }) => number).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  for (const attempt of attempts) await attempt.end()
  expect(readdirSync(join(root, 'runs/r1/tasks'))).toEqual([expect.stringMatching(/^load-fact-sales--[0-9a-f]{8}$/)])
})

test('OR-03: of many that leave an outcome at once, one counts, and each of them learns which', async () => {
  const left = await Promise.all(
    Array.from({ length: 8 }, (_, n) => leaveOutcome(diskStorage(root), of, outcome(n + 1))),
  )
  const [first] = left
  expect(new Set(left.map(({ attempt }) => attempt)).size).toBe(1)
  expect(await readOutcome(storage, of)).toEqual(first)
})

test('an outcome that comes late counts for nothing; its events can be read', async () => {
  await leaveOutcome(storage, of, outcome(1, 'failed'))
  const late = await leaveOutcome(storage, of, { ...outcome(2), events: [warning('late')] })
  expect(late).toMatchObject({ attempt: 1, status: 'failed' })
  expect((await readFailure(storage, of)).events).toEqual([warning('late')])
})

test('events are written every two seconds while there are any, and the last come with the outcome', async () => {
  const wakes: (() => void)[] = []
  const clock: Clock = {
    now: () => at,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        wakes.push(resolve)
        signal?.addEventListener('abort', () => resolve())
      }),
  }
  const attempt = await beginAttempt(storage, clock, of)
  expect(wakes).toHaveLength(0)
  attempt.emit(warning('a'))
  attempt.emit(warning('b'))
  expect(wakes).toHaveLength(1)
  const objects = async (): Promise<readonly string[]> =>
    (await storage.list(`${taskFolder('r1', task.id)}/1`)).map(({ path }) => path.split('/').at(-1) as string)
  expect(await objects()).toEqual([])
  wakes[0]!()
  while ((await objects()).length === 0) await systemClock.sleep(1)
  expect(await objects()).toEqual(['events-1.jsonl'])
  while (wakes.length < 1) await systemClock.sleep(1)
  attempt.emit(warning('c'))
  const { events, warnings } = await attempt.end()
  expect(events).toEqual([warning('c')])
  expect(warnings).toBe(3)
  expect(await objects()).toEqual(['events-1.jsonl'])
})

test('what an attempt failed with is in its last events; a torn line of them is left out', async () => {
  const first = await beginAttempt(storage, systemClock, of)
  const error = { code: 'SLU4010', name: 'Run.ModelThrew', message: 'no', retryable: false }
  first.emit(stamp('r1', at, { type: 'task.failed', task: task.id, attempt: 1, durationMs: 3, error }))
  await first.fail()
  expect(await readFailure(storage, of)).toMatchObject({ attempts: 1, failure: { error } })
  const second = await beginAttempt(storage, systemClock, of)
  second.emit(warning('begun'))
  await second.fail()
  writeFileSync(join(root, taskFolder('r1', task.id), '2/events-2.jsonl'), '{"v":1,"ty')
  const last = await readFailure(storage, of)
  expect(last).toMatchObject({ attempts: 2, events: [{ message: 'begun' }] })
  expect(last.failure).toBeUndefined()
  expect((await readFailure(storage, of, 1)).failure?.error).toEqual(error)
})

test('an outcome that nobody can read is that of a lost task, and not none', async () => {
  await storage.write(`${taskFolder('r1', task.id)}/outcome.json`, '{"status":"succ')
  expect(await readOutcome(storage, of)).toMatchObject({ status: 'failed', error: { name: 'Run.TaskLost' } })
})

test('what the plan passes over has its outcome by the plan', async () => {
  const skip = { ...task, action: 'skip', reason: 'needs-approval', detail: 'column gone', current: 4 } as PlanTask
  expect(await readOutcome(storage, { run: 'r1', task: skip })).toEqual(plannedOutcome(skip))
  expect(plannedOutcome(skip)).toMatchObject({ status: 'skipped', version: 4, reason: 'column gone' })
})
