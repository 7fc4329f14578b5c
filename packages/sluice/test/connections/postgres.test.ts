/** The PostgreSQL adapter against a real server: what only PostgreSQL has. What all servers share is in the conformance suite. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Cell } from '../../src/connections/connection.ts'
import {
  admin,
  call,
  connected,
  copied,
  csvRows,
  edge,
  expectedRows,
  folder,
  never,
  parameter,
  reader,
  server,
  take,
} from './postgres-server.ts'

describe('types', () => {
  test('PR-1, SR-06, SR-14: every type, edge values exact, whatever zone and style the role and the process have', async () => {
    const zone = process.env.TZ
    try {
      for (const setting of ['UTC', 'America/St_Johns', 'Pacific/Apia', 'Europe/London']) {
        process.env.TZ = setting
        process.env.PGTZ = setting
        process.env.PGOPTIONS = `-c TimeZone=${setting} -c DateStyle=German`
        await admin.query(`ALTER ROLE reader SET TimeZone = '${setting}'; ALTER ROLE reader SET DateStyle = 'SQL, DMY';
          ALTER ROLE reader SET bytea_output = 'escape'; ALTER ROLE reader SET extra_float_digits = 0;
          ALTER ROLE reader SET IntervalStyle = 'iso_8601'; ALTER ROLE reader SET client_encoding = 'LATIN1'`)
        await connected(reader, async (connection) => {
          const { sets, end } = await take(connection, call('erp.every'))
          expect(sets[0]?.columns).toEqual(
            Object.entries(edge).map(([name, [serverType, type]]) => ({ name, serverType, type })),
          )
          expect(sets[0]?.rows).toEqual(expectedRows)
          expect(end).toEqual({ rows: [3], output: {} })
          const bulk = await copied(connection, call('erp.every'))
          expect(bulk.end).toEqual({ rows: [3], output: {} })
          expect(bulk.columns).toEqual(sets[0]?.columns)
          expect(csvRows(bulk.text ?? '', expectedRows[0]?.length as number)).toEqual(expectedRows)
        })
      }
    } finally {
      for (const name of ['PGTZ', 'PGOPTIONS']) delete process.env[name]
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    }
  })

  const values = [
    parameter('p_int', 'integer', '-2147483648'),
    parameter('p_num', 'decimal(38,9)', '12345678901234567890123456789.123456789'),
    parameter('p_text', 'text', `'; DROP TABLE erp.log; -- $1 é 🐘 \\ "`),
    parameter('p_at', 'timestamptz', '2024-02-29 23:59:59.123456+05:30'),
    parameter('p_bytes', 'binary', '00ff5c'),
    parameter('p_yes', 'boolean', 'true'),
  ]
  const echoed = [
    ...[values[0]?.value, values[1]?.value, values[2]?.value],
    '2024-02-29 18:29:59.123456+00',
    '00ff5c',
    'true',
    'sad',
  ]

  test('SR-06: parameters arrive exactly, in any order, defaults left to the server; NULL is NULL', async () => {
    await connected({}, async (connection) => {
      const asked = call('erp.echo', [...values].reverse())
      expect((await take(connection, asked)).sets[0]?.rows).toEqual([echoed])
      expect(csvRows((await copied(connection, asked)).text ?? '', 7)).toEqual([echoed])
      const nulls = call(
        'erp.echo',
        values.map((each) => ({ ...each, value: null })),
      )
      expect((await take(connection, nulls)).sets[0]?.rows).toEqual([[null, null, null, null, null, null, 'sad']])
      expect((await copied(connection, nulls)).text).toBe(',,,,,,"sad"\n')
    })
  })

  test('parameters by place, variadic ones, and overloads told apart by their names', async () => {
    await connected({}, async (connection) => {
      const placed = call('erp.by_place', [parameter('x', 'integer', '5'), parameter('y', 'text', 'b')])
      expect((await take(connection, placed)).sets[0]?.rows).toEqual([['5', 'b']])
      expect((await copied(connection, placed)).text).toBe('"5","b"\n')
      const many = call('erp.many', [parameter('ids', 'text', '{3,1}')])
      expect((await take(connection, many)).sets[0]?.rows).toEqual([['3'], ['1']])
      expect((await copied(connection, many)).text).toBe('"3"\n"1"\n')
      const unlimited = [
        parameter('c', 'text', 'abc  '),
        parameter('v', 'text', 'long'),
        parameter('b', 'text', '1010'),
        parameter('d', 'decimal(18,4)', '1.23'),
        parameter('n', 'text', 'x'),
      ]
      const same = ['abc  ', 'long', '1010', '1.2300', 'x']
      expect((await take(connection, call('erp.unlimited', unlimited))).sets[0]?.rows).toEqual([same])
      expect(csvRows((await copied(connection, call('erp.unlimited', unlimited))).text ?? '', 5)).toEqual([same])
      expect((await take(connection, call('erp.over', [parameter('b', 'text', '1')]))).sets[0]?.rows).toEqual([
        ['text'],
      ])
    })
  })
})

test('a text that is no UTF-8, in a database without an encoding, is refused and never replaced', async () => {
  await admin.query(`CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0`)
  const raw = await server.superuserClient('raw')
  await raw.query(`CREATE FUNCTION texts(good boolean) RETURNS SETOF text LANGUAGE sql AS
    $$ SELECT CASE WHEN good THEN convert_from('\\xc3a9', 'SQL_ASCII') ELSE convert_from('\\xe9', 'SQL_ASCII') END $$`)
  await raw.end()
  await connected({ database: 'raw' }, async (connection) => {
    const asked = (good: string) => call('public.texts', [parameter('good', 'boolean', good)])
    expect((await take(connection, asked('true'))).sets[0]?.rows).toEqual([['é']])
    expect((await copied(connection, asked('true'))).text).toBe('"é"\n')
    for (const way of [take, copied])
      await expect(way(connection, asked('false'))).rejects.toMatchObject({ params: { code: '22021' } })
  })
})

describe('results', () => {
  test('SR-04: cursors are result sets in their order; an empty one has its columns', async () => {
    await connected({}, async (connection) => {
      const { sets, end } = await take(connection, call('erp.two_sets'))
      expect(sets.map(({ columns }) => columns.map(({ name, serverType }) => [name, serverType]))).toEqual([
        [
          ['i', 'integer'],
          ['t', 'text'],
        ],
        [['yes', 'boolean']],
      ])
      expect(end?.rows).toEqual([5000, 0])
      expect(sets[0]?.rows.at(-1)).toEqual(['5000', 'a5000'])
      expect(await copied(connection, call('erp.two_sets'))).toMatchObject({ end: undefined })
      await expect(take(connection, call('erp.late_cursor'))).rejects.toMatchObject({ name: 'Connection.CallFailed' })
      expect(connection.isUsable).toBe(true)
    })
  })

  test('procedures: output parameters as exact text, transactions of their own, cursors beside outputs', async () => {
    await connected({}, async (connection) => {
      const output = [
        { name: 'total', type: 'decimal(10,2)' },
        { name: 'ok', type: 'boolean' },
        { name: 'rows', type: 'integer' },
      ] as const
      const { end, sets } = await take(
        connection,
        call('erp.close_month', [parameter('month', 'date', '2024-02-29')], { output }),
      )
      expect(end).toEqual({ rows: [], output: { rows: '7', total: '12.5', ok: 'true' } })
      expect(sets).toEqual([])
      expect((await admin.query(`SELECT said FROM erp.log WHERE said LIKE 'closed%'`)).rows).toEqual([
        { said: 'closed 2024-02-29' },
      ])
      const report = call('erp.report', [parameter('n', 'integer', '3')], {
        output: [{ name: 'lines_found', type: 'bigint' }],
      })
      const reported = await take(connection, report)
      expect(reported.end).toEqual({ rows: [3], output: { lines_found: '3' } })
      expect(reported.sets[0]?.rows).toEqual([['1'], ['2'], ['3']])
    })
  })

  test('void functions have no set, scalars one of one column, OUT parameters are a row or, where asked for, outputs', async () => {
    await connected({}, async (connection) => {
      expect(await take(connection, call('erp.nothing'))).toMatchObject({ sets: [], end: { rows: [] } })
      expect((await take(connection, call('erp.scalar'))).sets).toMatchObject([
        { columns: [{ name: 'scalar', type: 'text' }], rows: [['1.10']] },
      ])
      expect((await take(connection, call('erp.outs'))).sets[0]?.rows).toEqual([['1', 'x']])
      const asked = call('erp.outs', [], { output: [{ name: 'b', type: 'text' }] })
      expect(await take(connection, asked)).toMatchObject({ sets: [], end: { output: { b: 'x' } } })
      await expect(take(connection, call('erp.loose'))).rejects.toMatchObject({
        name: 'Connection.CallFailed',
        params: { code: '42601' },
      })
    })
  })

  test('SR-03: notices and warnings are messages, each once', async () => {
    await connected(reader, async (connection) => {
      for (let time = 0; time < 2; time++) {
        const { messages, sets } = await take(connection, call('erp.talks'))
        expect(messages).toEqual([
          { text: 'hello 1', code: '00000', severity: 0 },
          { text: 'careful', code: '01000', severity: 10 },
        ])
        expect(sets[0]?.rows).toEqual([['1']])
      }
    })
    expect((await admin.query(`SELECT count(*)::int AS n FROM erp.log WHERE said = 'talked'`)).rows).toEqual([{ n: 2 }])
  })

  test('batches of at most 2,048 rows, one in the sink at a time; an unwanted set is read to its end', async () => {
    await connected({}, async (connection) => {
      const sizes: number[] = []
      let inSink = 0
      const asked = call('erp.series', [parameter('n', 'bigint', '5000')])
      const rows = async (_: number, cells: readonly (readonly Cell[])[], size: number): Promise<void> => {
        expect(++inSink).toBe(1)
        expect(cells.map((column) => column.length)).toEqual([size, size, size, size])
        await new Promise((done) => setTimeout(done, 5))
        inSink--
        sizes.push(size)
      }
      const sink = { columns: () => true, rows, message: () => undefined }
      expect(await connection.call(asked, sink, never)).toEqual({ rows: [5000], output: {} })
      expect(sizes).toEqual([2048, 2048, 904])
      const unwanted = { ...sink, columns: () => false, rows: () => expect.unreachable() }
      expect(await connection.call(asked, unwanted, never)).toEqual({ rows: [5000], output: {} })
      const exactly = call('erp.series', [parameter('n', 'bigint', '4096')])
      expect((await take(connection, exactly)).end?.rows).toEqual([4096])
      await expect(
        connection.call(call('erp.divides', [parameter('n', 'bigint', '4500')]), unwanted, never),
      ).rejects.toMatchObject({ name: 'Connection.CallFailed', params: { code: '22012' } })
    })
  })
})

describe('describe', () => {
  test('parameters, outputs, defaults and columns, and why columns are missing', async () => {
    await connected({}, async (connection) => {
      expect(connection.server).toMatch(/^PostgreSQL 18/)
      const [echo] = await connection.describe('erp.echo')
      expect(echo?.parameters.map(({ name, serverType, hasDefault }) => [name, serverType, hasDefault])).toEqual([
        ['p_int', 'integer', false],
        ['p_num', 'numeric', false],
        ['p_text', 'text', false],
        ['p_at', 'timestamp with time zone', false],
        ['p_bytes', 'bytea', false],
        ['p_yes', 'boolean', false],
        ['p_mood', 'erp.mood', true],
      ])
      expect(echo?.columns?.map(({ name, type }) => `${name} ${type}`).slice(0, 3)).toEqual([
        'o_int integer',
        'o_num text',
        'o_text text',
      ])
      const [month] = await connection.describe('erp.close_month')
      expect(month?.parameters.map(({ name, output }) => [name, output])).toEqual([
        ['month', false],
        ['rows', true],
        ['total', true],
        ['ok', true],
      ])
      expect(month?.note).toMatch('returns no rows')
      expect((await connection.describe('erp.two_sets'))[0]?.note).toMatch('cursors')
      expect((await connection.describe('erp.loose'))[0]?.note).toMatch('cannot tell')
      expect(await connection.describe('erp.over')).toHaveLength(2)
      const all = await connection.describe()
      expect(all.map(({ procedure }) => procedure)).toContain('"Odd ""one"""."f(x); DROP TABLE erp.log; --"')
      expect(all.every(({ columns, note }) => (columns === undefined) !== (note === undefined))).toBe(true)
    })
  })
})

test('SR-13: 500,000 rows by both paths in flat memory (figures printed)', async () => {
  await connected({}, async (connection) => {
    const asked = call('erp.series', [parameter('n', 'bigint', '500000')])
    let rows = 0
    let peak = 0
    const before = process.memoryUsage().rss
    const sink = {
      columns: () => true,
      rows(_: number, __: unknown, size: number) {
        rows += size
        peak = Math.max(peak, process.memoryUsage().rss)
      },
      message: () => undefined,
    }
    const started = performance.now()
    await connection.call(asked, sink, never)
    const rowPath = performance.now() - started
    const file = join(folder, 'big.csv')
    const again = performance.now()
    const end = await connection.copy?.(asked, file, sink, never)
    const copyPath = performance.now() - again
    expect([rows, end?.rows]).toEqual([500_000, [500_000]])
    const perSecond = (ms: number): string => `${Math.round(500_000 / ms)},000 rows/s`
    console.info(
      `row path ${perSecond(rowPath)}, COPY ${perSecond(copyPath)} (${(await stat(file)).size} bytes), RSS +${(peak - before) >> 20} MB`,
    )
    expect(peak - before).toBeLessThan(200 << 20)
  })
})
