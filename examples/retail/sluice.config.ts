import { defineConfig, duckdb, notify } from 'sluice'

export default defineConfig({
  name: 'retail',
  lake: { path: 'lake', retention: { versions: 20, days: 30 } },
  warehouse: duckdb('warehouse.duckdb'),
  notifications: [notify.outbox('notifications.jsonl', { on: 'always' })],
})
