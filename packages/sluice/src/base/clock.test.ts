import { expect, test } from 'vitest'
import { newId, systemClock } from './clock.ts'

test('ids sort by the time that they were made at, within a second, too', () => {
  const from = Date.parse('2026-11-30T12:00:00.000Z')
  const ids = Array.from({ length: 1000 }, (_, ms) => newId({ ...systemClock, now: () => new Date(from + ms) }))
  expect([...ids].sort()).toEqual(ids)
  expect(ids[7]).toMatch(/^20261130T120000Z-007[0-9a-f]{8}$/)
})
