import { expect, test } from 'vitest'
import type { RunEvent, RunSummary } from '../ledger/events.ts'
import { stamp } from '../ledger/run-events.ts'
import { news } from './news.ts'

const at = new Date('2026-11-20T10:00:00.000Z')
const error = (name: string) => ({ code: 'SLU3206', name, message: 'no', retryable: true })
const summary = (change: Partial<RunSummary> & { counts?: Partial<RunSummary['tasks']> } = {}): RunSummary => ({
  ...{ status: 'succeeded', refusedFiles: 0, warnings: 0, durationMs: 1 },
  rows: { read: 0, accepted: 0, quarantined: 0, dropped: 0, loaded: 0 },
  ...change,
  tasks: { succeeded: 0, failed: 0, skipped: 0, unchanged: 3, ...change.counts },
})

const failed = (task: string, name: string): RunEvent =>
  stamp('r', at, {
    ...{ type: 'task.finished', task, kind: 'ingest', table: 'raw.shop', status: 'failed', durationMs: 1 },
    error: error(name),
  })
const waits = (table: string): RunEvent =>
  stamp('r', at, { type: 'task.refused', task: 'ingest:raw.shop', what: 'table', input: table, error: error('x') })

const busy = failed('ingest:raw.shop', 'Source.SlotBusy')
const isFailed = summary({ status: 'failed', counts: { failed: 1, skipped: 2 } })

test('a run that follows none is news, whatever it did', () => {
  expect(news(undefined, [], summary())).toMatchObject({ isSent: true, reported: [] })
})

test('one that found nothing is none, and leaves no trace', () => {
  expect(news([], [], summary())).toMatchObject({ isSent: false, isShown: false, isNothing: true })
  expect(news([], [], summary({ counts: { succeeded: 1 } }))).toMatchObject({
    isSent: true,
    isShown: true,
    isNothing: false,
  })
  expect(news([], [], summary({ warnings: 1 })).isNothing).toBe(false)
})

test('a failure is reported once while it lasts; another one, and its end, are news again', () => {
  const first = news([], [busy], isFailed)
  expect(first).toMatchObject({ isSent: true, isShown: true, isNothing: false })
  expect(first.reported).toEqual(['ingest:raw.shop Source.SlotBusy'])
  expect(news(first.reported, [busy], isFailed)).toMatchObject({ isSent: false, isShown: false })
  const other = failed('ingest:raw.shop', 'Source.SlotInvalid')
  expect(news(first.reported, [other], isFailed)).toMatchObject({ isSent: true, isShown: true })
  // That it is over is shown to those who watch; notifiers heard of a failure, and hear of the next thing that is done.
  expect(news(first.reported, [], summary())).toMatchObject({ isSent: false, isShown: true, reported: [] })
})

test('a table that waits is reported once; that it waits still is nothing', () => {
  const waiting = summary({ status: 'failed', waitingTables: 1 })
  const first = news([], [waits('public.orders')], waiting)
  expect(first).toMatchObject({ isSent: true, isShown: true, isNothing: false })
  const again = news(first.reported, [waits('public.orders')], waiting)
  expect(again).toMatchObject({ isSent: false, isShown: false, isNothing: true, events: [] })
  expect(again.reported).toEqual(first.reported)
})

test('a cancelled run is shown', () => {
  expect(news([], [], summary({ status: 'cancelled', counts: { skipped: 1 } }))).toMatchObject({
    isShown: true,
    isSent: true,
  })
})
