/** Every warehouse × `scd2` from dated full snapshots; generated ones are in `warehouse-snapshot-histories.test.ts`. */
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { quoteText } from '../../src/sql/quote.ts'
import type { LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

type Scd2 = Extract<Load, { mode: 'scd2' }>

const own = { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' }
const load: Scd2 = { mode: 'scd2', from: 'analytics.prices', key: ['k'], snapshot: 'file_date', columns: own }
const shape = columns({ k: 'VARCHAR!', a: 'VARCHAR', b: 'VARCHAR', file_date: 'DATE!' })
const forever = '9999-12-31'
const day = (at: number): string => new Date(Date.UTC(2026, 0, 1 + at)).toISOString().slice(0, 10)

/** What one snapshot says of one key: its row, that its row was refused, or nothing. */
type Said = { readonly a: string | null; readonly b: string | null } | 'refused' | 'absent'

/** A snapshot: what it says of each key, and whether a refused row's key cannot be read. */
interface Snapshot {
  readonly at: number
  readonly said: readonly Said[]
  readonly unreadable: boolean
}

const name = (key: number): string => `k${String(key).padStart(3, '0')}`

/** A load of a table that holds these snapshots. */
function inputFor(version: number, set: readonly Snapshot[], of: Scd2 = load): LoadInput {
  const rows = set.flatMap(({ at, said: all }) =>
    all.flatMap((one, key) => (typeof one === 'object' ? [[name(key), one.a, one.b, day(at)]] : [])),
  )
  const refused = set.flatMap(({ at, said: all, unreadable }) => [
    ...all.flatMap((one, key) => (one === 'refused' ? [[`f${at}`, JSON.stringify({ k: name(key) })]] : [])),
    ...(unreadable ? [[`f${at}`, 'NULL']] : []),
  ])
  const values = refused.map(
    ([file, fields]) => `(${quoteText(file!)}, ${fields === 'NULL' ? 'NULL' : quoteText(fields!)})`,
  )
  const relation = selectOf(
    values.length === 0
      ? `SELECT '' AS _file, CAST(NULL AS JSON) AS fields WHERE 1 = 0`
      : `SELECT _file, CAST(fields AS JSON) AS fields FROM (VALUES ${values.join(', ')}) v(_file, fields)`,
  )
  const hasRow = (all: readonly Said[]): boolean => all.some((one) => typeof one === 'object')
  return inputOf(version, of, shape, rows, {
    snapshots: {
      empty: set.flatMap(({ at, said: all }) => (hasRow(all) ? [] : [day(at)])),
      refused: [{ relation, instants: Object.fromEntries(set.map(({ at }) => [`f${at}`, day(at)])) }],
    },
  })
}

const versions = async (warehouse: Warehouse) =>
  (
    await warehouse.query(
      'SELECT k, a, b, effective_date, expiry_date, is_current_record FROM target ORDER BY k, effective_date',
    )
  ).map((row) => Object.values(row))

const present = (a: string): Said => ({ a, b: null })

describe.each(warehouses)('$name', ({ make }) => {
  test('WH-09: who was away for a while is closed at the snapshot without it, and a return on the same day stops no later load', async () => {
    await using warehouse = await (await make()).open()
    const days: readonly Snapshot[] = [
      { at: 0, said: [present('Ankara'), present('Izmir')], unreadable: false },
      { at: 1, said: [present('Ankara'), 'absent'], unreadable: false },
      { at: 4, said: [present('Ankara'), present('Adana')], unreadable: false },
    ]
    for (const [index] of days.entries()) await warehouse.load(inputFor(index + 1, days.slice(0, index + 1)))
    const expected = [
      ['k000', 'Ankara', null, '2026-01-01', forever, true],
      ['k001', 'Izmir', null, '2026-01-01', '2026-01-02', false],
      ['k001', 'Adana', null, '2026-01-05', forever, true],
    ]
    expect(await versions(warehouse)).toEqual(expected)
    expect(await warehouse.load(inputFor(9, days))).toMatchObject({ inserted: 0, deleted: 0, total: 3 })
  })

  test('WH-06: a late snapshot changes what lies between its neighbours, and the other rows keep their places', async () => {
    await using warehouse = await (await make()).open()
    const first: Snapshot = { at: 0, said: [present('A'), present('A')], unreadable: false }
    const last: Snapshot = { at: 9, said: [present('A'), 'absent'], unreadable: false }
    await warehouse.load(inputFor(1, [first, last]))
    const late: Snapshot = { at: 5, said: ['absent', present('A')], unreadable: false }
    expect(await warehouse.load(inputFor(2, [first, last, late]))).toMatchObject({
      inserted: 1,
      updated: 0,
      deleted: 1,
    })
    expect(await versions(warehouse)).toEqual([
      ['k000', 'A', null, '2026-01-01', '2026-01-06', false],
      ['k000', 'A', null, '2026-01-10', forever, true],
      ['k001', 'A', null, '2026-01-01', '2026-01-10', false],
    ])
  })

  test('WH-08: two states of a key in one snapshot are refused; the same row twice is one', async () => {
    await using warehouse = await (await make()).open()
    const row = ['x', 'A', null, '2026-01-01']
    await warehouse.load(inputOf(1, load, shape, [row, row]))
    const conflict = [row, ['x', 'B', null, '2026-01-01']]
    await expect(warehouse.load(inputOf(2, load, shape, conflict))).rejects.toMatchObject({
      name: 'Warehouse.SnapshotConflict',
    })
    await expect(warehouse.load(inputOf(3, load, shape, [['x', 'B', null, null]]))).rejects.toMatchObject({
      name: 'Warehouse.KeyNull',
    })
    expect(await versions(warehouse)).toEqual([['x', 'A', null, '2026-01-01', forever, true]])
  })

  test('WH-09: a snapshot with less than half of the keys of the one before is held until it is accepted; those after it go on', async () => {
    await using warehouse = await (await make()).open()
    const three = [present('A'), present('A'), present('A')]
    const days: readonly Snapshot[] = [
      { at: 0, said: three, unreadable: false },
      { at: 1, said: [present('A')], unreadable: false },
      { at: 2, said: [present('A'), present('B')], unreadable: false },
    ]
    const whole = ['k000', 'A', null, '2026-01-01', forever, true]
    const held = [{ instant: '2026-01-02', keys: 1, before: 3 }]
    expect(await warehouse.load(inputFor(1, days.slice(0, 2)))).toMatchObject({ deleted: 0, held })
    expect(await versions(warehouse)).toHaveLength(3)
    // Compared to the last that counts, not to the one that is held.
    expect(await warehouse.load(inputFor(2, days))).toMatchObject({ deleted: 1, held })
    expect(await versions(warehouse)).toEqual([
      whole,
      ['k001', 'A', null, '2026-01-01', '2026-01-03', false],
      ['k001', 'B', null, '2026-01-03', forever, true],
      ['k002', 'A', null, '2026-01-01', '2026-01-03', false],
    ])
    const accepted = inputFor(3, days)
    expect(
      await warehouse.load({ ...accepted, snapshots: { ...accepted.snapshots!, accepted: ['2026-01-02'] } }),
    ).not.toHaveProperty('held')
    expect(await versions(warehouse)).toEqual([
      whole,
      ['k001', 'A', null, '2026-01-01', '2026-01-02', false],
      ['k001', 'B', null, '2026-01-03', forever, true],
      ['k002', 'A', null, '2026-01-01', '2026-01-02', false],
    ])
    const any = { ...load, minShareOfPrevious: 0 }
    expect(await warehouse.load({ ...inputFor(4, days, any), definition: 'any' })).not.toHaveProperty('held')
  })
})
