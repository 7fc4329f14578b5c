import { expect, test } from 'vitest'
import type { ErrorName } from '../base/errors.ts'
import type { ErrorSummary, RunSummary } from '../run/ledger/events.ts'
import { emptyRun, type RunView, type TaskView } from './render/run-state.ts'
import { exitOf } from './run-and-show.ts'

const task = (id: string, status: TaskView['status'], name: ErrorName = 'Unexpected'): TaskView => {
  const error: ErrorSummary = { code: '', name, message: '', retryable: false }
  const finished = {
    type: 'task.finished',
    task: id,
    kind: 'ingest',
    table: id,
    durationMs: 0,
    v: 1,
    ts: '',
    runId: '',
  } as const
  const ended =
    status === 'running' ? {} : { finished: { ...finished, status, ...(status === 'failed' ? { error } : {}) } }
  return { id, kind: 'ingest', table: id, status, startedAt: 0, rows: 0, bytes: 0, attempt: 1, ...ended }
}

const ended = (status: RunSummary['status'], tasks: readonly TaskView[], more: Partial<RunView> = {}): RunView => ({
  ...emptyRun,
  tasks,
  summary: { status } as RunSummary,
  ...more,
})

test('a run that only outside systems refused ends with 3, any other failure with 1', () => {
  const login = task('a', 'failed', 'Connection.LoginFailed')
  const refused = [
    { what: 'file' as const, input: 'a.csv', error: { code: '', name: '', message: '', retryable: false } },
  ]
  expect(exitOf(ended('succeeded', [task('a', 'succeeded')]))).toBe(0)
  expect(exitOf(ended('failed', [login, task('b', 'skipped'), task('c', 'succeeded')]))).toBe(3)
  expect(exitOf(ended('failed', [login, task('b', 'failed', 'Connection.Forbidden')]))).toBe(3)
  expect(exitOf(ended('failed', [login, task('b', 'failed', 'Connection.CallFailed')]))).toBe(1)
  expect(exitOf(ended('failed', [login], { refused }))).toBe(1)
  expect(exitOf(ended('failed', [task('a', 'skipped')]))).toBe(1)
  expect(exitOf(ended('cancelled', [login]))).toBe(1)
})
