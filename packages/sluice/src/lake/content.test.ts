import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { addContents, contentOf, sameContent } from './content.ts'

const session = await duckDbEngine({ memoryLimit: '256MB', threads: 2 }).open()
const root = join(mkdtempSync(join(tmpdir(), 'sluice-content-')), "[k]e *?'")
let count = 0

/** The files of a query's rows, with their contents. */
async function filesOf(sql: string, partitionBy?: readonly string[]) {
  const folder = join(root, String(count++))
  mkdirSync(folder, { recursive: true })
  const columns = (await session.describe(sql)).map(({ name }) => name)
  const written = await session.write(sql, { folder, ...(partitionBy === undefined ? {} : { partitionBy }) })
  const contents = await contentOf(
    session,
    written.map(({ file }) => file),
    columns,
  )
  return written.map(({ rows }, at) => ({ rows, content: contents[at] as string }))
}

const contentOfSql = async (sql: string): Promise<string> => addContents(await filesOf(sql)) as string

describe('content', () => {
  test('does not depend on order, on files, on partitions, or on names', async () => {
    const rows = `SELECT i AS a, i % 3 AS p, CASE WHEN i % 5 <> 0 THEN 'x' || i END AS s FROM range(10000) t(i)`
    const one = await filesOf(rows)
    const parts = await filesOf(`${rows} ORDER BY hash(a)`, ['p'])
    expect(parts.length).toBe(3)
    expect(sameContent(one, parts)).toBe(true)
    expect(sameContent(one, await filesOf(`SELECT a AS b, p AS q, s AS r FROM (${rows})`))).toBe(true)
    const halves = [...(await filesOf(`${rows} WHERE i < 77`)), ...(await filesOf(`${rows} WHERE i >= 77`))]
    expect(sameContent(one, [...halves, ...(await filesOf(`${rows} WHERE false`))])).toBe(true)
  })

  test('is the same at every start and in every version; where DuckDB changes it, contents are compared anew', async () => {
    expect(await contentOfSql(`SELECT 1 AS a, 'é' AS b, NULL::DATE AS c`)).toBe('6458b9d742003bc7826bb384dc0d93cb')
  })

  test.each([
    [
      'VARCHAR',
      [
        `''`,
        'NULL',
        `' '`,
        `'NULL'`,
        `'0'`,
        `'a'`,
        `'a' || chr(0)`,
        `chr(0)`,
        `'ab'`,
        `'123456789012'`,
        `'1234567890123'`,
      ],
    ],
    ['DOUBLE', ['0.0', `'-0.0'`, 'NULL', `'nan'`, `'inf'`, `'-inf'`, '1.0', '-1.0', '5e-324']],
    ['FLOAT', ['0.0', `'-0.0'`, 'NULL', `'nan'`, `'inf'`, `'-inf'`]],
    ['BIGINT', ['0', 'NULL', '1', '-1', '9223372036854775807', '4294967296']],
    ['DECIMAL(38,0)', ['0', 'NULL', '18446744073709551616', '1', '18446744073709551617', '-1']],
    ['DECIMAL(10,2)', ['0', 'NULL', '0.01', '0.1', '-0.01']],
    ['BOOLEAN', ['true', 'false', 'NULL']],
    [
      'TIMESTAMP',
      [`'2024-02-29'`, `'2024-02-29 00:00:00.000001'`, 'NULL', `'infinity'`, `'-infinity'`, `'1970-01-01'`],
    ],
    ['TIMESTAMPTZ', [`'2024-02-29 00:00:00+00'`, `'2024-02-29 00:00:00+01'`, 'NULL', `'infinity'`]],
    ['DATE', [`'1970-01-01'`, `'infinity'`, 'NULL', `'0044-03-15 (BC)'`]],
    ['TIME', [`'00:00:00'`, `'00:00:00.000001'`, 'NULL']],
    ['UUID', [`'00000000-0000-0001-0000-000000000002'`, `'00000000-0000-0002-0000-000000000001'`, 'NULL']],
    ['BLOB', [`''::BLOB`, 'NULL', `'\\x00'::BLOB`, `'\\x00\\x00'::BLOB`]],
    ['VARCHAR[]', [`[]`, 'NULL', `[NULL]`, `['NULL']`, `['']`, `['a, b']`, `['a', 'b']`, `['b', 'a']`, `['[]']`]],
    ['TIMESTAMP[]', [`[]`, `[NULL]`, `['2024-02-29']`, `['2024-02-29', '1970-01-01']`, `['1970-01-01', '2024-02-29']`]],
    ['DOUBLE[]', [`[0.0]`, `['-0.0'::DOUBLE]`, `['nan'::DOUBLE]`]],
    [
      'STRUCT(a VARCHAR, b VARCHAR)',
      [
        `{a: NULL, b: NULL}`,
        'NULL',
        `{a: 'NULL', b: NULL}`,
        `{a: '', b: NULL}`,
        `{a: 'x, b: y', b: NULL}`,
        `{a: 'x''', b: '''y'}`,
        `{a: 'y', b: 'x'}`,
      ],
    ],
    [
      'MAP(VARCHAR, VARCHAR)',
      [`MAP {}`, `NULL`, `MAP {'a': 'b'}`, `MAP {'b': 'a'}`, `MAP {'a': 'b, c=d'}`, `MAP {'a': 'b', 'c': 'd'}`],
    ],
  ])('%s: values that differ are different contents', async (type, values) => {
    const contents: string[] = []
    for (const value of values) contents.push(await contentOfSql(`SELECT (${value})::${type} AS a, 1 AS b`))
    expect(values.filter((_, at) => contents.indexOf(contents[at] as string) !== at)).toEqual([])
    expect(await contentOfSql(`SELECT (${values[0]})::${type} AS a, 1 AS b`)).toBe(contents[0])
  })

  test('does not depend on the zone of the machine or the session', async () => {
    const sql = `SELECT TIMESTAMPTZ '2024-02-29 12:00:00+00' AS a`
    const utc = await contentOfSql(sql)
    await session.run(`SET TimeZone = 'Pacific/Chatham'`)
    try {
      expect(await contentOfSql(sql)).toBe(utc)
    } finally {
      await session.run(`SET TimeZone = 'UTC'`)
    }
  })

  test('values that moved between rows or columns, rows twice, and a file of unknown content are changes', async () => {
    const rows = (values: string): Promise<{ rows: number; content: string }[]> =>
      filesOf(`SELECT * FROM (VALUES ${values}) v(a, b, c)`)
    const before = await rows(`(1, 'x', true), (2, 'y', false)`)
    for (const values of [
      `(1, 'x', false), (2, 'y', true)`,
      `(1, 'y', true), (2, 'x', false)`,
      `(2, 'x', true), (1, 'y', false)`,
      `(1, 'x', true), (2, 'y', false), (2, 'y', false)`,
      `(1, 'x', true), (1, 'x', true)`,
      `(1, 'x', true)`,
    ])
      expect(sameContent(before, await rows(values)), values).toBe(false)
    expect(sameContent(before, await rows(`(2, 'y', false), (1, 'x', true)`))).toBe(true)
    expect(sameContent([{ rows: 2 }], [{ rows: 2 }])).toBe(false)
    expect(sameContent([], [])).toBe(true)
    expect(sameContent([], await rows(`(0, '', false)`))).toBe(false)
  })

  test('one swapped pair of booleans among many rows is always found', async () => {
    await session.run('CREATE OR REPLACE TABLE swaps AS SELECT i AS a, i % 2 = 0 AS b FROM range(4000) t(i)')
    const [found] = await session.all<{ n: string; distinct: string }>(
      // Sums of two rows, with their last values swapped: of 4 million pairs, none may have the sum it had.
      `SELECT count(*) AS n, count(*) FILTER (hash(hash(x.a, x.b))::HUGEINT + hash(hash(y.a, y.b)) = hash(hash(x.a, y.b))::HUGEINT + hash(hash(y.a, x.b))) AS distinct
       FROM swaps x, swaps y WHERE x.b AND NOT y.b`,
    )
    expect(found).toEqual({ n: '4000000', distinct: '0' })
  })

  test('equal exactly where the multisets are, for any rows', async () => {
    const row = fc.tuple(
      fc.option(fc.integer({ min: -1, max: 1 })),
      fc.option(fc.constantFrom('', 'a', ',', '0')),
      fc.constantFrom('0.0', '-0.0', '1.0'),
    )
    await session.run('CREATE OR REPLACE TABLE rows (a INTEGER, b VARCHAR, c DOUBLE)')
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 3 }), fc.array(row, { maxLength: 3 }), async (left, right) => {
        const made = async (rows: typeof left) => {
          const values = rows.map(
            ([a, b, c]) => `(${a}::INTEGER, ${b === null ? 'NULL' : `'${b}'`}::VARCHAR, '${c}'::DOUBLE)`,
          )
          return filesOf(values.length === 0 ? 'FROM rows' : `SELECT * FROM (VALUES ${values.join(', ')}) v(a, b, c)`)
        }
        const text = (rows: typeof left): string => JSON.stringify(rows.map((one) => JSON.stringify(one)).sort())
        expect(sameContent(await made(left), await made(right))).toBe(text(left) === text(right))
        expect(sameContent(await made(left), await made([...left].reverse()))).toBe(true)
      }),
      { numRuns: 30 },
    )
  })
})
