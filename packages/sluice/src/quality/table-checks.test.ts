import { afterAll, beforeAll, expect, test } from 'vitest'
import { isSluiceError } from '../base/errors.ts'
import type { Check } from '../definition/types.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import type { Session } from '../engines/engine.ts'
import { runTableChecks } from './table-checks.ts'

let session: Session

beforeAll(async () => {
  session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
  await session.run(`CREATE TABLE sales AS SELECT * FROM (VALUES
    (1, 'a', 10.50::DECIMAL(9,2), TIMESTAMP '2026-01-01 00:00:00'),
    (2, 'a', 20.00, '2026-01-02 00:00:00'),
    (2, 'b', NULL, '2026-01-02 12:00:00'),
    (NULL, 'c', 0.10, NULL)) t(id, product, amount, "at")`)
  await session.run(
    "CREATE TABLE products AS SELECT * FROM (VALUES ('a', 30.60::DECIMAL(9,2)), ('b', 0)) t(code, amount)",
  )
})

afterAll(() => session.close())

const now = new Date('2026-01-03T00:00:00Z')
const related = { 'stage.products': 'products' }
const run = async (...checks: Check[]) => runTableChecks(session, { relation: 'sales', checks, related, now })

test.each<[string, Check, 'passed' | 'failed', number]>([
  ['notNull', { kind: 'notNull', column: 'amount' }, 'failed', 1],
  ['range, NULL passes', { kind: 'range', column: 'amount', min: 0.1 }, 'passed', 0],
  ['range', { kind: 'range', column: 'amount', max: '20' }, 'passed', 0],
  ['range, failing', { kind: 'range', column: 'amount', max: 10 }, 'failed', 2],
  ['unique ignores NULL, counts every row of a group', { kind: 'unique', columns: ['id'] }, 'failed', 2],
  ['unique over two columns', { kind: 'unique', columns: ['id', 'product'] }, 'passed', 0],
  ['grain counts NULL too', { kind: 'grain', columns: ['id'] }, 'failed', 3],
  ['reference', { kind: 'reference', columns: ['product'], to: 'stage.products', toColumns: ['code'] }, 'failed', 1],
  ['rowCount', { kind: 'rowCount', min: 4, max: 4 }, 'passed', 0],
  ['rowCount, too few', { kind: 'rowCount', min: 5 }, 'failed', 1],
  ['freshness', { kind: 'freshness', column: 'at', maxAgeHours: 12 }, 'passed', 0],
  ['freshness, too old', { kind: 'freshness', column: 'at', maxAgeHours: 11.9 }, 'failed', 1],
  ['sum, exact', { kind: 'sum', column: 'amount', min: '30.60', max: '30.60' }, 'passed', 0],
  ['sum, too small', { kind: 'sum', column: 'amount', min: 30.61 }, 'failed', 1],
  ['reconcile', { kind: 'reconcile', sql: 'sum(amount) -- total', with: 'stage.products' }, 'passed', 0],
  ['reconcile, counts', { kind: 'reconcile', sql: 'count(*)', with: 'stage.products' }, 'failed', 1],
  [
    'reconcile within tolerance',
    { kind: 'reconcile', sql: 'count(*)', with: 'stage.products', tolerance: 2 },
    'passed',
    0,
  ],
  ['row', { kind: 'row', sql: 'amount > 1' }, 'failed', 1],
  ['tolerated share', { kind: 'row', sql: 'amount > 1', maxShare: 0.25 }, 'passed', 1],
  ['tolerated share, not enough', { kind: 'row', sql: 'amount > 1', maxShare: 0.24 }, 'failed', 1],
  ['tolerated count', { kind: 'unique', columns: ['id'], maxCount: 2 }, 'passed', 2],
  ['both limits hold', { kind: 'unique', columns: ['id'], maxCount: 2, maxShare: 0.1 }, 'failed', 2],
])('%s', async (_, check, status, failing) => {
  const [result] = await run(check)
  expect([result?.status, result?.failing, result?.total]).toEqual([status, failing, 4])
})

test('many checks, one common scan: each reports in its place, and severity decides between warned and failed', async () => {
  const results = await run(
    { kind: 'notNull', column: 'amount', severity: 'warn' },
    { kind: 'unique', columns: ['product'], name: 'one sale each' },
    { kind: 'rowCount', min: 100 },
    { kind: 'row', sql: 'amount > 1' },
    { kind: 'row', sql: 'amount > 1' },
  )
  expect(results.map(({ name, status }) => [name, status])).toEqual([
    ['notNull:amount', 'warned'],
    ['one sale each', 'failed'],
    ['rowCount', 'failed'],
    ['row:amount > 1', 'failed'],
    ['row:amount > 1#2', 'failed'],
  ])
  expect(results[2]?.detail).toBe('4 rows; at least 100 expected')
})

test('an empty table: rows are fine, freshness is not', async () => {
  const results = await runTableChecks(session, {
    relation: '(SELECT * FROM sales WHERE false)',
    checks: [
      { kind: 'notNull', column: 'id' },
      { kind: 'grain', columns: ['id'] },
      { kind: 'freshness', column: 'at', maxAgeHours: 1 },
      { kind: 'sum', column: 'amount', max: 0 },
    ],
    related: {},
    now,
  })
  expect(results.map((result) => result.status)).toEqual(['passed', 'passed', 'failed', 'passed'])
})

test.each<[string, Check]>([
  ['row:no_such > 1', { kind: 'row', sql: 'no_such > 1' }],
  ['unique:nope', { kind: 'unique', columns: ['nope'] }],
  ['reconcile', { kind: 'reconcile', sql: 'sum(product_name)', with: 'stage.products' }],
  ['reference:product', { kind: 'reference', columns: ['product'], to: 'stage.nowhere', toColumns: ['code'] }],
])('a check that does not fit the table is named: %s', async (name, check) => {
  const error = await run({ kind: 'notNull', column: 'id' }, check).catch((caught: unknown) => caught)
  expect(isSluiceError(error, 'Quality.CheckInvalid') && error.params['check']).toBe(name)
})
