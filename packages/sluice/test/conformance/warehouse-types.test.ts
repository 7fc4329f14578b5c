/** Every warehouse × every kind of widening: what the plan calls one, the load makes. */
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { classify } from '../../src/sql/types/lattice.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

/** From, to, a value of the narrower type, one that only the wider has, and both as the target shows them. */
const widenings: readonly (readonly [string, string, string, string, string?])[] = [
  ['SMALLINT', 'INTEGER', '-32768', '2147483647'],
  ['INTEGER', 'BIGINT', '-2147483648', '9223372036854775807'],
  ['UINTEGER', 'UBIGINT', '4294967295', '18446744073709551615'],
  ['SMALLINT', 'FLOAT', '-32768', '0.5'],
  ['INTEGER', 'DOUBLE', '2147483647', '0.1'],
  ['FLOAT', 'DOUBLE', '0.5', '0.1'],
  ['INTEGER', 'DECIMAL(12,2)', '2147483647', '9999999999.99', '2147483647.00'],
  ['BIGINT', 'DECIMAL(20,0)', '-9223372036854775808', '99999999999999999999'],
  ['DECIMAL(9,0)', 'BIGINT', '999999999', '9223372036854775807'],
  ['DECIMAL(9,0)', 'DOUBLE', '999999999', '0.25'],
  ['DECIMAL(12,2)', 'DECIMAL(18,2)', '-9999999999.99', '9999999999999999.99'],
  ['DECIMAL(12,2)', 'DECIMAL(14,4)', '0.01', '0.0001', '0.0100'],
  ['DATE', 'TIMESTAMP', '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 00:00:00'],
  ['TIMESTAMP_S', 'TIMESTAMP', '2024-02-29 23:59:59', '2024-02-29 23:59:59.999999'],
  ['TIMESTAMP_MS', 'TIMESTAMP', '2024-02-29 23:59:59.999', '2024-02-29 23:59:59.000001'],
]

const narrow = Object.fromEntries(widenings.map(([from], at) => [`c${at}`, from]))
const wide = Object.fromEntries(widenings.map(([, to], at) => [`c${at}`, to]))
const before = ['1', ...widenings.map(([, , value]) => value)]
const after = ['2', ...widenings.map(([, , , value]) => value)]

describe.each(warehouses)('$name', ({ make }) => {
  test.each<Load>([
    { mode: 'upsert', from: 'a.t', key: ['id'] },
    { mode: 'replace', from: 'a.t' },
    { mode: 'incremental', from: 'a.t', by: 'id' },
  ])('WH-13, SR-05: $mode widens a column of each kind, and what was there stays what it was', async (load) => {
    const database = await make()
    await using warehouse = await database.open()
    const first = columns({ id: 'INTEGER!', ...narrow })
    await warehouse.load(inputOf(1, load, first, [before]))
    const second = columns({ id: 'INTEGER!', ...wide })
    const input = inputOf(2, load, second, [before, after])
    for (const [at, [from, to]] of widenings.entries()) {
      expect(classify(from, to), `${from} to ${to}`).toBe('widening')
      const found = (await warehouse.drift(input)).find(({ column }) => column === `c${at}`)
      // A type of the warehouse may hold both.
      const isHeld = database.dialect.heldAs(from) === database.dialect.heldAs(to)
      expect(found?.change, `${from} to ${to}`).toBe(isHeld ? undefined : 'widening')
    }
    expect(await warehouse.load(input)).toMatchObject({ total: 2 })
    expect(await warehouse.drift(input)).toEqual([])
    const list = widenings.map((_, at) => `CAST(c${at} AS VARCHAR) AS c${at}`).join(', ')
    const rows = await warehouse.query(`SELECT ${list} FROM target ORDER BY id`)
    for (const [at, [from, to, old, came, shown = old]] of widenings.entries()) {
      const texts = rows.map((row) => String(row[`c${at}`]).replace(/\.0$/, ''))
      expect(texts, `${from} to ${to}`).toEqual([shown, came])
    }
    // A version that changed nothing changes nothing: what was widened is found as equal.
    const again = await warehouse.load({ ...input, loadId: 'again', version: 3 })
    expect(again).toMatchObject(load.mode === 'replace' ? { total: 2 } : { inserted: 0, updated: 0, unchanged: 2 })
  })

  test('WH-13: a target that is wider than the load stays as it is, and takes its values', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'upsert', from: 'a.t', key: ['id'] }
    await warehouse.load(inputOf(1, load, columns({ id: 'INTEGER!', ...wide }), [after]))
    const narrower = inputOf(2, load, columns({ id: 'INTEGER!', ...narrow }), [before])
    expect(await warehouse.drift(narrower)).toEqual([])
    expect(await warehouse.load(narrower)).toMatchObject({ inserted: 1, total: 2 })
    expect(await warehouse.load({ ...narrower, loadId: 'again', version: 3 })).toMatchObject({ updated: 0, total: 2 })
  })

  test.each([
    ['DATE', 'TIMESTAMP', '2026-01-01', '2026-01-01 00:00:00'],
    ['INTEGER', 'DECIMAL(12,2)', '5', '5.00'],
    ['SMALLINT', 'DOUBLE', '5', '5'],
  ])('WH-11, WH-13: a key that widens from %s to %s finds its rows again', async (from, to, old, same) => {
    for (const load of [
      { mode: 'upsert', from: 'a.t', key: ['k'] },
      { mode: 'incremental', from: 'a.t', by: 'k' },
    ] as const) {
      await using warehouse = await (await make()).open()
      await warehouse.load(inputOf(1, load, columns({ k: `${from}!`, v: 'VARCHAR' }), [[old, 'a']]))
      const input = inputOf(2, load, columns({ k: `${to}!`, v: 'VARCHAR' }), [[same, 'b']])
      expect(await warehouse.load(input)).toMatchObject({ total: 1 })
      expect(await warehouse.query('SELECT v FROM target')).toEqual([{ v: 'b' }])
    }
  })

  test('WH-07, WH-13: a dimension whose days become times goes on with its versions and surrogates', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = {
      ...{ mode: 'scd2', from: 'a.d', key: ['k'], effective: 'day' },
      columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current', surrogate: 'sk' },
    }
    const shape = (type: string) => columns({ k: 'VARCHAR!', a: 'VARCHAR', day: type })
    await warehouse.load(
      inputOf(1, load, shape('DATE!'), [
        ['x', 'A', '2026-01-01'],
        ['x', 'B', '2026-01-02'],
      ]),
    )
    const surrogates = async () =>
      (await warehouse.query('SELECT sk FROM target ORDER BY effective_date')).map(({ sk }) => sk)
    const known = await surrogates()
    const log = [
      ['x', 'A', '2026-01-01 00:00:00'],
      ['x', 'C', '2026-01-01 12:00:00'],
      ['x', 'B', '2026-01-02 00:00:00'],
      ['x', 'D', '2026-01-02 06:00:00'],
    ]
    await warehouse.load(inputOf(2, load, shape('TIMESTAMP!'), log))
    const rows = await warehouse.query(
      'SELECT a, effective_date, expiry_date, is_current FROM target ORDER BY effective_date',
    )
    expect(rows.map(Object.values)).toEqual([
      ['A', '2026-01-01 00:00:00', '2026-01-01 12:00:00', false],
      ['C', '2026-01-01 12:00:00', '2026-01-02 00:00:00', false],
      ['B', '2026-01-02 00:00:00', '2026-01-02 06:00:00', false],
      ['D', '2026-01-02 06:00:00', '9999-12-31 00:00:00', true],
    ])
    expect((await surrogates()).filter((sk) => known.includes(sk))).toEqual(known)
  })

  test.each([
    ['INTEGER', 'BIGINT', '5', '5', true],
    ['DECIMAL(9,2)', 'DECIMAL(12,2)', '5.00', '5', true],
    ['TIMESTAMP_S', 'TIMESTAMP', '2026-01-01 00:00:00', '2026-01-01 00:00:00', true],
    ['DATE', 'TIMESTAMP', '2026-01-01', '2026-01-01 00:00:00', false],
    ['INTEGER', 'DECIMAL(12,2)', '5', '5.00', false],
  ])(
    'WH-07, WH-13: the key of a dimension widens from %s to %s only where its surrogates stay',
    async (from, to, old, same, widens) => {
      await using warehouse = await (await make()).open()
      const load: Load = {
        ...{ mode: 'scd2', from: 'a.d', key: ['k'], effective: 'day' },
        columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current', surrogate: 'sk' },
      }
      const shape = (type: string) => columns({ k: `${type}!`, a: 'VARCHAR', day: 'DATE!' })
      await warehouse.load(inputOf(1, load, shape(from), [[old, 'A', '2026-01-01']]))
      const first = () => warehouse.query("SELECT sk FROM target WHERE a = 'A'")
      const known = await first()
      // A late change makes the key's history again, its first version with it.
      const wider = inputOf(2, load, shape(to), [
        [same, 'B', '2026-01-03'],
        [same, 'C', '2026-01-02'],
      ])
      if (widens) expect(await warehouse.load(wider)).toMatchObject({ total: 3 })
      else
        await expect(warehouse.load(wider)).rejects.toMatchObject({ name: 'Warehouse.Column', params: { column: 'k' } })
      expect(await first()).toEqual(known)
    },
  )

  test('WH-13: to text, between a local time and an instant, and to what holds less, nothing changes by itself', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'upsert', from: 'a.t', key: ['id'] }
    await warehouse.load(
      inputOf(1, load, columns({ id: 'INTEGER!', a: 'INTEGER', b: 'TIMESTAMP', c: 'DECIMAL(12,2)' }), []),
    )
    const other = columns({ id: 'INTEGER!', a: 'VARCHAR', b: 'TIMESTAMP WITH TIME ZONE', c: 'DOUBLE' })
    const input = inputOf(2, load, other, [])
    expect((await warehouse.drift(input)).map(({ change }) => change)).toEqual(['lossy', 'lossy', 'lossy'])
    await expect(warehouse.load(input)).rejects.toMatchObject({ name: 'Warehouse.Drift' })
  })

  test('WH-13: a text and a time that someone made shorter are as wide as the load again', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'upsert', from: 'a.t', key: ['id'] }
    const shape = columns({ id: 'INTEGER!', a: 'VARCHAR', b: 'TIMESTAMP' })
    await warehouse.load(inputOf(1, load, shape, [['1', 'a', '2026-01-01 00:00:00']]))
    await warehouse.query('ALTER TABLE target ALTER COLUMN a TYPE VARCHAR(3)')
    await warehouse.query('ALTER TABLE target ALTER COLUMN b TYPE TIMESTAMP(3)')
    const row = ['2', 'more than three', '2026-01-01 00:00:00.000001']
    await warehouse.load(inputOf(2, load, shape, [row]))
    expect((await warehouse.query('SELECT a, b FROM target WHERE id = 2')).map(Object.values)).toEqual([row.slice(1)])
    expect(await warehouse.drift(inputOf(3, load, shape, []))).toEqual([])
  })
})
