/**
 * Delivers sample data: a CSV of sales and a JSON Lines file of stock movements a month into inbox/, the same bytes every time.
 * Some sales are wrong on purpose.
 *
 *   node generate.mjs [--months 3] [--rows 1000] [--fresh]
 *
 * A file that was delivered before (it lies in inbox/, archive/ or error/) is not delivered again, unless --fresh.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    months: { type: 'string', default: '3' },
    rows: { type: 'string', default: '1000' },
    fresh: { type: 'boolean', default: false },
  },
})
const root = import.meta.dirname

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

const stores = ['North', 'South', 'Harbour']
const products = ['Lamp', 'Desk', 'Chair', 'Shelf', 'Rug', 'Mirror', 'Açaí bowl', 'Vase']
const channels = ['store', 'web', 'phone']
const pickFrom = (list, random) => list[Math.floor(random() * list.length)]
const dayOf = (month, day) => new Date(Date.UTC(2026, month, day)).toISOString().slice(0, 10)

/** Sales of a month, and the movements that follow from the good ones. */
function monthOf(month, rows) {
  const random = randomNumbers(23 + month)
  const sales = ['sale_id,sold_on,store,product,channel,quantity,unit_price']
  const movements = []
  for (let i = 0; i < rows; i++) {
    const [store, product, channel] = [stores, products, channels].map((list) => pickFrom(list, random))
    const [on, quantity] = [dayOf(month, 1 + Math.floor(random() * 28)), 1 + Math.floor(random() * 9)]
    const sale = [month * 100_000 + i, on, ` ${store} `, product, channel, quantity, (5 + random() * 95).toFixed(2)]
    const fate = random()
    if (fate < 0.005) sale[5] = 0
    else if (fate < 0.01) sale[6] = 'n/a'
    else movements.push({ moved_on: on, store, product, kind: 'sale', quantity })
    sales.push(sale.join(','))
  }
  for (const store of stores)
    for (const product of products)
      movements.push({ moved_on: dayOf(month, 1), store, product, kind: 'delivery', quantity: 200 })
  return { sales: sales.join('\n'), movements: movements.map((movement) => JSON.stringify(movement)).join('\n') }
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
for (let month = 0; month < Number(values.months); month++) {
  const { sales, movements } = monthOf(month, Number(values.rows))
  const label = dayOf(month, 1).slice(0, 7)
  for (const [stem, ending, text] of [
    [`sales_${label}`, 'csv', sales],
    [`movements_${label}`, 'jsonl', movements],
  ]) {
    if (before.some((path) => path.includes(stem))) continue
    writeFileSync(join(root, 'inbox', `${stem}.${ending}`), `${text}\n`)
    delivered++
  }
}
console.log(
  delivered === 0
    ? 'Everything was delivered before (--fresh delivers it again).'
    : `Delivered ${delivered} files to inbox/.`,
)
