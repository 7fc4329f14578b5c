import {
  boolean,
  date,
  decimal,
  files,
  format,
  grain,
  nullable,
  oneOf,
  pipeline,
  range,
  rowCount,
  upsert,
} from 'sluice'

export default pipeline('orders', {
  description: 'Files of orders are validated, staged, loaded, and archived once they are committed.',
  layers: ['raw', 'stage'],
  sources: {
    orders: files('inbox/orders_*.csv', {
      fileDate: 'yyyyMMdd',
      columns: {
        order_id: 'bigint',
        ordered_on: date('dd.MM.yyyy'),
        email: nullable('text'),
        city: 'text',
        status: 'text',
        amount: decimal(12, 2, { decimalSeparator: ',', groupSeparator: '.' }),
        express: boolean(['Y'], ['N']),
      },
      format: { kind: 'csv', delimiter: ';' },
      checks: [
        oneOf('status', ['open', 'paid', 'cancelled']),
        range('amount', { min: 0 }),
        format('email', 'email', { severity: 'warn' }),
      ],
      // A file of which more than a tenth is refused goes to error/ as a whole, with a report beside it.
      quarantine: { maxShare: 0.1 },
      rowCount: { min: 1 },
      archive: 'archive/orders',
      error: 'error/orders',
    }),
  },
  tables: {
    'stage.orders': {
      drops: { from: 'raw.orders', why: 'an earlier state of an order that a later file brings again' },
      checks: [grain('order_id'), rowCount({ min: 1 })],
    },
  },
  loads: { orders: upsert({ from: 'stage.orders', key: 'order_id' }) },
})
