import { createRequire } from 'node:module'
import { DuckDBDataChunk, VARCHAR } from '@duckdb/node-api'
import { describe, expect, test } from 'vitest'
import { Utf8Column } from '../utf8-column.ts'
import { fillByColumn, fillByValue } from './append.ts'
import { duckDbEngine } from './engine.ts'

const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })
const bindings = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))('@duckdb/node-bindings')

/** Texts around every boundary: of the entry, of UTF-8's lengths, of what C, files and databases take for an end. */
const texts: readonly (string | null)[] = [
  ...[
    '',
    'a',
    null,
    ' ',
    '\u0000',
    'a\u0000b',
    '\uFEFF',
    '\uFEFFlonger than an entry',
    '\uFFFD',
    '\r\n',
    'NULL',
    '\\N',
  ],
  ...[10, 11, 12, 13, 14, 15, 16, 17, 39, 40, 41].flatMap((size) => ['x', 'é', '€', '😀'].map((c) => c.repeat(size))),
  ...['again', 'again', 'again', null, 'again', '', '', null, null, ''],
  ...['again, and longer than an entry', 'again, and longer than an entry', 'again, and longer than an entrÿ'],
  ...['ﬁn', 'e\u0301', '\u{10FFFF}', '\uD7FF\uE000', `${'a'.repeat(39)}€`, 'y'.repeat(100_000)],
  null,
]

describe('append', () => {
  test('every text comes back as it went in, and stays when statements run between the rows', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (n VARCHAR, a VARCHAR, b VARCHAR)')
    const rounds = 60
    for (let round = 0; round < rounds; round++) {
      const shifted = texts.map((_, at) => texts[(at + round) % texts.length] ?? null)
      session.append('t', [texts.map((_, at) => `${round}:${at}`), texts, shifted], texts.length)
      if (round % 20 === 0) {
        const [row] = await session.all<{ n: string }>('SELECT count(*) AS n FROM t')
        expect(Number(row?.n)).toBe((round + 1) * texts.length)
      }
    }
    const rows = await session.all<{ n: string; a: string | null; b: string | null }>('FROM t')
    expect(rows.length).toBe(rounds * texts.length)
    const wrong = rows.filter(({ n, a, b }) => {
      const [round, at] = n.split(':').map(Number) as [number, number]
      return a !== texts[at] || b !== (texts[(at + round) % texts.length] ?? null)
    })
    expect(wrong).toEqual([])
    // What JavaScript reads back might be wrong twice: DuckDB itself counts the bytes.
    const [sizes] = await session.all<{ bytes: string; nulls: string }>(
      'SELECT sum(strlen(a)) AS bytes, count(*) - count(a) AS nulls FROM t',
    )
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0)
    const nulls = texts.filter((text) => text === null).length
    expect(sizes).toEqual({ bytes: String(bytes * rounds), nulls: String(nulls * rounds) })
  })

  test('more rows than a chunk, columns of nothing but NULL or nothing but empty text', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (a VARCHAR, b VARCHAR, c VARCHAR)')
    const rows = 5000
    const column = (text: string | null): (string | null)[] => new Array(rows).fill(text)
    session.append('t', [column(null), column(''), Array.from({ length: rows }, (_, row) => `${row}`)], rows)
    session.append('t', [[], [], []], 0)
    expect(
      await session.all(
        "SELECT count(*)::INT AS n, count(a)::INT AS a, sum((b = '')::INT)::INT AS b, sum(c::INT)::INT AS c FROM t",
      ),
    ).toEqual([{ n: rows, a: 0, b: rows, c: (rows * (rows - 1)) / 2 }])
  })

  test('texts of 10 MB', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (a VARCHAR, b VARCHAR)')
    const long = '0123456789'.repeat(1 << 20)
    session.append(
      't',
      [
        [long, 'x', `${long}é`],
        ['1', null, '3'],
      ],
      3,
    )
    expect(await session.all('SELECT strlen(a)::INT AS n, md5(a) AS m, b FROM t ORDER BY n')).toEqual(
      await session.all(
        "SELECT strlen(a)::INT AS n, md5(a) AS m, b FROM (VALUES ('x', NULL), (repeat('0123456789', 1 << 20), '1'), (repeat('0123456789', 1 << 20) || 'é', '3')) v(a, b) ORDER BY n",
      ),
    )
  })

  test('half a surrogate pair is refused by name, and nothing of the call is kept in its place', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (a VARCHAR)')
    for (const text of ['\uD800', 'abc\uDC00', `${'x'.repeat(50)}\uD83D`, '\uDE00\uD83D'])
      expect(() => session.append('t', [['good', text]], 2)).toThrow(
        expect.objectContaining({ name: 'Engine.TextBroken' }),
      )
    expect(await session.all('FROM t')).toEqual([])
    expect(() => session.append('missing', [['a']], 1)).toThrow(expect.objectContaining({ name: 'Engine.Failed' }))
    expect(() => session.append('t', [['a'], ['b']], 1)).toThrow()
    expect(() => session.append('t', [['a']], 2)).toThrow()
  })

  test('memory is flat over batches, each in a table made anew', async () => {
    await using session = await engine.open()
    const column = Array.from({ length: 2048 }, (_, row) => `some text that is not held in an entry ${row}`)
    const used: number[] = []
    for (let batch = 0; batch < 6; batch++) {
      await session.run('CREATE OR REPLACE TABLE t (a VARCHAR, b VARCHAR)')
      for (let chunk = 0; chunk < 30; chunk++) session.append('t', [column, column], column.length)
      const [memory] = await session.all<{ bytes: string }>(
        'SELECT sum(memory_usage_bytes) AS bytes FROM duckdb_memory()',
      )
      used.push(Number(memory?.bytes))
    }
    expect(used[5]).toBeLessThan((used[0] as number) * 1.5)
  })

  test('a session closes with rows that no statement has asked for', async () => {
    const session = await engine.open()
    await session.run('CREATE TABLE t (a VARCHAR)')
    session.append('t', [['a']], 1)
    await session.close()
    await session.close()
  })

  test('the slow way, for a DuckDB with another layout, does the same, for texts and for bytes', () => {
    const column = bytesOf(texts)
    for (const { fill, fillUtf8 } of [fillByColumn(bindings), fillByValue(bindings)]) {
      const chunk = DuckDBDataChunk.create([VARCHAR, VARCHAR], texts.length)
      const vector = (at: number) => bindings.data_chunk_get_vector(chunk.chunk, at)
      fill(vector(0), texts, 0, texts.length)
      fillUtf8([{ vector: vector(1), column }], 0, texts.length)
      for (const at of [0, 1])
        expect(chunk.getColumnValues(at).map((text, row) => text === texts[row] || [row, text])).toEqual(
          texts.map(() => true),
        )
    }
  })

  test('bytes come back as the texts that they are, whatever buffers they are in, beside texts and numbers', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (n BIGINT, a VARCHAR, b VARCHAR, c VARCHAR)')
    const rows = 5000
    const text = (row: number): string | null => texts[(row * 7) % (texts.length - 2)] ?? null
    const [a, b] = [
      Array.from({ length: rows }, (_, row) => text(row)),
      Array.from({ length: rows }, (_, row) => text(row + 3)),
    ]
    const numbers = BigInt64Array.from({ length: rows }, (_, row) =>
      row === 1 ? -(2n ** 63n) : 2n ** 62n + BigInt(row),
    )
    // Columns in one buffer, and in many.
    session.append('t', [numbers, bytesOf(a, 1 << 20), bytesOf(b, 100), a], rows)
    const read = await session.all<{ n: string; a: string | null; b: string | null }>('FROM t')
    const rowOf = new Map([...numbers].map((number, row) => [`${number}`, row]))
    expect(read.map(({ n }) => n).sort()).toEqual([...rowOf.keys()].sort())
    expect(read.every((row) => row.a === a[rowOf.get(row.n)!] && row.b === b[rowOf.get(row.n)!])).toBe(true)
    expect(await session.all('SELECT count(*)::INT AS n FROM t WHERE a IS DISTINCT FROM c')).toEqual([{ n: 0 }])
  })

  test('bytes that are no UTF-8, and columns of another type, are not taken', async () => {
    await using session = await engine.open()
    await session.run('CREATE TABLE t (a VARCHAR)')
    const column = new Utf8Column()
    column.add(Buffer.from([...Buffer.from('longer than an entry'), 0xff]), 0, 21)
    expect(() => session.append('t', [column], 1)).toThrow()
    expect(() => session.append('t', [new BigInt64Array(1)], 1)).toThrow()
    await session.run('CREATE OR REPLACE TABLE t (a BIGINT)')
    expect(() => session.append('t', [['1']], 1)).toThrow()
  })
})

/** The same as bytes, several texts to a buffer of at most so many. */
function bytesOf(column: readonly (string | null)[], size = 4096): Utf8Column {
  const made = new Utf8Column()
  let [buffer, at] = [Buffer.alloc(0), 0]
  for (const text of column) {
    if (text === null) {
      made.addNull()
      continue
    }
    const bytes = Buffer.from(text)
    if (at + bytes.length > buffer.length) [buffer, at] = [Buffer.alloc(Math.max(size, bytes.length)), 0]
    bytes.copy(buffer, at)
    made.add(buffer, at, at + bytes.length)
    at += bytes.length
  }
  return made
}
