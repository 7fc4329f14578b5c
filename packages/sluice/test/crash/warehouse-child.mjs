// The child of the crash test: makes the loads that it is told, from the built package. Arguments: the database, and loads as JSON.
import { systemClock } from '../../dist/base/clock.js'
import { duckDbEngine } from '../../dist/engines/duckdb/engine.js'
import { openDuckDbWarehouse } from '../../dist/warehouses/duckdb/warehouse.js'

const engine = duckDbEngine({ memoryLimit: '256MB', threads: 1 })
for (const input of JSON.parse(process.argv[3])) {
  const warehouse = await openDuckDbWarehouse({ path: process.argv[2], engine, clock: systemClock })
  await warehouse.load(input)
  await warehouse.close()
}
