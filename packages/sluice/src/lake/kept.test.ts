import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import type { Storage } from '../storage/storage.ts'
import { type CommitInput, type Lake, openLake } from './lake.ts'
import type { CommitRecord } from './record.ts'
import { relationOf, snapshotOf } from './relation.ts'

let storage: Storage
const session = await duckDbEngine({
  memoryLimit: '256MB',
  threads: 2,
  materialise: (path) => storage.materialise(path),
}).open()
let lake: Lake

beforeEach(() => {
  storage = diskStorage(join(mkdtempSync(join(tmpdir(), 'sluice-kept-')), 'lake'))
  lake = openLake(storage, systemClock)
})

/** One file for each list of values; a column for each name. */
async function replace(
  files: readonly (readonly number[])[],
  options: Partial<CommitInput> & { readonly columns?: readonly string[] } = {},
): Promise<CommitRecord> {
  const { columns = ['INTEGER a'], ...input } = options
  const parent = await lake.current('raw.t')
  const fields = columns.map((column) => {
    const [type, name] = column.split(' ') as [string, string]
    return { name, type, nullable: true }
  })
  const made: CommitInput['files'][number][] = []
  for (const values of files) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-kept-'))
    const list = fields.map(({ name, type }) => `v::${type} AS ${name}`).join(', ')
    const [written] = await session.write(`SELECT ${list} FROM (SELECT unnest([${values}]::BIGINT[]) AS v)`, { folder })
    if (written === undefined) throw new Error('one query writes one file')
    made.push({
      localFile: written.file,
      rows: values.length,
      stats: {},
      fields: fields.map(({ name }) => name),
      content: `${values}`,
    })
  }
  const rows = made.reduce((total, file) => total + file.rows, 0)
  const kept = parent?.files.filter(({ path }) => input.kept?.includes(path)) ?? []
  const carried = kept.reduce((total, file) => total + file.rows, 0)
  const { record } = await lake.commit({
    table: 'raw.t',
    operation: 'replace',
    taskKey: `key-${Math.random()}`,
    definition: 'd',
    run: 'r',
    attempt: 1,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async (file) => {
      const [footer] = await session.all<{ n: string }>(`SELECT num_rows AS n FROM parquet_file_metadata('${file}')`)
      return { rows: Number(footer?.n) }
    },
    fields,
    files: made,
    quarantine: [],
    inputs: [],
    accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {}, carried },
    checks: [],
    expectedParent: parent?.version ?? 0,
    ...input,
  })
  return record
}

const rowsOf = async (record: CommitRecord): Promise<unknown[]> =>
  session.all(`SELECT * FROM ${await session.from(relationOf(record))} ORDER BY ALL`)

const paths = (record: CommitRecord): readonly string[] => record.files.map(({ path }) => path)

test('versions with any kept files read back exactly, one by one and as a snapshot, and collection leaves what they name', async () => {
  const step = fc.record({
    kept: fc.array(fc.nat(5), { maxLength: 4 }),
    files: fc.array(fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 4 }), { maxLength: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      storage = diskStorage(join(mkdtempSync(join(tmpdir(), 'sluice-kept-')), 'lake'))
      lake = openLake(storage, systemClock)
      const model: { readonly path: string; readonly values: readonly number[] }[][] = []
      for (const { kept, files } of steps) {
        const before = model.at(-1) ?? []
        const stay = before.filter((_, at) => kept.includes(at))
        const record = await replace(files, { kept: stay.map(({ path }) => path) })
        expect(record.rows).toBe([...stay.map(({ values }) => values), ...files].flat().length)
        model.push([
          ...stay,
          ...paths(record)
            .slice(stay.length)
            .map((path, at) => ({ path, values: files[at] ?? [] })),
        ])
        expect(paths(record)).toEqual(model.at(-1)?.map(({ path }) => path))
      }
      const ascending = (a: number, b: number): number => a - b
      const wanted = model.map((files) => files.flatMap(({ values }) => values).sort(ascending))
      const records = [...(await lake.versions('raw.t'))].reverse()
      for (const [at, record] of records.entries())
        expect(await rowsOf(record)).toEqual(wanted[at]?.map((a) => ({ a })))
      expect(
        await session.all(`SELECT _version, a FROM ${await session.from(snapshotOf(records))} ORDER BY ALL`),
      ).toEqual(wanted.flatMap((values, at) => values.map((a) => ({ _version: at + 1, a }))))
      await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: -1000 })
      for (const record of records.slice(-2)) {
        await lake.verify(record)
        expect(await rowsOf(record)).toEqual(wanted[record.version - 1]?.map((a) => ({ a })))
      }
      const left = (await storage.list('raw/t/data')).map(({ path }) => path)
      expect(left).toEqual([...new Set(records.slice(-2).flatMap(paths))].sort())
    }),
    { numRuns: 15 },
  )
})

test('LK-05: files are kept of the very version that was planned on, and of no other', async () => {
  const first = await replace([[1], [2]])
  const kept = paths(first).slice(0, 1)
  await replace([[3]], { kept })
  await expect(replace([[4]], { kept, expectedParent: 1 })).rejects.toMatchObject({ name: 'Lake.Conflict' })
  await expect(replace([[4]], { kept: ['raw/t/data/other.parquet'] })).rejects.toMatchObject({ name: 'Internal' })
  await expect(replace([[4]], { kept, operation: 'append' })).rejects.toMatchObject({ name: 'Internal' })
  expect((await lake.current('raw.t'))?.version).toBe(2)
})

test('P5: rows that are carried over are counted, by the files that hold them', async () => {
  const first = await replace([[1, 2], [3]])
  const kept = paths(first).slice(0, 1)
  for (const carried of [0, 1, 3])
    await expect(
      replace([[4]], { kept, accounting: { read: 1, accepted: 1, quarantined: 0, dropped: {}, carried } }),
    ).rejects.toMatchObject({ name: 'Quality.RowsUnaccounted' })
  // A merge: file 2 is written again, with the row that it had and one more; a model: all rows are made, and some are found to be there.
  const merged = await replace([[3, 4]], {
    kept,
    accounting: { read: 1, accepted: 1, quarantined: 0, dropped: {}, carried: 3 },
  })
  expect(merged).toMatchObject({ rows: 4, accounting: { carried: 3 } })
  const made = await replace([], {
    kept: paths(merged),
    accounting: { read: 4, accepted: 4, quarantined: 0, dropped: {} },
  })
  expect(await rowsOf(made)).toEqual([1, 2, 3, 4].map((a) => ({ a })))
})

test('LK-11: kept files are read under columns that widen, come and go; what their content was is forgotten with the columns', async () => {
  const first = await replace([[1], [2]], { columns: ['INTEGER a', 'INTEGER b'] })
  const [kept] = paths(first)
  const same = await replace([], { kept: paths(first), columns: ['INTEGER a', 'INTEGER b'] })
  expect(same.files).toEqual(first.files)
  const wider = await replace([[3]], { kept: [kept as string], columns: ['BIGINT a', 'VARCHAR c'] })
  expect(wider.fields.map(({ id }) => id)).toEqual([1, 3])
  expect(wider.files[0]).toMatchObject({ fields: ['a'], types: { a: 'INTEGER' }, addedIn: 1 })
  expect(wider.files[0]).not.toHaveProperty('content')
  expect(await rowsOf(wider)).toEqual([
    { a: '1', c: null },
    { a: '3', c: '3' },
  ])
  await expect(replace([[4]], { kept: [kept as string], columns: ['SMALLINT a'] })).rejects.toMatchObject({
    name: 'Lake.SchemaConflict',
  })
  expect(await rowsOf(await replace([[4]], { columns: ['SMALLINT a'] }))).toEqual([{ a: 4 }])
})
