import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openProject } from '../../src/run/project.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { makeProject } from './project.ts'

const definition = (columns: string): string => `
name: m
sources:
  people:
    kind: files
    path: inbox/people*.csv
    mode: replace
    columns: { ${columns} }
loads:
  people: { mode: replace, from: stage.people }
  dim_people: { mode: scd2, from: stage.people, key: id, deletes: absence }
`

test('IN-25: deliveries A, B, A under three names end with A, in the table, its target and its history', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/m/pipeline.yaml': definition('id: integer, city: text'),
    'pipelines/m/stage/people.sql': 'SELECT id, city FROM raw.people\n',
    'inbox/.keep': '',
  })
  const seen: string[] = []
  const deliver = async (day: string, ...rows: readonly string[]): Promise<void> => {
    if (day !== '') writeFileSync(join(root, `inbox/people_${day}.csv`), ['id,city', ...rows, ''].join('\n'))
    {
      await using opened = await openProject(root)
      expect((await opened.run({})).summary.status).toMatch(/succeeded|unchanged/)
    }
    await using warehouse = await openDuckDbWarehouse({
      path: join(root, 'warehouse.duckdb'),
      engine: duckDbEngine({ memoryLimit: '1GB' }),
      clock: systemClock,
    })
    const cities = async (sql: string) => (await warehouse.query(sql)).map((row) => row['city']).join()
    const dimension = await cities('SELECT city FROM dim_people WHERE is_current_record ORDER BY id')
    seen.push(`${await cities('SELECT city FROM people ORDER BY id')} ${dimension}`)
  }
  await deliver('mon', '1,Ankara', '2,Izmir')
  await deliver('tue', '1,Bursa', '2,Izmir')
  await deliver('wed', '1,Ankara', '2,Izmir')
  // A day without rows closes all; the next one opens them again.
  await deliver('thu')
  await deliver('fri', '1,Ankara', '2,Izmir')
  // A version that takes a changed contract over takes no file.
  writeFileSync(
    join(root, 'pipelines/m/pipeline.yaml'),
    definition('id: integer, city: text, note: { type: text, nullable: true, from: city }'),
  )
  await deliver('')
  await deliver('sat', '1,Bursa', '2,Izmir')
  const [a, b] = ['Ankara,Izmir Ankara,Izmir', 'Bursa,Izmir Bursa,Izmir']
  expect(seen).toEqual([a, b, a, ' ', a, a, b])
})
