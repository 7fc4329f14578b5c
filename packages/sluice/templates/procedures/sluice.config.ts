import { defineConfig, duckdb, env, notify, postgres, secret } from 'sluice'

// Both systems let nobody read a table: this user may call procedures, and nothing else. The password comes from .env.local.
const reader = {
  host: '127.0.0.1',
  port: env('ERP_PORT'),
  user: 'sluice_reader',
  password: secret('ERP_PASSWORD'),
  // The server of this example listens on loopback only. Leave this out elsewhere: certificates are verified by default.
  tls: 'off',
} as const

export default defineConfig({
  name: 'procedures',
  connections: {
    orion: postgres({ ...reader, database: 'orion', maxConnections: 2 }),
    vega: postgres({ ...reader, database: 'vega', maxConnections: 3 }),
  },
  concurrency: 4,
  lake: { path: 'lake', retention: { versions: 20, days: 30 } },
  warehouse: duckdb('warehouse.duckdb'),
  notifications: [notify.outbox('notifications.jsonl', { on: 'always' })],
})
