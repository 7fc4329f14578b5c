/**
 * Delivers sample data: files of orders into inbox/, the same bytes every time. A few rows are wrong on purpose, and the header of one file is.
 *
 *   node generate.mjs [--days 4] [--rows 200] [--fresh]
 *
 * A file that was delivered before (it lies in inbox/, archive/ or error/) is not delivered again, unless --fresh.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '4' },
    rows: { type: 'string', default: '200' },
    fresh: { type: 'boolean', default: false },
  },
})
const root = import.meta.dirname
const firstDay = Date.UTC(2026, 2, 30)
const header = 'order_id;ordered_on;email;city;status;amount;express'

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

const cities = ['Ağrı', 'Çanakkale', 'Köln', 'Málaga', 'Łódź', 'Reykjavík', 'Leeds']
const german = new Intl.NumberFormat('de-DE', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const two = (number) => String(number).padStart(2, '0')

function ordersOf(day, rows) {
  const random = randomNumbers(11 + day)
  const at = new Date(firstDay + day * 86_400_000)
  const written = `${two(at.getUTCDate())}.${two(at.getUTCMonth() + 1)}.${at.getUTCFullYear()}`
  const lines = [day === 2 ? header.replace('ordered_on', 'order_date') : header]
  for (let i = 0; i < rows; i++) {
    // Every tenth order is one of the day before, in a later state.
    const id = 10_000 + (i % 10 === 0 && day > 0 ? day - 1 : day) * rows + i
    const status = random() < 0.5 ? 'open' : random() < 0.8 ? 'paid' : 'cancelled'
    const order = [id, written, `buyer${id}@example.com`, cities[id % cities.length], status]
    order.push(german.format(1 + random() * 2500), random() < 0.2 ? 'Y' : 'N')
    const fate = random()
    if (fate < 0.01) order[1] = `${at.getUTCMonth() + 1}/${at.getUTCDate()}/${at.getUTCFullYear()}`
    else if (fate < 0.02) order[4] = 'unknown'
    else if (fate < 0.03) order[5] = '12.50'
    else if (fate < 0.04) order[2] = 'not an address'
    else if (fate < 0.05) order.pop()
    lines.push(order.join(';'))
  }
  return `${lines.join('\r\n')}\r\n`
}

/** Names of the files that were delivered before, wherever they are now. */
function deliveredBefore() {
  return ['inbox', 'archive', 'error']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true }).map(String))
}

const before = values.fresh ? [] : deliveredBefore()
let delivered = 0
mkdirSync(join(root, 'inbox'), { recursive: true })
for (let day = 0; day < Number(values.days); day++) {
  const stem = `orders_${new Date(firstDay + day * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')}`
  if (before.some((path) => path.includes(stem))) continue
  writeFileSync(join(root, 'inbox', `${stem}.csv`), ordersOf(day, Number(values.rows)))
  delivered++
}
console.log(
  delivered === 0
    ? 'Everything was delivered before (--fresh delivers it again).'
    : `Delivered ${delivered} files to inbox/.`,
)
