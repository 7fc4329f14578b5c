/** One task at a time, over a real project: what it leaves, what it finds, how it is settled. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import type { Plan } from '../../plan/types.ts'
import { type FileOperations, nodeFileOperations } from '../../storage/disk/file-operations.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import type { OpenProject } from '../api.ts'
import { readContext } from '../api.ts'
import { acquireLease, type Lease } from '../ledger/lease.ts'
import { cancelRun, startRun } from '../ledger/ledger.ts'
import { beginAttempt, readOutcome } from '../ledger/outcome.ts'
import { openProject } from '../project.ts'

let root: string
let project: OpenProject
let state: Storage
let lease: Lease
let plan: Plan
const run = 'r1'

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'sluice-run-task-'))
  const files = {
    'sluice.config.json': JSON.stringify({ name: 'shop' }),
    'pipelines/shop/pipeline.json': JSON.stringify({
      name: 'shop',
      sources: { orders: { kind: 'files', path: 'inbox/*.csv', columns: { id: 'integer' } } },
    }),
    'pipelines/shop/stage/orders.sql': 'SELECT id FROM raw.orders',
    'pipelines/shop/stage/bad.sql': "SELECT error('no ' || id) AS id FROM raw.orders",
    'pipelines/shop/analytics/after.sql': 'SELECT id FROM stage.bad',
    'inbox/a.csv': 'id\n1\n2\n',
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  project = await openProject(root)
  state = diskStorage(join(root, '.sluice'))
  lease = await acquireLease(state, ['shop'], { clock: systemClock, owner: run })
  plan = (await project.plan()).plan
  const startedAt = new Date().toISOString()
  await startRun(state, { id: run, startedAt, pipelines: ['shop'], fencingToken: lease.token }, plan)
})
afterEach(async () => {
  await lease.release()
  await project[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

const of = (task: string) => ({ runId: run, fencingToken: lease.token, task })
const settleOf = (settle: string, error: string, cause = '') => ({
  ...{ runId: run, fencingToken: lease.token, settle },
  error: { Error: error, Cause: cause },
})
const outcome = (id: string) => readOutcome(state, { run, task: plan.tasks.find((task) => task.id === id)! })

test('a task leaves its outcome, and answers with references; asked again, it does nothing', async () => {
  const answer = { task: 'ingest:raw.orders', status: 'succeeded', version: 1 }
  expect(await project.task(of('ingest:raw.orders'))).toEqual(answer)
  expect(await outcome('ingest:raw.orders')).toMatchObject({
    ...{ status: 'succeeded', attempt: 1, version: 1 },
    events: [{ type: 'task.started' }, { type: 'task.finished' }],
  })
  expect(await project.task(of('ingest:raw.orders'))).toEqual(answer)
  expect(await project.task(of('model:stage.orders'))).toEqual({
    task: 'model:stage.orders',
    status: 'succeeded',
    version: 1,
  })
})

test('a task that fails throws and leaves no outcome; settled, it is failed by its own error, and what needs it is skipped', async () => {
  await project.task(of('ingest:raw.orders'))
  const failure = { name: 'Engine.Failed' }
  for (const attempt of [1, 2]) {
    await expect(project.task(of('model:stage.bad')), `attempt ${attempt}`).rejects.toMatchObject(failure)
    expect(await outcome('model:stage.bad')).toBeUndefined()
  }
  const settled = await project.task(settleOf('model:stage.bad', 'Engine.Failed', 'cut short by the machine'))
  expect(settled).toEqual({ task: 'model:stage.bad', status: 'failed' })
  expect(await outcome('model:stage.bad')).toMatchObject({
    ...{ status: 'failed', attempt: 2, warnings: 1 },
    error: { name: 'Engine.Failed', message: expect.stringContaining('no 1') },
  })
  expect(await project.task(of('model:analytics.after'))).toEqual({ task: 'model:analytics.after', status: 'skipped' })
  expect(await outcome('model:analytics.after')).toMatchObject({ attempt: 0, reason: 'needs model:stage.bad' })
})

test('OR-01: an attempt that ended without a word is settled as lost, with what is safe and what to do', async () => {
  const attempt = await beginAttempt(state, systemClock, { run, task: plan.tasks[0]! })
  await attempt.end()
  await project.task(settleOf('ingest:raw.orders', 'Lambda.Unknown', 'the process ended with SIGKILL'))
  expect(await outcome('ingest:raw.orders')).toMatchObject({
    ...{ status: 'failed', attempt: 1 },
    error: {
      ...{ name: 'Run.TaskLost', code: 'SLU4015' },
      message: expect.stringMatching(/SIGKILL.*What it committed is complete and stays/),
      hint: expect.stringContaining('sluice retry'),
    },
  })
})

test('OR-07: what was stopped at its timeout is lost, whatever it said while it was stopped', async () => {
  await project.task(of('ingest:raw.orders'))
  await expect(project.task(of('model:stage.bad'))).rejects.toThrow()
  await project.task(settleOf('model:stage.bad', 'States.Timeout', 'The task was stopped after 5 seconds.'))
  expect((await outcome('model:stage.bad'))?.error).toMatchObject({
    name: 'Run.TaskLost',
    message: expect.stringContaining('stopped after 5 seconds'),
  })
})

test('OR-03: an outcome that an earlier attempt has left counts, whatever the machine says of a later one', async () => {
  await project.task(of('ingest:raw.orders'))
  expect(await project.task(settleOf('ingest:raw.orders', 'Lambda.Unknown'))).toMatchObject({ status: 'succeeded' })
  expect(await outcome('ingest:raw.orders')).toMatchObject({ status: 'succeeded', version: 1 })
})

test('OR-08: no task of a run that was cancelled begins; settled, it is cancelled', async () => {
  await cancelRun(state, run, new Date())
  await expect(project.task(of('ingest:raw.orders'))).rejects.toMatchObject({ name: 'Run.Cancelled' })
  expect(await project.task(settleOf('ingest:raw.orders', 'Run.Cancelled'))).toMatchObject({ status: 'cancelled' })
  expect(await project[readContext].tables()).toEqual([])
})

test('OR-04: no task of a run that was succeeded begins, and one of a run that is not there is no task', async () => {
  await lease.release()
  await using successor = await acquireLease(state, ['shop'], { clock: systemClock, owner: 'r2' })
  await expect(project.task(of('ingest:raw.orders'))).rejects.toMatchObject({
    name: 'Run.Fenced',
    params: { token: 1, newer: successor.token },
  })
  await expect(project.task({ ...of('ingest:raw.orders'), runId: 'r9' })).rejects.toMatchObject({
    name: 'Run.NotFound',
  })
})

test('finished twice, a run has one end', async () => {
  const finish = { runId: run, fencingToken: lease.token, step: 'finish', error: null } as const
  await project.task(of('ingest:raw.orders'))
  const verdict = await project.task(finish)
  // What was not begun is skipped.
  expect(verdict).toMatchObject({ status: 'failed', cause: expect.stringContaining('Run.TasksFailed') })
  expect(await project.task(finish)).toEqual(verdict)
  expect((await project[readContext].runs())[0]).toMatchObject({
    ...{ id: run, status: 'failed' },
    summary: { tasks: { succeeded: 1, failed: 0, skipped: 3 }, rows: { read: 2, accepted: 2 } },
  })
})

test('a run whose end cannot be written says what kept it, by the error of the storage', async () => {
  await lease.release()
  const operations: FileOperations = {
    ...nodeFileOperations,
    async link(from, to) {
      if (to.endsWith('end.json')) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      return nodeFileOperations.link(from, to)
    },
  }
  await using full = await openProject(root, { operations })
  await expect(full.run()).rejects.toMatchObject({ name: 'Storage.Full', code: expect.stringMatching(/^SLU\d{4}$/) })
})
