import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { type CopiedTable, copyLog } from '../../src/sources/cdc/copy/copy-log.ts'
import { copySnapshot } from '../../src/sources/cdc/copy/snapshot.ts'
import { shapeDigest } from '../../src/sources/cdc/cursor.ts'
import { changeLogWriter } from '../../src/sources/cdc/log-writer.ts'
import { type Published, publishedTables } from '../../src/sources/cdc/published-tables.ts'
import { transactionAssembler } from '../../src/sources/cdc/transactions.ts'
import { pgoutputDecoder } from '../../src/sources/cdc/wire/pgoutput.ts'
import { createSlot, identifyServer, openStream, replicationClient } from '../../src/sources/cdc/wire/stream.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { type PostgresServer, startPostgres, testedMajor } from '../servers/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-snapshot-'))
const never = new AbortController().signal
const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })
let server: PostgresServer
let client: pg.Client
let settings: ConnectionSettings
let number = 0

beforeAll(async () => {
  server = await startPostgres({ walLevel: 'logical', settings: { synchronous_commit: 'on' } })
  client = await server.superuserClient()
  const { host, port, user, password, database } = server
  settings = {
    ...{ name: 'shop', kind: 'postgres', host, port, user, password, database, tls: 'off', connectTimeoutSeconds: 10 },
  }
})

afterAll(async () => {
  await client.end()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function sql(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await client.query(statement)
}

interface LogRow {
  readonly _table: string
  readonly _op: string
  readonly key: string | null
  readonly before: string | null
  readonly after: string | null
  readonly _unchanged: string | null
}

interface Hooks {
  /** When the slot is there, and nothing is copied. */
  readonly created?: () => Promise<void>
  /** Beside the copying. */
  readonly copying?: () => Promise<void>
  /** When all is copied, before the stream. */
  readonly copied?: () => Promise<void>
  /** When a connection was lost. */
  readonly onLost?: (table: string) => void
}

/** Copies and streams to the server's position; answers the log in order. */
async function capture(
  name: string,
  { created, copying, copied, onLost = () => {} }: Hooks,
  chunkPages = 1,
): Promise<readonly LogRow[]> {
  const own = join(folder, `${number++}`)
  mkdirSync(own)
  await using session = await engine.open()
  const exporter = await replicationClient(settings, never)
  const slot = await createSlot(exporter, name, 'shop')
  await created?.()
  const published: Published = await publishedTables(client, name)
  const { tables, keys, types } = published
  const decoder = pgoutputDecoder(keys)
  const names = new Set(tables.map(({ relation }) => relation.table))
  const whole: CopiedTable[] = []
  const sink = copyLog({
    ...{ session, folder: own, partitionBy: 'day', types, firstNumber: 0, progress: () => {} },
    take: async (table) => void whole.push(table),
  })
  const [counts] = await Promise.all([
    copySnapshot({ settings, slot, tables, writer: sink, connections: 3, chunkPages, signal: never, onLost }),
    copying?.(),
  ])
  await exporter.end()
  expect(whole.map(({ relation, rows }) => [relation.table, rows - 1]).sort()).toEqual([...counts].sort())
  await copied?.()
  const shapes = new Map(whole.map(({ relation, shape }) => [relation.table, shapeDigest(shape)]))
  const writer = await changeLogWriter({
    ...{ session, folder: own, partitionBy: 'day', tables: names, shapes, types, effectiveAt: whole[0]!.effectiveAt },
  })
  const asking = await replicationClient(settings, never)
  const { position: until } = await identifyServer(asking)
  await asking.end()
  const from = slot.consistentPoint
  const assembler = transactionAssembler(decoder, from, { folder: own, memoryBytes: 1 << 20, diskBytes: 1 << 30 })
  const stream = await openStream({
    settings,
    slot: name,
    publication: name,
    from,
    assembler,
    clock: systemClock,
    signal: never,
  })
  await stream.read({ take: (transaction) => writer.add(transaction), isFull: () => false, until })
  stream.close()
  const files = [...whole.flatMap((table) => table.files), ...(await writer.finish()).files]
  const paths = files.map(({ localFile }) => quoteText(localFile)).join(', ')
  return await session.all<LogRow>(
    `SELECT _table, _op, key, before, after, _unchanged FROM read_parquet([${paths}], hive_partitioning = false) ORDER BY _lsn, _seq`,
  )
}

/** The current state, as a reader of the log makes it. */
function currentRows(log: readonly LogRow[], table: string): Map<string, string> {
  const rows = new Map<string, string>()
  for (const { _table, _op, key, before, after, _unchanged } of log) {
    if (_table !== table || _op === 'R') continue
    if (_op === 'T') rows.clear()
    else {
      const oldKey = before === null ? key! : before
      expect(rows.has(oldKey), `${_op} ${key}`).toBe(_op === 'U' || _op === 'D')
      rows.delete(oldKey)
      expect(_unchanged).toBeNull()
      if (after !== null) rows.set(key!, after)
    }
  }
  return rows
}

test('CD-24: rows copied while others are written, and the stream after them, are the table', async () => {
  await sql(
    'CREATE TABLE busy (id int PRIMARY KEY, v int)',
    'CREATE PUBLICATION hand_over FOR TABLE busy',
    'INSERT INTO busy SELECT i, 0 FROM generate_series(1, 20000) i',
  )
  const write = async (): Promise<void> => {
    for (let i = 0; i < 100; i++)
      await sql(
        `UPDATE busy SET v = v + 1 WHERE id BETWEEN ${i * 50} AND ${i * 50 + 40}`,
        `DELETE FROM busy WHERE id = ${10_000 + i}`,
        `INSERT INTO busy VALUES (${30_000 + i}, 0)`,
        `UPDATE busy SET id = ${40_000 + i} WHERE id = ${12_000 + i}`,
      )
  }
  const log = await capture('hand_over', { copying: write })
  expect(log.filter(({ _op }) => _op === 'S')).toHaveLength(20_000)
  expect(log.filter(({ _op }) => _op === 'R')).toHaveLength(1)
  const { rows } = await client.query<{ id: number; v: number }>('SELECT id, v FROM busy')
  const truth = new Map(rows.map(({ id, v }) => [`{"id":"${id}"}`, `{"id":"${id}","v":"${v}"}`]))
  expect(currentRows(log, 'public.busy')).toEqual(truth)
})

const hardValues = `
  (1, 'NaN', 'infinity', '-infinity', 'infinity', '4713-01-01 BC', '24:00', 'happy', ARRAY['a', NULL, 'b"\\'], ROW(1, E'x\\ty'), '[1,5)', 'Infinity', E'\\\\x00ff', true, 'ab', '10.0.0.1', '{"a": 1.10}', '1 mon -2 days', E'\\b\\f\\n\\r\\t\\x0b\\\\ "\\u0001\\u007f é 😀', '12.34', 5),
  (2, repeat('9', 1000)::numeric, '294276-12-31 23:59:59.999999+00', '4713-01-01 BC', '0044-03-15 BC', 'infinity', '00:00:00.000001', 'sad', '{}', NULL, 'empty', '-0', '', false, '', '::1', 'null', '-178000000 years', '\\N', '-92233720368547758.08', NULL),
  (3, '0.000', '2024-02-29 23:59:59.123456+05:30', '2024-02-29 23:59:59.1', NULL, NULL, NULL, NULL, '{{1,2},{3,4}}', ROW(NULL, '')::pair, '(,)', '0.1', NULL, NULL, NULL, NULL, '"\\u0000"'::json, NULL, '', NULL, 7)`

test('CD-18, CD-19: every value is copied as it is streamed, and is the text that the server writes', async () => {
  await sql(
    "CREATE TYPE mood AS ENUM ('sad', 'happy')",
    'CREATE TYPE pair AS (n int, t text)',
    'CREATE DOMAIN small AS int CHECK (value < 10)',
    `CREATE TABLE hard (id int PRIMARY KEY, n numeric, tz timestamptz, ts timestamp, d date, d2 date, t time, m mood, a text[], p pair,
      r int4range, f float8, b bytea, ok boolean, c char(5), ip inet, j json, i interval, txt text, mon money, s small,
      doubled int GENERATED ALWAYS AS (id * 2) STORED)`,
    'CREATE PUBLICATION hard_values FOR TABLE hard',
    `INSERT INTO hard VALUES ${hardValues}`,
  )
  const log = await capture('hard_values', {
    copied: () => sql('DELETE FROM hard', `INSERT INTO hard VALUES ${hardValues}`),
  })
  const images = (op: string) => log.filter(({ _op }) => _op === op).map(({ key, after }) => [key, after])
  expect(images('S')).toHaveLength(3)
  expect(images('I')).toEqual(images('S'))
  expect(log.filter(({ _op }) => _op === 'R')).toHaveLength(1)
  const row = JSON.parse(images('S')[0]![1]!)
  expect(row).toMatchObject({
    n: 'NaN',
    tz: 'infinity',
    ts: '-infinity',
    d2: '4713-01-01 BC',
    t: '24:00:00',
    m: 'happy',
  })
  expect(row).toMatchObject({
    ok: 't',
    c: 'ab   ',
    b: '\\x00ff',
    j: '{"a": 1.10}',
    txt: '\b\f\n\r\t\v\\ "\u0001\u007f é 😀',
  })
  expect(row).not.toHaveProperty('doubled')
  expect(JSON.parse(images('S')[1]![1]!)).toMatchObject({ n: '9'.repeat(1000), txt: '\\N', f: '-0', s: null })
})

test.skipIf(testedMajor < 15)(
  'CD-27: partitioned tables, tables with REPLICA IDENTITY FULL, odd names, column lists and row filters',
  async () => {
    await sql(
      'CREATE SCHEMA "o.d"',
      'CREATE TABLE "o.d"."T ""x""" ("I D" int, part int, "näme" text, PRIMARY KEY (part, "I D"))',
      'ALTER TABLE "o.d"."T ""x""" REPLICA IDENTITY FULL',
      'CREATE TABLE sales (id int, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)',
      "CREATE TABLE sales_n PARTITION OF sales FOR VALUES IN ('n')",
      "CREATE TABLE sales_s PARTITION OF sales FOR VALUES IN ('s')",
      'CREATE TABLE few (id int PRIMARY KEY, hidden text, v text)',
      `CREATE PUBLICATION odd FOR TABLE "o.d"."T ""x""", sales, few (id, v) WHERE (id < 3) WITH (publish_via_partition_root = true)`,
      `INSERT INTO "o.d"."T ""x""" SELECT i, i % 2, 'n' FROM generate_series(1, 4) i`,
      "INSERT INTO sales VALUES (1, 'n'), (2, 's')",
      "INSERT INTO few VALUES (1, 'secret', 'a'), (3, 'secret', 'filtered')",
    )
    const log = await capture('odd', {
      copied: () =>
        sql(
          `UPDATE "o.d"."T ""x""" SET "näme" = 'm' WHERE "I D" = 1`,
          `UPDATE "o.d"."T ""x""" SET part = 5 WHERE "I D" = 2`,
          "UPDATE sales SET region = 's' WHERE id = 1",
          "UPDATE few SET v = 'b' WHERE id = 1",
        ),
    })
    const keys = (table: string, op: string) =>
      log.filter((row) => row._table === table && row._op === op).map(({ key }) => key)
    const odd = '"o.d"."T ""x"""'
    expect(keys(odd, 'S').sort()).toEqual([1, 2, 3, 4].map((id) => `{"part":"${id % 2}","I D":"${id}"}`).sort())
    expect(keys(odd, 'U')).toEqual(['{"part":"1","I D":"1"}', '{"part":"5","I D":"2"}'])
    expect(keys('public.sales', 'S').sort()).toEqual(['{"id":"1","region":"n"}', '{"id":"2","region":"s"}'])
    const moved = log.filter(({ _table, _op }) => _table === 'public.sales' && _op !== 'S' && _op !== 'R')
    expect(moved.map(({ _op, key, after }) => [_op, key, after])).toEqual([
      ['D', '{"id":"1","region":"n"}', null],
      ['I', '{"id":"1","region":"s"}', '{"id":"1","region":"s"}'],
    ])
    const few = log.filter(({ _table, _op }) => _table === 'public.few' && _op !== 'R')
    expect(few.map(({ _op, after }) => [_op, after])).toEqual([
      ['S', '{"id":"1","v":"a"}'],
      ['U', '{"id":"1","v":"b"}'],
    ])
    expect(log.filter(({ _op }) => _op === 'R')).toHaveLength(3)
  },
)

test('CD-25: a connection that is lost in the middle of a chunk is made again, and its rows are there once', async () => {
  await sql(
    'CREATE TABLE broken (id int PRIMARY KEY, v text)',
    'CREATE PUBLICATION broken FOR TABLE broken',
    "INSERT INTO broken SELECT i, repeat('v', 300) FROM generate_series(1, 60000) i",
  )
  const lost: string[] = []
  let broken = 0
  const copying = async (): Promise<void> => {
    while (broken < 3) {
      const { rowCount } = await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (%"broken"%' AND state = 'active'`,
      )
      broken += rowCount ?? 0
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const log = await capture('broken', { copying, onLost: (table) => lost.push(table) }, 1000)
  expect(lost.length).toBeGreaterThanOrEqual(1)
  expect(new Set(lost)).toEqual(new Set(['public.broken']))
  const copied = log.filter(({ _op }) => _op === 'S')
  expect(copied).toHaveLength(60_000)
  expect(currentRows(log, 'public.broken').size).toBe(60_000)
  expect(log.filter(({ _op }) => _op === 'R')).toHaveLength(1)
})

test('CD-25: a copy whose point in time is gone is lost as a whole, and can be tried again', async () => {
  await sql(
    'CREATE TABLE gone (id int PRIMARY KEY)',
    'CREATE PUBLICATION gone FOR TABLE gone',
    'INSERT INTO gone VALUES (1)',
  )
  const own = join(folder, `${number++}`)
  mkdirSync(own)
  await using session = await engine.open()
  const exporter = await replicationClient(settings, never)
  const slot = await createSlot(exporter, 'gone', 'shop')
  const { tables, types } = await publishedTables(client, 'gone')
  const writer = copyLog({
    ...{ session, folder: own, partitionBy: 'day', types, firstNumber: 0 },
    ...{ take: async () => {}, progress: () => {} },
  })
  await exporter.end()
  await expect(copySnapshot({ settings, slot, tables, writer, signal: never })).rejects.toMatchObject({
    name: 'Source.SnapshotLost',
    retryable: true,
  })
})
