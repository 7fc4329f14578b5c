import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { identityOf, rowsVersion } from '../../lake/growth.ts'
import { type CommitInput, type Lake, openLake } from '../../lake/lake.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf, snapshotOf } from '../../lake/relation.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { openWorkspace } from '../workspace.ts'
import { compactTable } from './compact.ts'

const engine = duckDbEngine({
  memoryLimit: '256MB',
  threads: 2,
  materialise: (path) => storage.materialise(path),
})
const session = await engine.open()
// What is read is in the order of the files.
await session.run('SET preserve_insertion_order = true')
const table = 'raw.log'
const all = mkdtempSync(join(tmpdir(), 'sluice-compact-'))
let storage: Storage
let lake: Lake

afterAll(async () => {
  await session.close()
  rmSync(all, { recursive: true })
})

beforeEach(() => {
  storage = diskStorage(mkdtempSync(join(all, 'lake-')))
  lake = openLake(storage, systemClock)
})

/** Appends a file a day, each with a row that says which version brought it. */
async function append(days: readonly string[] = ['a'], options: Partial<CommitInput> & { more?: string } = {}) {
  const { more = '', ...input } = options
  const version = ((await lake.current(table))?.version ?? 0) + 1
  const files: CommitInput['files'][number][] = []
  let fields: CommitInput['fields'] = []
  for (const day of days) {
    const folder = mkdtempSync(join(all, 'written-'))
    const sql = `SELECT ${version}::INTEGER AS n, '${day}' AS day${more}`
    fields = (await session.describe(sql)).map((column) => ({ ...column, nullable: true }))
    const [written] = await session.write(sql, { folder })
    files.push({
      ...{ localFile: written!.file, rows: 1, stats: written!.stats, fields: fields.map(({ name }) => name) },
      partition: { day },
    })
  }
  const { record } = await lake.commit({
    ...{ table, operation: 'append', taskKey: `${Math.random()}`, definition: 'd', run: `run ${version}`, attempt: 1 },
    ...{ fencingToken: 1, fence: async () => {}, verifyFile: async () => ({ rows: 1 }), fields, files },
    ...{ quarantine: [], checks: [], watermark: `${version}` },
    inputs: [{ kind: 'file', path: `${version}`, sha256: `${version}`, bytes: 1, accounting: accountOf(files.length) }],
    accounting: accountOf(files.length),
    ...input,
  })
  return record
}

const accountOf = (rows: number) => ({ read: rows, accepted: rows, quarantined: 0, dropped: {} })

const compact = (choose?: (record: CommitRecord) => readonly (readonly DataFile[])[], fence = async () => {}) =>
  compactTable(
    { lake, engine, workspace: openWorkspace(join(all, 'work')) },
    table,
    { run: 'compacting', fencingToken: 1, fence, signal: new AbortController().signal },
    choose,
  )

/** All files of a day that some versions brought. */
const between =
  (from: number, to: number, day = 'a') =>
  ({ files }: CommitRecord): readonly (readonly DataFile[])[] => [
    files.filter(({ partition, addedIn }) => partition?.['day'] === day && addedIn >= from && addedIn <= to),
  ]

const rowsOf = async (files: readonly DataFile[], record: CommitRecord): Promise<readonly string[]> =>
  (
    await session.all<{ row: string }>(
      `SELECT day || n AS row FROM ${await session.from(relationOf({ ...record, files }))}`,
    )
  ).map(({ row }) => row)

test('sixteen appends become one file: the same rows, in their order, as a version of its own that is no news', async () => {
  for (let at = 0; at < 16; at++) await append()
  const before = (await lake.current(table))!
  const record = (await compact())!
  expect(record).toMatchObject({
    ...{ version: 17, parent: 16, operation: 'compact', rows: 16, format: 3, run: 'run 16', watermark: '16' },
    ...{ committedAt: before.committedAt, compacted: { of: 16, run: 'compacting' }, taskKey: before.taskKey },
    accounting: { read: 0, accepted: 0 },
  })
  expect(await lake.current(table)).toEqual(record)
  expect(rowsVersion(record)).toBe(16)
  expect(record.files).toHaveLength(1)
  expect(record.files[0]).toMatchObject({ addedIn: 16, merged: { from: 1 }, partition: { day: 'a' }, rows: 16 })
  expect(record.files[0]!.stats).toMatchObject({ n: { min: '1', max: '16', nulls: 0 } })
  expect(await rowsOf(record.files, record)).toEqual(await rowsOf(before.files, before))
  expect(identityOf(record.files)).toBe(identityOf(before.files))
  expect(await lake.knownInputs(table)).toHaveLength(16)
  const versions = (records: readonly CommitRecord[]) =>
    session
      .from(snapshotOf(records))
      .then((rows) => session.all(`SELECT _version AS v, count(*)::INTEGER AS n FROM ${rows} GROUP BY 1 ORDER BY 1`))
  expect(await versions([before, record])).toEqual([{ v: 16, n: 16 }])
  expect(await versions([record])).toEqual([{ v: 17, n: 16 }])
  expect(await compact()).toBeUndefined()
  // What comes next stands on it; what came before is known.
  expect(await append()).toMatchObject({ version: 18, rows: 17, format: 3 })
  expect(await append(['a'], { taskKey: before.taskKey })).toMatchObject({ version: 17 })
  expect(await append(['a'], { taskKey: (await lake.record(table, 3))!.taskKey })).toMatchObject({ version: 3 })
})

test('what came since any version is told file by file, though a compaction put it together with what was known', async () => {
  for (let at = 0; at < 6; at++) await append(['a', 'b'])
  await compact(between(2, 4))
  await append(['b'])
  await compact(between(2, 6))
  const record = (await compact(between(3, 8, 'b')))!
  expect(record.files.map(({ addedIn, merged }) => [merged?.from, addedIn])).toEqual([
    [undefined, 1],
    [undefined, 1],
    [2, 6],
    [undefined, 2],
    [3, 8],
  ])
  for (let since = 0; since <= 8; since++) {
    const growth = (await lake.growthSince(record, since))!
    const version = (row: string): number => Number(row.slice(1))
    const [known, fresh] = [await rowsOf(growth.known, record), await rowsOf(growth.fresh, record)]
    expect(
      known.every((row) => version(row) <= since),
      `known at ${since}`,
    ).toBe(true)
    expect(
      fresh.every((row) => version(row) > since),
      `new since ${since}`,
    ).toBe(true)
    expect([...known, ...fresh].sort()).toEqual([...(await rowsOf(record.files, record))].sort())
    expect(identityOf(growth.known)).toBe(identityOf((await lake.record(table, since))?.files ?? []))
  }
})

test('once the records of what was compacted are gone, it is said that nothing is known of the halves of a file', async () => {
  for (let at = 0; at < 4; at++) await append()
  await compact(between(1, 4))
  const record = await append()
  await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: 0 })
  expect((await lake.versions(table)).map(({ version }) => version)).toEqual([6, 5])
  await lake.verify(record)
  expect(await lake.growthSince(record, 2)).toBeUndefined()
  expect((await lake.growthSince(record, 4))?.fresh).toHaveLength(1)
  const left = (await storage.list('raw/log/data')).map(({ path }) => path)
  expect(left.sort()).toEqual(record.files.map(({ path }) => path).sort())
})

test('a version before a compaction is gone back to, and what follows knows nothing of what was taken back', async () => {
  for (let at = 0; at < 4; at++) await append()
  const compacted = (await compact(between(1, 4)))!
  const back = { table, run: 'r', attempt: 1, fencingToken: 1, fence: async () => {} }
  const to2 = await lake.rollback({ ...back, version: 2 })
  expect(to2).toMatchObject({ version: 6, rows: 2, operation: 'rollback' })
  expect(identityOf(to2.files)).not.toBe(identityOf(compacted.files))
  expect(await compact(between(1, 2)).catch((error: Error) => error.name)).toBe('Lake.Conflict')
  await append()
  const again = (await compact(between(1, 7)))!
  expect(await rowsOf(again.files, again)).toEqual(['a1', 'a2', 'a7'])
  expect(await rowsOf((await lake.growthSince(again, 2))!.fresh, again)).toEqual(['a7'])
  // A rollback to a compaction is a version as any other.
  const to5 = await lake.rollback({ ...back, version: 5 })
  expect(to5.compacted).toBeUndefined()
  expect(rowsVersion(to5)).toBe(9)
  expect(await rowsOf(to5.files, to5)).toEqual(['a1', 'a2', 'a3', 'a4'])
  expect(identityOf((await lake.growthSince(to5, 2))!.known)).toBe(identityOf(to2.files))
})

test('LK-12: what is appended while files are written together stays; after a replacement or other columns, it gives way', async () => {
  for (let at = 0; at < 3; at++) await append()
  let hits = 0
  const record = await compact(between(1, 3), async () => {
    if (hits++ === 0) await append(['b'])
  })
  expect(record).toMatchObject({ version: 5, parent: 4, compacted: { of: 4 }, rows: 4 })
  expect(await rowsOf(record!.files, record!)).toEqual(['a1', 'a2', 'a3', 'b4'])
  for (const other of [() => append(['a'], { operation: 'replace' }), () => append(['a'], { more: ', 1 AS other' })]) {
    await append()
    await append()
    const { version } = (await lake.current(table))!
    hits = 0
    const lost = compact(between(version - 1, version), async () => {
      if (hits++ === 0) await other()
    })
    await expect(lost).rejects.toMatchObject({ name: 'Lake.Conflict' })
    expect(await lake.current(table)).toMatchObject({ version: version + 1 })
  }
})

test('LK-12: two compactions of the same files: one is there, the other gives way', async () => {
  for (let at = 0; at < 3; at++) await append()
  const both = await Promise.allSettled([compact(between(1, 3)), compact(between(1, 3))])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await lake.current(table)).toMatchObject({ version: 4, rows: 3 })
})

test('LK-06: an outdated compaction publishes nothing', async () => {
  for (let at = 0; at < 3; at++) await append(['a'], { fencingToken: 2 })
  await expect(compact(between(1, 3))).rejects.toMatchObject({ name: 'Run.Fenced' })
  expect(await lake.current(table)).toMatchObject({ version: 3 })
})

test('LK-03: a damaged file is not written on as if it were sound', async () => {
  for (let at = 0; at < 3; at++) await append()
  const { file: path } = await storage.materialise((await lake.current(table))!.files[1]!.path)
  const bytes = readFileSync(path)
  bytes[10]! ^= 1
  writeFileSync(path, bytes)
  await expect(compact(between(1, 3))).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
  expect(await lake.current(table)).toMatchObject({ version: 3 })
})

test('a column that came later is NULL before; widened ones are read as they are now', async () => {
  for (let at = 0; at < 2; at++) await append()
  await compact(between(1, 2))
  await append(['a'], { more: ', 7 AS later' })
  const record = (await lake.current(table))!
  const parts = (await lake.growthSince(record, 1))!
  const rows = await session.from(relationOf({ ...record, files: [...parts.known, ...parts.fresh] }))
  expect(await session.all(`SELECT n, later FROM ${rows} ORDER BY n`)).toEqual([
    { n: 1, later: null },
    { n: 2, later: null },
    { n: 4, later: 7 },
  ])
})
