import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { isSluiceError } from '../base/errors.ts'
import type { Notifier } from '../definition/types.ts'
import { dispatch, notifierFor, wants } from './dispatch.ts'
import type { Notification, NotifierContext } from './notifier.ts'

const notification: Notification = {
  id: 'run-1:failed',
  at: '2026-11-20T00:00:00.000Z',
  project: 'shop',
  pipeline: 'retail',
  run: 'run-1',
  status: 'failed',
  summary: '1 of 20 files refused',
  next: 'sluice runs run-1',
}
const signal = new AbortController().signal

function context(): NotifierContext & { readonly printed: string[] } {
  const printed: string[] = []
  return {
    resolve: () => {
      throw new TypeError('the secret WEBHOOK is not set')
    },
    root: mkdtempSync(join(tmpdir(), 'sluice-notifications-')),
    print: (text) => printed.push(text),
    clock: { now: systemClock.now, sleep: async () => {} },
    printed,
  }
}

test.each<[Pick<Notifier, 'on' | 'each'>, Pick<Notification, 'status' | 'task'>, boolean]>([
  [{}, { status: 'failed' }, true],
  [{}, { status: 'succeeded' }, false],
  [{}, { status: 'cancelled' }, false],
  [{}, { status: 'failed', task: 'ingest:raw.a' }, false],
  [{ each: 'task' }, { status: 'failed', task: 'ingest:raw.a' }, true],
  [{ each: 'task' }, { status: 'failed' }, true],
  [{ on: 'success' }, { status: 'succeeded' }, true],
  [{ on: 'success' }, { status: 'failed' }, false],
  [{ on: 'always' }, { status: 'cancelled' }, true],
  [{}, { status: 'alert', task: 'ingest:raw.shop' }, true],
  [{ on: 'success' }, { status: 'alert' }, false],
])('%o is told of %o: %s', (definition, about, told) => {
  expect(wants({ kind: 'console', ...definition }, { ...notification, ...about })).toBe(told)
})

test('a notifier that fails stops neither the others nor the run', async () => {
  const open = context()
  const deliveries = await dispatch(
    [
      { kind: 'webhook', url: { $secret: 'WEBHOOK' } },
      { kind: 'outbox', path: '../outside.jsonl' },
      { kind: 'outbox', path: 'sent/notifications.jsonl' },
      { kind: 'console', on: 'success' },
      { kind: 'console' },
    ],
    [notification, { ...notification, id: 'run-1:task', task: 'ingest:raw.sales' }],
    { open: (definition) => notifierFor(definition, open), signal },
  )
  expect(deliveries.map(({ kind, id, error }) => [kind, id, error?.name])).toEqual([
    ['webhook', 'run-1:failed', 'Notification.Failed'],
    ['outbox', 'run-1:failed', 'Notification.OutsideProject'],
    ['outbox', 'run-1:failed', undefined],
    ['console', 'run-1:failed', undefined],
  ])
  expect(deliveries[0]?.error?.message).toContain('the secret WEBHOOK is not set')
  expect(open.printed).toEqual([
    'shop/retail failed: 1 of 20 files refused\nrun: run-1, 2026-11-20T00:00:00.000Z\nNext: sluice runs run-1',
  ])
})

test('NO-04: what is printed holds no control characters but its own line ends', async () => {
  const open = context()
  const summary = 'file \u001b[2J\u202e\u0000\r\nx\u2028y'
  await notifierFor({ kind: 'console' }, open).send({ ...notification, summary }, signal)
  expect(open.printed[0]).toMatch(/^shop\/retail failed: file \[2J x y\nrun: /)
})

test('NO-02: the outbox appends whole lines, after a line that a crash cut off', async () => {
  const open = context()
  const file = join(open.root, 'out.jsonl')
  writeFileSync(file, '{"v":1,"id":"torn')
  const outbox = notifierFor({ kind: 'outbox', path: 'out.jsonl' }, open)
  await outbox.send(notification, signal)
  await outbox.send(notification, signal)
  appendFileSync(file, '')
  const lines = readFileSync(file, 'utf8').split('\n')
  expect(lines.map((line) => (line.startsWith('{"v":1,"id":"run-1:failed"') ? 'whole' : line))).toEqual([
    '{"v":1,"id":"torn',
    'whole',
    'whole',
    '',
  ])
})

test('NO-05: only what a notification names is sent', async () => {
  const open = context()
  await notifierFor({ kind: 'outbox', path: 'out.jsonl' }, open).send(
    { ...notification, canary: 'CANARY', error: { code: 'c', name: 'n', message: 'm', row: 'CANARY' } } as Notification,
    signal,
  )
  expect(readFileSync(join(open.root, 'out.jsonl'), 'utf8')).not.toContain('CANARY')
})

test('an outbox outside of the project is refused before anything is written', () => {
  for (const path of ['/tmp/x', '..', '../x', 'a/../../x', '.']) {
    let caught: unknown
    try {
      notifierFor({ kind: 'outbox', path }, context())
    } catch (error) {
      caught = error
    }
    expect([path, isSluiceError(caught, 'Notification.OutsideProject')]).toEqual([path, true])
  }
})
