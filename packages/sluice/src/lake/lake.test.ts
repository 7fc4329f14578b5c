import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import type { Session } from '../engines/engine.ts'
import { openWorkspace } from '../run/workspace.ts'
import { quoteText } from '../sql/quote.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import type { Storage } from '../storage/storage.ts'
import { type CommitInput, type Lake, openLake } from './lake.ts'
import { decodeRecord, encodeRecord } from './record/encode.ts'
import type { CommitRecord, InputReference } from './record.ts'
import { relationOf, snapshotOf } from './relation.ts'

const engine = duckDbEngine({
  memoryLimit: '256MB',
  threads: 2,
  materialise: (path) => storage.materialise(path),
})
const session: Session = await engine.open()
let root: string
let storage: Storage
let lake: Lake

beforeEach(() => {
  // A hostile root: DuckDB takes paths for globs.
  root = join(mkdtempSync(join(tmpdir(), 'sluice-lake-')), "la[k]e *?'")
  storage = diskStorage(root)
  lake = openLake(storage, systemClock)
})

const newFolder = async (): Promise<string> => (await openWorkspace(root).folder('test')).folder

interface CopyResult {
  readonly filename: string
  readonly count: string
  readonly partition_keys: readonly { readonly key: string; readonly value: string | null }[]
}

/** Commits the rows of a query, through a real Parquet file. */
async function commit(
  sql: string,
  options: Partial<CommitInput> & { readonly partitionBy?: readonly string[] } = {},
): Promise<{ readonly status: string; readonly record: CommitRecord }> {
  const { partitionBy, ...input } = options
  const folder = await newFolder()
  const columns = await session.describe(sql)
  const written =
    partitionBy === undefined
      ? await session.write(sql, { folder })
      : (
          await session.all<CopyResult>(
            `COPY (${sql}) TO ${quoteText(folder)} (FORMAT parquet, PARTITION_BY (${partitionBy.join(', ')}), WRITE_PARTITION_COLUMNS, RETURN_STATS, ` +
              // A number would give two values that share a folder (NULL and Hive's word for it) the same file.
              "OVERWRITE_OR_IGNORE, FILENAME_PATTERN '{uuid}')",
          )
        ).map(({ filename, count, partition_keys: partition }) => ({ file: filename, rows: count, partition }))
  const rows = written.reduce((total, file) => total + Number(file.rows), 0)
  return lake.commit({
    table: 'raw.sales',
    operation: 'append',
    taskKey: `key-${Math.random()}`,
    definition: 'd1',
    run: 'run1',
    attempt: 1,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async (file) => {
      const [footer] = await session.all<{ n: string }>(
        `SELECT num_rows AS n FROM parquet_file_metadata(${quoteText(file.replace(/[*?[]/g, '[$&]'))})`,
      )
      return { rows: Number(footer?.n) }
    },
    fields: columns.map((column) => ({ ...column, nullable: true })),
    files: written.map((file) => ({
      localFile: file.file,
      rows: Number(file.rows),
      stats: {},
      fields: columns.map(({ name }) => name),
      ...('partition' in file && Array.isArray(file.partition)
        ? { partition: Object.fromEntries(file.partition.map(({ key, value }) => [key, value])) }
        : {}),
    })),
    quarantine: [],
    inputs: [],
    accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
    checks: [],
    ...input,
  })
}

const file = (sha256: string): InputReference => ({
  kind: 'file',
  path: `inbox/${sha256}.csv`,
  sha256,
  bytes: 1,
  accounting: { read: 1, accepted: 1, quarantined: 0, dropped: {} },
})

const rowsOf = async (record: CommitRecord): Promise<unknown[]> =>
  session.all(`SELECT * FROM ${await session.from(relationOf(record))} ORDER BY ALL`)

describe('commit', () => {
  test('append keeps the files before, replace does not; versions count from 1', async () => {
    await commit('SELECT 1 AS a')
    const { record } = await commit('SELECT 2 AS a')
    expect(await rowsOf(record)).toEqual([{ a: 1 }, { a: 2 }])
    const replaced = await commit('SELECT 3 AS a', { operation: 'replace', expectedParent: 2 })
    expect(replaced.record).toMatchObject({ version: 3, parent: 2, rows: 1 })
    expect(await lake.current('raw.sales')).toEqual(replaced.record)
    expect((await lake.versions('raw.sales')).map(({ version }) => version)).toEqual([3, 2, 1])
    expect(await lake.tables()).toEqual(['raw.sales'])
    expect(await lake.current('raw.other')).toBeUndefined()
  })

  test('LK-05: a task key that is in the table commits nothing', async () => {
    const first = await commit('SELECT 1 AS a', { taskKey: 'k' })
    await commit('SELECT 2 AS a')
    expect(await commit('SELECT 1 AS a', { taskKey: 'k' })).toEqual({ ...first, status: 'already-committed' })
    expect((await lake.versions('raw.sales')).length).toBe(2)
  })

  test('a task key before a replacement is not the content any more, and is made again', async () => {
    await commit('SELECT 1 AS a', { operation: 'replace', taskKey: 'k1' })
    await commit('SELECT 2 AS a', { operation: 'replace', taskKey: 'k2' })
    expect((await commit('SELECT 1 AS a', { operation: 'replace', taskKey: 'k1' })).record.version).toBe(3)
  })

  test('LK-05: a replacement of another version than the planned one is refused', async () => {
    await commit('SELECT 1 AS a')
    await expect(commit('SELECT 2 AS a', { operation: 'replace', expectedParent: 0 })).rejects.toMatchObject({
      name: 'Lake.Conflict',
    })
  })

  test('LK-05: of two that append the same file under different keys, one does', async () => {
    await commit('SELECT 1 AS a', { inputs: [file('s1')], expectedParent: 0 })
    expect((await commit('SELECT 1 AS a', { inputs: [file('s1')], expectedParent: 0 })).status).toBe(
      'already-committed',
    )
    await expect(
      commit('SELECT 1 AS a', { inputs: [file('s1'), file('s2')], expectedParent: 0 }),
    ).rejects.toMatchObject({ name: 'Lake.Conflict' })
  })

  test('LK-05: ten appends at once all land, each once', async () => {
    const before = await Promise.all(Array.from({ length: 10 }, newFolder))
    for (const [i, folder] of before.entries()) await session.write(`SELECT ${i} AS a`, { folder })
    const results = await Promise.all(
      before.map((folder, i) =>
        lake.commit({
          ...inputOf([{ localFile: join(folder, 'part-0.parquet'), rows: 1, stats: {}, fields: ['a'] }]),
          taskKey: `k${i}`,
          expectedParent: 0,
        }),
      ),
    )
    expect(results.map(({ record }) => record.version).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const record = await lake.current('raw.sales')
    expect(await rowsOf(record as CommitRecord)).toEqual(Array.from({ length: 10 }, (_, a) => ({ a })))
  })

  test('LK-06: a writer that lost its lease, or holds an older token, publishes nothing', async () => {
    await commit('SELECT 1 AS a', { fencingToken: 5 })
    await expect(commit('SELECT 2 AS a', { fencingToken: 4 })).rejects.toMatchObject({ name: 'Run.Fenced' })
    const lost = new Error('lost')
    await expect(commit('SELECT 2 AS a', { fencingToken: 5, fence: () => Promise.reject(lost) })).rejects.toBe(lost)
    expect((await lake.current('raw.sales'))?.version).toBe(1)
  })

  test('rows that are not accounted for, by the counts or by the files, stop the commit', async () => {
    for (const accounting of [
      { read: 2, accepted: 1, quarantined: 0, dropped: {} },
      { read: 2, accepted: 2, quarantined: 0, dropped: {} },
      { read: 2, accepted: 1, quarantined: 1, dropped: {} },
    ])
      await expect(commit('SELECT 1 AS a', { accounting })).rejects.toMatchObject({ name: 'Quality.RowsUnaccounted' })
    expect(await lake.current('raw.sales')).toBeUndefined()
  })

  test('a file whose footer counts other rows, or that is not Parquet, stops the commit', async () => {
    await expect(commit('SELECT 1 AS a', { verifyFile: async () => ({ rows: 2 }) })).rejects.toMatchObject({
      name: 'Lake.FileCorrupt',
    })
    const localFile = join(await newFolder(), 'x.parquet')
    writeFileSync(localFile, 'PAR1 torn off here')
    await expect(lake.commit(inputOf([{ localFile, rows: 1, stats: {}, fields: ['a'] }]))).rejects.toMatchObject({
      name: 'Lake.FileCorrupt',
    })
  })
})

function inputOf(files: CommitInput['files']): CommitInput {
  const rows = files.reduce((total, one) => total + one.rows, 0)
  return {
    table: 'raw.sales',
    operation: 'append',
    taskKey: 'k',
    definition: 'd',
    run: 'r',
    attempt: 1,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async () => ({ rows: 1 }),
    fields: [{ name: 'a', type: 'INTEGER', nullable: true }],
    files,
    quarantine: [],
    inputs: [],
    accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
    checks: [],
  }
}

describe('current', () => {
  test.each([
    ['missing', undefined],
    ['old', '{"version":1}'],
    ['broken', '{"version":'],
    ['nonsense', '{"version":-3}'],
  ])('the newest version is found with a hint that is %s', async (_name, hint) => {
    for (const i of [1, 2, 3]) await commit(`SELECT ${i} AS a`)
    if (hint === undefined) await storage.remove('raw/sales/_latest.json')
    else await storage.write('raw/sales/_latest.json', hint)
    expect((await lake.current('raw.sales'))?.version).toBe(3)
  })

  test('a hint that is ahead knows of a version whose record is missing: the table is not read, and the number is not used again', async () => {
    for (const i of [1, 2, 3]) await commit(`SELECT ${i} AS a`)
    await storage.remove('raw/sales/_versions/000000000003.json')
    const missing = { name: 'Lake.VersionMissing', params: { table: 'raw.sales', missing: 3, newest: 2 } }
    await expect(lake.current('raw.sales')).rejects.toMatchObject(missing)
    await expect(lake.knownInputs('raw.sales')).rejects.toMatchObject(missing)
    await expect(commit('SELECT 4 AS a')).rejects.toMatchObject(missing)
    expect((await lake.versions('raw.sales')).map(({ version }) => version)).toEqual([2, 1])
    const fence = async (): Promise<void> => undefined
    const rolled = { table: 'raw.sales', version: 1, run: 'r', attempt: 1, fencingToken: 9, fence }
    expect(await lake.rollback(rolled)).toMatchObject({ version: 4, rows: 1 })
    expect((await commit('SELECT 5 AS a', { fencingToken: 9 })).record.version).toBe(5)
  })

  test('a collection holds a few records at a time, however many there are', async () => {
    await commit('SELECT 1 AS a')
    const versions = 40
    const newest = (await lake.current('raw.sales'))!
    for (let version = 2; version <= versions; version++)
      await storage.create(
        `raw/sales/_versions/${String(version).padStart(12, '0')}.json`,
        encodeRecord({ ...newest, version, parent: version - 1 }),
      )
    const seen: string[] = []
    const counting = {
      ...storage,
      read: (path: string) => {
        seen.push(path)
        return storage.read(path)
      },
    }
    for await (const { version } of openLake(counting, systemClock).streamVersions('raw.sales'))
      expect(seen.length).toBeLessThanOrEqual(versions - version + 16)
    const { removed } = await lake.collectGarbage({ retention: () => ({ versions: 30 }), graceMs: 0 })
    expect(removed).toEqual(
      Array.from({ length: 10 }, (_, n) => `raw/sales/_versions/${String(n + 1).padStart(12, '0')}.json`),
    )
  })

  test('of a table whose only record is missing it is known that there was one', async () => {
    await commit('SELECT 1 AS a')
    await storage.remove('raw/sales/_versions/000000000001.json')
    expect(await lake.tables()).toEqual(['raw.sales'])
    await expect(commit('SELECT 1 AS a')).rejects.toMatchObject({ name: 'Lake.VersionMissing', params: { newest: 0 } })
  })

  test('CT-04: a record of a newer format is refused, and nothing is written', async () => {
    await commit('SELECT 1 AS a')
    await storage.create('raw/sales/_versions/000000000002.json', '{"format":4,"version":2}')
    const before = await storage.list('raw')
    await expect(lake.current('raw.sales')).rejects.toMatchObject({ name: 'Lake.FormatNewer' })
    await expect(commit('SELECT 2 AS a')).rejects.toMatchObject({ name: 'Lake.FormatNewer' })
    expect(await storage.list('raw')).toEqual(before)
  })

  test('CT-01: any changed byte of a record is found', async () => {
    await commit('SELECT 1 AS a')
    const path = 'raw/sales/_versions/000000000001.json'
    const bytes = readFileSync((await storage.materialise(path)).file)
    for (let at = 0; at < bytes.length - 1; at += 7) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] as number) ^ 1
      expect(() => decodeRecord(damaged, path)).toThrow(expect.objectContaining({ name: 'Lake.RecordCorrupt' }))
    }
    expect(() => decodeRecord(bytes.subarray(0, 100), path)).toThrow(/damaged/)
  })
})

describe('reading', () => {
  test('LK-11: columns by id: added, dropped, back under the same name, widened', async () => {
    await commit("SELECT 1 AS a, 'x' AS b")
    await commit('SELECT 2 AS a')
    await commit("SELECT 3::BIGINT AS a, 30 AS b, 'new' AS c")
    const record = (await lake.current('raw.sales')) as CommitRecord
    expect(record.fields.map(({ id, name }) => [id, name])).toEqual([
      [1, 'a'],
      [3, 'b'],
      [4, 'c'],
    ])
    expect(await rowsOf(record)).toEqual([
      { a: '1', b: null, c: null },
      { a: '2', b: null, c: null },
      { a: '3', b: 30, c: 'new' },
    ])
    await expect(commit("SELECT 'text' AS b")).resolves.toBeDefined()
    await expect(commit('SELECT true AS b')).rejects.toMatchObject({ name: 'Lake.SchemaConflict' })
  })

  test('snapshot: every kept version, each row with its version', async () => {
    await commit('SELECT 1 AS a')
    await commit('SELECT 2 AS a')
    await commit("SELECT 'three' AS a", { operation: 'replace' })
    const rows = await session.from(snapshotOf(await lake.versions('raw.sales')))
    expect(await session.all(`SELECT a, _version FROM ${rows} ORDER BY ALL`)).toEqual([
      { a: '1', _version: 1 },
      { a: '1', _version: 2 },
      { a: '2', _version: 2 },
      { a: 'three', _version: 3 },
    ])
  })

  test('snapshot: a day or a version reads only its own files', async () => {
    for (let day = 1; day <= 6; day++) {
      const at = new Date(`2026-01-0${day}T23:59:59.999Z`)
      lake = openLake(storage, { ...systemClock, now: () => at })
      await commit(`SELECT i + ${day} AS a FROM range(5000) t(i)`, { operation: 'replace' })
    }
    const rows = await session.from(snapshotOf(await lake.versions('raw.sales')))
    const question = `SELECT max(a)::INT AS a, count(*)::INT AS n FROM ${rows} WHERE _version_date = DATE '2026-01-04'`
    expect(await session.all(question)).toEqual([{ a: 5003, n: 5000 }])
    for (const where of ["_version_date = DATE '2026-01-04'", '_version = 4']) {
      const [plan] = await session.all<{ explain_value: string }>(
        `EXPLAIN (ANALYZE, FORMAT json) SELECT max(a) FROM ${rows} WHERE ${where}`,
      )
      const scans = plan?.explain_value.matchAll(/"operator_cardinality": (\d+),\s*"operator_name": "READ_PARQUET/g)
      expect(
        [...(scans ?? [])].map(([, rows]) => Number(rows)),
        where,
      ).toEqual([5000])
    }
  })

  test('snapshot: files of narrower types, dropped and renewed columns, in whatever order', async () => {
    await commit('SELECT 1::TINYINT AS a, 1 AS b')
    await commit('SELECT 300::SMALLINT AS a')
    await commit("SELECT 9000000000::BIGINT AS a, 'new' AS b")
    const rows = await session.from(snapshotOf(await lake.versions('raw.sales')))
    expect(await session.all(`SELECT a, b, _version AS v FROM ${rows} ORDER BY v, a`)).toEqual([
      { a: '1', b: null, v: 1 },
      { a: '1', b: null, v: 2 },
      { a: '300', b: null, v: 2 },
      { a: '1', b: null, v: 3 },
      { a: '300', b: null, v: 3 },
      { a: '9000000000', b: 'new', v: 3 },
    ])
  })

  test('an empty table has typed columns', async () => {
    const { record } = await commit('SELECT 1::DECIMAL(12,3) AS a, DATE \'2020-01-01\' AS "b c" WHERE false')
    expect(await session.describe(`SELECT * FROM ${await session.from(relationOf(record))}`)).toEqual([
      { name: 'a', type: 'DECIMAL(12,3)' },
      { name: 'b c', type: 'DATE' },
    ])
    expect(
      await session.describe(`SELECT * FROM ${await session.from(relationOf({ ...record, files: [] }))}`),
    ).toHaveLength(2)
  })

  test('LK-14: partition values stay in the files, whatever they are', async () => {
    const values = [
      'NULL',
      "''",
      "'é日'",
      "'../../x'",
      "'__HIVE_DEFAULT_PARTITION__'",
      "'a=b/c'",
      "'o''k\"'",
      "'.'",
      'chr(0)',
    ]
    const { record } = await commit(
      `SELECT * FROM (VALUES ${values.map((v, i) => `(${i}, ${v})`).join(', ')}) t(i, p)`,
      {
        partitionBy: ['p'],
      },
    )
    expect(record.files).toHaveLength(values.length)
    for (const { path } of record.files)
      expect(path).toMatch(/^raw\/sales\/data\/[^/]+\/p=[\w%.~-]*\/part-\d+\.parquet$/)
    const rows = await session.all<{ p: string }>(`SELECT p FROM ${await session.from(relationOf(record))} ORDER BY i`)
    expect(rows.map(({ p }) => p)).toEqual([
      null,
      '',
      'é日',
      '../../x',
      '__HIVE_DEFAULT_PARTITION__',
      'a=b/c',
      'o\'k"',
      '.',
      '\0',
    ])
  })

  test('LK-03: a flipped bit, a short file and a missing one are found; an intact file is read once', async () => {
    const { record } = await commit('SELECT 1 AS a')
    await lake.verify(record)
    await lake.verify(record)
    const { file: path } = await storage.materialise(record.files[0]?.path ?? '')
    const bytes = readFileSync(path)
    const flipped = Buffer.from(bytes)
    flipped[20] = (flipped[20] as number) ^ 4
    for (const damaged of [flipped, bytes.subarray(0, -1), Buffer.alloc(0)]) {
      writeFileSync(path, damaged)
      await expect(lake.verify(record)).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
    }
    writeFileSync(path, bytes)
    await lake.verify(record)
    await storage.remove(record.files[0]?.path ?? '')
    await expect(lake.verify(record)).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
  })
})

describe('history', () => {
  const by = { table: 'raw.sales', run: 'r', attempt: 1, fencingToken: 1, fence: async () => undefined }

  test('rollback makes a new version with the old content and the old inputs', async () => {
    await commit('SELECT 1 AS a', { inputs: [file('s1')] })
    await commit('SELECT 2 AS a', { inputs: [file('s2')] })
    const record = await lake.rollback({ ...by, version: 1 })
    expect(record).toMatchObject({ version: 3, operation: 'rollback', rollbackOf: 1, rows: 1 })
    expect(await rowsOf(record)).toEqual([{ a: 1 }])
    expect([...(await lake.knownInputs('raw.sales')).keys()]).toEqual(['s1'])
    await commit('SELECT 2 AS a', { inputs: [file('s2')] })
    expect([...(await lake.knownInputs('raw.sales')).keys()]).toEqual(['s1', 's2'])
    await expect(lake.rollback({ ...by, version: 9 })).rejects.toMatchObject({ name: 'Lake.UnknownVersion' })
  })

  test('IN-25, LK-09: inputs are known after their records are gone, and after hundreds of versions', async () => {
    for (let i = 1; i <= 130; i++)
      await lake.commit({ ...inputOf([]), taskKey: `k${i}`, inputs: [file(`s${i}`)], expectedParent: i - 1 })
    await lake.collectGarbage({ retention: () => ({ versions: 10 }), graceMs: 0 })
    expect((await lake.versions('raw.sales')).length).toBe(10)
    const known = await lake.knownInputs('raw.sales')
    expect(known.size).toBe(130)
    expect(known.get('s1')).toBe('inbox/s1.csv')
    await lake.rollback({ ...by, version: 125 })
    expect((await lake.knownInputs('raw.sales')).size).toBe(125)
  })

  test('LK-09: a dropped file stays for its grace, an orphan too, a named file always', async () => {
    let now = Date.now()
    lake = openLake(storage, { ...systemClock, now: () => new Date(now) })
    const { record } = await commit('SELECT 1 AS a')
    await commit('SELECT 2 AS a', { operation: 'replace' })
    const orphan = 'raw/sales/data/run9-1-00000000/part-0.parquet'
    await storage.write(orphan, 'PAR1')
    const collect = (dryRun = false) => lake.collectGarbage({ retention: () => ({ versions: 1 }), dryRun })
    const dropped = record.files[0]?.path as string
    const retired = 'raw/sales/_versions/000000000001.json'
    expect((await collect(true)).removed).toEqual([retired])
    now += 3 * 24 * 3_600_000
    // Old as the file is, a reader may have opened its version a moment ago.
    expect((await collect()).removed).toEqual([retired, orphan])
    await lake.verify(record)
    now += 23 * 3_600_000
    expect((await collect()).removed).toEqual([])
    now += 2 * 3_600_000
    expect((await collect()).removed).toEqual([dropped])
    expect((await collect()).removed).toEqual([])
    const current = (await lake.current('raw.sales')) as CommitRecord
    expect(await rowsOf(current)).toEqual([{ a: 2 }])
    expect((await storage.list('raw')).map(({ path }) => path).filter((path) => path.endsWith('.parquet'))).toEqual([
      current.files[0]?.path,
    ])
  })

  test('LK-15: the clock jumps back, and retention still keeps an unbroken row of versions', async () => {
    const day = 86_400_000
    const start = Date.now()
    const times = [0, -20, -20, 0, -20, 0].map((days) => new Date(start + days * day))
    for (const [i, time] of times.entries()) {
      lake = openLake(storage, { ...systemClock, now: () => time })
      await commit(`SELECT ${i} AS a`)
    }
    await lake.collectGarbage({ retention: () => ({ versions: 1, days: 7 }) })
    expect((await lake.versions('raw.sales')).map(({ version }) => version)).toEqual([6, 5, 4, 3, 2, 1])
  })

  test('LK-10: foreign files are left alone and named', async () => {
    await commit('SELECT 1 AS a')
    await storage.write('raw/sales/notes.txt', 'x')
    await storage.write('raw/sales/data/extra.parquet', 'x')
    const garbage = await lake.collectGarbage({ retention: () => ({}), graceMs: 0 })
    expect(garbage).toEqual({ removed: [], bytes: 0, foreign: ['raw/sales/data/extra.parquet', 'raw/sales/notes.txt'] })
  })

  test('a writer that slept while its version came and was retired does not revive it', async () => {
    let asleep: (() => void) | undefined
    const folder = await newFolder()
    await commit('SELECT 0 AS a')
    await session.write('SELECT 100 AS a', { folder })
    let fenced = 0
    const slow = lake.commit({
      ...inputOf([{ localFile: join(folder, 'part-0.parquet'), rows: 1, stats: {}, fields: ['a'] }]),
      fence: () => (fenced++ > 0 ? Promise.resolve() : new Promise<void>((resolve) => (asleep = resolve))),
    })
    while (asleep === undefined) await systemClock.sleep(5)
    for (const i of [1, 2, 3]) await commit(`SELECT ${i} AS a`)
    await lake.collectGarbage({ retention: () => ({ versions: 1 }) })
    asleep()
    expect((await slow).record.version).toBe(5)
    expect((await lake.versions('raw.sales')).map(({ version }) => version)).toEqual([5, 4])
    expect((await rowsOf((await slow).record)).length).toBe(5)
  })
})

describe('what was hashed on its way in', () => {
  /** A lake that says which objects are read. */
  const watched = () => {
    const read: string[] = []
    const materialise: Storage['materialise'] = async (path) => {
      read.push(path)
      return storage.materialise(path)
    }
    return { read, lake: openLake({ ...storage, materialise }, systemClock) }
  }

  test('is not read again by the process that committed it, and is by another one', async () => {
    const [here, there] = [watched(), watched()]
    lake = here.lake
    const { record } = await commit('SELECT 1 AS a')
    await here.lake.verify(record)
    expect(here.read).toEqual([])
    await there.lake.verify(record)
    expect(there.read).toEqual(record.files.map(({ path }) => path))
  })

  test('LK-03: is read again once the storage says that it is another one', async () => {
    const here = watched()
    lake = here.lake
    const { record } = await commit('SELECT 1 AS a')
    const { file } = await storage.materialise(record.files[0]!.path)
    const bytes = readFileSync(file)
    bytes[20]! ^= 4
    writeFileSync(file, bytes)
    await expect(here.lake.verify(record)).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
    expect(here.read).toHaveLength(1)
  })
})
