import {
  decimal,
  each,
  grain,
  incremental,
  nullable,
  oneOf,
  pipeline,
  procedures,
  range,
  reference,
  replace,
  windowFrom,
  windowTo,
  yearMonth,
} from 'sluice'

/** Changes since the last run, and half an hour more for what was committed late; rows that come twice are known by their key. */
const changes = { start: '2024-07-01', overlapSeconds: 1800, lagSeconds: 60 }

export default pipeline('erp', {
  description: 'Two ERP systems that may only be asked through procedures, merged into one star.',
  sources: {
    ...procedures('orion', [
      {
        procedure: 'reports.usp_customers',
        table: 'orion_customers',
        columns: { customer_no: 'text', full_name: 'text', email: nullable('text'), country: 'text', since: 'date' },
        key: ['customer_no'],
      },
      {
        procedure: 'reports.usp_products',
        table: 'orion_products',
        columns: { sku: 'text', description: 'text', list_price: decimal(10, 2), discontinued: 'boolean' },
        key: ['sku'],
      },
      { procedure: 'reports.usp_years', table: 'orion_years', columns: { year: 'integer' } },
      {
        // One call for each year, side by side.
        procedure: 'reports.usp_sales',
        table: 'orion_sales',
        parameters: { p_year: each('raw.orion_years', 'year') },
        columns: {
          sale_no: 'bigint',
          customer_no: 'text',
          sku: 'text',
          quantity: 'integer',
          amount: decimal(12, 2),
          sold_on: 'date',
        },
        key: ['sale_no'],
        checks: [range('quantity', { min: 1 })],
        rowCount: { minShareOfPrevious: 0.9 },
      },
    ]),
    ...procedures('vega', [
      {
        procedure: 'api.list_customers',
        table: 'vega_customers',
        columns: {
          id: 'integer',
          given_name: 'text',
          family_name: 'text',
          email: 'text',
          country_code: 'text',
          created_at: 'timestamptz',
        },
        key: ['id'],
      },
      {
        procedure: 'api.list_products',
        table: 'vega_products',
        columns: { sku: 'text', name: 'text', category: 'text', price: decimal(12, 4) },
        key: ['sku'],
      },
      {
        // The procedure says how many rows it has: a number that must agree.
        procedure: 'api.list_stores',
        table: 'vega_stores',
        output: { store_count: { type: 'integer', equals: 'rows' } },
        columns: { store_id: 'smallint', name: 'text', opened_on: 'date' },
        key: ['store_id'],
      },
      {
        procedure: 'api.order_changes',
        table: 'vega_orders',
        parameters: { p_from: windowFrom(), p_to: windowTo() },
        window: changes,
        resultSet: 1,
        columns: {
          order_id: 'bigint',
          customer_id: 'integer',
          store_id: 'smallint',
          status: 'text',
          ordered_at: 'timestamptz',
          changed_at: 'timestamptz',
        },
        key: ['order_id'],
        checks: [oneOf('status', ['shipped', 'cancelled'])],
      },
      {
        procedure: 'api.order_changes',
        table: 'vega_order_lines',
        parameters: { p_from: windowFrom(), p_to: windowTo() },
        window: changes,
        resultSet: 2,
        columns: {
          order_id: 'bigint',
          line_no: 'smallint',
          sku: 'text',
          quantity: 'integer',
          amount: decimal(14, 4),
        },
        key: ['order_id', 'line_no'],
      },
      {
        procedure: 'api.payments',
        table: 'vega_payments',
        parameters: { p_from: windowFrom(), p_to: windowTo() },
        window: changes,
        columns: { payment_id: 'uuid', order_id: 'bigint', amount: decimal(14, 4), paid_at: 'timestamptz' },
        key: ['payment_id'],
      },
    ]),
  },
  tables: {
    'stage.orion_customers': { copy: 'raw.orion_customers' },
    'stage.orion_products': { copy: 'raw.orion_products' },
    'stage.vega_customers': { copy: 'raw.vega_customers' },
    'stage.vega_products': { copy: 'raw.vega_products' },
    'stage.stores': { copy: 'raw.vega_stores' },
    'stage.orion_sales': { copy: 'raw.orion_sales', partitionBy: yearMonth('sold_on') },
    'stage.vega_sales': {
      partitionBy: yearMonth('sold_on'),
      drops: { from: 'raw.vega_order_lines', why: 'lines of cancelled orders' },
    },
    'stage.payments': { copy: 'raw.vega_payments', partitionBy: yearMonth('paid_at') },
    'analytics.dim_customer': { checks: [grain('customer_key')] },
    'analytics.dim_product': { checks: [grain('sku')] },
    'analytics.dim_store': { checks: [grain('store_key')] },
    'analytics.fact_sales': {
      checks: [
        grain(['system', 'sale_no', 'line_no']),
        reference('customer_key', 'analytics.dim_customer'),
        reference('sku', 'analytics.dim_product'),
        reference('store_key', 'analytics.dim_store'),
      ],
    },
    'analytics.fact_payments': { checks: [grain('payment_id')] },
  },
  loads: {
    dim_customer: replace({ from: 'analytics.dim_customer' }),
    dim_product: replace({ from: 'analytics.dim_product' }),
    dim_store: replace({ from: 'analytics.dim_store' }),
    fact_sales: incremental({ from: 'analytics.fact_sales', by: 'date_key' }),
    fact_payments: incremental({ from: 'analytics.fact_payments', by: 'date_key' }),
  },
})
