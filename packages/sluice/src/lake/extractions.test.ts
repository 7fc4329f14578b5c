import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import type { Storage } from '../storage/storage.ts'
import { collectMessages, type ExtractionLog } from './extractions.ts'
import { type CommitInput, type Lake, openLake } from './lake.ts'

let root: string
let storage: Storage
let lake: Lake

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'sluice-extractions-')), 'lake')
  storage = diskStorage(root)
  lake = openLake(storage, systemClock)
})

const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString()

const log = (run: string, options: Partial<ExtractionLog> = {}): ExtractionLog => ({
  format: 1,
  table: 'raw.customers',
  run,
  connection: 'erp',
  procedure: 'dbo.usp_customers',
  status: 'running',
  startedAt: `2026-11-20T08:00:0${run.at(-1)}.000Z`,
  calls: [{ region: 'north', since: null }],
  attempts: [],
  ...options,
})

test('SR-07: what was frozen before the first call is read again by the next attempt', async () => {
  const first = log('r1', { window: { from: null, to: '2026-11-20 08:00:00.0000000' } })
  await lake.writeExtraction(first)
  expect(await lake.extraction('raw.customers', 'r1')).toEqual(first)
  expect(await lake.extraction('raw.customers', 'r2')).toBeUndefined()
  expect(await lake.extraction('raw.others')).toBeUndefined()
  const done: ExtractionLog = { ...first, status: 'committed', version: 1, finishedAt: '2026-11-20T08:00:09.000Z' }
  await lake.writeExtraction(done)
  expect(await lake.extraction('raw.customers', 'r1')).toEqual(done)
  expect(await lake.extractions('raw.customers')).toEqual([done])
})

test('the latest is at a fixed place, and is found where that is damaged, lost or behind', async () => {
  const fixed = join(root, 'raw/customers/_extractions/latest.json')
  for (const run of ['r1', 'r3', 'r2']) await lake.writeExtraction(log(run))
  expect(JSON.parse(readFileSync(fixed, 'utf8'))).toMatchObject({ run: 'r3' })
  expect((await lake.extraction('raw.customers'))?.run).toBe('r3')
  expect((await lake.extractions()).map(({ run }) => run)).toEqual(['r3', 'r2', 'r1'])
  const behind = readFileSync(join(root, 'raw/customers/_extractions/r1.json'))
  for (const bytes of [behind, Buffer.from('{"torn'), Buffer.from(behind.toString().replace('erp', 'exp'))]) {
    writeFileSync(fixed, bytes)
    expect((await lake.extraction('raw.customers'))?.run).toBe('r3')
  }
  await lake.writeExtraction(log('r4'))
  expect(JSON.parse(readFileSync(fixed, 'utf8'))).toMatchObject({ run: 'r4' })
  await storage.remove('raw/customers/_extractions/latest.json')
  expect((await lake.extraction('raw.customers'))?.run).toBe('r4')
})

test('LK-03: a log with a flipped bit is refused before it is believed', async () => {
  await lake.writeExtraction(log('r1'))
  const path = join(root, 'raw/customers/_extractions/r1.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('north', 'nortn'))
  await expect(lake.extraction('raw.customers', 'r1')).rejects.toMatchObject({ name: 'Lake.RecordCorrupt' })
  await expect(lake.extractions()).rejects.toMatchObject({ name: 'Lake.RecordCorrupt' })
})

test('SR-03: the first hundred messages are kept, and the others counted', () => {
  const messages = collectMessages()
  for (let i = 0; i < 250; i++)
    messages.add({ text: i === 0 ? 'x'.repeat(10_000) : `message ${i}`, code: '0', severity: 0 })
  const { messages: kept, moreMessages } = messages.collected()
  expect([kept.length, moreMessages, kept[0]?.text.length, kept[99]?.text]).toEqual([100, 150, 2001, 'message 99'])
  expect(collectMessages().collected()).toEqual({ messages: [] })
})

test('LK-09: logs go with the days that are kept; the latest and those of kept versions stay', async () => {
  const retention = { versions: 1, days: 7 }
  await lake.writeExtraction(log('r1', { startedAt: daysAgo(30), table: 'raw.failing', status: 'failed' }))
  const ages = { r1: 30, r2: 20, r3: 10, r4: 3, r5: 1 }
  for (const [run, age] of Object.entries(ages)) await lake.writeExtraction(log(run, { startedAt: daysAgo(age) }))
  const before = openLake(storage, { ...systemClock, now: () => new Date(daysAgo(25)) })
  // The one version there is: older than the days, and current.
  await before.commit(emptyCommit('r2'))
  const dry = await lake.collectGarbage({ retention: () => retention, dryRun: true })
  expect((await lake.extractions('raw.customers')).length).toBe(5)
  const { removed, foreign } = await lake.collectGarbage({ retention: () => retention })
  expect([removed, foreign]).toEqual([['raw/customers/_extractions/r1.json'], []])
  expect(dry.removed).toEqual(removed)
  expect((await lake.extractions()).map(({ table, run }) => `${table} ${run}`)).toEqual([
    'raw.customers r5',
    'raw.customers r4',
    'raw.customers r3',
    'raw.customers r2',
    'raw.failing r1',
  ])
  await lake.commit(emptyCommit('r5'))
  await lake.collectGarbage({ retention: () => retention })
  expect((await lake.extractions('raw.customers')).map(({ run }) => run)).toEqual(['r5', 'r4'])
  await lake.collectGarbage({ retention: () => ({}) })
  expect((await lake.extractions('raw.customers')).map(({ run }) => run)).toEqual(['r5', 'r4'])
})

function emptyCommit(run: string): CommitInput {
  return {
    table: 'raw.customers',
    operation: 'replace',
    taskKey: run,
    definition: 'd',
    run,
    attempt: 1,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async () => ({ rows: 0 }),
    fields: [{ name: 'a', type: 'INTEGER', nullable: true }],
    files: [],
    quarantine: [],
    inputs: [],
    accounting: { read: 0, accepted: 0, quarantined: 0, dropped: {} },
    checks: [],
  }
}
