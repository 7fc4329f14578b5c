import { defineConfig, duckdb, notify } from 'sluice'

export default defineConfig({
  name: 'file-drop',
  warehouse: duckdb('warehouse.duckdb'),
  notifications: [
    notify.console({ on: 'failure' }),
    notify.outbox('notifications.jsonl', { on: 'always', each: 'task' }),
  ],
})
