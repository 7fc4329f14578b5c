import {
  date,
  decimal,
  files,
  grain,
  model,
  nullable,
  oneOf,
  pipeline,
  range,
  reconcile,
  reference,
  replace,
  yearMonth,
} from 'sluice'

const channels = ['store', 'web', 'phone'] as const

/** One column for each channel: SQL that is made from data is what code models are for. */
const salesByChannel = model({
  inputs: ['silver.sales'],
  columns: {
    product: 'text',
    store: nullable('bigint'),
    web: nullable('bigint'),
    phone: nullable('bigint'),
  },
  make: (inputs) => `
    SELECT
      product,
      ${channels.map((channel) => `CAST(sum(CASE WHEN channel = '${channel}' THEN quantity END) AS BIGINT) AS ${channel}`).join(',\n      ')}
    FROM ${inputs['silver.sales'].name}
    GROUP BY product`,
})

export default pipeline('stores', {
  description: 'Sales and stock movements of a chain of stores, through bronze, silver and gold.',
  layers: ['bronze', 'silver', 'gold'],
  sources: {
    sales: files('inbox/sales_*.csv', {
      columns: {
        sale_id: 'bigint',
        sold_on: date(),
        store: 'text',
        product: 'text',
        channel: 'text',
        quantity: 'integer',
        unit_price: decimal(10, 2),
      },
      checks: [range('quantity', { min: 1 })],
      quarantine: { maxShare: 0.05 },
    }),
    movements: files('inbox/movements_*.jsonl', {
      columns: { moved_on: date(), store: 'text', product: 'text', kind: 'text', quantity: 'integer' },
      checks: [oneOf('kind', ['sale', 'delivery'])],
    }),
  },
  models: { 'gold.sales_by_channel': salesByChannel },
  tables: {
    'silver.sales': { partitionBy: yearMonth('sold_on'), checks: [grain('sale_id')] },
    'gold.product_month': {
      checks: [
        grain(['product', 'month']),
        reconcile('sum(quantity)', 'silver.sales'),
        reconcile('sum(quantity)', 'silver.stock'),
      ],
    },
    'gold.sales_by_channel': { checks: [grain('product'), reference('product', 'gold.product_month')] },
  },
  loads: {
    product_month: replace({ from: 'gold.product_month' }),
    sales_by_channel: replace({ from: 'gold.sales_by_channel' }),
  },
})
