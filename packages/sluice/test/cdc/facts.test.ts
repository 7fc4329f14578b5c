import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { addTables, rowsOf, runProject } from './project.ts'
import { shop, sql } from './shop.ts'

const tables = `{
  'stage.customers': changes('raw.shop', 'public.customers', { as: 'history', key: 'id', columns: { id: 'integer', city: 'text' } }),
  'stage.orders': changes('raw.shop', 'public.orders', { as: 'current', key: 'id',
    columns: { id: 'integer', customer: nullable('integer'), at: 'timestamptz' } }) }`

const loads = `{
  dim_customer: scd2({ from: 'stage.customers', key: 'id', effective: '_effective_at', sequence: '_sequence', deletes: { column: '_op', value: 'D' } }),
  fact_orders: upsert({ from: 'stage.orders', key: 'id',
    lookups: { customer_sk: { dimension: 'dim_customer', key: { customer: 'id' }, at: 'at', missing: 'infer' } } }) }`

/** Each order with the version that it found, and all versions. */
async function found(root: string) {
  const orders = await rowsOf(
    root,
    `SELECT f.id, d.city, d.effective_date = TIMESTAMPTZ '0001-01-01 00:00:00+00' AS inferred
     FROM warehouse.fact_orders AS f LEFT JOIN warehouse.dim_customer AS d ON d.surrogate_key = f.customer_sk ORDER BY f.id`,
  )
  const versions = await rowsOf(root, 'FROM warehouse.dim_customer ORDER BY id, effective_date')
  return { orders: orders.map((row) => Object.values(row)), versions }
}

test('WH-10: facts older than the first copy find inferred members, which hold until it, whatever history comes after', async () => {
  const root = await shop(
    ['public.customers', 'public.orders'],
    [
      'CREATE TABLE customers (id int PRIMARY KEY, city text)',
      'CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz)',
      "INSERT INTO customers VALUES (1, 'Rome'), (2, 'Oslo')",
      // Of years before; of one whose customer is gone; of none.
      "INSERT INTO orders VALUES (10, 1, '2020-01-01'), (11, 1, '2021-01-01'), (12, 9, '2020-01-01'), (13, NULL, '2020-01-01')",
    ],
  )
  addTables(root, tables, loads)
  expect((await runProject(root)).errors).toEqual([])
  const first = await found(root)
  expect(first.orders).toEqual([
    [10, null, true],
    [11, null, true],
    [12, null, true],
    [13, null, null],
  ])
  const shown = ({ versions }: typeof first) =>
    versions.map(({ id, city, is_current_record: isCurrent }) => [id, city, isCurrent])
  expect(shown(first)).toEqual([
    [1, null, false],
    [1, 'Rome', true],
    [2, 'Oslo', true],
    [9, null, true],
  ])
  // The member of a customer holds until the first copy, to the microsecond.
  expect(first.versions[0]!['expiry_date']).toEqual(first.versions[1]!['effective_date'])

  await sql(
    'INSERT INTO orders VALUES (14, 1, now()), (15, 2, now())',
    "UPDATE customers SET city = 'Bari' WHERE id = 1",
    "INSERT INTO orders VALUES (16, 1, now() + interval '1 minute'), (17, 2, '2019-01-01')",
    // One whom a fact has named before the table had it.
    "INSERT INTO customers VALUES (9, 'Lima')",
    "INSERT INTO orders VALUES (18, 9, now() + interval '1 minute')",
  )
  expect((await runProject(root)).errors).toEqual([])
  const second = await found(root)
  expect(second.orders).toEqual([
    ...first.orders,
    [14, 'Rome', false],
    [15, 'Oslo', false],
    [16, 'Bari', false],
    [17, null, true],
    [18, 'Lima', false],
  ])
  expect(shown(second)).toEqual([
    [1, null, false],
    [1, 'Rome', false],
    [1, 'Bari', true],
    [2, null, false],
    [2, 'Oslo', true],
    [9, null, false],
    [9, 'Lima', true],
  ])
  // A warehouse that is made anew has the same versions, surrogates included.
  rmSync(join(root, 'warehouse.duckdb'))
  expect((await runProject(root)).errors).toEqual([])
  expect(await found(root)).toEqual(second)
})
