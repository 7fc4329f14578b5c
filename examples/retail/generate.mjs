/**
 * Delivers sample data: one CSV a day into inbox/, the same bytes every time. Some rows are wrong on purpose.
 *
 *   node generate.mjs [--days 7] [--rows 2000] [--fresh]
 *
 * A file that was delivered before (it lies in inbox/, archive/ or error/) is not delivered again, unless --fresh.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '7' },
    rows: { type: 'string', default: '2000' },
    fresh: { type: 'boolean', default: false },
  },
})
const root = import.meta.dirname
const firstDay = Date.UTC(2026, 0, 28)
const dayMs = 86_400_000

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

const colours = ['RED', 'BLUE', 'GREEN', 'WHITE', 'PINK', 'BLACK', 'IVORY']
const materials = ['WOODEN', 'METAL', 'GLASS', 'PAPER', 'FELT', 'CERAMIC']
const things = ['LANTERN', 'MUG', 'CLOCK', 'T-LIGHT HOLDER', 'LUNCH BOX', 'CAKE TIN', 'DOORMAT', 'GIFT BAG', 'BUNTING']
const countries = ['United Kingdom', 'Germany', 'France', 'Türkiye', 'EIRE', 'Spain']

const pickFrom = (list, random) => list[Math.floor(random() * list.length)]

/** The shop's catalogue; every ninth product gets another name in the course of the days. */
const catalogue = Array.from({ length: 240 }, (_, i) => {
  const random = randomNumbers(1000 + i)
  return {
    code: `${20_000 + i * 37}${i % 11 === 0 ? 'A' : ''}`,
    name: [colours, materials, things].map((words) => pickFrom(words, random)).join(' '),
    price: (0.25 + Math.floor(random() * 1500) / 100).toFixed(2),
    renamedOn: i % 9 === 0 ? 1 + (i % 6) : Number.POSITIVE_INFINITY,
  }
})

const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

function salesOf(day, rows) {
  const random = randomNumbers(7 + day)
  const date = new Date(firstDay + day * dayMs)
  const lines = ['invoice_no,stock_code,description,quantity,invoice_date,unit_price,customer_id,country']
  let invoice = 536_000 + day * 1000
  let customer = ''
  let country = ''
  let minute = 0
  let left = 0
  while (lines.length <= rows) {
    if (left-- <= 0) {
      invoice++
      left = 1 + Math.floor(random() * 18)
      customer = random() < 0.12 ? '' : String(12_000 + Math.floor(random() * 400))
      country = customer === '' ? 'United Kingdom' : (countries[Number(customer) % 10] ?? 'United Kingdom')
      minute = Math.min(719, minute + Math.floor((random() * 12 * 720) / rows) + 1)
    }
    const product = pickFrom(catalogue, random)
    const name = day >= product.renamedOn ? `${product.name}, LARGE` : product.name
    const at = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()} ${8 + Math.floor(minute / 60)}:${String(minute % 60).padStart(2, '0')}`
    const sale = [invoice, product.code, name, 1 + Math.floor(random() * 24), at, product.price, customer, country].map(
      String,
    )
    const fate = random()
    if (fate < 0.02) {
      sale[0] = `C${invoice}`
      sale[3] = `-${sale[3]}`
    } else if (fate < 0.023) sale[3] = '0'
    else if (fate < 0.026) sale[5] = '0.00'
    else if (fate < 0.027) sale[3] = 'six'
    else if (fate < 0.028) sale[4] = `${date.toISOString().slice(0, 10)} 25:00`
    else if (fate < 0.031) sale[2] = ''
    const line = sale.map(quote).join(',')
    lines.push(line)
    if (fate > 0.995 && lines.length <= rows) lines.push(line)
  }
  return `${lines.join('\n')}\n`
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
  const stem = `sales_${new Date(firstDay + day * dayMs).toISOString().slice(0, 10)}`
  if (before.some((path) => path.includes(stem))) continue
  writeFileSync(join(root, 'inbox', `${stem}.csv`), salesOf(day, Number(values.rows)))
  delivered++
}
console.log(
  delivered === 0
    ? 'Everything was delivered before (--fresh delivers it again).'
    : `Delivered ${delivered} files to inbox/.`,
)
