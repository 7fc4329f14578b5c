/** A small project that does a bit of everything: two deliveries with bad rows, a refused file, a partitioned model, checks, three load modes. */
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from '../acceptance/project.ts'

/** The files that are delivered to it, by their names. */
export const shopDeliveries: Readonly<Record<string, string>> = {
  'orders_2026-01-30.csv': delivery('2026-01-30', 1),
  'orders_2026-02-01.csv': delivery('2026-02-01', 101),
  'orders_2026-02-02.csv': 'id,day,customer,town,amount\n900,2026-02-02,Zoe,Oslo,1.00\n',
}

/**
 * Writes the project with everything delivered, ready to run.
 *
 * @param config What its configuration says beside the warehouse.
 * @param inbox Where its files are delivered; elsewhere than on disk somebody else delivers them.
 */
export function shopProject({ config = '', inbox = 'inbox' } = {}): string {
  const delivered = inbox === 'inbox' ? Object.entries(shopDeliveries) : []
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `
import { defineConfig, notify } from 'sluice'
export default defineConfig({
  name: 'shop',
  ${config}
  warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' },
  notifications: [notify.outbox('outbox.jsonl', { on: 'always' })],
})
`,
    'pipelines/shop/pipeline.ts': `
import { date, decimal, files, grain, incremental, notNull, nullable, pipeline, replace, scd2, upsert, yearMonth } from 'sluice'
export default pipeline('shop', {
  sources: {
    orders: files('${inbox}/orders_*.csv', {
      columns: { id: 'integer', day: date('yyyy-MM-dd'), customer: nullable('text'), city: 'text', amount: decimal(10, 2) },
      fileDate: 'yyyy-MM-dd',
      checks: [notNull('customer')],
      quarantine: { maxShare: 0.5 },
    }),
  },
  tables: { 'stage.orders': { partitionBy: yearMonth('day'), checks: [grain(['id'])] } },
  loads: {
    dim_customer: scd2({ from: 'analytics.dim_customer', key: 'customer', effective: 'since' }),
    fact_orders: incremental({ from: 'analytics.fact_orders', by: 'date_key' }),
    cities: upsert({ from: 'analytics.cities', key: 'city' }),
    totals: replace({ from: 'analytics.totals' }),
  },
})
`,
    'pipelines/shop/stage/orders.sql': 'SELECT id, day, customer, city, amount FROM raw.orders\n',
    'pipelines/shop/analytics/dim_customer.sql':
      'SELECT customer, day AS since, max(city) AS city FROM stage.orders GROUP BY customer, day\n',
    'pipelines/shop/analytics/fact_orders.sql':
      "SELECT CAST(strftime(day, '%Y%m%d') AS INTEGER) AS date_key, id, customer, amount FROM stage.orders\n",
    'pipelines/shop/analytics/cities.sql': 'SELECT city, count(*) AS orders FROM stage.orders GROUP BY city\n',
    'pipelines/shop/analytics/totals.sql': 'SELECT sum(amount) AS amount, count(*) AS orders FROM stage.orders\n',
    ...Object.fromEntries(delivered.map(([name, text]) => [`inbox/${name}`, text])),
  })
}

function delivery(day: string, first: number): string {
  const cities = ['Oslo', 'Bergen', 'Tromsø']
  const rows = Array.from({ length: 30 }, (_, i) => {
    const customer = i % 10 === 9 ? '' : `customer ${i % 7}`
    const amount = i % 10 === 5 ? '1.005' : `${i}.50`
    return `${first + i},${day},${customer},${cities[(i + first) % 3]},${amount}`
  })
  return `id,day,customer,city,amount\n${rows.join('\n')}\n`
}

/** Everything a reader can see of it, as one comparable value. */
export async function shopState(root: string): Promise<unknown> {
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  const [row] = await session.all(
    `SELECT
       (SELECT list(o ORDER BY o.id)::VARCHAR FROM raw.orders o) AS raw,
       (SELECT count(*) FROM sluice.files) AS files,
       (SELECT sum(rows_read) FROM sluice.files) AS read,
       (SELECT sum(rows_accepted) FROM sluice.files) AS accepted,
       (SELECT sum(rows_quarantined) FROM sluice.files) AS quarantined,
       (SELECT list([_file, _line::VARCHAR, _offset::VARCHAR, reasons::VARCHAR] ORDER BY _file, _line)::VARCHAR FROM sluice.quarantine) AS quarantine,
       (SELECT list(s ORDER BY s.id)::VARCHAR FROM stage.orders s) AS stage,
       (SELECT list(d ORDER BY d.customer, d.effective_date)::VARCHAR FROM warehouse.dim_customer d) AS dimension,
       (SELECT list(f ORDER BY f.id)::VARCHAR FROM warehouse.fact_orders f) AS facts,
       (SELECT list(c ORDER BY c.city)::VARCHAR FROM warehouse.cities c) AS cities,
       (SELECT list(t)::VARCHAR FROM warehouse.totals t) AS totals`,
  )
  return row
}
