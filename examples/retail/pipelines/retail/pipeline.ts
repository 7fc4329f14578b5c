import {
  decimal,
  files,
  grain,
  incremental,
  notNull,
  nullable,
  pipeline,
  range,
  reconcile,
  reference,
  row,
  scd2,
  timestamp,
  upsert,
  yearMonth,
} from 'sluice'

export default pipeline('retail', {
  description: 'Daily sales of an online shop, as a star of products, customers and sales.',
  sources: {
    sales: files('inbox/sales_*.csv', {
      fileDate: 'yyyy-MM-dd',
      rowNumbers: true,
      columns: {
        invoice_no: 'text',
        stock_code: 'text',
        description: nullable('text'),
        quantity: 'integer',
        invoice_date: timestamp('M/d/yyyy H:mm', { zone: 'Europe/London' }),
        unit_price: decimal(12, 3),
        customer_id: nullable('text'),
        country: 'text',
      },
      checks: [
        notNull('customer_id'),
        row("invoice_no NOT LIKE 'C%'", { name: 'cancelled' }),
        range('quantity', { min: 1 }),
        range('unit_price', { min: '0.001' }),
      ],
      quarantine: { maxShare: 0.3 },
    }),
  },
  tables: {
    'stage.sales': {
      partitionBy: yearMonth('invoice_date'),
      drops: { from: 'raw.sales', why: 'the same line twice in one file' },
    },
    'analytics.dim_product': { checks: [grain(['stock_code', 'file_date'])] },
    'analytics.dim_customer': { checks: [grain('customer_id')] },
    'analytics.fact_sales': {
      checks: [
        grain(['date_key', 'invoice_no', 'line_no']),
        reference('stock_code', 'analytics.dim_product'),
        reference('customer_id', 'analytics.dim_customer'),
        reconcile('sum(quantity)', 'stage.sales'),
      ],
    },
  },
  loads: {
    dim_product: scd2({ from: 'analytics.dim_product', key: 'stock_code', effective: 'file_date' }),
    dim_customer: upsert({ from: 'analytics.dim_customer', key: 'customer_id' }),
    fact_sales: incremental({ from: 'analytics.fact_sales', by: 'date_key' }),
  },
})
