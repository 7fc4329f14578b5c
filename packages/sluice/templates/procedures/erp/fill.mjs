/** Fills both systems: the same rows every time. They disagree on purpose, as two systems do that were in use together. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

const dayMs = 86_400_000
const cutOver = Date.UTC(2024, 6, 1)
const start = Date.UTC(2023, 0, 1)
const end = Date.UTC(2026, 0, 1)

/** Random numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomNumbers(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const random = randomNumbers(2026)
const whole = (below) => Math.floor(random() * below)
const pick = (list) => list[whole(list.length)]
const day = (ms) => new Date(ms).toISOString().slice(0, 10)

const givenNames = ['Ada', 'Björn', 'Chloé', 'Deniz', 'Emre', 'Fatma', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Zoë']
const familyNames = ['Aydın', 'Berg', 'Costa', 'Dubois', "O'Neill", 'Öztürk', 'Schmidt', 'Smith', 'Yılmaz']
const countries = { DE: 'GERMANY', FR: 'FRANCE', GB: 'UNITED KINGDOM', SE: 'SWEDEN', TR: 'TURKEY' }
const categories = { LAMP: 'Lighting', MUG: 'Kitchen', RUG: 'Textiles', TRAY: 'Kitchen', VASE: 'Decoration' }

/** Everybody who ever bought something; the first 260 were known to the old system, those from 140 on are known to the new one. */
const people = Array.from({ length: 420 }, (_, n) => {
  const [given, family, country] = [pick(givenNames), pick(familyNames), pick(Object.keys(countries))]
  return { n, given, family, country, email: `person${n}@example.com`, since: start - whole(900) * dayMs }
})
const isOld = ({ n }) => n < 260
const isNew = ({ n }) => n >= 140

const products = Array.from({ length: 60 }, (_, n) => {
  const kind = Object.keys(categories)[n % 5]
  return {
    sku: `${kind}-${String(n).padStart(3, '0')}`,
    name: `${kind} NO. ${n}`,
    category: categories[kind],
    price: 3 + whole(9000) / 100,
  }
})

function orionRows() {
  const known = people.filter(isOld)
  const sales = []
  for (let at = start; at < cutOver; at += dayMs) {
    for (let i = whole(14); i >= 0; i--) {
      const product = pick(products)
      const quantity = 1 + whole(6)
      sales.push({
        sale_no: 100_000 + sales.length,
        customer_no: `C-${String(pick(known).n).padStart(5, '0')}`,
        sku: product.sku,
        quantity,
        amount: (quantity * product.price).toFixed(2),
        sold_on: day(at),
      })
    }
  }
  return {
    customer: known.map(({ n, given, family, country, email, since }) => ({
      customer_no: `C-${String(n).padStart(5, '0')}`,
      full_name: `${family}, ${given}`.toUpperCase(),
      // Some never gave an address, and nobody was careful about capitals and spaces.
      email: n % 13 === 0 ? null : n % 5 === 0 ? ` ${email.toUpperCase()} ` : email,
      country: countries[country],
      since: day(since),
    })),
    product: products.slice(0, 45).map(({ sku, name, price }, n) => ({
      sku,
      description: name,
      list_price: (price * 0.95).toFixed(2),
      discontinued: n % 9 === 0,
    })),
    sale: sales,
  }
}

function vegaRows() {
  const known = people.filter(isNew)
  const rows = { orders: [], order_line: [], payment: [] }
  for (let at = cutOver; at < end; at += dayMs) {
    for (let i = whole(16); i >= 0; i--) addOrder(rows, pick(known), at + whole(dayMs / 1000) * 1000)
  }
  return {
    customer: known.map(({ n, given, family, country, email, since }) => ({
      id: 5000 + n,
      given_name: given,
      family_name: n % 17 === 0 ? pick(familyNames) : family,
      email,
      country_code: n % 23 === 0 ? 'GB' : country,
      created_at: new Date(Math.max(since, Date.UTC(2024, 0, 1))).toISOString(),
    })),
    product: products.map(({ sku, name, category, price }) => ({ sku, name, category, price: price.toFixed(4) })),
    store: ['Berlin', 'İstanbul', 'Leeds', 'Online'].map((name, n) => ({
      store_id: n + 1,
      name,
      opened_on: day(start + n * 200 * dayMs),
    })),
    ...rows,
  }
}

function addOrder({ orders, order_line: lines, payment }, person, at) {
  const id = 700_000 + orders.length
  const status = random() < 0.06 ? 'cancelled' : 'shipped'
  orders.push({
    order_id: id,
    customer_id: 5000 + person.n,
    store_id: 1 + whole(4),
    status,
    ordered_at: new Date(at).toISOString(),
    changed_at: new Date(at + whole(3 * dayMs)).toISOString(),
  })
  let total = 0
  for (let line = 1 + whole(4); line > 0; line--) {
    const product = pick(products)
    const quantity = 1 + whole(5)
    total += quantity * product.price
    lines.push({
      order_id: id,
      line_no: line,
      sku: product.sku,
      quantity,
      amount: (quantity * product.price).toFixed(4),
    })
  }
  if (status === 'cancelled') return
  const hex = id.toString(16).padStart(12, '0')
  payment.push({
    payment_id: `00000000-0000-4000-8000-${hex}`,
    order_id: id,
    amount: total.toFixed(4),
    paid_at: new Date(at + whole(30 * dayMs)).toISOString(),
  })
}

/**
 * Makes and fills both databases, and the one user that Sluice has: it may call the procedures, and nothing else.
 *
 * @param {(database: string) => pg.Client} clientOf a client of the server's owner
 */
export async function fill(clientOf, readerPassword) {
  const server = clientOf('postgres')
  await server.connect()
  await server.query(`CREATE ROLE sluice_reader LOGIN PASSWORD ${pg.escapeLiteral(readerPassword)}`)
  for (const [name, rows] of Object.entries({ orion: orionRows(), vega: vegaRows() })) {
    await server.query(`CREATE DATABASE ${name}`)
    const client = clientOf(name)
    await client.connect()
    await client.query(readFileSync(join(import.meta.dirname, `${name}.sql`), 'utf8'))
    for (const [table, list] of Object.entries(rows)) {
      const sql = `INSERT INTO ${name}.${table} SELECT * FROM json_populate_recordset(NULL::${name}.${table}, $1)`
      await client.query(sql, [JSON.stringify(list)])
    }
    const schema = name === 'orion' ? 'reports' : 'api'
    await client.query(`GRANT USAGE ON SCHEMA ${schema} TO sluice_reader`)
    await client.query(`GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${schema} TO sluice_reader`)
    await client.end()
  }
  await server.end()
}
