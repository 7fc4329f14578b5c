import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { readingOf } from './reading.ts'

async function read(sql: string) {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const [row] = (
    await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR) AS json', [sql])
  ).getRowObjectsJson()
  return readingOf(JSON.parse(String(row?.['json'])).statements[0], sql)
}

const all = ['id', 'city', 'My "odd" name']

test.each<[sql: string, names: readonly string[], columns: readonly string[], rows?: number]>([
  ['SELECT count(*) FROM warehouse.people', ['.warehouse.people'], []],
  ['SELECT ID FROM "warehouse"."Main"."People"', ['warehouse.Main.People'], ['id']],
  ['SELECT "my ""odd"" name" FROM warehouse.people', ['.warehouse.people'], ['My "odd" name']],
  ['SELECT 1 WHERE EXISTS (SELECT 1 FROM a.b UNION SELECT 2 FROM c.d)', ['.a.b', '.c.d'], []],
  ['WITH x AS (SELECT city FROM a.b) SELECT * FROM x', ['..x', '.a.b'], all],
  ['SELECT p FROM a.b AS p', ['.a.b'], all],
  ['SELECT b FROM a.b', ['.a.b'], all],
  ['SELECT x FROM a.b AS t(x)', ['.a.b'], all],
  ['SELECT #1 FROM a.b', ['.a.b'], all],
  ['SELECT count(*) FROM a.b NATURAL JOIN c.d', ['.a.b', '.c.d'], all],
  ['SELECT count(*) FROM a.b JOIN c.d USING (id)', ['.a.b', '.c.d'], ['id']],
  ["SELECT min(COLUMNS('i.*')) FROM a.b", ['.a.b'], all],
  ['SUMMARIZE a.b', ['.a.b'], all],
  // Rows that are not needed are not brought; whatever else a statement asks, all of them are.
  ['DESCRIBE a.b', ['.a.b'], all, 0],
  ['SELECT id FROM a.b LIMIT 5', ['.a.b'], ['id'], 5],
  ['FROM a.b LIMIT 0', ['.a.b'], all, 0],
  ['SELECT id FROM a.b LIMIT 5 OFFSET 2', ['.a.b'], ['id']],
  ['SELECT id FROM a.b LIMIT 5%', ['.a.b'], ['id']],
  ['SELECT id FROM a.b WHERE id > 2 LIMIT 5', ['.a.b'], ['id']],
  ['SELECT id FROM a.b ORDER BY city LIMIT 5', ['.a.b'], ['id', 'city']],
  ['SELECT DISTINCT id FROM a.b LIMIT 5', ['.a.b'], ['id']],
  ['SELECT max(id) FROM a.b LIMIT 5', ['.a.b'], ['id']],
  ['SELECT id FROM a.b GROUP BY id LIMIT 5', ['.a.b'], ['id']],
  ['SELECT id FROM a.b QUALIFY row_number() OVER () = 3 LIMIT 5', ['.a.b'], ['id']],
  ['SELECT id FROM a.b USING SAMPLE 2 ROWS LIMIT 1', ['.a.b'], ['id']],
  ['SELECT id FROM a.b TABLESAMPLE 10% LIMIT 1', ['.a.b'], ['id']],
  ['SELECT id FROM a.b, c.d LIMIT 1', ['.a.b', '.c.d'], ['id']],
  ['SELECT id FROM (SELECT id FROM a.b) LIMIT 1', ['.a.b'], ['id']],
  ['SELECT id FROM a.b UNION ALL SELECT id FROM a.b LIMIT 1', ['.a.b', '.a.b'], ['id']],
  ['WITH b AS (SELECT 1 AS id) SELECT id FROM a.b LIMIT (SELECT max(id) FROM b)', ['..b', '.a.b'], ['id']],
])('%s', async (sql, names, columns, rows) => {
  const reading = await read(sql)
  expect(reading.relations.map(({ catalog, schema, name }) => `${catalog}.${schema}.${name}`).sort()).toEqual(
    [...names].sort(),
  )
  expect(all.filter(reading.mayRead)).toEqual(columns)
  expect(reading.rows).toBe(rows)
})

test('whether a statement asks what tables there are', async () => {
  for (const sql of [
    'SHOW ALL TABLES',
    'SELECT 1 FROM information_schema.columns',
    'SELECT 1 FROM pg_catalog.pg_class',
  ])
    expect((await read(sql)).lists, sql).toBe(true)
  for (const sql of ['SHOW TABLES', 'SELECT 1 FROM a.b', 'DESCRIBE a.b'])
    expect((await read(sql)).lists, sql).toBe(false)
})
