/** The lake's commit in a bucket, by writers that end anywhere: a reader sees a version whole, and the work started again comes to the same end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { CommitRecord } from '../../src/lake/record.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { bucketOf, storageOf } from '../doubles/s3/lake.ts'
import { startS3Server } from '../doubles/s3/server.ts'
import { rowsAt, steps, table } from './lake-model.ts'
import { lakeStory } from './lake-story.ts'
import { isFullSweep, sampled } from './sweep.ts'

const double = await startS3Server()
const all = mkdtempSync(join(tmpdir(), 'sluice-crash-s3-'))
afterAll(async () => {
  rmSync(all, { recursive: true })
  await double[Symbol.asyncDispose]()
})
const newRoot = (): string => mkdtempSync(join(all, 'case-'))

let stories = 0

/** A writer of its own, which remembers nothing of an earlier one: what it leaves in the bucket is all that is left of it. */
async function story(root: string): Promise<void> {
  // Leases are swept elsewhere: here the process that held the first one lives on.
  const state = storageOf(bucketOf(double, 'lake'), { prefix: `${basename(root)}/state/${++stories}` })
  await lakeStory(storageAt(root), state, openWorkspace(root)).story()
}

/** Opened as by another machine: nothing remembered. */
const storageAt = (root: string): Storage => storageOf(bucketOf(double, 'lake'), { prefix: `${basename(root)}/lake` })

async function rowsOf(storage: Storage, { files }: CommitRecord): Promise<readonly string[]> {
  const rows: string[] = []
  for (const { path } of files) {
    await using local = await storage.materialise(path)
    rows.push(...readFileSync(local.file, 'utf8').slice(4, -4).trim().split('+'))
  }
  return rows.sort()
}

async function expectWhole(root: string): Promise<number> {
  const storage = storageAt(root)
  const lake = openLake(storage, systemClock)
  for (const record of await lake.versions(table)) {
    await lake.verify(record)
    expect(await rowsOf(storage, record)).toEqual([...rowsAt(record.version)].sort())
  }
  return (await lake.current(table))?.version ?? 0
}

async function expectEnd(root: string): Promise<void> {
  expect(await expectWhole(root)).toBe(steps.length)
  const storage = storageAt(root)
  const lake = openLake(storage, systemClock)
  await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: 0 })
  const kept = await lake.versions(table)
  const named = new Set(kept.flatMap((record) => [...record.files, ...record.quarantine].map(({ path }) => path)))
  const present = (await storage.list('')).map(({ path }) => path).filter((path) => path.endsWith('.parquet'))
  expect(present).toEqual([...named].sort())
}

test('LK-01, LK-05, LK-12: a writer that ends at any request to a bucket is succeeded by one that comes to the same end', async () => {
  const whole = newRoot()
  const from = double.requests.length
  await story(whole)
  const hits = double.requests
    .slice(from)
    .map(({ operation, key }, at) => ({ kind: operation, label: folderOf(key), point: String(at + 1) }))
  await expectEnd(whole)
  const chosen = sampled(hits, 'ended in the story of a table in a bucket')
  // What is behind the storage is swept on disk: of these, each tenth.
  for (const { point } of isFullSweep ? chosen : chosen.filter((_, at) => at % 10 === chosen.length % 10)) {
    const root = newRoot()
    const last = double.requests.length + Number(point)
    // A process that is gone asks for nothing more; whether its last request was done, it never heard.
    double.fault = ({ number }) => (number < last ? undefined : number === last ? 'lost' : 'denied')
    const ended = await story(root).catch((error: unknown) => error)
    // Giving a lease back is best effort: the last requests end nothing.
    if (ended !== undefined) expect([point, ended]).toMatchObject([point, { name: 'Storage.BucketDenied' }])
    else expect(Number(point)).toBeGreaterThan(hits.length - 20)
    double.fault = undefined
    await expectWhole(root)
    await story(root)
    await expectEnd(root)
  }
})

/** What kind of object a key is of: its folders, without names that differ each time. */
const folderOf = (key: string): string =>
  key
    .split('/')
    .slice(1, -1)
    .filter((name) => !/\d/.test(name))
    .join('/')
