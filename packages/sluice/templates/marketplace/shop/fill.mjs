/** Fills the shop as it is after fifteen months of business: the same for the same seed and day. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { categories, cities, countries, draws, kinds, methods, reasons, refundShare, tiers } from './random.mjs'

const dayMs = 86_400_000
const days = 456

/** How much there is. */
export const sizes = { sellers: 40, customers: 400, products: 300, orders: 2500 }

/**
 * Makes the tables and their rows.
 *
 * @param {import('pg').Client} client
 * @param {{ seed?: number, until?: number, sizes?: typeof sizes }} options `until`: the day (ms) before which all of it happened
 */
export async function fill(
  client,
  { seed = 1, until = Math.floor(Date.now() / dayMs) * dayMs, sizes: size = sizes } = {},
) {
  await client.query(readFileSync(join(import.meta.dirname, 'schema.sql'), 'utf8'))
  const rows = rowsOf({ draw: draws(seed), start: until - days * dayMs, until, size })
  for (const [table, list] of Object.entries(rows)) {
    // In slices: descriptions are long.
    for (let at = 0; at < list.length; at += 500)
      await client.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
        JSON.stringify(list.slice(at, at + 500)),
      ])
  }
  for (const [table, key] of Object.entries(identities))
    await client.query(
      `SELECT setval(pg_get_serial_sequence('${table}', '${key}'), (SELECT coalesce(max(${key}), 0) + 1 FROM ${table}), false)`,
    )
  await client.query('INSERT INTO generator VALUES ($1, 0)', [seed])
  await client.query('ANALYZE')
}

const identities = {
  ...{ sellers: 'seller_id', customers: 'customer_id', products: 'product_id', orders: 'order_id' },
  ...{ payments: 'payment_id', refunds: 'refund_id', reviews: 'review_id' },
}

function rowsOf({ draw, start, until, size }) {
  const at = (ms) => new Date(Math.min(ms, until - 1000)).toISOString()
  const sellers = Array.from({ length: size.sellers }, (_, n) => ({
    ...{ seller_id: n + 1, name: `${draw.person()} & Co.`, tier: draw.pick(tiers), country: draw.pick(countries) },
    created_at: at(start - draw.whole(400) * dayMs),
  }))
  const customers = Array.from({ length: size.customers }, (_, n) => {
    const country = draw.pick(countries)
    return {
      customer_id: n + 1,
      name: draw.person(),
      // People type addresses as they like.
      email: n % 9 === 0 ? ` Person${n + 1}@Example.COM` : `person${n + 1}@example.com`,
      ...{ street: `${draw.between(1, 99)} Mill Lane`, city: draw.pick(cities[country]), country },
      created_at: at(start - draw.whole(300) * dayMs),
    }
  })
  const products = Array.from({ length: size.products }, (_, n) => {
    const kind = kinds[n % kinds.length]
    return {
      ...{
        sku: `${kind}-${String(n + 1).padStart(4, '0')}`,
        product_id: n + 1,
        seller_id: draw.between(1, size.sellers),
      },
      ...{ name: `${kind} no. ${n + 1}`, category: categories[kind], price: draw.price(3, 120) },
      ...{ discontinued: draw.chance(0.05), description: draw.text(draw.between(10_000, 60_000)) },
      created_at: at(start - draw.whole(200) * dayMs),
    }
  })
  return { sellers, customers, products, ...salesOf({ draw, at, start, until, size, products }) }
}

function salesOf({ draw, at, start, until, size, products }) {
  const rows = { orders: [], items: [], payments: [], refunds: [], reviews: [] }
  // More is sold every month: at the end two and a half times as much as at the beginning.
  const times = Array.from({ length: size.orders }, () => {
    const share = (Math.sqrt(0.16 + 0.84 * draw.random()) - 0.4) / 0.6
    return start + share * (until - start - dayMs / 2)
  })
  for (const [n, ordered] of times.sort((a, b) => a - b).entries()) {
    const order = {
      ...{ order_id: n + 1, customer_id: draw.between(1, size.customers) },
      ...{ status: statusOf(draw, (until - ordered) / dayMs), ordered_at: at(ordered) },
    }
    rows.orders.push(order)
    const lines = Array.from({ length: draw.between(1, 4) }, (_, line) => {
      const product = draw.pick(products)
      const { sku, price: unit_price } = product
      return { product, row: { order_id: n + 1, line_no: line + 1, sku, quantity: draw.between(1, 5), unit_price } }
    })
    rows.items.push(...lines.map(({ row }) => row))
    if (order.status === 'placed' || (order.status === 'cancelled' && draw.chance(0.7))) continue
    const amount = lines.reduce((sum, { row }) => sum + cents(row), 0)
    rows.payments.push({
      ...{ payment_id: rows.payments.length + 1, order_id: n + 1, method: draw.pick(methods), amount: money(amount) },
      paid_at: at(ordered + draw.whole(dayMs)),
    })
    for (const { product, row } of lines) afterSale({ draw, at, rows, order, product, row, ordered })
  }
  return rows
}

/** What comes of a line that was paid: it is sent back, or written about, or neither. */
function afterSale({ draw, at, rows, order, product, row, ordered }) {
  const { order_id, customer_id, status } = order
  const { seller_id, product_id, sku } = product
  if (status === 'cancelled' || (status === 'delivered' && draw.chance(refundShare(seller_id))))
    rows.refunds.push({
      ...{ refund_id: rows.refunds.length + 1, order_id, line_no: row.line_no, customer_id, seller_id, product_id },
      ...{ amount: money(cents(row)), reason: status === 'cancelled' ? 'cancelled' : draw.pick(reasons) },
      refunded_at: at(ordered + draw.between(3, 20) * dayMs),
    })
  if (status === 'delivered' && draw.chance(0.15))
    rows.reviews.push({
      ...{ review_id: rows.reviews.length + 1, sku, customer_id, rating: draw.between(1, 5) },
      ...{ body: draw.text(draw.chance(0.05) ? 12_000 : 300), written_at: at(ordered + draw.between(3, 30) * dayMs) },
    })
}

function statusOf(draw, age) {
  if (draw.chance(0.06)) return 'cancelled'
  return age > 12 ? 'delivered' : age > 5 ? 'shipped' : age > 1 ? 'paid' : draw.pick(['placed', 'paid'])
}

const cents = ({ quantity, unit_price }) => quantity * Math.round(Number(unit_price) * 100)
const money = (value) => (value / 100).toFixed(2)
