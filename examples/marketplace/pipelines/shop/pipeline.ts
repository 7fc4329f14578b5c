import {
  append,
  cdc,
  changes,
  decimal,
  format,
  grain,
  incremental,
  oneOf,
  pipeline,
  range,
  reconcile,
  replace,
  scd2,
  upsert,
} from 'sluice'

const customers = {
  columns: {
    customer_id: 'bigint',
    name: 'text',
    email: 'text',
    street: 'text',
    city: 'text',
    country: 'text',
    created_at: 'timestamptz',
  },
  key: 'customer_id',
  transforms: { email: 'lower(trim(email))' },
  // Who has no address that works waits in quarantine until it is mended.
  checks: [format('email', 'email')],
  quarantine: { maxShare: 1 },
} as const

const sellers = {
  columns: { seller_id: 'bigint', name: 'text', tier: 'text', country: 'text', created_at: 'timestamptz' },
  key: 'seller_id',
  checks: [oneOf('tier', ['bronze', 'silver', 'gold'])],
} as const

const products = {
  columns: {
    sku: 'text',
    product_id: 'bigint',
    seller_id: 'bigint',
    name: 'text',
    category: 'text',
    price: decimal(10, 2),
    discontinued: 'boolean',
    description: 'text',
    created_at: 'timestamptz',
  },
  // What the shop knows a row by; the dimension knows it by product_id, which outlives a new SKU.
  key: 'sku',
  transforms: { description_digest: 'md5(description)' },
  checks: [range('price', { min: '0.01' })],
} as const

/** The versions of the dimensions that were valid when something was sold; who is not known yet becomes an inferred member. */
const customerThen = {
  dimension: 'dim_customer',
  key: { customer_id: 'customer_id' },
  at: 'ordered_at',
  missing: 'infer',
} as const
const sellerThen = {
  dimension: 'dim_seller',
  key: { seller_id: 'seller_id' },
  at: 'ordered_at',
  missing: 'infer',
} as const
const productThen = {
  dimension: 'dim_product',
  key: { product_id: 'product_id' },
  at: 'ordered_at',
  missing: 'infer',
} as const

/** A dimension of all changes of its table: each opens a version from the moment of its commit. */
const history = {
  effective: 'valid_from',
  sequence: '_sequence',
  deletes: { column: '_op', value: 'D' },
} as const

export default pipeline('shop', {
  description: 'All changes of a marketplace, as they are committed, into a star schema.',
  sources: {
    shop: cdc('shop', {
      tables: [
        'public.sellers',
        'public.customers',
        'public.products',
        'public.orders',
        'public.items',
        'public.payments',
        'public.refunds',
        'public.reviews',
      ],
      publication: 'sluice_shop',
      heartbeatSeconds: 10,
    }),
  },
  tables: {
    'stage.customers': changes('raw.shop', 'public.customers', customers),
    'stage.customer_history': changes('raw.shop', 'public.customers', { ...customers, as: 'history' }),
    'stage.sellers': changes('raw.shop', 'public.sellers', sellers),
    'stage.seller_history': changes('raw.shop', 'public.sellers', { ...sellers, as: 'history' }),
    'stage.products': changes('raw.shop', 'public.products', products),
    'stage.product_history': changes('raw.shop', 'public.products', { ...products, as: 'history' }),
    'stage.orders': changes('raw.shop', 'public.orders', {
      columns: { order_id: 'bigint', customer_id: 'bigint', status: 'text', ordered_at: 'timestamptz' },
      key: 'order_id',
      checks: [oneOf('status', ['placed', 'paid', 'shipped', 'delivered', 'cancelled'])],
    }),
    'stage.items': changes('raw.shop', 'public.items', {
      columns: {
        order_id: 'bigint',
        line_no: 'smallint',
        sku: 'text',
        quantity: 'integer',
        unit_price: decimal(10, 2),
      },
      key: ['order_id', 'line_no'],
      checks: [range('quantity', { min: 1 })],
    }),
    'stage.payments': changes('raw.shop', 'public.payments', {
      columns: {
        payment_id: 'bigint',
        order_id: 'bigint',
        method: 'text',
        amount: decimal(12, 2),
        paid_at: 'timestamptz',
      },
      key: 'payment_id',
    }),
    // Refunds are booked, never changed: all that ever happened to them is that they came.
    'stage.refunds': {
      ...changes('raw.shop', 'public.refunds', {
        as: 'history',
        columns: {
          refund_id: 'bigint',
          order_id: 'bigint',
          line_no: 'smallint',
          customer_id: 'bigint',
          seller_id: 'bigint',
          product_id: 'bigint',
          amount: decimal(12, 2),
          reason: 'text',
          refunded_at: 'timestamptz',
        },
        key: 'refund_id',
      }),
      checks: [grain('refund_id')],
    },
    'stage.reviews': changes('raw.shop', 'public.reviews', {
      columns: {
        review_id: 'bigint',
        sku: 'text',
        customer_id: 'bigint',
        rating: 'smallint',
        body: 'text',
        written_at: 'timestamptz',
      },
      key: 'review_id',
      checks: [range('rating', { min: 1, max: 5 })],
      quarantine: { maxShare: 1 },
    }),
    'analytics.fact_orders': { checks: [grain('order_id')] },
    'analytics.fact_items': { checks: [grain(['order_id', 'line_no']), reconcile('sum(quantity)', 'stage.items')] },
    'analytics.product_trends': { checks: [grain(['product_id', 'month'])] },
    'analytics.seller_behaviour': { checks: [grain('seller_id')] },
    'analytics.consumer_statistics': { checks: [grain('customer_id')] },
  },
  loads: {
    dim_customer: scd2({ from: 'analytics.customer_changes', key: 'customer_id', ...history }),
    dim_seller: scd2({ from: 'analytics.seller_changes', key: 'seller_id', ...history }),
    dim_product: scd2({ from: 'analytics.product_changes', key: 'product_id', ...history }),
    // An order changes until it is delivered, or goes when it is never paid.
    fact_orders: upsert({
      from: 'analytics.fact_orders',
      key: 'order_id',
      deletes: 'absence',
      lookups: { customer_key: customerThen },
      sort: ['date_key'],
    }),
    fact_items: incremental({
      from: 'analytics.fact_items',
      by: 'date_key',
      lookups: { customer_key: customerThen, seller_key: sellerThen, product_key: productThen },
      sort: ['date_key'],
    }),
    fact_refunds: append({
      from: 'stage.refunds',
      lookups: {
        customer_key: { ...customerThen, at: 'refunded_at' },
        seller_key: { ...sellerThen, at: 'refunded_at' },
        product_key: { ...productThen, at: 'refunded_at' },
      },
      sort: ['refunded_at'],
    }),
    product_trends: replace({ from: 'analytics.product_trends' }),
    seller_behaviour: replace({ from: 'analytics.seller_behaviour' }),
    consumer_statistics: replace({ from: 'analytics.consumer_statistics' }),
  },
})
