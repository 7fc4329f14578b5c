import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import { isLagNews, type LagEvent, rememberLag } from './lag.ts'

test('CD-23: each crossing is reported once, a worse one too, and one that lasts again after its time', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-lag-'))
  const state = diskStorage(root)
  let now = Date.parse('2026-01-01T00:00:00Z')
  /** Measures a minute later; what is news is reported. */
  const measure = async (level: LagEvent['level']): Promise<boolean> => {
    now += 60_000
    const clock = { ...systemClock, now: () => new Date(now) }
    const isNew = await isLagNews({ state, clock }, 'raw.shop', { level }, 600)
    const figures = { table: 'raw.shop', connection: 'shop', slot: 's', bytes: 1, keptBytes: 1 }
    const base = { type: 'source.lag', v: 1, runId: 'r', task: 't', ts: clock.now().toISOString() } as const
    await rememberLag(state, [{ ...base, ...figures, level, isNew }])
    return isNew
  }
  const told: string[] = []
  const levels = ['ok', 'warn', 'warn', 'alert', 'warn', 'alert', 'ok', 'ok', 'warn', 'alert'] as const
  for (const level of levels) told.push(`${level} ${await measure(level)}`)
  expect(told).toEqual([
    ...['ok false', 'warn true', 'warn false', 'alert true', 'warn false', 'alert false'],
    ...['ok false', 'ok false', 'warn true', 'alert true'],
  ])
  for (let minutes = 1; minutes < 10; minutes++) expect(await measure('alert')).toBe(false)
  expect(await measure('alert')).toBe(true)
  expect(await measure('alert')).toBe(false)
  await rm(root, { recursive: true })
})
