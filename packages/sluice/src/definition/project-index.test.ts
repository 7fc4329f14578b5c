import { expect, test } from 'vitest'
import { projectIndex } from './project-index.ts'
import type { Project } from './types.ts'

const pipeline = (name: string, layer: string, tables: object = {}): object => ({
  name,
  file: `pipelines/${name}/pipeline.ts`,
  layers: [layer, 'stage'],
  sources: { sales: { kind: 'files', path: `${name}/*.csv` } },
  models: { [`stage.${name}`]: { kind: 'sql', sql: 'SELECT 1', file: '' } },
  loads: { [`dim_${name}`]: { mode: 'replace', from: `stage.${name}` } },
  tables,
  notifications: [],
})
const projectOf = (...pipelines: object[]): Project => ({ config: {}, pipelines }) as unknown as Project

test('sources, models and loads are found by full name, with their pipeline', () => {
  const project = projectOf(
    pipeline('a', 'raw', { 'raw.sales': { description: 'all of it' } }),
    pipeline('b', 'bronze'),
  )
  const index = projectIndex(project)
  expect(index.sources.map(({ table }) => table)).toEqual(['raw.sales', 'bronze.sales'])
  expect(index.source('bronze.sales')).toMatchObject({ key: 'sales', pipeline: { name: 'b' } })
  expect(index.model('stage.a')?.pipeline.name).toBe('a')
  expect(index.load('dim_b')).toMatchObject({ load: { from: 'stage.b' }, pipeline: { name: 'b' } })
  expect(index.options('raw.sales')).toEqual({ description: 'all of it' })
  expect([index.source('raw.other'), index.options('raw.other')]).toEqual([undefined, {}])
})

test('of two with one name the first counts, and the index of a project is made once', () => {
  const project = projectOf(pipeline('a', 'raw'), pipeline('b', 'raw'))
  expect(projectIndex(project).source('raw.sales')?.pipeline.name).toBe('a')
  expect(projectIndex(project)).toBe(projectIndex(project))
})
