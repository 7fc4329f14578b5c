import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { assignFields } from '../lake/fields.ts'
import type { Field } from '../lake/record.ts'
import { duckDbEngine } from './duckdb/engine.ts'
import type { Session } from './engine.ts'
import { completeFile } from './parquet-footer.ts'
import { writeFieldIds } from './parquet-ids.ts'

const session: Session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
const folder = (): string => mkdtempSync(join(tmpdir(), 'sluice-ids-'))

const every = `SELECT i::TINYINT AS tiny, 300::SMALLINT AS small, i::INTEGER AS whole, i::BIGINT AS big, 18446744073709551615::UBIGINT AS unsigned,
  1.5::FLOAT AS single, 'NaN'::DOUBLE AS nan, 1.25::DECIMAL(38,10) AS exact, true AS truth, 'x' || i AS "te""x.t", DATE '2026-02-28' AS day,
  TIME '23:59:59' AS hour, TIMESTAMP '2026-03-29 02:30:00' AS local, TIMESTAMPTZ '2026-03-29 02:30:00+00' AS instant, '\\xAB'::BLOB AS bytes,
  '6f1c0f7e-2b1e-4b52-9d3e-0a4a9d1f8c11'::UUID AS id, {'a': i, 'b': [{'c': 'x', 'd': MAP {'k': 1.5}}]} AS nested, [1, NULL, 3] AS list,
  MAP {'k': [{'m': 1}]} AS map, NULL::INTEGER AS nothing FROM range(3) t(i)`

/** A file of a query, and the fields of a table that is made of it. */
async function written(sql: string, parent?: Field[]): Promise<{ file: string; fields: readonly Field[] }> {
  const columns = (await session.describe(sql)).map((column) => ({ ...column, nullable: true }))
  const before = parent === undefined ? undefined : { fields: parent, files: [], nextFieldId: 1000 }
  const { fields } = assignFields('raw.t', before as never, columns, false)
  const [made] = await session.write(sql, { folder: folder() })
  return { file: made!.file, fields }
}

/** Every element of a file's schema with its id, as DuckDB reads it. */
const schemaOf = (file: string) =>
  session.all<{ name: string; field_id: string | null }>(`SELECT name, field_id FROM parquet_schema('${file}')`)

/** DuckDB's own way to say it. */
function option(fields: readonly Pick<Field, 'id' | 'name' | 'nested'>[]): string {
  const one = ({ id, name, nested }: Pick<Field, 'id' | 'name' | 'nested'>): string =>
    `"${name.replaceAll('"', '""')}": ${nested === undefined ? id : `{__duckdb_field_id: ${id}, ${nested.map(one).join(', ')}}`}`
  return `FIELD_IDS {${fields.map(one).join(', ')}}`
}

test('every column and every part of it has the id that DuckDB would write, and the rows are the same', async () => {
  const { file, fields } = await written(every)
  const rows = await session.all(`FROM read_parquet('${file}')`)
  const compare = join(folder(), 'duckdb.parquet')
  await session.run(`COPY (${every}) TO '${compare}' (FORMAT parquet, ${option(fields)})`)
  expect(await completeFile(session, file, fields)).toEqual({ rows: 3, hasFieldIds: true })
  expect(await schemaOf(file)).toEqual(await schemaOf(compare))
  expect(await session.all(`FROM read_parquet('${file}')`)).toEqual(rows)
  // Ids that are there give way.
  const others = fields.map((field) => ({ ...field, id: field.id + 100_000 }))
  await writeFieldIds(file, others)
  expect((await schemaOf(file))[1]).toEqual({ name: 'tiny', field_id: '100001' })
  expect(await session.all(`FROM read_parquet('${file}')`)).toEqual(rows)
})

test('parts of an array have ids, too, which DuckDB would not write', async () => {
  const { file, fields } = await written("SELECT ['a', 'b']::VARCHAR[2] AS pair")
  await writeFieldIds(file, fields)
  expect((await schemaOf(file)).map(({ field_id: id }) => id)).toEqual([null, '1', null, '2'])
  expect(await session.all(`SELECT pair::VARCHAR AS pair FROM read_parquet('${file}')`)).toEqual([{ pair: '[a, b]' }])
})

test('few columns, one column, several row groups, no rows', async () => {
  for (const sql of [
    'SELECT 1 AS a',
    'SELECT 1 AS a, 2 AS b',
    'SELECT i AS a FROM range(300000) t(i)',
    'SELECT 1 AS a WHERE false',
  ]) {
    const { file, fields } = await written(sql)
    const [before] = await session.all(`SELECT count(*) AS n, sum(a) AS s FROM read_parquet('${file}')`)
    await writeFieldIds(file, fields)
    expect((await schemaOf(file)).map(({ field_id: id }) => id)).toEqual([null, ...fields.map(({ id }) => String(id))])
    expect(await session.all(`SELECT count(*) AS n, sum(a) AS s FROM read_parquet('${file}')`)).toEqual([before])
  }
})

test('a file with columns that are not the table’s is refused, and so is what is no Parquet', async () => {
  const { file, fields } = await written('SELECT 1 AS a, 2 AS b')
  for (const wrong of [
    fields.slice(1),
    [...fields, { ...fields[0]!, name: 'c' }],
    [{ ...fields[0]!, name: 'c' }, fields[1]!],
  ])
    await expect(writeFieldIds(file, wrong)).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
  const before = readFileSync(file)
  const text = join(folder(), 'x.parquet')
  for (const bytes of [Buffer.from('PAR1'), Buffer.from('a,b\n1,2\n and more of it'), before.subarray(0, -4)]) {
    writeFileSync(text, bytes)
    await expect(writeFieldIds(text, fields)).rejects.toMatchObject({ name: 'Lake.FileCorrupt' })
  }
  expect(readFileSync(file)).toEqual(before)
})
