import { expect, test } from 'vitest'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { duckDbType, simpleTypes, sourceColumns } from './columns.ts'
import { noPlaces } from './problems/places.ts'
import { resolvePipeline } from './resolve.ts'
import type { ColumnType } from './types.ts'

test('every type is spelled as DuckDB spells it itself', async () => {
  await using session = await duckDbEngine({ memoryLimit: '128MB' }).open()
  const types: readonly ColumnType[] = [...simpleTypes, 'decimal(12,3)', 'decimal(38,0)']
  const select = types.map((type, i) => `NULL::${duckDbType(type)} AS c${i}`).join(', ')
  const described = await session.describe(`SELECT ${select}`)
  expect(described.map(({ type }) => type)).toEqual(types.map(duckDbType))
})

test('a source has its own columns in order, then those that Sluice adds', () => {
  const columns = { b: 'text', a: { type: 'decimal(5, 2)', nullable: true } }
  const names = (more: object) => {
    const raw = { name: 'p', sources: { s: { kind: 'files', path: 'in/s.csv', columns, ...more } } }
    return sourceColumns(resolvePipeline(raw, { places: noPlaces('p.ts'), sqlFiles: [] }).pipeline!.sources['s']!)
  }
  expect(names({})).toEqual([
    { name: 'b', type: 'VARCHAR', nullable: false },
    { name: 'a', type: 'DECIMAL(5,2)', nullable: true },
    { name: '_file', type: 'VARCHAR', nullable: false },
  ])
  expect(names({ fileDate: 'yyyy', rowNumbers: true }).slice(3)).toEqual([
    { name: '_file_date', type: 'DATE', nullable: false },
    { name: '_row', type: 'BIGINT', nullable: false },
  ])
})
