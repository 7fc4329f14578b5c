import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { identityOf } from '../../lake/growth.ts'
import { type CommitInput, type Lake, openLake } from '../../lake/lake.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { openWorkspace } from '../workspace.ts'
import { compactTable } from './compact.ts'
import { rewriteOlder } from './rewrite.ts'

const engine = duckDbEngine({ memoryLimit: '256MB', threads: 2, materialise: (path) => storage.materialise(path) })
const session = await engine.open()
const table = 'raw.log'
const all = mkdtempSync(join(tmpdir(), 'sluice-rewrite-'))
const signal = new AbortController().signal
let root: string
let storage: Storage
let lake: Lake

afterAll(async () => {
  await session.close()
  rmSync(all, { recursive: true })
})

beforeEach(() => {
  root = mkdtempSync(join(all, 'lake-'))
  storage = diskStorage(root)
  lake = openLake(storage, systemClock)
})

/** Appends the rows of a query, as a run does: what is older is written again where it must be. */
async function append(sql: string, options: Partial<CommitInput> = {}): Promise<CommitRecord> {
  const current = await lake.current(table)
  const fields = (await session.describe(sql)).map((column) => ({ ...column, nullable: true }))
  const [written] = await session.write(sql, { folder: (await openWorkspace(root).folder('t')).folder })
  const rows = written?.rows ?? 0
  const scratch = async (name: string) => (await openWorkspace(root).folder(name)).folder
  const rewritten =
    current === undefined ? [] : await rewriteOlder({ lake, engine, scratch, signal }, current, { fields })
  const { record } = await lake.commit({
    ...{ table, operation: 'append', taskKey: `${Math.random()}`, definition: 'd', run: 'run', attempt: 1 },
    ...{ fencingToken: 1, fence: async () => {}, fields, rewritten },
    verifyFile: async (file) => {
      const [found] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM '${file}'`)
      return { rows: Number(found?.n) }
    },
    files: [
      { localFile: written?.file ?? '', rows, stats: written?.stats ?? {}, fields: fields.map(({ name }) => name) },
    ],
    ...{ quarantine: [], checks: [], inputs: [] },
    accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
    ...options,
  })
  return record
}

const textsOf = async (record: Pick<CommitRecord, 'fields' | 'files'>): Promise<readonly string[]> =>
  (
    await session.all<{ v: string }>(`SELECT v::VARCHAR AS v FROM ${await session.from(relationOf(record))} ORDER BY n`)
  ).map(({ v }) => v)

/** Types in the files themselves, as DuckDB finds them there. */
async function typesIn(record: CommitRecord): Promise<readonly string[]> {
  const types = []
  for (const { path } of record.files)
    types.push((await session.describe(`SELECT v FROM read_parquet('${join(root, path)}')`))[0]?.type ?? '')
  return types
}

describe.each([
  ['SMALLINT', 'FLOAT', '-32768', '0.5', '-32768.0'],
  ['INTEGER', 'DOUBLE', '2147483647', '0.1', '2147483647.0'],
  ['UINTEGER', 'BIGINT', '4294967295', '9223372036854775807'],
  ['INTEGER', 'DECIMAL(12,2)', '-2147483648', '9999999999.99', '-2147483648.00'],
  ['DECIMAL(9,0)', 'INTEGER', '-999999999', '2147483647'],
  ['DECIMAL(15,0)', 'DOUBLE', '999999999999999', '0.1', '999999999999999.0'],
  ['DECIMAL(12,2)', 'DECIMAL(14,4)', '0.01', '0.0001', '0.0100'],
  ['DATE', 'TIMESTAMP', '0001-01-01', '2024-02-29 23:59:59.999999', '0001-01-01 00:00:00'],
  ['TIMESTAMP_S', 'TIMESTAMP', '1969-12-31 23:59:59', '2024-02-29 23:59:59.999999'],
  ['TIMESTAMP_MS', 'TIMESTAMP', '1969-12-31 23:59:59.999', '2024-02-29 23:59:59.999999'],
  ['INTEGER[]', 'BIGINT[]', '[1, -2147483648]', '[9223372036854775807]'],
  ['DOUBLE', 'VARCHAR', '0.30000000000000004', 'text'],
])('%s to %s', (from, to, old, came, shown = old) => {
  test('SR-05, LK-11: Iceberg v2 does not know it: the older files are written again in the same version', async () => {
    const first = await append(`SELECT 1 AS n, CAST('${old}' AS ${from}) AS v`)
    const second = await append(`SELECT 2 AS n, CAST('${came}' AS ${to}) AS v`)
    expect(second).toMatchObject({ version: 2, operation: 'append', rows: 2, accounting: { read: 1, accepted: 1 } })
    expect(await textsOf(second)).toEqual([shown, came])
    expect(await typesIn(second)).toEqual([to, to])
    expect(second.files[0]?.path).not.toBe(first.files[0]?.path)
    expect(second.files[0]).not.toHaveProperty('types')
    expect(second.files[0]).toMatchObject({ addedIn: 1, rows: 1 })
    // The older version has its own file still, and both have the same rows for who follows the table.
    expect(await textsOf(first)).toEqual([from.startsWith('TIMESTAMP') ? old : expect.stringContaining(old)])
    expect(identityOf(second.files.slice(0, 1))).toBe(identityOf(first.files))
    await lake.verify(second)
    const growth = await lake.growthSince(second, 1)
    expect(growth?.fresh).toHaveLength(1)
    expect(growth?.known).toEqual(second.files.slice(0, 1))
  })
})

test.each([
  ['TINYINT', 'INTEGER', '-128', '2147483647'],
  ['INTEGER', 'BIGINT', '1', '9223372036854775807'],
  ['FLOAT', 'DOUBLE', '0.5', '0.1'],
  ['DECIMAL(9,2)', 'DECIMAL(18,2)', '0.01', '9999999999999999.99'],
])('LK-11: %s to %s is known to Iceberg v2: the files stay, and are read by casting', async (from, to, old, came) => {
  const first = await append(`SELECT 1 AS n, CAST('${old}' AS ${from}) AS v`)
  const second = await append(`SELECT 2 AS n, CAST('${came}' AS ${to}) AS v`)
  expect(second.files[0]).toMatchObject({ path: first.files[0]?.path, types: { v: from } })
  expect(await textsOf(second)).toEqual([old, came])
  expect(await typesIn(second)).toEqual([from, to])
})

test('LK-11: by way of a type that Iceberg knows, what is in the file decides; columns that came later are NULL', async () => {
  await append("SELECT 1 AS n, 'x' AS gone, 7::INTEGER AS v")
  await append('SELECT 2 AS n, 8::BIGINT AS v')
  const third = await append("SELECT 3 AS n, 9.5::DECIMAL(20,1) AS v, DATE '2024-01-01' AS came")
  expect(await textsOf(third)).toEqual(['7.0', '8.0', '9.5'])
  expect(await typesIn(third)).toEqual(Array(3).fill('DECIMAL(20,1)'))
  expect(third.files.map(({ fields }) => fields)).toEqual(Array(3).fill(['n', 'v', 'came']))
  expect(third.files.map(({ addedIn }) => addedIn)).toEqual([1, 2, 3])
  const rows = await session.all(
    `SELECT came::VARCHAR AS came FROM ${await session.from(relationOf(third))} ORDER BY n`,
  )
  expect(rows).toEqual([{ came: null }, { came: null }, { came: '2024-01-01' }])
  // Compacted, they are one file of one type, and each version's rows are still known.
  const run = { run: 'compaction', fencingToken: 1, fence: async () => {}, signal }
  const compacted = await compactTable({ lake, engine, workspace: openWorkspace(root) }, table, run, ({ files }) => [
    files,
  ])
  expect(await textsOf(compacted as CommitRecord)).toEqual(['7.0', '8.0', '9.5'])
  const growth = await lake.growthSince(compacted as CommitRecord, 2)
  expect([growth?.known.length, growth?.fresh.length]).toEqual([2, 1])
})

test('LK-11: what a lake of before left in another type is written again by the next commit', async () => {
  await append('SELECT 1 AS n, 7::INTEGER AS v')
  const before = await append('SELECT 2 AS n, 0.5::DOUBLE AS v', { rewritten: [] })
  expect(before.files[0]).toMatchObject({ types: { v: 'INTEGER' } })
  expect(await textsOf(before)).toEqual(['7.0', '0.5'])
  const after = await append('SELECT 3 AS n, 1::DOUBLE AS v')
  expect(await typesIn(after)).toEqual(['DOUBLE', 'DOUBLE', 'DOUBLE'])
  expect(after.files[1]?.path).toBe(before.files[1]?.path)
})

test('LK-06: what another writer has added since stays as it is, is read by casting, and is written again by the next commit', async () => {
  const first = await append("SELECT 1 AS n, DATE '2024-01-01' AS v")
  const fields = [
    { name: 'n', type: 'INTEGER', nullable: true },
    { name: 'v', type: 'TIMESTAMP', nullable: true },
  ]
  const scratch = async (name: string) => (await openWorkspace(root).folder(name)).folder
  const rewritten = await rewriteOlder({ lake, engine, scratch, signal }, first, { fields })
  await append("SELECT 2 AS n, DATE '2024-01-02' AS v")
  const third = await append("SELECT 3 AS n, TIMESTAMP '2024-01-03 01:00:00' AS v", { rewritten })
  const texts = ['2024-01-01 00:00:00', '2024-01-02 00:00:00', '2024-01-03 01:00:00']
  expect(await textsOf(third)).toEqual(texts)
  expect(await typesIn(third)).toEqual(['TIMESTAMP', 'DATE', 'TIMESTAMP'])
  const next = await append("SELECT 4 AS n, TIMESTAMP '2024-01-04' AS v")
  expect(await typesIn(next)).toEqual(Array(4).fill('TIMESTAMP'))
  expect((await textsOf(next)).slice(0, 3)).toEqual(texts)
})

test('LK-06: a writer that was fenced in the middle has changed nothing', async () => {
  const first = await append("SELECT 1 AS n, DATE '2024-01-01' AS v")
  const fenced = async (): Promise<void> => {
    throw new Error('fenced')
  }
  await expect(append("SELECT 2 AS n, TIMESTAMP '2024-01-02' AS v", { fence: fenced })).rejects.toThrow('fenced')
  expect(await lake.current(table)).toEqual(first)
  await lake.verify(first)
  expect(await textsOf(first)).toEqual(['2024-01-01'])
})

test('LK-11: a replacement that keeps files writes those again, and only those', async () => {
  await append("SELECT 1 AS n, DATE '2024-01-01' AS v")
  const second = await append("SELECT 2 AS n, DATE '2024-01-02' AS v")
  const kept = [second.files[0]?.path ?? '']
  const fields = second.fields.map((field) => (field.name === 'v' ? { ...field, type: 'TIMESTAMP' } : field))
  const scratch = async (name: string) => (await openWorkspace(root).folder(name)).folder
  const rewritten = await rewriteOlder({ lake, engine, scratch, signal }, second, { fields, kept })
  expect(rewritten.map(({ files }) => files.map(({ path }) => path))).toEqual([kept])
  const third = await append("SELECT 3 AS n, TIMESTAMP '2024-01-03' AS v", {
    ...{ operation: 'replace', expectedParent: 2, kept, rewritten },
    accounting: { read: 1, accepted: 1, quarantined: 0, dropped: {}, carried: 1 },
  })
  expect(await typesIn(third)).toEqual(['TIMESTAMP', 'TIMESTAMP'])
  expect(await textsOf(third)).toEqual(['2024-01-01 00:00:00', '2024-01-03 00:00:00'])
})

test('LK-03: a damaged file is not written again as if it were sound, and a date beyond a timestamp stops the commit', async () => {
  const first = await append("SELECT 1 AS n, DATE '5881580-07-10' AS v")
  await expect(append("SELECT 2 AS n, TIMESTAMP '2024-01-01' AS v")).rejects.toThrow()
  expect(await lake.current(table)).toEqual(first)
  const path = join(root, first.files[0]?.path as string)
  const bytes = readFileSync(path)
  bytes[10]! ^= 1
  writeFileSync(path, bytes)
  await expect(append("SELECT 2 AS n, TIMESTAMP '2024-01-01' AS v")).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
})

test('SR-05: what needs an approval and has none is refused by the lake, and writes nothing', async () => {
  await append('SELECT 1 AS n, 7::BIGINT AS v')
  await expect(append('SELECT 2 AS n, 8::INTEGER AS v')).rejects.toMatchObject({ name: 'Lake.SchemaConflict' })
  await expect(append("SELECT 2 AS n, DATE '2024-01-01' AS v")).rejects.toMatchObject({ name: 'Lake.SchemaConflict' })
})
