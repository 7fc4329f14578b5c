import { defineConfig, duckdb, env, notify, postgres, secret } from 'sluice'

// The password comes from .env.local.
const server = {
  host: '127.0.0.1',
  port: env('SHOP_PORT'),
  user: 'sluice_reader',
  password: secret('SHOP_PASSWORD'),
  // The server of this example listens on loopback only. Leave this out elsewhere: certificates are verified by default.
  tls: 'off',
} as const

export default defineConfig({
  name: 'marketplace',
  connections: {
    shop: postgres({ ...server, database: 'shop' }),
    star: postgres({ ...server, database: 'warehouse' }),
  },
  concurrency: 3,
  lake: { path: 'lake', retention: { versions: 20, days: 30 } },
  // The star can live in PostgreSQL instead: postgresWarehouse('star', { schema: 'public' })
  warehouse: duckdb('warehouse.duckdb'),
  notifications: [notify.outbox('notifications.jsonl', { on: 'failure' })],
})
