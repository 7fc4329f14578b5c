/**
 * The whole story with one command: a shop, its copy, its changes for a minute, taken while it goes on; after each batch the warehouse is compared with
 * the shop; at the end, three results.
 *
 *   node start.mjs [--seconds 60] [--fresh]     goes on with what is there, or begins anew
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { change } from './shop/change.mjs'
import { connectShop, startShop } from './shop/server.mjs'
import { report, sluice, verify } from './verify.mjs'

const { seconds, fresh } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, fresh: { type: 'boolean', default: false } },
}).values
const roundSeconds = 10

/** Runs a command of Sluice; answers whether it went well. */
function run(...args) {
  console.log(
    `\n$ npx sluice ${args.map((arg) => (/\s/.test(arg) ? `"${arg.replaceAll(/\s+/g, ' ')}"` : arg)).join(' ')}`,
  )
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [sluice, ...args], { cwd: import.meta.dirname, stdio: 'inherit' })
    child.on('error', fail)
    child.on('close', (status) => {
      if (status !== 0) process.exitCode = status ?? 1
      done(status === 0)
    })
  })
}

async function compare(client) {
  console.log('\nThe shop and the warehouse:')
  const isEqual = report(await verify(client))
  if (!isEqual) process.exitCode = 1
  return isEqual
}

const results = {
  'Product trends, month over month': `SELECT sku, name, month, revenue_before, revenue, change_percent
    FROM analytics.product_trends WHERE month = (SELECT max(month) FROM analytics.product_trends) AND revenue_before >= 500
    ORDER BY change_percent DESC, sku LIMIT 10`,
  'Sellers by what comes back': `SELECT returns, count(*) AS sellers, sum(sold_amount) AS sold, sum(refunded_amount) AS refunded,
      round(100 * sum(refunded_amount) / sum(sold_amount), 1) AS refund_percent
    FROM analytics.seller_behaviour GROUP BY returns ORDER BY refund_percent DESC`,
  'Consumers: spending, transactions, refunds': `SELECT name, country, orders, transactions, spending, refunds, refunded
    FROM analytics.consumer_statistics ORDER BY spending DESC, customer_id LIMIT 10`,
}

/** Changes go on while they are taken; then they rest for a moment, so that both sides can be compared. */
async function story() {
  const client = await connectShop()
  try {
    if (!((await run('run')) && (await compare(client)))) return
    for (let left = Number(seconds); left > 0; left -= roundSeconds) {
      const changing = change(client, { seconds: Math.min(left, roundSeconds) })
      const [isTaken, made] = await Promise.all([run('run'), changing])
      const transactions = Object.values(made).reduce((sum, times) => sum + times, 0)
      console.log(`\n${transactions} transactions, some of them rolled back, while that went on.`)
      if (!(isTaken && (await run('run')) && (await compare(client)))) return
    }
    for (const [title, sql] of Object.entries(results)) {
      console.log(`\n${title}`)
      await run('query', sql, '--format', 'table')
    }
  } finally {
    await client.end()
  }
}

console.log('Starting a shop with fifteen months behind it …')
if (fresh)
  for (const made of ['lake', '.sluice', 'warehouse.duckdb', 'warehouse.duckdb.wal'])
    rmSync(join(import.meta.dirname, made), { recursive: true, force: true })
const shop = await startShop({ fresh })
try {
  await story()
} finally {
  await shop.stop()
}
