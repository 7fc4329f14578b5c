/** The child of the crash test, which makes the loads that it is told: `node --import jiti/register warehouse-child.ts <database> <loads as JSON>`. */
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'

const [path = '', loads = '[]'] = process.argv.slice(2)
const engine = duckDbEngine({ memoryLimit: '256MB', threads: 1 })
for (const input of JSON.parse(loads)) {
  const warehouse = await openDuckDbWarehouse({ path, engine, clock: systemClock })
  await warehouse.load(input)
  await warehouse.close()
}
