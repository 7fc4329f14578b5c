import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { duckDbEngine } from './engine.ts'
import { spillFolder } from './spill.ts'

const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })

test('writes Parquet and reports rows, bytes, partitions and statistics', async () => {
  await using session = await engine.open()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  const files = await session.write("SELECT i, i % 2 AS p, 'x' || i AS s FROM range(5) t(i)", {
    folder,
    partitionBy: ['p'],
  })
  expect(files.map((file) => [file.partition, file.rows, file.stats['i']])).toEqual([
    [{ p: '0' }, 3, { min: '0', max: '4', nulls: 0, values: 3, bytes: 51 }],
    [{ p: '1' }, 2, { min: '1', max: '3', nulls: 0, values: 2, bytes: 48 }],
  ])
})

test('captures rows that a predicate refuses, in the same scan', async () => {
  await using session = await engine.open()
  const rows: [bigint, readonly (string | null)[]][] = []
  session.capture('refuse', (mask, fields) => rows.push([mask, [...fields]]))
  const [kept] = await session.all<{ n: string }>(
    'SELECT count(*) AS n FROM range(10) t(i) WHERE CASE WHEN i <> 7 THEN true ELSE refuse(2::UBIGINT, [i::VARCHAR, NULL]) END',
  )
  expect(Number(kept?.n)).toBe(9)
  expect(rows).toEqual([[2n, ['7', null]]])
})

test('streams, describes, and stops when its signal aborts', async () => {
  const controller = new AbortController()
  await using session = await engine.open({ signal: controller.signal })
  let rows = 0
  for await (const batch of session.stream('SELECT i FROM range(5000) t(i)')) rows += batch.length
  expect(rows).toBe(5000)
  expect(await session.describe('SELECT 1::DECIMAL(12,3) AS a')).toEqual([{ name: 'a', type: 'DECIMAL(12,3)' }])
  const long = session.all('SELECT count(*) FROM range(10000000000) a(i) WHERE i % 7 = 3')
  setTimeout(() => controller.abort(), 100)
  await expect(long).rejects.toThrow()
})

test('IN-17: a text comes into JavaScript and back as it is, a byte order mark at its beginning included', async () => {
  await using session = await engine.open()
  for (const text of ['\uFEFF', '\uFEFFabc', `\uFEFF${'long enough for the heap'}`, 'a\uFEFF', '\u0000x', '😀']) {
    expect(await session.all('SELECT $1::VARCHAR AS t, [$1::VARCHAR] AS l, hex($1::VARCHAR) AS h', [text])).toEqual([
      { t: text, l: [text], h: Buffer.from(text).toString('hex').toUpperCase() },
    ])
  }
})

test('rows are appended while a statement runs beside, which sees what came before it; both end together', async () => {
  const session = await engine.open()
  const beside = await session.beside()
  await session.run('CREATE TABLE a (v VARCHAR); CREATE TABLE b (v VARCHAR)')
  session.append('a', [['one', 'two']], 2)
  const slow = beside.all<{ n: string; t: string }>(
    'SELECT count(*) AS n, (SELECT count(*) FROM a) AS t FROM range(30_000_000) r, a WHERE hash(r.range) % 7 = 3',
  )
  for (let i = 0; i < 100; i++) session.append('b', [[`${i}`]], 1)
  expect(await session.all('SELECT count(*) AS n FROM b')).toEqual([{ n: '100' }])
  expect((await slow)[0]?.t).toBe('2')
  expect(await session.beside()).toBe(beside)
  const running = beside.run('SELECT max(hash(range)) FROM range(100_000_000_000)')
  const stopped = expect(running).rejects.toThrow()
  await session.close()
  await stopped
})

test('a query that is several statements is not written, not even in part', async () => {
  await using session = await engine.open()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  await session.run("CREATE TABLE t AS SELECT * FROM (VALUES ('x', 1), ('y', 2)) v(a, b)")
  await expect(session.write('PIVOT t ON a USING sum(b)', { folder })).rejects.toMatchObject({
    name: 'Sql.SeveralStatements',
  })
  const [written] = await session.write("PIVOT t ON a IN ('x', 'y') USING sum(b)", { folder })
  expect(written?.rows).toBe(1)
})

test('CO-10: a confined session reaches what it was given, and can be given nothing more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  const lake = async (path: string) => ({ file: join(other, path), [Symbol.asyncDispose]: async () => {} })
  await using session = await duckDbEngine({ memoryLimit: '256MB', materialise: lake }).open()
  const other = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  for (const name of ['given', 'beside']) await session.run(`COPY (SELECT 1 AS a) TO '${other}/${name}.parquet'`)
  await session.confine({ objects: ['given.parquet'], folders: [folder] })
  expect(await session.all(`FROM '${other}/given.parquet'`)).toEqual([{ a: 1 }])
  expect((await session.write('SELECT 2 AS a', { folder }))[0]?.rows).toBe(1)
  for (const sql of [
    `FROM '${other}/beside.parquet'`,
    `FROM '${folder}/../${other.split('/').at(-1)}/beside.parquet'`,
    `COPY (SELECT 1) TO '${other}/given2.parquet'`,
    "FROM read_text('/proc/self/environ')",
    "FROM 'http://localhost/x.csv'",
    `ATTACH '${other}/x.duckdb'`,
    'INSTALL httpfs',
    "CREATE SECRET (TYPE s3, KEY_ID 'a')",
    'SET enable_external_access = true',
    "SET allowed_paths = ['/']",
    "SET allowed_directories = ['/']",
  ])
    await expect(session.run(sql), sql).rejects.toMatchObject({ name: 'Engine.Failed' })
  await expect((await session.beside()).run(`FROM '${other}/beside.parquet'`)).rejects.toThrow()
})

test('sessions that spill at a time do not write over each other, and leave nothing; what a killed process left goes', async () => {
  const tempDirectory = mkdtempSync(join(tmpdir(), 'sluice-spill-'))
  const [left, living] = [1, 2].map(() => spillFolder(tempDirectory)) as [string, string]
  // Of a process that has ended, as of this one.
  const ended = left.replace(`-${process.pid}-`, '-4194999-')
  mkdirSync(ended)
  mkdirSync(living)
  expect(dirname(ended)).toBe(tempDirectory)
  const again = `${tempDirectory}/`
  const small = duckDbEngine({ memoryLimit: '100MB', threads: 1, tempDirectory: again })
  const sorted = async (seed: number): Promise<unknown> => {
    await using session = await small.open()
    await session.run(
      `CREATE TABLE t AS SELECT (i * ${seed}) % 1000003 AS k, repeat(md5((i + ${seed})::VARCHAR), 3) AS v FROM range(1000000) t(i)`,
    )
    return await session.all(
      'SELECT sum(n * (hash(v) % 7))::VARCHAR AS s FROM (SELECT v, row_number() OVER (ORDER BY k, v) AS n FROM t)',
    )
  }
  const apart = [await sorted(7), await sorted(11)]
  expect(await Promise.all([sorted(7), sorted(11)])).toEqual(apart)
  expect(readdirSync(tempDirectory)).toEqual([basename(living)])
})
