import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diskStorage } from '../../storage/disk/storage.ts'
import { retireRuns } from './run-retention.ts'

const retention = { runs: 20, days: 30 }

const day = (n: number): string => `202601${String(n).padStart(2, '0')}`

test('of old runs the newest of their retention stay, and those that something kept names; what is young stays, too', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-runs-'))
  const storage = diskStorage(root)
  const old = ['a', 'b', 'c'].map((name) => `${day(1)}T000000Z-${name}`)
  const young = [`${day(20)}T000000Z-d`]
  const newest = Array.from({ length: retention.runs }, (_, n) => `${day(21)}T000000Z-${10_000 + n}`)
  for (const id of [...old, ...young, ...newest, 'by-hand']) {
    mkdirSync(join(root, 'runs', id), { recursive: true })
    writeFileSync(join(root, 'runs', id, 'run.json'), '{}')
  }
  await storage.write(`runs/${old[0]}/tasks/t/1.json`, '{}')
  const now = new Date('2026-02-05T00:00:00Z')
  const named = new Set([old[1]!])
  const dry = await retireRuns(storage, now, { retention, named, dryRun: true })
  expect(dry.map(({ path }) => path)).toEqual([
    `runs/${old[0]}/run.json`,
    `runs/${old[0]}/tasks/t/1.json`,
    `runs/${old[2]}/run.json`,
  ])
  expect(await retireRuns(storage, now, { retention, named, dryRun: false })).toEqual(dry)
  expect(await retireRuns(storage, now, { retention, named, dryRun: false })).toEqual([])
  expect(await storage.folders('runs')).toEqual([old[1], ...young, ...newest, 'by-hand'].sort())
})

test('whichever keeps more: a number alone says nothing of days, and days alone keep the newest run, however old', async () => {
  const storage = diskStorage(mkdtempSync(join(tmpdir(), 'sluice-runs-')))
  const ids = [1, 2, 3, 4].map((n) => `${day(n)}T000000Z-a`)
  for (const id of ids) await storage.write(`runs/${id}/run.json`, '{}')
  const gone = async (retention: { runs?: number; days?: number }, now: string) =>
    (await retireRuns(storage, new Date(now), { retention, named: new Set(), dryRun: true })).map(({ path }) => path)
  expect(await gone({ runs: 3 }, '2026-01-05T00:00:00Z')).toEqual([`runs/${ids[0]}/run.json`])
  expect(await gone({ days: 2.5 }, '2026-01-05T00:00:00Z')).toEqual(ids.slice(0, 2).map((id) => `runs/${id}/run.json`))
  expect(await gone({ days: 1 }, '2027-01-01T00:00:00Z')).toHaveLength(3)
})
