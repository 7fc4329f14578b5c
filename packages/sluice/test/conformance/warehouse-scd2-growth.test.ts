/** What an `scd2` load costs after a year of daily files, in rows that its statements pass on: no clock is asked. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Load } from '../../src/definition/types.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, engine, inputOf, rowsOf as rowsOfShape } from './warehouses.ts'

const [keys, days] = [12, 365]
const shape = columns({ k: 'VARCHAR!', price: 'VARCHAR', file_date: 'DATE!' })
const load: Load = {
  mode: 'scd2',
  from: 'analytics.d',
  key: ['k'],
  effective: 'file_date',
  columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
}
const day = (at: number): string => new Date(Date.UTC(2026, 0, 1 + at)).toISOString().slice(0, 10)
// A price holds for a month, so that most days are observations.
const daily = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => at + from).flatMap((at) =>
    Array.from({ length: keys }, (_, key) => [`k${key}`, String(Math.floor(at / 30)), day(at)]),
  )

/** A day on which every price is another one. */
const other = (at: number) => daily(at, at + 1).map(([key, , date]) => [key!, 'other', date!])

interface Operator {
  readonly operator_cardinality?: number
  readonly children?: readonly Operator[]
}

const rowsOf = ({ operator_cardinality: own = 0, children = [] }: Operator): number =>
  Math.max(own, ...children.map(rowsOf))

/** The engine, which notes of each statement the most rows that one of its operators passed on. */
function profiling(of: Engine, profile: string, note: (statement: string, rows: number) => void): Engine {
  return {
    ...of,
    async open(options) {
      const session = await of.open(options)
      const [run, all] = [session.run.bind(session), session.all.bind(session)]
      await run(`PRAGMA enable_profiling = 'json'`)
      await run(`SET profiling_output = '${profile}'`)
      const noting =
        <Rest extends readonly unknown[], Result>(ask: (sql: string, ...rest: Rest) => Promise<Result>) =>
        async (sql: string, ...rest: Rest): Promise<Result> => {
          rmSync(profile, { force: true })
          const result = await ask(sql, ...rest)
          if (existsSync(profile)) note(sql, rowsOf(JSON.parse(readFileSync(profile, 'utf8')) as Operator))
          return result
        }
      return Object.assign(session, { run: noting(run), all: noting(all) })
    },
  }
}

test('a year delivered again with one more day touches no more rows than it has: none grow as changes times observations', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-growth-'))
  const touched: (readonly [rows: number, statement: string])[] = []
  const counting = profiling(engine, join(folder, 'profile.json'), (sql, rows) => void touched.push([rows, sql]))
  await using warehouse = await openDuckDbWarehouse({
    path: join(folder, 'w.duckdb'),
    engine: counting,
    clock: systemClock,
  })
  await warehouse.load(inputOf(1, load, shape, daily(0, days)))
  touched.length = 0
  expect(await warehouse.load(inputOf(2, load, shape, daily(0, days + 1)))).toMatchObject({ inserted: 0 })
  const most = touched.reduce((a, b) => (b[0] > a[0] ? b : a), [0, ''])
  expect(touched.length).toBeGreaterThan(10)
  expect(most[0], most[1]).toBeGreaterThanOrEqual(keys * days)
  // Changes and observations together, once.
  expect(most[0], most[1]).toBeLessThan(3 * keys * days)

  // A single day more, delivered alone and in order, is settled without a look at more than the log.
  touched.length = 0
  await warehouse.load(inputOf(3, load, shape, daily(days + 1, days + 2)))
  expect(Math.max(...touched.map(([rows]) => rows))).toBeLessThan(2 * keys * days)
})

test('WH-06: after a year of daily snapshots a late one is read, compared and written between its neighbours alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-growth-'))
  const touched: (readonly [rows: number, statement: string])[] = []
  const counting = profiling(engine, join(folder, 'profile.json'), (sql, rows) => void touched.push([rows, sql]))
  await using warehouse = await openDuckDbWarehouse({
    path: join(folder, 'w.duckdb'),
    engine: counting,
    clock: systemClock,
  })
  const { effective: _, ...rest } = load
  const snapshots: Load = { ...rest, snapshot: 'file_date' }
  await using session = await engine.open()
  const files = async (name: string, rows: readonly (readonly string[])[]) => {
    const path = quoteText(join(folder, name))
    await session.run(`COPY (${rowsOfShape(shape, rows)}) TO ${path} (FORMAT parquet)`)
    return `SELECT * FROM read_parquet(${path})`
  }
  const input = async (version: number, parts: readonly string[], rows: number) =>
    inputOf(version, snapshots, shape, [], { relation: selectOf(parts.join(' UNION ALL ')), rows })
  const missing = [100, 200]
  const before = await files(
    'before.parquet',
    daily(0, days).filter(([, , at]) => !missing.map(day).includes(at!)),
  )
  const [first, second] = [await files('first.parquet', other(100)), await files('second.parquet', other(200))]
  await warehouse.load(await input(1, [before], keys * (days - 2)))

  // Without a word on which files came, the rows are asked once for what each day says; nothing is made of more than three days.
  touched.length = 0
  const late = await warehouse.load(await input(2, [before, first], keys * (days - 1)))
  expect(late).toMatchObject({ inserted: 2 * keys, deleted: 0 })
  const few = 2 * days
  const whole = touched.filter(([rows]) => rows > few)
  expect(whole.length, whole.map(([, sql]) => sql).join('\n')).toBeLessThanOrEqual(2)
  for (const [, sql] of whole) expect(sql).toMatch(/^\s*SELECT[^;]*count\(\*\)/)

  touched.length = 0
  const came = selectOf(second)
  const known = await input(3, [before, first, second], keys * days)
  const more = await warehouse.load({ ...known, moved: { came, rows: keys, went: [] } })
  expect(more).toMatchObject({ inserted: 2 * keys, deleted: 0 })
  expect(touched.length).toBeGreaterThan(10)
  const most = touched.reduce((a, b) => (b[0] > a[0] ? b : a), [0, ''])
  expect(most[0], most[1]).toBeLessThan(few)
})
