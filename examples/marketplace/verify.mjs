/**
 * Compares every row of the warehouse with the shop's own, and every sum, to the last digit.
 *
 *   node verify.mjs     after a run, while nothing changes; beside node shop/server.mjs
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { connectShop } from './shop/server.mjs'

const root = import.meta.dirname

/** Where the command line is; what `npx sluice` runs. */
export const sluice = join(dirname(fileURLToPath(import.meta.resolve('sluice/package.json'))), 'bin/sluice.mjs')

/** Joins the one version of a dimension that a fact points to, and that was valid then: a fact without it is missing. */
function then(dimension, at) {
  const is = `${dimension}.surrogate_key = f.${dimension}_key AND ${dimension}.${dimension}_id = f.${dimension}_id`
  return `JOIN warehouse.dim_${dimension} AS ${dimension} ON ${is} AND f.${at} >= ${dimension}.effective_date AND f.${at} < ${dimension}.expiry_date`
}

/**
 * What is compared: the shop's rows and ours, each as its key, a text of its values, and an amount. What waits in quarantine is no part of it, and is
 * counted. Dimensions are compared as they are now; members that were inferred have no name.
 */
const comparisons = {
  dim_customer: {
    theirs: `SELECT customer_id AS key, concat_ws('|', name, lower(trim(email)), street, city, country) AS line, NULL AS amount
      FROM customers WHERE email LIKE '%@%'`,
    waiting: `SELECT count(*)::int AS count FROM customers WHERE email NOT LIKE '%@%'`,
    ours: `SELECT customer_id AS key, concat_ws('|', name, email, street, city, country) AS line, NULL AS amount
      FROM warehouse.dim_customer WHERE is_current_record AND name IS NOT NULL`,
  },
  dim_seller: {
    theirs: `SELECT seller_id AS key, concat_ws('|', name, tier, country) AS line, NULL AS amount FROM sellers`,
    ours: `SELECT seller_id AS key, concat_ws('|', name, tier, country) AS line, NULL AS amount
      FROM warehouse.dim_seller WHERE is_current_record AND name IS NOT NULL`,
  },
  dim_product: {
    theirs: `SELECT product_id AS key, concat_ws('|', sku, seller_id, name, category, discontinued::text, md5(description)) AS line,
        price AS amount
      FROM products`,
    ours: `SELECT product_id AS key, concat_ws('|', sku, seller_id, name, category, discontinued::text, description_digest) AS line,
        price AS amount
      FROM warehouse.dim_product WHERE is_current_record AND name IS NOT NULL`,
  },
  fact_orders: {
    theirs: `SELECT order_id AS key, concat_ws('|', customer_id, status, (ordered_at AT TIME ZONE 'UTC')::text,
          (SELECT sum(amount) FROM payments AS p WHERE p.order_id = o.order_id)) AS line,
        (SELECT sum(quantity * unit_price) FROM items AS i WHERE i.order_id = o.order_id) AS amount
      FROM orders AS o`,
    ours: `SELECT order_id AS key, concat_ws('|', f.customer_id, status, (ordered_at AT TIME ZONE 'UTC')::text, nullif(paid, 0)) AS line, amount
      FROM warehouse.fact_orders AS f ${then('customer', 'ordered_at')}`,
  },
  fact_items: {
    theirs: `SELECT concat_ws('/', order_id, line_no) AS key, concat_ws('|', customer_id, seller_id, product_id, quantity, unit_price) AS line,
        quantity * unit_price AS amount
      FROM items JOIN orders USING (order_id) JOIN products USING (sku)`,
    ours: `SELECT concat_ws('/', order_id, line_no) AS key,
        concat_ws('|', f.customer_id, f.seller_id, f.product_id, quantity, unit_price) AS line, amount
      FROM warehouse.fact_items AS f ${then('customer', 'ordered_at')} ${then('seller', 'ordered_at')} ${then('product', 'ordered_at')}`,
  },
  fact_refunds: {
    theirs: `SELECT refund_id AS key, concat_ws('|', order_id, line_no, customer_id, seller_id, product_id, reason) AS line, amount
      FROM refunds`,
    ours: `SELECT refund_id AS key, concat_ws('|', order_id, line_no, f.customer_id, f.seller_id, f.product_id, reason) AS line, amount
      FROM warehouse.fact_refunds AS f ${then('customer', 'refunded_at')} ${then('seller', 'refunded_at')} ${then('product', 'refunded_at')}`,
  },
  consumer_statistics: {
    theirs: `SELECT customer_id AS key, concat_ws('|', (SELECT count(*) FROM orders AS o WHERE o.customer_id = c.customer_id),
          (SELECT count(*) FROM payments JOIN orders AS o USING (order_id) WHERE o.customer_id = c.customer_id),
          (SELECT sum(amount) FROM refunds AS r WHERE r.customer_id = c.customer_id)) AS line,
        (SELECT coalesce(sum(amount), 0.00) FROM payments JOIN orders AS o USING (order_id) WHERE o.customer_id = c.customer_id) AS amount
      FROM customers AS c WHERE email LIKE '%@%' OR EXISTS (SELECT FROM orders AS o WHERE o.customer_id = c.customer_id)`,
    ours: `SELECT customer_id AS key, concat_ws('|', orders, transactions, nullif(refunded, 0)) AS line, spending AS amount
      FROM warehouse.consumer_statistics`,
  },
  'stage.payments': {
    theirs: `SELECT payment_id AS key, concat_ws('|', order_id, method, (paid_at AT TIME ZONE 'UTC')::text) AS line, amount FROM payments`,
    ours: `SELECT payment_id AS key, concat_ws('|', order_id, method, (paid_at AT TIME ZONE 'UTC')::text) AS line, amount FROM stage.payments`,
  },
  'stage.reviews': {
    theirs: `SELECT review_id AS key, concat_ws('|', sku, customer_id, rating, md5(body)) AS line, NULL AS amount
      FROM reviews WHERE rating BETWEEN 1 AND 5`,
    waiting: 'SELECT count(*)::int AS count FROM reviews WHERE rating NOT BETWEEN 1 AND 5',
    ours: `SELECT review_id AS key, concat_ws('|', sku, customer_id, rating, md5(body)) AS line, NULL AS amount FROM stage.reviews`,
  },
}

/**
 * Compares; nothing may change meanwhile.
 *
 * @param {import('pg').Client} client of the shop
 * @returns by table: rows and sums of both sides, how many rows of the shop wait in quarantine, and the keys whose rows are not the same
 */
export async function verify(client) {
  const found = await ourRows()
  const results = {}
  for (const [table, { theirs, waiting }] of Object.entries(comparisons)) {
    const source = (await client.query(asText(theirs))).rows
    const own = found[table]
    const [left, right] = [byKey(source), byKey(own)]
    const keys = new Set([...left.keys(), ...right.keys()])
    results[table] = {
      ...{ source: source.length, ours: own.length, sourceSum: sum(source), ourSum: sum(own) },
      waiting: waiting === undefined ? 0 : (await client.query(waiting)).rows[0].count,
      // A key that comes twice is no row of the shop.
      differing: [...keys].filter((key) => left.get(key) !== right.get(key)),
      isEqual: false,
    }
    const result = results[table]
    result.isEqual =
      result.differing.length === 0 && result.source === result.ours && result.sourceSum === result.ourSum
  }
  return results
}

/** Our rows by table: all of DuckDB's in one query; a warehouse in PostgreSQL is asked directly. */
async function ourRows() {
  const inDuckDb = existsSync(join(root, 'warehouse.duckdb'))
  const isAsked = ([, { ours }]) => inDuckDb || !ours.includes('warehouse.')
  const parts = Object.entries(comparisons).filter(isAsked)
  const sql = parts
    .map(([table, { ours }]) => `SELECT '${table}' AS part, * FROM (${asText(ours)})`)
    .join(' UNION ALL ')
  const found = Object.fromEntries(Object.keys(comparisons).map((table) => [table, []]))
  for (const row of await query(sql)) found[row.part].push(row)
  const others = Object.entries(comparisons).filter((entry) => !isAsked(entry))
  if (others.length === 0) return found
  const star = await connectShop('warehouse')
  for (const [table, { ours }] of others)
    found[table] = (await star.query(asText(ours.replaceAll('warehouse.', 'public.')))).rows
  await star.end()
  return found
}

const asText = (sql) => `SELECT key::text AS key, line, amount::text AS amount FROM (${sql}) AS compared`
const byKey = (rows) => new Map(rows.map(({ key, line, amount }) => [key, `${line} ${amount}`]))

/** An exact sum of amounts with two digits. */
function sum(rows) {
  const cents = rows.reduce((total, { amount }) => total + (amount === null ? 0n : BigInt(amount.replace('.', ''))), 0n)
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

/** Rows of a query of Sluice. */
async function query(sql) {
  const args = [sluice, 'query', sql, '--all', '--format', 'ndjson']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, maxBuffer: 2 ** 30 })
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** Says what was found; answers whether all is equal. */
export function report(results) {
  const heads = ['', 'rows in the shop', 'here', 'in quarantine', 'sum in the shop', 'here', '']
  const lines = Object.entries(results).map(
    ([table, { source, ours, waiting, sourceSum, ourSum, differing, isEqual }]) => [
      ...[table, source, ours, waiting || '', sourceSum === '0.00' ? '' : sourceSum, ourSum === '0.00' ? '' : ourSum],
      isEqual
        ? 'equal'
        : `DIFFERENT: ${differing.slice(0, 3).join(', ')}${differing.length > 3 ? ` and ${differing.length - 3} more` : ''}`,
    ],
  )
  const widths = heads.map((_, i) => Math.max(...[heads, ...lines].map((cells) => String(cells[i]).length)))
  for (const cells of [heads, ...lines])
    console.log(
      `  ${cells.map((cell, i) => (i === 0 || i === 6 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  ')}`.trimEnd(),
    )
  return Object.values(results).every(({ isEqual }) => isEqual)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const client = await connectShop()
  if (!report(await verify(client))) process.exitCode = 1
  await client.end()
}
