import { expect, test } from 'vitest'
import { type LagInput, lagInWords, lagOf } from './lag.ts'

const limits = { warnBytes: 256 << 20, alertBytes: 1 << 30, warnSeconds: 300, alertSeconds: 1800 }
const now = new Date('2026-01-01T00:10:00Z')
const given = (more: Partial<LagInput> = {}): LagInput => ({
  ...{
    position: 0n,
    server: 1000n,
    keptBytes: 2000,
    committedAt: new Date('2026-01-01T00:00:00Z'),
    now,
    limits,
    ...more,
  },
})

test('CD-23: a log that nothing has happened to since is not late, however long ago that was', () => {
  expect(lagOf(given())).toEqual({ bytes: 1000, seconds: undefined, keptBytes: 2000, level: 'ok' })
  expect(lagOf(given({ server: 0n, position: 10n }))).toMatchObject({ bytes: 0, level: 'ok' })
  expect(lagInWords('s', lagOf(given()), limits)).toEqual([])
})

test('CD-23: bytes, kept bytes and seconds each have their limits', () => {
  expect(lagOf(given({ server: 17n << 20n }))).toMatchObject({ seconds: 600, level: 'warn' })
  expect(lagOf(given({ server: 17n << 20n, committedAt: new Date('2025-12-31T00:00:00Z') })).level).toBe('alert')
  expect(lagOf(given({ server: 300n << 20n, committedAt: now })).level).toBe('warn')
  expect(lagOf(given({ server: 2n << 30n, committedAt: now })).level).toBe('alert')
  const kept = lagOf(given({ keptBytes: 2 ** 31 }))
  expect(kept.level).toBe('alert')
  expect(lagInWords('s', kept, limits)).toEqual([expect.stringMatching(/^ALERT: the slot "s" .*kept 2147483648 bytes/)])
})
