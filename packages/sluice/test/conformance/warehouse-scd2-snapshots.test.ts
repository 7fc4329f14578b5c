/** Every warehouse × `scd2` from dated full snapshots: generated sets of snapshots against a plain evaluator, in any order and batching. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { brokenInvariants, invariantsSql } from '../../src/warehouses/scd2/invariants.ts'
import { scd2Shape } from '../../src/warehouses/scd2/shape.ts'
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

const said: fc.Arbitrary<Said> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ a: fc.constantFrom(null, 'A', 'B'), b: fc.constantFrom(null, 'x') }) },
  { weight: 1, arbitrary: fc.constant('refused' as const) },
  { weight: 3, arbitrary: fc.constant('absent' as const) },
)

const keys = 100
const snapshots = fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 8 }).chain((days) =>
  fc.tuple(
    ...days.map((at) =>
      fc.record({
        at: fc.constant(at),
        // Of truncated snapshots few keys are left.
        said: fc.oneof(
          { weight: 5, arbitrary: fc.array(said, { minLength: keys, maxLength: keys }) },
          { weight: 1, arbitrary: fc.array(said, { minLength: 3, maxLength: 3 }) },
          { weight: 1, arbitrary: fc.constant([] as Said[]) },
        ),
        unreadable: fc.integer({ min: 0, max: 5 }).map((one) => one === 0),
      }),
    ),
  ),
)

/** What the dimension must be: one key after the other, one snapshot after the other. */
function evaluate(set: readonly Snapshot[], tracksB: boolean): unknown[][] {
  const inOrder = [...set].sort((x, y) => x.at - y.at)
  const versions: unknown[][] = []
  for (let key = 0; key < keys; key++) {
    let open: { a: string | null; b: string | null; from: string } | undefined
    const close = (to: string): void => {
      if (open !== undefined) versions.push([name(key), open.a, open.b, open.from, to, to === forever])
      open = undefined
    }
    for (const { at, said: all, unreadable } of inOrder) {
      const one = all[key] ?? 'absent'
      if (one === 'refused') continue
      if (one === 'absent') {
        if (!unreadable) close(day(at))
      } else if (open !== undefined && open.a === one.a && (!tracksB || open.b === one.b)) open.b = one.b
      else {
        close(day(at))
        open = { ...one, from: day(at) }
      }
    }
    close(forever)
  }
  return versions
}

const name = (key: number): string => `k${String(key).padStart(3, '0')}`

/** A load of a table that holds these snapshots. */
function inputFor(version: number, set: readonly Snapshot[], of: Scd2 = load): LoadInput {
  const rows = set.flatMap(({ at, said: all }) =>
    all.flatMap((one, key) => (typeof one === 'object' ? [[name(key), one.a, one.b, day(at)]] : [])),
  )
  const refused = set.flatMap(({ at, said: all, unreadable }) => [
    ...all.flatMap((one, key) => (one === 'refused' ? [[`f${at}`, JSON.stringify({ k: ` ${name(key)}` })]] : [])),
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

describe.each(warehouses)('$name', ({ rounds, make }) => {
  test.each([{ track: undefined }, { track: ['a'] }])(
    'WH-05, WH-06, WH-09: the dimension is a function of the set of snapshots, in any order and batching (tracked: $track)',
    async ({ track }) => {
      const of = track === undefined ? load : { ...load, track }
      await fc.assert(
        fc.asyncProperty(
          snapshots.chain((all) =>
            fc.record({
              order: fc.shuffledSubarray([...all], { minLength: all.length }),
              cuts: fc.array(fc.boolean(), { minLength: all.length, maxLength: all.length }),
            }),
          ),
          async ({ order, cuts }) => {
            const database = await make()
            await using warehouse = await database.open()
            for (let count = 1; count <= order.length; count++) {
              if (count < order.length && cuts[count] === true) continue
              const so = order.slice(0, count)
              const { total } = await warehouse.load(inputFor(count, so, of))
              const found = await versions(warehouse)
              expect(found).toEqual(evaluate(so, track === undefined))
              expect(total).toBe(found.length)
            }
            const own = scd2Shape(inputFor(1, [], of), database.dialect)
            const asked = async <T>(sql: string) => (await warehouse.query(sql)) as T[]
            expect(await brokenInvariants({ all: asked }, invariantsSql(own, '"target"'))).toEqual([])
            // The same again changes nothing; a snapshot that is taken back was never there.
            expect(await warehouse.load(inputFor(90, order, of))).toMatchObject({ inserted: 0, updated: 0, deleted: 0 })
            await warehouse.load(inputFor(91, order.slice(1), of))
            expect(await versions(warehouse)).toEqual(evaluate(order.slice(1), track === undefined))
          },
        ),
        { numRuns: rounds * 2, endOnFailure: true },
      )
    },
  )

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
})
