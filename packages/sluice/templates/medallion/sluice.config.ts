import { defineConfig, duckdb, notify } from 'sluice'

export default defineConfig({
  name: 'medallion',
  warehouse: duckdb('warehouse.duckdb'),
  notifications: [notify.outbox('notifications.jsonl', { on: 'always' })],
})
