import { expect, test } from 'vitest'
import { type LagInput, lagOf, sourceLag } from './lag.ts'

const limits = { warnBytes: 256 << 20, alertBytes: 1 << 30, warnSeconds: 300, alertSeconds: 1800, repeatSeconds: 60 }
const now = new Date('2026-01-01T00:10:00Z')
const slot = { keptBytes: 2000, safeBytes: undefined, walStatus: 'reserved' }
const given = (more: Partial<LagInput> = {}): LagInput => ({
  ...{ position: 0n, server: 1000n, slot, committedAt: new Date('2026-01-01T00:00:00Z'), now, limits },
  ...more,
})
const of = { connection: 'shop', slot: 's' }

test('CD-23: a log that nothing has happened to since is not late, however long ago that was', () => {
  expect(lagOf(given())).toEqual({ bytes: 1000, seconds: undefined, keptBytes: 2000, level: 'ok', passed: [] })
  expect(lagOf(given({ server: 0n, position: 10n }))).toMatchObject({ bytes: 0, level: 'ok' })
  expect(sourceLag(of, lagOf(given()))).toEqual({ ...of, bytes: 1000, keptBytes: 2000, level: 'ok' })
})

test('CD-23: where little is unread, the seconds are those of its oldest change, and pass no limit', () => {
  const behindSince = new Date('2026-01-01T00:00:30Z')
  expect(lagOf(given({ behindSince }))).toMatchObject({ seconds: 570, level: 'ok' })
  expect(lagOf(given({ behindSince: now }))).toMatchObject({ seconds: 0, level: 'ok' })
  // A server whose clock is ahead.
  expect(lagOf(given({ behindSince: new Date('2026-01-01T00:11:00Z') })).seconds).toBe(0)
})

test('CD-23: bytes, kept bytes and seconds each have their limits', () => {
  const late = lagOf(given({ server: 17n << 20n }))
  expect(late).toMatchObject({ seconds: 600, level: 'warn', passed: ['lag.warnSeconds (300 s)'] })
  expect(lagOf(given({ server: 17n << 20n, committedAt: new Date('2025-12-31T00:00:00Z') })).level).toBe('alert')
  expect(lagOf(given({ server: 300n << 20n, committedAt: now })).level).toBe('warn')
  expect(lagOf(given({ server: 2n << 30n, committedAt: now })).level).toBe('alert')
  const told = sourceLag(of, lagOf(given({ slot: { ...slot, keptBytes: 2 ** 31 } })))
  expect(told).toMatchObject({ level: 'alert', keptBytes: 2 ** 31, error: { name: 'Source.FarBehind' } })
  expect(told.error?.message).toMatch(/keeps 2048\.0 MiB of its log for it: more than lag\.alertBytes \(1024\.0 MiB\)/)
  // It is read: what keeps the log is something else.
  expect(told.error?.hint).toMatch(/FROM pg_stat_activity/)
  expect(sourceLag(of, late).error?.hint).toMatch(/sluice run, more often or as sluice watch/)
})

test('CD-23: a quarter of what the server lets slots keep is a warning, and nothing left of it an alert', () => {
  const limited = (keptBytes: number, safeBytes: number, walStatus = 'extended') =>
    lagOf(given({ slot: { keptBytes, safeBytes, walStatus } }))
  expect(limited(20 << 20, 70 << 20).level).toBe('ok')
  expect(limited(30 << 20, 60 << 20)).toMatchObject({
    level: 'warn',
    passed: [expect.stringMatching(/60\.0 MiB are left/)],
  })
  // A segment is kept of a slot that is read to its end.
  expect(limited(15 << 20, 1 << 20).level).toBe('ok')
  expect(limited(90 << 20, 0, 'unreserved').level).toBe('alert')
})
