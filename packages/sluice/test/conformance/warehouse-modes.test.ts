/** Every warehouse × the modes that keep no history. */

import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import type { Warehouse } from '../../src/warehouses/warehouse.ts'
import { fromSelect, selectOf } from './select-relation.ts'
import { behindPooler, columns, inputOf, rowsOf, warehouses } from './warehouses.ts'

const shape = columns({ id: 'INTEGER!', day: 'DATE', amount: 'DECIMAL(12,3)', note: 'VARCHAR' })
const from = 'analytics.t'
const rowsIn = async (warehouse: Warehouse, table = 'target') =>
  (await warehouse.query(`SELECT id, day, amount, note FROM ${table} ORDER BY id, day, amount, note`)).map((row) =>
    Object.values(row),
  )

describe.each([...warehouses, behindPooler])('$name', ({ make }) => {
  const replace: Load = { mode: 'replace', from }
  const incremental: Load = { mode: 'incremental', from, by: 'day' }
  const append: Load = { mode: 'append', from }
  const upsert: Load = { mode: 'upsert', from, key: ['id'] }

  test('replace: the target is the version, and the ledger says so', async () => {
    await using warehouse = await (await make()).open()
    const first = await warehouse.load(
      inputOf(1, replace, shape, [
        [1, '2026-01-01', '1.5', 'a'],
        [2, null, null, null],
      ]),
    )
    expect(first).toEqual({
      status: 'loaded',
      read: 2,
      inserted: 2,
      updated: 0,
      deleted: 0,
      unchanged: 0,
      rejected: 0,
      total: 2,
    })
    const second = await warehouse.load(inputOf(2, replace, shape, [[3, '2026-01-02', '0.001', "it's"]]))
    expect(second).toMatchObject({ inserted: 1, deleted: 2, total: 1 })
    expect(await rowsIn(warehouse)).toEqual([[3, '2026-01-02', '0.001', "it's"]])
    expect((await warehouse.ledger({ target: 'target' })).map(({ loadId, version }) => [loadId, version])).toEqual([
      ['load 2', 2],
      ['load 1', 1],
    ])
  })

  test('WH-02, WH-04: a load in the ledger is not done again', async () => {
    const database = await make()
    const input = inputOf(1, append, shape, [[1, null, '1', 'a']], {
      added: [{ version: 1, relation: selectOf(rowsOf(shape, [[1, null, '1', 'a']])), rows: 1 }],
    })
    {
      await using warehouse = await database.open()
      expect((await warehouse.load(input)).status).toBe('loaded')
    }
    await using warehouse = await database.open()
    expect(await warehouse.load({ ...input, run: 'another', attempt: 2, fencingToken: 2 })).toMatchObject({
      status: 'already-loaded',
      inserted: 1,
      total: 1,
    })
    expect(await rowsIn(warehouse)).toHaveLength(1)
    expect(await warehouse.ledger({ loadId: input.loadId })).toHaveLength(1)
  })

  test('WH-04: a run that was overtaken is refused and changes nothing', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(inputOf(1, replace, shape, [[1, null, '1', 'new']], { fencingToken: 7 }))
    await expect(warehouse.load(inputOf(2, replace, shape, [], { fencingToken: 6 }))).rejects.toMatchObject({
      name: 'Warehouse.Fenced',
    })
    expect(await rowsIn(warehouse)).toEqual([[1, null, '1.000', 'new']])
  })

  test('WH-18: rows that are not as many as the version has refuse the load, and the target is as before', async () => {
    await using warehouse = await (await make()).open()
    for (const rows of [0, 2])
      await expect(
        warehouse.load({ ...inputOf(1, replace, shape, [[1, null, '1', 'a']]), rows }),
      ).rejects.toMatchObject({ name: 'Warehouse.RowsDiffer' })
    expect(await warehouse.ledger({})).toEqual([])
    await warehouse.load(inputOf(1, replace, shape, [[1, null, '1', 'a']]))
    await expect(
      warehouse.load({ ...inputOf(2, replace, shape, [[2, null, '1', 'b']]), rows: 2 }),
    ).rejects.toMatchObject({ name: 'Warehouse.RowsDiffer' })
    expect(await rowsIn(warehouse)).toEqual([[1, null, '1.000', 'a']])
  })

  test('WH-01: a load that fails leaves neither rows, nor tables, nor a ledger row', async () => {
    await using warehouse = await (await make()).open()
    await expect(
      warehouse.load({ ...inputOf(1, replace, shape, [[1, null, '1', 'a']]), rows: 2 }),
    ).rejects.toMatchObject({ name: 'Warehouse.RowsDiffer' })
    expect(await warehouse.ledger({})).toEqual([])
    await warehouse.load(inputOf(1, replace, shape, [[1, null, '1', 'a']]))
    const broken = { ...inputOf(2, replace, shape, [[2, null, '1', 'b']]) }
    await expect(
      warehouse.load({
        ...broken,
        relation: selectOf(
          `SELECT * REPLACE (CASE WHEN id = 2 THEN error('broken') END AS note) FROM ${fromSelect(broken.relation)}`,
        ),
      }),
    ).rejects.toThrow('broken')
    expect(await rowsIn(warehouse)).toEqual([[1, null, '1.000', 'a']])
    expect(await warehouse.ledger({})).toHaveLength(1)
  })

  test('incremental, WH-11: exactly the keys whose rows changed are replaced, late rows and vanished keys among them', async () => {
    await using warehouse = await (await make()).open()
    const days = [
      [1, '2026-01-01', '1', 'a'],
      [2, '2026-01-02', '2', 'b'],
      [3, '2026-01-03', '3', 'c'],
      [4, '2026-01-03', '3', 'c'],
    ]
    expect(await warehouse.load(inputOf(1, incremental, shape, days))).toMatchObject({
      inserted: 4,
      keys: ['2026-01-01', '2026-01-02', '2026-01-03'],
    })
    expect(await warehouse.load(inputOf(2, incremental, shape, [...days].reverse()))).toMatchObject({
      inserted: 0,
      deleted: 0,
      unchanged: 4,
      keys: [],
    })
    await warehouse.query("UPDATE target SET note = 'by hand' WHERE id = 3")
    const late = [[9, '2026-01-01', '9', 'late'], days[0]!, days[2]!, days[3]!, [5, '2026-01-04', null, null]]
    expect(await warehouse.load(inputOf(3, incremental, shape, late))).toMatchObject({
      read: 5,
      inserted: 3,
      deleted: 2,
      unchanged: 2,
      total: 5,
      keys: ['2026-01-01', '2026-01-02', '2026-01-04'],
    })
    // A key that did not change is not touched, not even to undo an edit.
    expect(await rowsIn(warehouse)).toEqual([
      [1, '2026-01-01', '1.000', 'a'],
      [3, '2026-01-03', '3.000', 'by hand'],
      [4, '2026-01-03', '3.000', 'c'],
      [5, '2026-01-04', null, null],
      [9, '2026-01-01', '9.000', 'late'],
    ])
  })

  test('incremental, WH-11: a key whose type changed is still the same key, and no other', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'incremental', from, by: 'id' }
    const types = ['DECIMAL(12,2)', 'INTEGER', 'INTEGER', 'DECIMAL(6,1)', 'BIGINT']
    for (const [version, type] of types.entries()) {
      const rows = [
        [1, `v${version}`],
        [2, 'same'],
      ]
      const half = type.startsWith('DECIMAL') ? [['1.5', 'half']] : []
      await warehouse.load(inputOf(version + 1, load, columns({ id: type, note: 'VARCHAR' }), [...rows, ...half]))
      expect(
        (await warehouse.query('SELECT id, note FROM target')).map(({ id, note }) => [Number(id), note]).sort(),
      ).toEqual([...rows, ...half].map(([k, v]) => [Number(k), v]).sort())
    }
  })

  test('incremental: rows that trade values between each other, or repeat, change the fingerprint', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(
      inputOf(1, incremental, shape, [
        [1, '2026-01-01', '1', 'a'],
        [2, '2026-01-01', '2', 'b'],
      ]),
    )
    expect(
      (
        await warehouse.load(
          inputOf(2, incremental, shape, [
            [1, '2026-01-01', '2', 'a'],
            [2, '2026-01-01', '1', 'b'],
          ]),
        )
      ).keys,
    ).toHaveLength(1)
    expect(
      (
        await warehouse.load(
          inputOf(3, incremental, shape, [
            [1, '2026-01-01', '2', 'a'],
            [1, '2026-01-01', '2', 'a'],
          ]),
        )
      ).keys,
    ).toHaveLength(1)
    expect(
      (
        await warehouse.load(
          inputOf(4, incremental, shape, [
            [2, '2026-01-01', '1', 'b'],
            [2, '2026-01-01', '1', 'b'],
          ]),
        )
      ).keys,
    ).toHaveLength(1)
  })

  test('append: each version’s rows once, whatever is delivered again', async () => {
    await using warehouse = await (await make()).open()
    const batch = (version: number) => ({
      version,
      rows: 2,
      relation: selectOf(
        rowsOf(shape, [
          [version, null, '1', 'x'],
          [version, null, '1', 'x'],
        ]),
      ),
    })
    const input = (version: number, added: number[]) =>
      inputOf(
        version,
        append,
        shape,
        added.flatMap((one) => [
          [one, null, '1', 'x'],
          [one, null, '1', 'x'],
        ]),
        { added: added.map(batch) },
      )
    expect(await warehouse.load(input(2, [1, 2]))).toMatchObject({ read: 4, inserted: 4 })
    expect(await warehouse.load(input(3, [1, 2, 3]))).toMatchObject({ read: 6, inserted: 2, unchanged: 4, total: 6 })
    expect((await rowsIn(warehouse)).map(([id]) => id)).toEqual([1, 1, 2, 2, 3, 3])
    await expect(warehouse.load(inputOf(4, append, shape, []))).rejects.toMatchObject({
      name: 'Warehouse.AppendWithoutBatches',
    })
  })

  test('append by a declared batch: a batch that changed is refused, not half taken', async () => {
    await using warehouse = await (await make()).open()
    const load: Load = { mode: 'append', from, batch: 'note' }
    await warehouse.load(
      inputOf(1, load, shape, [
        [1, null, '1', 'a'],
        [2, null, '1', 'a'],
      ]),
    )
    expect(
      await warehouse.load(
        inputOf(2, load, shape, [
          [1, null, '1', 'a'],
          [2, null, '1', 'a'],
          [3, null, '1', 'b'],
        ]),
      ),
    ).toMatchObject({ inserted: 1, unchanged: 2, total: 3 })
    await expect(
      warehouse.load(
        inputOf(3, load, shape, [
          [1, null, '1', 'a'],
          [4, null, '1', 'c'],
        ]),
      ),
    ).rejects.toMatchObject({ name: 'Warehouse.BatchChanged' })
    await expect(warehouse.load(inputOf(3, load, shape, [[1, null, '1', null]]))).rejects.toMatchObject({
      name: 'Warehouse.KeyNull',
    })
    expect(await rowsIn(warehouse)).toHaveLength(3)
  })

  test('upsert: inserts, updates NULL-safe, leaves equal rows alone; deletes by absence', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(
      inputOf(1, upsert, shape, [
        [1, null, '1', 'a'],
        [2, null, '2', null],
        [3, null, '3', 'c'],
      ]),
    )
    const next = [
      [1, null, '1', 'a'],
      [2, null, '2', 'b'],
      [4, null, '4', 'd'],
    ]
    expect(await warehouse.load(inputOf(2, upsert, shape, next))).toMatchObject({
      inserted: 1,
      updated: 1,
      unchanged: 1,
      deleted: 0,
      total: 4,
    })
    expect(await warehouse.load(inputOf(3, { ...upsert, deletes: 'absence' }, shape, next))).toMatchObject({
      unchanged: 3,
      deleted: 1,
      total: 3,
    })
    expect((await rowsIn(warehouse)).map((row) => [row[0], row[3]])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [4, 'd'],
    ])
  })

  test('upsert: a flag deletes, is no attribute, and is accounted', async () => {
    await using warehouse = await (await make()).open()
    const flagged = [...shape, ...columns({ op: 'VARCHAR' })]
    const load: Load = { ...upsert, deletes: { column: 'op', value: 'D' } }
    await warehouse.load(
      inputOf(1, load, flagged, [
        [1, null, '1', 'a', 'I'],
        [2, null, '2', 'b', null],
      ]),
    )
    expect(
      await warehouse.load(
        inputOf(2, load, flagged, [
          [1, null, null, null, 'D'],
          [7, null, null, null, 'D'],
          [2, null, '2', 'b', 'U'],
        ]),
      ),
    ).toMatchObject({
      read: 3,
      unchanged: 1,
      markers: 2,
      deleted: 1,
      total: 1,
    })
  })

  test('NULL and repeated keys refuse the load, with counts and samples', async () => {
    await using warehouse = await (await make()).open()
    await expect(
      warehouse.load(
        inputOf(1, upsert, shape, [
          [1, null, '1', 'a'],
          [1, null, '1', 'a'],
        ]),
      ),
    ).rejects.toMatchObject({
      name: 'Warehouse.KeyDuplicate',
      params: { count: 1, samples: '{"id":1,"rows":"2"}' },
    })
    await expect(
      warehouse.load(
        inputOf(1, upsert, shape, [
          [null, null, '1', 'a'],
          [1, null, '1', 'a'],
        ]),
      ),
    ).rejects.toMatchObject({ name: 'Warehouse.KeyNull', params: { count: 1 } })
    await expect(warehouse.load(inputOf(1, incremental, shape, [[1, null, '1', 'a']]))).rejects.toMatchObject({
      name: 'Warehouse.KeyNull',
    })
    await expect(warehouse.load(inputOf(1, { ...upsert, key: ['nope'] }, shape, []))).rejects.toMatchObject({
      name: 'Warehouse.Column',
    })
    await warehouse.load(inputOf(1, upsert, shape, [[1, null, '1', 'a']]))
    await warehouse.query('INSERT INTO target SELECT * FROM target')
    await expect(warehouse.load(inputOf(2, upsert, shape, [[1, null, '2', 'a']]))).rejects.toMatchObject({
      name: 'Warehouse.TargetKeyDuplicate',
      params: { extra: 1 },
    })
  })

  test('WH-13: additive and widening drift is mended; the rest is refused, and says who altered the table', async () => {
    await using warehouse = await (await make()).open()
    expect(await warehouse.drift(inputOf(1, upsert, shape, []))).toEqual([])
    await warehouse.load(inputOf(1, upsert, shape, [[1, null, '1', 'a']]))
    const wider = columns({ id: 'BIGINT!', day: 'DATE', amount: 'DECIMAL(14,3)', note: 'VARCHAR', more: 'VARCHAR' })
    expect(
      (await warehouse.drift(inputOf(2, upsert, wider, []))).map(({ column, kind, change }) => [column, kind, change]),
    ).toEqual([
      ['id', 'retyped', 'widening'],
      ['amount', 'retyped', 'widening'],
      ['more', 'missing', 'additive'],
    ])
    expect(await warehouse.load(inputOf(2, upsert, wider, [[3_000_000_000, null, '1', 'a', 'm']]))).toMatchObject({
      inserted: 1,
      total: 2,
    })
    await expect(warehouse.load(inputOf(3, upsert, shape, []))).rejects.toThrow(
      'the columns that are loaded have changed',
    )
    await warehouse.query('ALTER TABLE target DROP COLUMN more')
    expect(await warehouse.drift(inputOf(3, upsert, wider, []))).toMatchObject([
      { column: 'more', change: 'destructive' },
    ])
    await expect(warehouse.load(inputOf(3, upsert, wider, []))).rejects.toMatchObject({
      name: 'Warehouse.Drift',
      exit: 1,
      params: { cause: 'someone altered it after the last load' },
    })
    await warehouse.query('DROP TABLE target')
    await expect(warehouse.load(inputOf(3, upsert, wider, []))).rejects.toMatchObject({
      name: 'Warehouse.TargetVanished',
    })
  })

  test.each([{ mode: 'replace', from } as const, { mode: 'incremental', from, by: 'id' } as const])(
    'WH-13: approved, $mode makes the columns anew and writes every row again',
    async (load) => {
      await using warehouse = await (await make()).open()
      const first: (string | number | null)[][] = [
        [1, '2026-01-01', '1', 'a'],
        [2, '2026-01-01', '2', 'b'],
        [3, '2026-01-01', '3', 'c'],
      ]
      await warehouse.load(inputOf(1, load, shape, first))
      // A type that does not hold the old values, a column less and one more; the keys and their other values stay as they are.
      const other = columns({ id: 'INTEGER', day: 'TIMESTAMP', amount: 'DECIMAL(12,3)', more: 'VARCHAR' })
      const input = inputOf(2, load, other, [
        [1, '2026-01-01', '1', 'm'],
        [2, '2026-01-01', '2', null],
      ])
      const before = await warehouse.query('SELECT * FROM target ORDER BY id')
      await expect(warehouse.load(input)).rejects.toMatchObject({
        name: 'Warehouse.Drift',
        hint: expect.stringContaining('sluice run --approve target'),
      })
      expect(await warehouse.query('SELECT * FROM target ORDER BY id')).toEqual(before)
      expect(await warehouse.load({ ...input, approve: true })).toMatchObject({ inserted: 2, deleted: 3, total: 2 })
      expect(await warehouse.query('SELECT id, day, amount, more FROM target ORDER BY id')).toEqual([
        { id: 1, day: '2026-01-01 00:00:00', amount: '1.000', more: 'm' },
        { id: 2, day: '2026-01-01 00:00:00', amount: '2.000', more: null },
      ])
      expect(await warehouse.drift(input)).toEqual([])
      expect(await warehouse.load({ ...input, loadId: 'again', version: 3 })).toMatchObject({ total: 2 })
    },
  )

  test('WH-13: no approval lets a mode change columns whose rows it cannot write again', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.load(inputOf(1, upsert, shape, [[1, null, '1', 'a']]))
    const fewer = shape.filter(({ name }) => name !== 'note')
    await expect(warehouse.load(inputOf(2, upsert, fewer, [[1, null, '2']], { approve: true }))).rejects.toMatchObject({
      name: 'Warehouse.Drift',
      hint: expect.stringContaining('An approval does not help'),
    })
    expect(await warehouse.query('SELECT note FROM target')).toEqual([{ note: 'a' }])
  })

  test('WH-12: exact numbers must come back unchanged from the target’s type', async () => {
    await using warehouse = await (await make()).open()
    await warehouse.query('CREATE TABLE target (id INTEGER, day DATE, amount DECIMAL(12,2), note VARCHAR)')
    await expect(
      warehouse.load(
        inputOf(1, replace, shape, [
          [1, null, '1.234', 'a'],
          [2, null, '99999999.99', 'a'],
          [3, null, '1.10', 'a'],
        ]),
      ),
    ).rejects.toMatchObject({
      name: 'Warehouse.OutOfRange',
      params: { column: 'amount', type: 'DECIMAL(12,2)', count: 1, samples: '{"amount":"1.234"}' },
    })
    const tight = columns({ id: 'INTEGER', day: 'DATE', amount: 'DECIMAL(13,1)', note: 'VARCHAR' })
    await expect(warehouse.load(inputOf(1, replace, tight, [[1, null, '999999999999.9', 'a']]))).rejects.toMatchObject({
      name: 'Warehouse.OutOfRange',
    })
    expect((await warehouse.load(inputOf(1, replace, tight, [[1, null, '12.5', 'a']]))).total).toBe(1)
    const retyped = columns({ id: 'INTEGER', day: 'VARCHAR', amount: 'DECIMAL(12,2)', note: 'VARCHAR' })
    await expect(warehouse.load(inputOf(2, replace, retyped, []))).rejects.toMatchObject({ name: 'Warehouse.Drift' })
  })

  test('a target in a schema of its own, and names that need quotes', async () => {
    await using warehouse = await (await make()).open()
    const odd = columns({ 'Mês "x"': 'VARCHAR', select: 'INTEGER' })
    await warehouse.load(
      inputOf(1, { mode: 'upsert', from, key: ['select'] }, odd, [['a', 1]], { target: 'mart.Fact "é"' }),
    )
    expect(
      await warehouse.load(
        inputOf(2, { mode: 'incremental', from, by: 'Mês "x"' }, odd, [['b', 2]], { target: 'mart.Fact "é"' }),
      ),
    ).toMatchObject({ total: 2 })
  })

  test('a stopped load is rolled back', async () => {
    const database = await make()
    const controller = new AbortController()
    {
      await using warehouse = await database.open()
      const input = inputOf(1, replace, columns({ n: 'BIGINT' }), [])
      const endless = {
        ...input,
        relation: selectOf('SELECT CAST(a.i AS BIGINT) AS n FROM range(10000000000) a(i) WHERE a.i % 7 = 3'),
        rows: 1,
      }
      setTimeout(() => controller.abort(), 100)
      await expect(warehouse.load({ ...endless, signal: controller.signal })).rejects.toThrow()
    }
    await using warehouse = await database.open()
    expect(await warehouse.ledger({})).toEqual([])
  })
})
