/** The child of the crash test, which makes the loads that it is told: `node --import jiti/register warehouse-child.ts <place as JSON> <loads as JSON>`. */

import { tmpdir } from 'node:os'
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { openPostgresWarehouse } from '../../src/warehouses/postgres/warehouse.ts'
import { readingSelects } from '../conformance/select-relation.ts'

const [where = '{}', loads = '[]'] = process.argv.slice(2)
const place = JSON.parse(where)
const engine = readingSelects(duckDbEngine({ memoryLimit: '256MB', threads: 1 }))
const options = { ...place, engine, clock: systemClock, folder: tmpdir() }
for (const input of JSON.parse(loads)) {
  const warehouse = await ('path' in place ? openDuckDbWarehouse(options) : openPostgresWarehouse(options))
  await warehouse.load(input)
  await warehouse.close()
}
