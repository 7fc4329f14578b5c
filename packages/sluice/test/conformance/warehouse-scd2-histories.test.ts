/**
 * Generated histories through `scd2`, against a model in plain TypeScript: cut into batches, out of order, repeated, with restarts.
 *
 * Faults WH-05 to WH-09. A round loads 100 histories side by side into one dimension (each has keys of its own), so that a load costs little.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { brokenInvariants, invariantsSql } from '../../src/warehouses/scd2/invariants.ts'
import { scd2Shape } from '../../src/warehouses/scd2/shape.ts'
import { columns, inputOf, warehouses } from './warehouses.ts'

const histories = 100

/** A change as a test makes it. `at` counts days; `sequence` orders one day. */
interface Change {
  readonly key: number
  readonly at: number
  readonly sequence: number
  readonly deleted: boolean
  readonly a: string | null
  readonly b: string | null
  readonly extra: string | null
}

/** A version as the model knows it. */
type Version = readonly [
  key: string,
  a: string | null,
  b: string | null,
  extra: string | null,
  from: string,
  to: string,
  current: boolean,
]

const value = fc.constantFrom(null, 'A', 'B')
const change: fc.Arbitrary<Change> = fc.record({
  key: fc.integer({ min: 0, max: 2 }),
  at: fc.integer({ min: 0, max: 9 }),
  sequence: fc.integer({ min: 0, max: 3 }),
  deleted: fc.boolean().chain((often) => (often ? fc.boolean() : fc.constant(false))),
  a: value,
  b: fc.constantFrom(null, 'x'),
  extra: fc.constantFrom(null, 'p', 'q'),
})

/** A log without two changes at one place, and its delivery: up to five batches in any order, some changes delivered twice or more. */
const history = (sequenced: boolean) =>
  fc
    .uniqueArray(change, {
      maxLength: 14,
      selector: ({ key, at, sequence }) => `${key}/${at}${sequenced ? `/${sequence}` : ''}`,
    })
    .chain((log) =>
      fc.record({
        log: fc.constant(log),
        batches: fc.tuple(
          ...log.map(() => fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 })),
        ),
        shuffle: fc.infiniteStream(fc.nat(1000)).map((stream) => [...stream.take(log.length)]),
      }),
    )

/** How many changes of the same key come before. */
const placeOf = (one: Change, log: readonly Change[]): number =>
  log.filter((other) => other.key === one.key && other.at < one.at).length

const day = (at: number): string => new Date(Date.UTC(2026, 0, 1 + at)).toISOString().slice(0, 10)
const forever = '9999-12-31'

/** What the dimension must be: written from the rules, without regard to how changes arrive. */
function model(keyOf: (key: number) => string, log: readonly Change[], tracksExtra: boolean): Version[] {
  const versions: Version[] = []
  for (const key of new Set(log.map((one) => one.key))) {
    const days = new Map<number, Change>()
    for (const one of log.filter((other) => other.key === key)) {
      const there = days.get(one.at)
      if (there === undefined || one.sequence > there.sequence) days.set(one.at, one)
    }
    let open: { a: string | null; b: string | null; extra: string | null; from: string } | undefined
    const close = (to: string): void => {
      if (open !== undefined) versions.push([keyOf(key), open.a, open.b, open.extra, open.from, to, to === forever])
      open = undefined
    }
    for (const { at, deleted, a, b, extra } of [...days.values()].sort((x, y) => x.at - y.at)) {
      if (deleted) close(day(at))
      else if (open !== undefined && open.a === a && open.b === b && (!tracksExtra || open.extra === extra))
        open.extra = extra
      else {
        close(day(at))
        open = { a, b, extra, from: day(at) }
      }
    }
    close(forever)
  }
  return versions.sort((x, y) => (`${x[0]} ${x[4]}` < `${y[0]} ${y[4]}` ? -1 : 1))
}

describe.each(warehouses)('$name', ({ rounds, make }) => {
  test.each([
    { sequenced: true, track: ['a', 'b'], inOrder: false },
    { sequenced: false, track: undefined, inOrder: false },
    // Nothing late and one change of a key at a time: the path without windows.
    { sequenced: false, track: undefined, inOrder: true },
  ])(
    'WH-05 to WH-09: the dimension is a function of the log (sequence: $sequenced, tracked: $track, in order: $inOrder)',
    async ({ sequenced, track, inOrder }) => {
      const shape = columns({
        id: 'VARCHAR!',
        part: 'INTEGER!',
        a: 'VARCHAR',
        b: 'VARCHAR',
        extra: 'VARCHAR',
        day: 'DATE!',
        seq: 'INTEGER',
        op: 'VARCHAR',
      })
      const used = sequenced ? shape : shape.filter(({ name }) => name !== 'seq')
      const load = {
        mode: 'scd2' as const,
        from: 'analytics.d',
        key: ['id', 'part'],
        ...(track === undefined ? {} : { track }),
        effective: 'day',
        ...(sequenced ? { sequence: 'seq' } : {}),
        deletes: { column: 'op', value: 'D' },
        columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
      }
      const rowOf = (id: string, { key, at, sequence, deleted, a, b, extra }: Change) => [
        id,
        key,
        a,
        b,
        extra,
        day(at),
        ...(sequenced ? [sequence] : []),
        deleted ? 'D' : 'U',
      ]
      const select =
        'SELECT id || part AS key, a, b, extra, effective_date, expiry_date, is_current_record FROM target ORDER BY 1, 5'

      await fc.assert(
        fc.asyncProperty(
          fc.array(history(sequenced), { minLength: histories, maxLength: histories }),
          fc.boolean(),
          async (all, restart) => {
            const database = await make()
            const own = scd2Shape(inputOf(1, load, used, []), database.dialect)
            const observed = `SELECT * FROM ${own.observations} ORDER BY id, part, sluice_effective`
            let warehouse = await database.open()
            try {
              for (let batch = 0; batch < (inOrder ? 10 : 5); batch++) {
                const rows = all.flatMap(({ log, batches, shuffle }, at) =>
                  log
                    .map((one, index) => ({ one, order: shuffle[index]!, in: batches[index]! }))
                    .filter((one) => (inOrder ? placeOf(one.one, log) === batch : one.in.includes(batch)))
                    .sort((x, y) => x.order - y.order)
                    .flatMap(({ one, order }) =>
                      Array.from({ length: order % 7 === 0 ? 2 : 1 }, () => rowOf(`h${at}-`, one)),
                    ),
                )
                await warehouse.load(inputOf(batch, load, used, rows))
                if (restart) {
                  await warehouse.close()
                  warehouse = await database.open()
                }
              }
              const expected = all.flatMap(({ log }, at) => model((key) => `h${at}-${key}`, log, track === undefined))
              expected.sort((x, y) => (x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[4] < y[4] ? -1 : 1))
              const found = (await warehouse.query(select)).map((row) => Object.values(row))
              expect(found).toEqual(expected)
              const kept = await warehouse.query(observed)

              const whole = all.flatMap(({ log }, at) => log.map((one) => rowOf(`h${at}-`, one)))
              expect(await warehouse.load(inputOf(99, load, used, whole))).toMatchObject({
                inserted: 0,
                updated: 0,
                deleted: 0,
              })
              expect((await warehouse.query(select)).map((row) => Object.values(row))).toEqual(expected)
              expect(await warehouse.query(observed)).toEqual(kept)
              const invariants = invariantsSql(own, '"target"')
              const asked = async <T>(sql: string) => (await warehouse.query(sql)) as T[]
              expect(await brokenInvariants({ all: asked }, invariants)).toEqual([])
              expect(await warehouse.query('SELECT sk FROM target GROUP BY sk HAVING count(*) > 1')).toEqual([])
            } finally {
              await warehouse.close()
            }
          },
        ),
        // A round is 100 histories: shrinking them all takes far longer than reading the seed's first difference.
        { numRuns: inOrder ? Math.ceil(rounds / 5) : rounds, endOnFailure: true },
      )
    },
  )
})
