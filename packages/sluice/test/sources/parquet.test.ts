import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ColumnType, FilesSource } from '../../src/definition/types.ts'
import { openDrop, sourceOf, type Taken } from './drop.ts'

/** As pyarrow writes them. */
const fixture = (name: string): string => join(import.meta.dirname, '../fixtures/parquet', name)

const sourceFor = (columns: Parameters<typeof sourceOf>[0], more: Partial<FilesSource> = {}): FilesSource => ({
  ...sourceOf(columns, more),
  format: { kind: 'parquet' },
  path: 'inbox/*.parquet',
})

async function takeFixture(name: string, columns: Parameters<typeof sourceOf>[0]): Promise<Taken> {
  await using drop = await openDrop()
  drop.deliverCopy('inbox/x.parquet', fixture(name))
  return await drop.take(sourceFor(columns))
}

async function takeSelect(sql: string, columns: Parameters<typeof sourceOf>[0]): Promise<Taken> {
  await using drop = await openDrop()
  drop.deliver('inbox/keep', '')
  await drop.session.run(`COPY (${sql}) TO '${drop.root}/inbox/x.parquet' (FORMAT parquet)`)
  return await drop.take(sourceFor(columns))
}

describe('a Parquet file is judged by its own schema', () => {
  test.each<ColumnType>(['float', 'decimal(38,2)', 'text'])(
    'a DECIMAL of 39 digits is no %s, and its type is the one that the file says',
    async (type) => {
      const { refused } = await takeFixture('decimal-39.parquet', { id: 'integer', amount: type })
      expect(refused[0]?.error.name).toBe('Source.ColumnType')
      expect(refused[0]?.error.message).toContain('is DECIMAL(39,2)')
    },
  )

  test.each([
    ['int96.parquet', 'timestamp', '2020-06-28 22:17:33.123456'],
    ['tz_ns.parquet', 'timestamptz', '2020-06-28 22:17:33.123456+00'],
    ['ts_ns.parquet', 'timestamp', '2020-06-28 22:17:33.123456'],
  ] as const)(
    'nanoseconds of %s are kept where they are whole microseconds; others refuse their row',
    async (file, type, text) => {
      const { rows, quarantine, refused } = await takeFixture(file, {
        id: 'integer',
        t: { type, nullable: true },
      })
      expect(refused).toEqual([])
      expect(rows.map(({ t }) => t)).toContain(text)
      expect(quarantine.map(({ record, reasons }) => [record, reasons])).toEqual([[1, ['cast:t']]])
    },
  )

  test.each([
    ['int96.parquet', 'timestamp', '2020-06-28 22:17:33.123456'],
    ['tz_ns.parquet', 'timestamptz', '2020-06-28 22:17:33.123456+00'],
    ['ts_ns.parquet', 'timestamp', '2020-06-28 22:17:33.123456'],
  ] as const)('nanoseconds of %s are cut where it is declared', async (file, type, text) => {
    const columns = { id: 'integer', t: { type, nullable: true, fraction: 'truncate' } } as const
    const { rows, quarantine } = await takeFixture(file, columns)
    expect(rows[0]?.['t']).toBe(text)
    expect(quarantine).toEqual([])
  })

  test('nanoseconds before 1970 are cut towards the past, as the text of them is', async () => {
    const sql = "SELECT TIMESTAMP_NS '1969-12-31 23:59:59.999999999' AS t, TIME_NS '23:59:59.999999999' AS d"
    const columns = {
      t: { type: 'timestamp', fraction: 'truncate' },
      d: { type: 'time', fraction: 'truncate' },
    } as const
    expect((await takeSelect(sql, columns)).rows).toMatchObject([
      { t: '1969-12-31 23:59:59.999999', d: '23:59:59.999999' },
    ])
  })

  test('INT96 is in no zone, so that it is no timestamptz', async () => {
    const { refused } = await takeFixture('int96.parquet', { id: 'integer', t: 'timestamptz' })
    expect(refused[0]?.error.message).toContain('is INT96')
  })

  test('nanoseconds of a time of day refuse their row', async () => {
    const taken = await takeSelect(
      "SELECT * FROM (VALUES (TIME_NS '12:00:00.123456789'), (TIME_NS '12:00:00.123456')) v(t)",
      { t: 'time' },
    )
    expect(taken.rows.map(({ t }) => t)).toEqual(['12:00:00.123456'])
    expect(taken.quarantine.map(({ reasons }) => reasons)).toEqual([['cast:t']])
  })

  test('a column without any value is of any type; where it is needed, its rows are refused', async () => {
    const columns = { n: 'integer', s: { type: 'date', nullable: true } } as const
    const taken = await takeSelect('SELECT range::INTEGER AS n, NULL::INTEGER AS s FROM range(3)', columns)
    expect(taken.refused).toEqual([])
    expect(taken.rows.map(({ s }) => s)).toEqual([null, null, null])
    const needed = await takeSelect('SELECT 1 AS n, NULL::INTEGER AS s', { n: 'integer', s: 'date' })
    expect(needed.quarantine.map(({ reasons }) => reasons)).toEqual([['required:s']])
    const filled = await takeSelect('SELECT 1 AS n, 5::INTEGER AS s', columns)
    expect(filled.refused[0]?.error.name).toBe('Source.ColumnType')
  })

  test('names that differ in case only are told as the file has them', async () => {
    const { refused } = await takeFixture('case.parquet', { id: 'integer', ID: 'text' })
    expect(refused[0]?.error.name).toBe('Source.Header')
    expect(refused[0]?.error.message).toContain('"id" and "ID" differ in case only')
    expect(refused[0]?.error.message).not.toContain('ID_1')
  })
})

describe('a Parquet file that unpacks beyond its limits is refused by its footer', () => {
  test.each([
    ['5,000 rows of one text of 20 kB, beyond maxBytes', 5_000, { maxBytes: 50_000_000 }, '50000000 bytes'],
    ['60,000 rows of it, beyond maxRatio', 60_000, {}, '200 times its packed size'],
  ] as const)('%s: by name, before its data is read; its neighbour is published', async (_, rows, limits, text) => {
    await using drop = await openDrop()
    drop.deliver('inbox/keep', '')
    const write = (select: string, file: string) =>
      drop.session.run(`COPY (${select}) TO '${drop.root}/inbox/${file}.parquet' (FORMAT parquet)`)
    await write(`SELECT repeat('x', 20000) AS s FROM range(${rows})`, 'bomb')
    await write("SELECT 'fine' AS s", 'fine')
    const taken = await drop.take(sourceFor({ s: 'text' }, { limits }))
    expect(taken.refused.map(({ input, error }) => [input.path, error.name])).toEqual([
      ['inbox/bomb.parquet', 'Source.CompressionLimit'],
    ])
    expect(taken.refused[0]?.error.message).toContain(text)
    expect(taken.rows.map(({ s }) => s)).toEqual(['fine'])
  })

  test('a column of few texts that is packed well is taken', async () => {
    const taken = await takeSelect("SELECT ['open', 'closed'][range % 2 + 1] AS s FROM range(50000)", { s: 'text' })
    expect(taken.refused).toEqual([])
    expect(taken.rows).toHaveLength(50_000)
  })
})
