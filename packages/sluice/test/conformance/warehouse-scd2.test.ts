/** Every warehouse × `scd2`, case by case; the generated histories are in the file beside. */
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import type { Warehouse } from '../../src/warehouses/warehouse.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

type Scd2 = Extract<Load, { mode: 'scd2' }>

const own = { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' }
const timed: Scd2 = { mode: 'scd2', from: 'analytics.d', key: ['k'], effective: 'day', columns: own }
const shape = columns({ k: 'VARCHAR!', a: 'VARCHAR', day: 'DATE!' })
const plain = columns({ k: 'VARCHAR!', a: 'VARCHAR' })
const { effective: _effective, ...snapshot } = timed

const versions = async (warehouse: Warehouse) =>
  (
    await warehouse.query(
      'SELECT k, a, effective_date, expiry_date, is_current_record FROM target ORDER BY k, effective_date',
    )
  ).map((row) => Object.values(row))

describe.each(warehouses)('$name', ({ make }) => {
  test('WH-07: A→B→A makes three versions; repeats, no-ops and NULL are told apart', async () => {
    await using warehouse = await (await make()).open()
    const log = [
      ['x', 'A', '2026-01-01'],
      ['x', 'B', '2026-01-02'],
      ['x', 'B', '2026-01-03'],
      ['x', 'A', '2026-01-04'],
      ['x', null, '2026-01-05'],
      ['x', null, '2026-01-06'],
    ]
    expect(await warehouse.load(inputOf(1, timed, shape, [...log, log[0]!]))).toMatchObject({
      read: 7,
      inserted: 4,
      unchanged: 3,
      total: 4,
    })
    expect(await versions(warehouse)).toEqual([
      ['x', 'A', '2026-01-01', '2026-01-02', false],
      ['x', 'B', '2026-01-02', '2026-01-04', false],
      ['x', 'A', '2026-01-04', '2026-01-05', false],
      ['x', null, '2026-01-05', '9999-12-31', true],
    ])
    expect(await warehouse.load(inputOf(2, timed, shape, log))).toMatchObject({
      inserted: 0,
      updated: 0,
      deleted: 0,
      unchanged: 6,
    })
  })

  test('WH-06: a late change before a no-op is placed in history, and the no-op becomes a version', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(
      inputOf(1, timed, shape, [
        ['x', 'A', '2026-01-01'],
        ['x', 'A', '2026-01-05'],
      ]),
    )
    expect(await warehouse.load(inputOf(2, timed, shape, [['x', 'B', '2026-01-03']]))).toMatchObject({
      read: 1,
      inserted: 1,
      total: 3,
    })
    expect(await versions(warehouse)).toEqual([
      ['x', 'A', '2026-01-01', '2026-01-03', false],
      ['x', 'B', '2026-01-03', '2026-01-05', false],
      ['x', 'A', '2026-01-05', '9999-12-31', true],
    ])
  })

  test('WH-13, CD-17: a renamed column is told with the statements that rename it; then history goes on, with its surrogates', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(
      inputOf(1, timed, shape, [
        ['x', 'A', '2026-01-01'],
        ['x', 'B', '2026-01-02'],
      ]),
    )
    const surrogates = () => warehouse.query('SELECT sk FROM target ORDER BY effective_date')
    const before = await surrogates()
    const renamed = columns({ k: 'VARCHAR!', b: 'VARCHAR', day: 'DATE!' })
    const next = [
      ['x', 'B', '2026-01-02'],
      ['x', 'C', '2026-01-03'],
    ]
    const refused = await warehouse.load(inputOf(2, timed, renamed, next)).catch((error) => error)
    expect(refused).toMatchObject({ name: 'Warehouse.Drift', hint: expect.stringContaining('Then: sluice run') })
    const { statements } = refused.params
    expect(statements.length).toBe(2)
    for (const statement of statements) {
      expect(statement).toMatch(/^ALTER TABLE .* RENAME COLUMN "a" TO "b"$/)
      expect(refused.hint).toContain(statement)
      await warehouse.query(statement)
    }
    expect(await warehouse.load(inputOf(3, timed, renamed, next))).toMatchObject({ inserted: 1, total: 3 })
    expect(
      (await warehouse.query('SELECT b, is_current_record FROM target ORDER BY effective_date')).map(Object.values),
    ).toEqual([
      ['A', false],
      ['B', false],
      ['C', true],
    ])
    expect((await surrogates()).slice(0, 2)).toEqual(before)
  })

  test('WH-06: late changes that are declared so are rejected, counted, and known ones are not', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { ...timed, late: 'reject' }
    await warehouse.load(
      inputOf(1, load, shape, [
        ['x', 'A', '2026-01-01'],
        ['x', 'B', '2026-01-05'],
        ['y', 'A', '2026-01-01'],
      ]),
    )
    const next = [
      ['x', 'C', '2026-01-03'],
      ['x', 'A', '2026-01-01'],
      ['y', 'B', '2026-01-02'],
    ]
    expect(await warehouse.load(inputOf(2, load, shape, next))).toMatchObject({
      read: 3,
      inserted: 1,
      unchanged: 1,
      rejected: 1,
      total: 4,
    })
  })

  test('WH-08: two different changes at one instant are refused, unless a sequence orders them', async () => {
    await using warehouse = await (await make()).open()
    const both = [
      ['x', 'A', '2026-01-01'],
      ['x', 'B', '2026-01-01'],
    ]
    await expect(warehouse.load(inputOf(1, timed, shape, both))).rejects.toMatchObject({
      name: 'Warehouse.Scd2Conflict',
    })
    await warehouse.load(inputOf(1, timed, shape, [both[0]!]))
    await expect(warehouse.load(inputOf(2, timed, shape, [both[1]!]))).rejects.toMatchObject({
      name: 'Warehouse.Scd2Conflict',
    })
    const sequenced = columns({ k: 'VARCHAR!', a: 'VARCHAR', day: 'DATE!', seq: 'BIGINT' })
    const load: Load = { ...timed, sequence: 'seq' }
    const input = inputOf(
      3,
      load,
      sequenced,
      [
        ['x', 'A', '2026-01-01', 2],
        ['x', 'B', '2026-01-01', 1],
      ],
      { target: 'other' },
    )
    expect(await warehouse.load(input)).toMatchObject({ read: 2, inserted: 1, unchanged: 1, total: 1 })
    await warehouse.load(inputOf(4, load, sequenced, [['x', 'C', '2026-01-01', 3]], { target: 'other' }))
    expect(await warehouse.query('SELECT a FROM other')).toEqual([{ a: 'C' }])
  })

  test('WH-09: deletes by absence close, and a return opens a version with a gap before it', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { ...snapshot, deletes: 'absence' }
    await warehouse.load(
      inputOf(1, load, plain, [
        ['x', 'A'],
        ['y', 'A'],
      ]),
    )
    expect(await warehouse.load(inputOf(2, load, plain, [['x', 'A']]))).toMatchObject({
      read: 1,
      unchanged: 1,
      deleted: 1,
      total: 2,
    })
    expect(
      await warehouse.load(
        inputOf(3, load, plain, [
          ['x', 'B'],
          ['y', 'A'],
        ]),
      ),
    ).toMatchObject({ read: 2, inserted: 2, total: 4 })
    expect(await versions(warehouse)).toEqual([
      ['x', 'A', '2026-01-02 00:00:00', '2026-01-04 00:00:00', false],
      ['x', 'B', '2026-01-04 00:00:00', '9999-12-31 00:00:00', true],
      ['y', 'A', '2026-01-02 00:00:00', '2026-01-03 00:00:00', false],
      ['y', 'A', '2026-01-04 00:00:00', '9999-12-31 00:00:00', true],
    ])
    await expect(warehouse.load(inputOf(2, load, plain, [['x', 'A']], { loadId: 'older' }))).rejects.toMatchObject({
      name: 'Warehouse.Scd2Stale',
    })
  })

  test('WH-09: with times of their own, a key that is absent is deleted, and returns with its old time', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { ...timed, deletes: 'absence' }
    const [x, y] = [
      ['x', 'A', '2025-01-01'],
      ['y', 'A', '2025-01-01'],
    ]
    await warehouse.load(inputOf(1, load, shape, [x, y]))
    expect(await warehouse.load(inputOf(2, load, shape, [x]))).toMatchObject({ deleted: 1, unchanged: 1, total: 2 })
    expect(await warehouse.load(inputOf(3, load, shape, [x]))).toMatchObject({ deleted: 0, unchanged: 1, total: 2 })
    expect(await warehouse.load(inputOf(4, load, shape, [x, y]))).toMatchObject({
      inserted: 1,
      unchanged: 1,
      total: 3,
    })
    expect(await warehouse.load(inputOf(5, load, shape, [x, y]))).toMatchObject({ inserted: 0, unchanged: 2 })
    expect((await versions(warehouse)).slice(1)).toEqual([
      ['y', 'A', '2025-01-01', '2026-01-03', false],
      ['y', 'A', '2026-01-05', '9999-12-31', true],
    ])
  })

  test('WH-07: only untracked columns: the version that is valid then shows the newest value', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { ...timed, track: ['a'] }
    const wide = columns({ k: 'VARCHAR!', a: 'VARCHAR', note: 'VARCHAR', day: 'DATE!' })
    await warehouse.load(
      inputOf(1, load, wide, [
        ['x', 'A', 'one', '2026-01-01'],
        ['x', 'B', 'two', '2026-01-05'],
      ]),
    )
    expect(
      await warehouse.load(
        inputOf(2, load, wide, [
          ['x', 'A', 'late', '2026-01-03'],
          ['x', 'B', 'new', '2026-01-06'],
        ]),
      ),
    ).toMatchObject({ updated: 2, total: 2 })
    expect(await warehouse.query('SELECT a, note FROM target ORDER BY effective_date')).toEqual([
      { a: 'A', note: 'late' },
      { a: 'B', note: 'new' },
    ])
    // A split puts each value back where it was true.
    await warehouse.load(inputOf(3, load, wide, [['x', 'C', 'mid', '2026-01-02']]))
    expect((await warehouse.query('SELECT a, note FROM target ORDER BY effective_date')).map(Object.values)).toEqual([
      ['A', 'one'],
      ['C', 'mid'],
      ['A', 'late'],
      ['B', 'new'],
    ])
  })

  test('WH-05: a dimension that was edited by hand is found out, and the load rolled back', async () => {
    for (const [edit, broken] of [
      [
        "UPDATE target SET is_current_record = false WHERE effective_date = '2026-01-05'",
        '1 keys without exactly one current row',
      ],
      ["UPDATE target SET expiry_date = '2026-01-01' WHERE effective_date = '2026-01-01'", '1 intervals of no length'],
      [
        "UPDATE target SET expiry_date = '2026-01-02' WHERE effective_date = '2026-01-01'",
        '1 gaps that no delete explains',
      ],
      ["UPDATE target SET expiry_date = '2026-01-06' WHERE effective_date = '2026-01-01'", '1 overlapping versions'],
      ["UPDATE target SET sk = 'same'", '1 surrogate keys that are not unique'],
    ] as const) {
      await using warehouse = await (await make()).open()
      await warehouse.load(
        inputOf(1, timed, shape, [
          ['x', 'A', '2026-01-01'],
          ['x', 'B', '2026-01-05'],
        ]),
      )
      await warehouse.query(edit)
      const before = await versions(warehouse)
      await expect(warehouse.load(inputOf(2, timed, shape, [['x', 'C', '2026-01-09']]))).rejects.toThrow(broken)
      expect(await versions(warehouse)).toEqual(before)
      expect(await warehouse.ledger({})).toHaveLength(1)
    }
  })

  test('WH-13: a column is added; what is delivered again brings its values, without new versions', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(
      inputOf(1, timed, shape, [
        ['x', 'A', '2026-01-01'],
        ['x', 'A', '2026-01-02'],
      ]),
    )
    const wider = columns({ k: 'VARCHAR!', a: 'VARCHAR', day: 'DATE!', more: 'VARCHAR' })
    const again = [
      ['x', 'A', '2026-01-01', 'm'],
      ['x', 'A', '2026-01-02', 'm'],
    ]
    expect(await warehouse.load(inputOf(2, timed, wider, again))).toMatchObject({ inserted: 0, unchanged: 2, total: 1 })
    expect(await warehouse.query('SELECT more FROM target')).toEqual([{ more: 'm' }])
  })

  test('the surrogate key depends on the key and the time alone', async () => {
    const keys = async (batches: (string | null)[][][]) => {
      await using warehouse = await (await make()).open()
      for (const [index, rows] of batches.entries()) await warehouse.load(inputOf(index, timed, shape, rows))
      return await warehouse.query('SELECT k, effective_date, sk FROM target ORDER BY k, effective_date')
    }
    const [one, two] = [
      ['x', 'A', '2026-01-01'],
      ['x', 'B', '2026-01-02'],
    ]
    expect(await keys([[one], [two]])).toEqual(await keys([[two], [one]]))
  })

  test('WH-07, WH-08, WH-09: a history of changes: each transaction its version, no-ops none, deletes and returns, in any batches', async () => {
    const load: Scd2 = {
      ...timed,
      effective: '_effective_at',
      sequence: '_sequence',
      deletes: { column: '_op', value: 'D' },
    }
    const instant = 'TIMESTAMP WITH TIME ZONE!'
    const told = { _op: 'VARCHAR!', _lsn: 'BIGINT!', _seq: 'BIGINT!', _sequence: 'DECIMAL(38,0)!' }
    const log = columns({ k: 'VARCHAR!', a: 'VARCHAR', ...told, _committed_at: instant, _effective_at: instant })
    const row = (at: number, op: string, k: string, a: string | null, lsn: number, seq: number) => {
      const time = `2026-01-01 00:00:00.00000${at}+00`
      return [k, a, op, lsn, seq, `18446744073709551${lsn}${seq}`, time, time]
    }
    const rows = [
      row(1, 'I', 'x', 'A', 100, 1),
      // One transaction: the last counts.
      row(2, 'U', 'x', 'B', 200, 1),
      row(2, 'U', 'x', 'C', 200, 2),
      row(3, 'U', 'x', 'C', 300, 1),
      // A key that moves away and is taken by another row, at once.
      row(4, 'D', 'x', null, 400, 1),
      row(4, 'I', 'y', 'C', 400, 2),
      row(4, 'I', 'x', 'D', 400, 3),
      row(5, 'D', 'x', null, 500, 1),
      row(7, 'I', 'x', 'D', 700, 1),
    ]
    const at = (micros: number) => `2026-01-01 00:00:00.00000${micros}+00`
    const forever = '9999-12-31 00:00:00+00'
    const expected = [
      ['x', 'A', at(1), at(2), false],
      ['x', 'C', at(2), at(4), false],
      ['x', 'D', at(4), at(5), false],
      ['x', 'D', at(7), forever, true],
      ['y', 'C', at(4), forever, true],
    ]
    const surrogates: unknown[] = []
    const deliveries = [
      [rows],
      rows.map((one) => [one]),
      [...rows].reverse().map((one) => [one]),
      [rows.slice(5), rows],
    ]
    for (const batches of deliveries) {
      await using warehouse = await (await make()).open()
      for (const [index, batch] of batches.entries()) await warehouse.load(inputOf(index + 1, load, log, batch))
      expect(await versions(warehouse)).toEqual(expected)
      // A range of it, restated.
      const range = inputOf(50, load, log, rows.slice(3, 7))
      expect(await warehouse.load(range)).toMatchObject({ inserted: 0, updated: 0, deleted: 0 })
      expect(await versions(warehouse)).toEqual(expected)
      surrogates.push(await warehouse.query('SELECT sk FROM target ORDER BY k, effective_date'))
    }
    expect(surrogates.slice(1)).toEqual(surrogates.slice(0, -1))
  })

  test('columns that cannot be used are refused by name', async () => {
    await using warehouse = await (await make()).open()
    const refused = { name: 'Warehouse.Column' }
    await expect(warehouse.load(inputOf(1, { ...timed, effective: 'a' }, shape, []))).rejects.toMatchObject(refused)
    await expect(
      warehouse.load(inputOf(1, timed, columns({ k: 'VARCHAR', sk: 'VARCHAR', day: 'DATE' }), [])),
    ).rejects.toMatchObject(refused)
    for (const type of ['DOUBLE', 'BLOB'])
      await expect(warehouse.load(inputOf(1, timed, columns({ k: type, day: 'DATE' }), []))).rejects.toMatchObject(
        refused,
      )
    await expect(warehouse.load(inputOf(1, timed, shape, [['x', 'A', null]]))).rejects.toMatchObject({
      name: 'Warehouse.KeyNull',
    })
  })
})
