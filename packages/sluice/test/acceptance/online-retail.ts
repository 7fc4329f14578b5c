/** The online shop's files as a project: sales with the quarantine rules of the acceptance figures, and a dimension of products over all rows. */
import { makeProject } from './project.ts'

/** Writes the project; files are delivered to `inbox/sales/` and `inbox/lines/`. */
export function onlineRetailProject(): string {
  return makeProject({
    'package.json': '{ "name": "online-retail", "private": true, "type": "module" }',
    'sluice.config.ts': `
import { defineConfig } from 'sluice'
export default defineConfig({ name: 'online-retail', warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' } })
`,
    'pipelines/retail/pipeline.ts': `
import { decimal, files, incremental, notNull, nullable, pipeline, range, row, scd2, timestamp, yearMonth } from 'sluice'

const columns = {
  InvoiceNo: 'text',
  StockCode: 'text',
  Description: nullable('text'),
  Quantity: 'integer',
  InvoiceDate: timestamp('yyyy-MM-dd HH:mm:ss'),
  UnitPrice: decimal(12, 3),
  CustomerID: nullable('text'),
  Country: 'text',
} as const

export default pipeline('retail', {
  sources: {
    sales: files('inbox/sales/*.csv', {
      columns,
      fileDate: 'yyyy-MM-dd',
      checks: [
        notNull('CustomerID', { name: 'customer' }),
        row("InvoiceNo NOT LIKE 'C%'", { name: 'cancelled' }),
        range('Quantity', { min: 1, name: 'quantity' }),
        row('UnitPrice > 0', { name: 'price' }),
      ],
      quarantine: { maxShare: 0.9 },
    }),
    lines: files('inbox/lines/*.csv', { columns, fileDate: 'yyyy-MM-dd', rowNumbers: true }),
  },
  tables: {
    'stage.sales': { partitionBy: yearMonth('InvoiceDate'), drops: { from: 'raw.sales', why: 'exact duplicate' } },
  },
  loads: {
    dim_product: scd2({ from: 'analytics.dim_product', key: 'stock_code', effective: 'effective_from' }),
    fact_sales: incremental({ from: 'analytics.fact_sales', by: 'date_key' }),
  },
})
`,
    'pipelines/retail/stage/sales.sql': `
SELECT DISTINCT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
FROM raw.sales
`,
    'pipelines/retail/analytics/dim_product.sql': `
SELECT
  StockCode AS stock_code,
  _file_date AS effective_from,
  arg_max(trim(Description), _row) FILTER (WHERE trim(Description) <> '') AS description
FROM raw.lines
GROUP BY StockCode, _file_date
HAVING arg_max(trim(Description), _row) FILTER (WHERE trim(Description) <> '') IS NOT NULL
`,
    'pipelines/retail/analytics/fact_sales.sql': `
SELECT
  CAST(strftime(InvoiceDate, '%Y%m%d') AS INTEGER) AS date_key,
  InvoiceNo AS invoice_no,
  StockCode AS stock_code,
  CustomerID AS customer_id,
  Country AS country,
  Quantity AS quantity,
  UnitPrice AS unit_price,
  Quantity * UnitPrice AS revenue
FROM stage.sales
`,
  })
}
