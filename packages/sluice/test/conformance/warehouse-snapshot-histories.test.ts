/**
 * Every warehouse × `scd2` from dated full snapshots: generated histories against a plain evaluator. Files come in any order and batching, are truncated,
 * empty, corrected and taken back, have refused rows, and some that are held are accepted. After each load the dimension is what its set of snapshots
 * says. `SLUICE_HISTORIES=2000` does what acceptance asks for.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Load } from '../../src/definition/types.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { brokenInvariants, invariantsSql } from '../../src/warehouses/scd2/invariants.ts'
import { scd2Shape } from '../../src/warehouses/scd2/shape.ts'
import type { LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, inputOf, rowsOf, warehouses } from './warehouses.ts'

const histories = Number(process.env['SLUICE_HISTORIES'] ?? 20)

const own = { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' }
const load: Extract<Load, { mode: 'scd2' }> = {
  ...{ mode: 'scd2', from: 'analytics.prices', key: ['k'], snapshot: 'file_date', columns: own },
}
const shape = columns({ k: 'VARCHAR!', a: 'VARCHAR', b: 'VARCHAR', file_date: 'DATE!' })
const forever = '9999-12-31'
const keys = 9
const day = (at: number): string => new Date(Date.UTC(2026, 0, 1 + at)).toISOString().slice(0, 10)
const name = (key: number): string => `k${key}`

/** What a file says of a key: its row, that its row was refused, or nothing. */
type Said = { readonly a: string | null; readonly b: string | null } | 'refused' | 'absent'

/** The file of a day. */
interface File {
  readonly said: readonly Said[]
  /** Whether the key of a refused row cannot be read. */
  readonly unreadable: boolean
}

/** What happens between two loads: files come, or come again with other content; one is gone; a day is accepted. */
type Step =
  | { readonly kind: 'deliver'; readonly files: readonly { readonly at: number; readonly file: File }[] }
  | { readonly kind: 'withdraw'; readonly at: number }
  | { readonly kind: 'accept'; readonly at: number }

const state = fc.record({ a: fc.constantFrom(null, 'A', 'B'), b: fc.constantFrom(null, 'x', 'y') })
const mostly = (present: number): fc.Arbitrary<Said> =>
  fc.oneof(
    { weight: present, arbitrary: state },
    { weight: 1, arbitrary: fc.constant('refused' as const) },
    { weight: 3, arbitrary: fc.constant('absent' as const) },
  )
const saidOf = (said: fc.Arbitrary<Said>, most: number) => fc.array(said, { minLength: most, maxLength: most })
const file: fc.Arbitrary<File> = fc.record({
  said: fc.oneof(
    { weight: 5, arbitrary: saidOf(mostly(9), keys) },
    // Without a refused row: what a window can begin and end at.
    { weight: 5, arbitrary: saidOf(fc.oneof(state, state, state, fc.constant('absent' as const)), keys) },
    // Truncated: the last keys are missing.
    { weight: 2, arbitrary: saidOf(mostly(9), 3) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
  unreadable: fc.integer({ min: 0, max: 7 }).map((one) => one === 0),
})
const at = fc.nat(14)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      files: fc.array(fc.record({ at, file }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('accept' as const), at }) },
)
const history = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 7 }),
  tracksB: fc.boolean(),
  /** Whether loads are told which files came and went. */
  isMoved: fc.boolean(),
})

type Days = ReadonlyMap<number, File>

/** The days whose files say something: of a file all of whose rows were refused nothing is known. */
function instantsOf(days: Days): readonly (readonly [number, File])[] {
  const isKnown = ({ said, unreadable }: File): boolean =>
    said.some((one) => typeof one === 'object') || (!unreadable && said.every((one) => one === 'absent'))
  return [...days].filter(([, one]) => isKnown(one)).sort(([x], [y]) => x - y)
}

/** Written from the rules alone: which days are held, and what each key was from day to day. */
function evaluate(days: Days, accepted: ReadonlySet<number>, tracksB: boolean) {
  const held: unknown[] = []
  const counting: (readonly [number, File])[] = []
  let before = 0
  for (const [when, one] of instantsOf(days)) {
    const size = one.said.filter((said) => said !== 'absent').length + (one.unreadable ? 1 : 0)
    if (size > 0 && size * 2 < before && !accepted.has(when)) {
      held.push({ instant: day(when), keys: size, before })
      continue
    }
    before = size
    counting.push([when, one])
  }
  const versions: unknown[][] = []
  for (let key = 0; key < keys; key++) {
    let open: { a: string | null; b: string | null; from: string } | undefined
    const close = (to: string): void => {
      if (open !== undefined) versions.push([name(key), open.a, open.b, open.from, to, to === forever])
      open = undefined
    }
    for (const [when, { said: all, unreadable }] of counting) {
      const said = all[key] ?? 'absent'
      if (said === 'refused') continue
      if (said === 'absent') {
        if (!unreadable) close(day(when))
      } else if (open !== undefined && open.a === said.a && (!tracksB || open.b === said.b)) open.b = said.b
      else {
        close(day(when))
        open = { ...said, from: day(when) }
      }
    }
    close(forever)
  }
  return { versions, held }
}

const rowsOfDays = (days: Days) =>
  [...days].flatMap(([when, { said }]) =>
    said.flatMap((one, key) => (typeof one === 'object' ? [[name(key), one.a, one.b, day(when)]] : [])),
  )

/** Which files came and went. */
function movedBetween(before: Days, now: Days): NonNullable<LoadInput['moved']> {
  const came = rowsOfDays(new Map([...now].filter(([when, one]) => before.get(when) !== one)))
  const went = [...before].filter(
    ([when, one]) => now.get(when) !== one && rowsOfDays(new Map([[when, one]])).length > 0,
  )
  return {
    came: selectOf(rowsOf(shape, came)),
    rows: came.length,
    went: went.map(([when]) => ({ min: day(when), max: day(when) })),
  }
}

/** A load of a table that holds the files of these days. */
function inputFor(
  version: number,
  target: string,
  days: Days,
  accepted: ReadonlySet<number>,
  tracksB: boolean,
): LoadInput {
  const rows = rowsOfDays(days)
  const refused = [...days].flatMap(([when, { said, unreadable }]) => [
    ...said.flatMap((one, key) => (one === 'refused' ? [[`f${when}`, JSON.stringify({ k: name(key) })]] : [])),
    ...(unreadable ? [[`f${when}`, undefined]] : []),
  ])
  const values = refused.map(
    ([from, fields]) => `(${quoteText(from!)}, ${fields === undefined ? 'NULL' : quoteText(fields)})`,
  )
  const relation = selectOf(
    values.length === 0
      ? `SELECT '' AS _file, CAST(NULL AS JSON) AS fields WHERE 1 = 0`
      : `SELECT _file, CAST(fields AS JSON) AS fields FROM (VALUES ${values.join(', ')}) v(_file, fields)`,
  )
  return inputOf(version, tracksB ? load : { ...load, track: ['a'] }, shape, rows, {
    ...{ target, loadId: `${target} ${version}` },
    snapshots: {
      empty: [...days].flatMap(([when, { said, unreadable }]) =>
        !unreadable && said.every((one) => one === 'absent') ? [day(when)] : [],
      ),
      refused: [{ relation, instants: Object.fromEntries([...days.keys()].map((when) => [`f${when}`, day(when)])) }],
      accepted: [...accepted].map(day),
    },
  })
}

const versionsOf = async (warehouse: Warehouse, target: string): Promise<unknown[][]> =>
  (
    await warehouse.query(
      `SELECT k, a, b, effective_date, expiry_date, is_current_record FROM ${target} ORDER BY k, effective_date`,
    )
  ).map((row) => Object.values(row))

describe.each(warehouses)('$name', ({ name: warehouseName, make }) => {
  test('WH-05, WH-06, WH-09: after each load the dimension is what the set of its snapshots and accepted days says', async () => {
    const database = await make()
    await using warehouse = await database.open()
    const numRuns = Math.ceil(warehouseName === 'duckdb' ? histories : histories / 10)
    let targets = 0
    let [holds, loads] = [0, 0]
    await fc.assert(
      fc.asyncProperty(history, async ({ steps, tracksB, isMoved }) => {
        targets += 1
        const target = `t${targets}`
        const days = new Map<number, File>()
        const accepted = new Set<number>()
        let before: Days | undefined
        for (const [version, one] of [...steps, { kind: 'deliver', files: [] } as const].entries()) {
          if (one.kind === 'deliver') for (const { at: when, file: content } of one.files) days.set(when, content)
          if (one.kind === 'withdraw') days.delete(one.at)
          if (one.kind === 'accept') accepted.add(one.at)
          const moved = isMoved && before !== undefined ? { moved: movedBetween(before, days) } : {}
          const result = await warehouse.load({ ...inputFor(version, target, days, accepted, tracksB), ...moved })
          before = new Map(days)
          const expected = evaluate(days, accepted, tracksB)
          expect(await versionsOf(warehouse, target)).toEqual(expected.versions)
          expect(result.held ?? []).toEqual(expected.held)
          expect(result.total).toBe(expected.versions.length)
          if (version === steps.length) expect(result).toMatchObject({ inserted: 0, updated: 0, deleted: 0 })
          holds += expected.held.length
          loads += 1
        }
        const asked = async <T>(sql: string) => (await warehouse.query(sql)) as T[]
        const invariants = invariantsSql(
          scd2Shape({ ...inputOf(1, load, shape, []), target }, database.dialect),
          target,
        )
        expect(await brokenInvariants({ all: asked }, invariants)).toEqual([])
        // Made again as a whole it is the same.
        const whole = inputFor(99, target, days, accepted, tracksB)
        expect(await warehouse.load({ ...whole, snapshots: { ...whole.snapshots!, whole: true } })).toMatchObject({
          inserted: 0,
          updated: 0,
          deleted: 0,
        })
      }),
      { numRuns, endOnFailure: true },
    )
    if (numRuns < 100) return
    // Of so many some are held; of a few perhaps none.
    console.log(`${numRuns} histories, ${loads} loads, ${holds} held snapshots`)
    expect(holds).toBeGreaterThan(numRuns / 10)
  })
})
