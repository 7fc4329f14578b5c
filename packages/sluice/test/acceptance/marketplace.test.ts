/**
 * The marketplace as whoever types `sluice init --template marketplace` gets it: after each batch of changes, taken while they are made, the warehouse
 * equals the shop: current rows of each dimension, rows of each fact with the versions that they point to, and every sum.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { command, packageRoot, query } from './project.ts'

interface Server {
  readonly home: string
  startShop(options: object): Promise<{ stop(): Promise<void> }>
  connectShop(database?: string): Promise<pg.Client>
}
interface Compared {
  readonly source: number
  readonly waiting: number
  readonly isEqual: boolean
}

const parent = mkdtempSync(join(tmpdir(), 'sluice-marketplace-'))
const root = join(parent, 'shop')
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ pathToFileURL(join(root, file)).href)
let server: Server
let shop: { stop(): Promise<void> } | undefined
let client: pg.Client
let change: (client: pg.Client, options: { steps: number }) => Promise<Record<string, number>>
let verify: (client: pg.Client) => Promise<Record<string, Compared>>

beforeAll(async () => {
  const made = await command(parent, ['init', 'shop', '--template', 'marketplace'])
  expect(made.code, made.stderr).toBe(0)
  expect(made.stderr).toContain('npm start')
  symlinkSync(resolve(packageRoot, '../../node_modules'), join(root, 'node_modules'))
  server = (await load('shop/server.mjs')) as Server
  ;({ change } = (await load('shop/change.mjs')) as { change: typeof change })
  ;({ verify } = (await load('verify.mjs')) as { verify: typeof verify })
  shop = await server.startShop({ sizes: { sellers: 12, customers: 60, products: 40, orders: 300 } })
  client = await server.connectShop()
}, 60_000)

afterAll(async () => {
  await client?.end()
  await shop?.stop()
  if (server !== undefined) rmSync(server.home, { recursive: true, force: true })
  rmSync(parent, { recursive: true, force: true })
})

async function take(): Promise<void> {
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
}

/** What is not the same on both sides, by table. */
async function differences(): Promise<Record<string, Compared>> {
  return Object.fromEntries(Object.entries(await verify(client)).filter(([, { isEqual }]) => !isEqual))
}

test('CD-24: the first copy is the shop, row by row', async () => {
  await take()
  expect(await differences()).toEqual({})
  expect((await verify(client))['fact_orders']?.source).toBe(300)
}, 180_000)

test('CD-09, CD-10, CD-12, CD-13, CD-20: after each batch, taken while changes go on, the warehouse is the shop', async () => {
  const waited: number[] = []
  for (let batch = 0; batch < 3; batch++) {
    const [made] = await Promise.all([change(client, { steps: 250 }), take()])
    expect(Object.keys(made).length).toBeGreaterThan(15)
    await take()
    expect(await differences(), `batch ${batch}`).toEqual({})
    waited.push((await verify(client))['stage.reviews']?.waiting ?? 0)
  }
  // Nonsense waits in quarantine, so that there is something that a comparison of all rows would have found.
  expect(waited.at(-1)).toBeGreaterThan(0)
}, 400_000)

test('who ordered and waits in quarantine is an inferred member, and each key change is a version', async () => {
  const [found] = await query(
    root,
    `SELECT (SELECT count(*) FROM warehouse.dim_customer WHERE name IS NULL)::INTEGER AS inferred,
       (SELECT max(versions) FROM (SELECT count(DISTINCT sku) AS versions FROM warehouse.dim_product GROUP BY product_id))::INTEGER AS names,
       (SELECT count(*) FROM warehouse.dim_product WHERE name IS NULL)::INTEGER AS unknown`,
  )
  expect(found?.['inferred']).toBeGreaterThan(0)
  expect(found?.['names']).toBeGreaterThan(1)
  expect(found?.['unknown']).toBe(0)
}, 60_000)

test('nothing has changed: nothing is done', async () => {
  const { code, stdout } = await command(root, ['run', '--json'])
  expect(code).toBe(0)
  const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string)
  expect(last.summary).toMatchObject({ tasks: { succeeded: 0, failed: 0, skipped: 0 }, rows: { read: 0, loaded: 0 } })
}, 60_000)

test('the three results are there, and their sums are those of the shop', async () => {
  const [trends] = await query(
    root,
    `SELECT count(*)::INTEGER AS rows, (count(DISTINCT product_id) * count(DISTINCT month))::INTEGER AS grid, sum(revenue)::VARCHAR AS revenue
     FROM warehouse.product_trends`,
  )
  const sold = await client.query(
    `SELECT sum(quantity * unit_price)::text AS revenue FROM items JOIN orders USING (order_id) WHERE status NOT IN ('placed', 'cancelled')`,
  )
  expect(trends?.['rows']).toBe(trends?.['grid'])
  expect(trends?.['revenue']).toBe(sold.rows[0].revenue)
  const sellers = await query(root, 'SELECT returns FROM warehouse.seller_behaviour GROUP BY returns ORDER BY returns')
  expect(sellers.map(({ returns }) => returns)).toEqual(['high', 'low', 'medium'])
  const [consumers] = await query(
    root,
    'SELECT sum(spending)::VARCHAR AS spending, sum(refunded)::VARCHAR AS refunded FROM warehouse.consumer_statistics',
  )
  const { rows } = await client.query(
    'SELECT (SELECT sum(amount)::text FROM payments) AS spending, (SELECT sum(amount)::text FROM refunds) AS refunded',
  )
  expect(consumers).toEqual(rows[0])
}, 60_000)

test('the same seed makes the same shop and the same changes', async () => {
  const { rows } = await client.query(
    `SELECT (SELECT sum(quantity * unit_price)::text FROM items) AS sold,
       (SELECT md5(string_agg(concat_ws('|', refund_id, order_id, line_no, amount, reason), '' ORDER BY refund_id)) FROM refunds) AS refunds,
       (SELECT md5(string_agg(body, '' ORDER BY review_id)) FROM reviews) AS reviews,
       (SELECT md5(string_agg(sku || price || description, '' ORDER BY product_id)) FROM products) AS products`,
  )
  expect(rows).toEqual([
    {
      sold: '241214.02',
      refunds: '412bc593dcfdea36e2998b2b752200f2',
      reviews: '7ee4abbb484c0a880b0bb2f8b37341d5',
      products: '50187fea90c4f13dd811f73af2a04c8b',
    },
  ])
})
