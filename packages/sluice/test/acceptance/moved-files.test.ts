import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openProject } from '../../src/run/project.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { makeProject } from './project.ts'

/** A fact by days, from a table that is split by months. */
const project = {
  'package.json': '{ "private": true, "type": "module" }',
  'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
  'pipelines/shop/pipeline.yaml': `
name: shop
sources:
  sales:
    kind: files
    path: inbox/sales_*.csv
    mode: replace
    columns: { id: integer, sold_on: date, amount: 'decimal(10,2)' }
tables:
  stage.sales:
    partitionBy: { kind: yearMonth, column: sold_on }
loads:
  fact: { mode: incremental, from: stage.sales, by: sold_on }
`,
  'pipelines/shop/stage/sales.sql': 'SELECT id, sold_on, amount FROM raw.sales\n',
  'inbox/.keep': '',
}

test('WH-11: of months that kept their files a fact by days compares and reads nothing', async () => {
  const root = makeProject(project)
  let deliveries = 0
  const deliver = async (...sales: readonly string[]): Promise<void> => {
    const text = ['id,sold_on,amount', ...sales, ''].join('\n')
    writeFileSync(join(root, `inbox/sales_${deliveries++}.csv`), text)
    await using opened = await openProject(root)
    expect((await opened.run({})).summary.status).toBe('succeeded')
  }
  const open = () =>
    openDuckDbWarehouse({
      path: join(root, 'warehouse.duckdb'),
      engine: duckDbEngine({ memoryLimit: '1GB' }),
      clock: systemClock,
    })
  const december = ['1,2010-12-01,1.00', '2,2010-12-02,2.00']
  await deliver(...december, '3,2011-01-01,3.00', '4,2011-02-01,4.00')
  {
    await using warehouse = await open()
    // A load that compared this day would find it changed.
    await warehouse.query("UPDATE sluice.load_keys SET fingerprint = 'x' WHERE key_value = '2010-12-01'")
  }
  await deliver(...december, '3,2011-01-01,3.01', '5,2011-03-01,9.00')
  await using warehouse = await open()
  const [last] = await warehouse.ledger({ target: 'fact' })
  expect(last?.result).toMatchObject({ keys: ['2011-01-01', '2011-02-01', '2011-03-01'], unchanged: 2, total: 4 })
  const rows = await warehouse.query('SELECT id, amount FROM fact ORDER BY id')
  expect(rows.map((row) => Object.values(row).join())).toEqual(['1,1.00', '2,2.00', '3,3.01', '5,9.00'])
})
