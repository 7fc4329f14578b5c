/**
 * Keeps changing the shop, as its customers, sellers and colleagues do: a step is a transaction, and the same seed makes the same steps.
 *
 *   node shop/change.mjs [--seconds 60] [--rate 12]     beside node shop/server.mjs
 *   node shop/change.mjs --steps 500
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { cities, countries, draws, kinds, methods, reasons, tiers } from './random.mjs'
import { connectShop } from './server.mjs'

/** What may happen in a step, and how often. */
const actions = [
  [30, placeOrder],
  [14, deliverOrders],
  [12, changePrices],
  [10, moveCustomer],
  [6, cancelOrder],
  [8, refundItem],
  [6, writeReview],
  [4, signUp],
  [2, mendAddress],
  [3, renameProduct],
  [2, swapProducts],
  [2, describeProduct],
  [2, repriceOften],
  [2, addProduct],
  [2, changeSeller],
  [2, clearBasket],
  [2, removeReview],
  [2, removeCustomer],
  [1, removeProduct],
  [2, payAnotherWay],
  [2, touch],
  [3, changeMind],
  [2, giveUp],
]
const weight = actions.reduce((sum, [share]) => sum + share, 0)

/**
 * Makes so many steps, or steps for so many seconds, and goes on where the last ones ended.
 *
 * @param {import('pg').Client} client of the shop's owner
 * @param {{ steps?: number, seconds?: number, rate?: number }} options `rate`: steps a second, where there are `seconds`
 * @returns how often each thing was done
 */
export async function change(client, { steps, seconds = 0, rate = 12 }) {
  const { seed, steps: made } = (await client.query('SELECT seed, steps FROM generator')).rows[0]
  const done = {}
  const started = Date.now()
  for (let step = made; steps === undefined ? Date.now() - started < seconds * 1000 : step < made + steps; step++) {
    const name = await makeStep({ client, draw: draws(seed, step) }, step)
    done[name] = (done[name] ?? 0) + 1
    if (steps === undefined) await sleep(Math.max(0, started + ((step + 1 - made) * 1000) / rate - Date.now()))
  }
  return done
}

async function makeStep(shop, step) {
  const place = shop.draw.whole(weight)
  const action = actions.flatMap(([share, one]) => Array(share).fill(one))[place]
  await shop.client.query('BEGIN')
  const keeps = await action(shop)
  await shop.client.query(keeps === false ? 'ROLLBACK' : 'COMMIT')
  await shop.client.query('UPDATE generator SET steps = $1', [step + 1])
  return action.name
}

/** Rows of a query. */
const ask = async ({ client }, sql, values) => (await client.query(sql, values)).rows

/** One row of a table or of a part of it, drawn; undefined where there is none. */
async function drawRow(shop, from, key) {
  const [{ count }] = await ask(shop, `SELECT count(*)::int AS count FROM ${from}`)
  if (count === 0) return undefined
  const [row] = await ask(shop, `SELECT * FROM ${from} ORDER BY ${key} LIMIT 1 OFFSET ${shop.draw.whole(count)}`)
  return row
}

async function placeOrder(shop, customer) {
  const { draw: by } = shop
  const { customer_id } = customer ?? (await drawRow(shop, 'customers', 'customer_id'))
  const isPaid = by.chance(0.75)
  const sql = 'INSERT INTO orders (customer_id, status) VALUES ($1, $2) RETURNING order_id'
  const [{ order_id }] = await ask(shop, sql, [customer_id, isPaid ? 'paid' : 'placed'])
  for (let line = 1, lines = by.between(1, 5); line <= lines; line++) {
    const { sku, price } = await drawRow(shop, 'products WHERE NOT discontinued', 'product_id')
    await ask(shop, 'INSERT INTO items VALUES ($1, $2, $3, $4, $5)', [order_id, line, sku, by.between(1, 5), price])
  }
  if (isPaid) await pay(shop, `order_id = ${order_id}`)
}

/** Pays the orders of a condition. */
async function pay(shop, condition) {
  await ask(
    shop,
    `INSERT INTO payments (order_id, method, amount)
     SELECT order_id, $1, sum(quantity * unit_price) FROM items JOIN orders USING (order_id) WHERE ${condition} GROUP BY order_id ORDER BY order_id`,
    [shop.draw.pick(methods)],
  )
}

/** Many rows of one statement: everything goes one state on. */
async function deliverOrders(shop) {
  const from = shop.draw.pick(['placed', 'paid', 'shipped'])
  const orders = `SELECT order_id FROM orders WHERE status = '${from}' ORDER BY order_id LIMIT ${shop.draw.between(1, 6)}`
  if (from === 'placed') await pay(shop, `order_id IN (${orders})`)
  const next = { placed: 'paid', paid: 'shipped', shipped: 'delivered' }[from]
  await ask(shop, `UPDATE orders SET status = '${next}' WHERE order_id IN (${orders})`)
}

async function changePrices(shop) {
  const { seller_id } = await drawRow(shop, 'sellers', 'seller_id')
  const factor = shop.draw.between(90, 115) / 100
  await ask(shop, 'UPDATE products SET price = greatest(round(price * $2::numeric, 2), 1) WHERE seller_id = $1', [
    seller_id,
    factor,
  ])
}

async function moveCustomer(shop, customer) {
  const { customer_id } = customer ?? (await drawRow(shop, 'customers', 'customer_id'))
  const country = shop.draw.pick(countries)
  const values = [customer_id, `${shop.draw.between(1, 99)} Station Road`, shop.draw.pick(cities[country]), country]
  await ask(shop, 'UPDATE customers SET street = $2, city = $3, country = $4 WHERE customer_id = $1', values)
}

async function cancelOrder(shop) {
  const order = await drawRow(shop, "orders WHERE status IN ('placed', 'paid')", 'order_id')
  if (order === undefined) return
  await ask(shop, "UPDATE orders SET status = 'cancelled' WHERE order_id = $1", [order.order_id])
  if (order.status === 'paid') await refund(shop, `order_id = ${order.order_id}`, 'cancelled')
}

async function refundItem(shop) {
  const sent =
    "items JOIN orders USING (order_id) WHERE status = 'delivered' AND NOT EXISTS (SELECT FROM refunds r WHERE r.order_id = items.order_id AND r.line_no = items.line_no)"
  const item = await drawRow(shop, sent, 'order_id, line_no')
  await refund(shop, `order_id = ${item.order_id} AND line_no = ${item.line_no}`, shop.draw.pick(reasons))
}

/** Books refunds of the items of a condition. */
async function refund(shop, condition, reason) {
  await ask(
    shop,
    `INSERT INTO refunds (order_id, line_no, customer_id, seller_id, product_id, amount, reason)
     SELECT order_id, line_no, customer_id, seller_id, product_id, quantity * unit_price, $1
     FROM items JOIN orders USING (order_id) JOIN products USING (sku) WHERE ${condition} ORDER BY order_id, line_no`,
    [reason],
  )
}

/** Some give a rating that there is not. */
async function writeReview(shop) {
  const { draw: by } = shop
  const { sku } = await drawRow(shop, 'products', 'product_id')
  const { customer_id } = await drawRow(shop, 'customers', 'customer_id')
  const rating = by.chance(0.2) ? by.pick([0, 11]) : by.between(1, 5)
  const body = by.text(by.chance(0.3) ? by.between(10_000, 40_000) : 400)
  await ask(shop, 'INSERT INTO reviews (sku, customer_id, rating, body) VALUES ($1, $2, $3, $4)', [
    sku,
    customer_id,
    rating,
    body,
  ])
}

/** Some mistype their address, and order all the same. */
async function signUp(shop) {
  const { draw: by } = shop
  const isWrong = by.chance(0.4)
  const country = by.pick(countries)
  const [customer] = await ask(
    shop,
    "SELECT nextval(pg_get_serial_sequence('customers', 'customer_id')) AS customer_id",
  )
  const { customer_id } = customer
  const email = `new${customer_id}${isWrong ? ' at example' : '@example.com'}`
  const values = [customer_id, by.person(), email, `${by.between(1, 99)} New Street`, by.pick(cities[country]), country]
  await ask(shop, 'INSERT INTO customers VALUES ($1, $2, $3, $4, $5, $6)', values)
  if (isWrong) await placeOrder(shop, customer)
}

async function mendAddress(shop) {
  const customer = await drawRow(shop, "customers WHERE email LIKE '% at %'", 'customer_id')
  if (customer)
    await ask(
      shop,
      "UPDATE customers SET email = replace(email, ' at example', '@example.com') WHERE customer_id = $1",
      [customer.customer_id],
    )
}

/** The key changes; what refers to it follows. */
async function renameProduct(shop) {
  const { product_id } = await drawRow(shop, 'products', 'product_id')
  const sku = `${shop.draw.pick(kinds)}-X${shop.draw.whole(1e9).toString(36)}`
  await ask(shop, 'UPDATE products SET sku = $2 WHERE product_id = $1', [product_id, sku])
}

/** Two products take each other's key, in one transaction. */
async function swapProducts(shop) {
  const [one, other] = [await drawRow(shop, 'products', 'product_id'), await drawRow(shop, 'products', 'product_id')]
  if (one.product_id === other.product_id) return
  for (const [product, sku] of [
    [one, 'in between'],
    [other, one.sku],
    [one, other.sku],
  ])
    await ask(shop, 'UPDATE products SET sku = $2 WHERE product_id = $1', [product.product_id, sku])
}

async function describeProduct(shop) {
  const { product_id } = await drawRow(shop, 'products', 'product_id')
  const description = shop.draw.text(shop.draw.between(10_000, 60_000))
  await ask(shop, 'UPDATE products SET description = $2 WHERE product_id = $1', [product_id, description])
}

/** Several changes of one row in one transaction: only the last is true for any time at all. */
async function repriceOften(shop) {
  const { product_id } = await drawRow(shop, 'products', 'product_id')
  for (let times = shop.draw.between(2, 4); times > 0; times--)
    await ask(shop, 'UPDATE products SET price = $2 WHERE product_id = $1', [product_id, shop.draw.price(3, 120)])
}

async function addProduct(shop) {
  const { draw: by } = shop
  const { seller_id } = await drawRow(shop, 'sellers', 'seller_id')
  const sku = `TOY-N${by.whole(1e9).toString(36)}`
  const values = [sku, seller_id, `${sku} (new)`, 'Children', by.price(3, 120), by.text(by.between(10_000, 60_000))]
  await ask(
    shop,
    'INSERT INTO products (sku, seller_id, name, category, price, description) VALUES ($1, $2, $3, $4, $5, $6)',
    values,
  )
}

async function changeSeller(shop) {
  const { seller_id } = await drawRow(shop, 'sellers', 'seller_id')
  await ask(shop, 'UPDATE sellers SET tier = $2 WHERE seller_id = $1', [seller_id, shop.draw.pick(tiers)])
}

/** Orders that were never paid go, with their items. */
async function clearBasket(shop) {
  await ask(
    shop,
    `DELETE FROM orders WHERE order_id IN (SELECT order_id FROM orders WHERE status = 'placed' ORDER BY order_id LIMIT ${shop.draw.between(1, 3)})`,
  )
}

async function removeReview(shop) {
  const review = await drawRow(shop, 'reviews', 'review_id')
  await ask(shop, 'DELETE FROM reviews WHERE review_id = $1', [review.review_id])
}

/** Who never bought anything may go, with what they wrote. */
async function removeCustomer(shop) {
  const customer = await drawRow(
    shop,
    'customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.customer_id)',
    'customer_id',
  )
  if (customer) await ask(shop, 'DELETE FROM customers WHERE customer_id = $1', [customer.customer_id])
}

async function removeProduct(shop) {
  const unsold =
    'NOT EXISTS (SELECT FROM items i WHERE i.sku = p.sku) AND NOT EXISTS (SELECT FROM reviews r WHERE r.sku = p.sku)'
  const product = await drawRow(shop, `products p WHERE ${unsold}`, 'product_id')
  if (product) await ask(shop, 'DELETE FROM products WHERE product_id = $1', [product.product_id])
}

/** A row is deleted, and comes again under its key. */
async function payAnotherWay(shop) {
  const payment = await drawRow(shop, 'payments', 'payment_id')
  await ask(shop, 'DELETE FROM payments WHERE payment_id = $1', [payment.payment_id])
  const values = [payment.payment_id, payment.order_id, shop.draw.pick(methods), payment.amount]
  await ask(shop, 'INSERT INTO payments VALUES ($1, $2, $3, $4)', values)
}

/** An update that changes nothing. */
async function touch(shop) {
  const { seller_id } = await drawRow(shop, 'sellers', 'seller_id')
  await ask(shop, 'UPDATE products SET discontinued = discontinued WHERE seller_id = $1', [seller_id])
}

/** A part of a transaction is taken back. */
async function changeMind(shop) {
  const customer = await drawRow(shop, 'customers', 'customer_id')
  await ask(shop, 'SAVEPOINT basket')
  await placeOrder(shop, customer)
  await ask(shop, 'ROLLBACK TO basket')
  await moveCustomer(shop, customer)
}

/** A whole transaction is taken back. */
async function giveUp(shop) {
  await renameProduct(shop)
  await placeOrder(shop)
  return false
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = {
    steps: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '12' },
  }
  const { steps, seconds, rate } = parseArgs({ options }).values
  const client = await connectShop()
  console.table(
    await change(client, {
      ...(steps === undefined ? {} : { steps: Number(steps) }),
      seconds: Number(seconds),
      rate: Number(rate),
    }),
  )
  await client.end()
}
