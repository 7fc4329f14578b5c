import { expect, test } from 'vitest'
import type { Pipeline, Project, Source } from '../definition/types.ts'
import { modelDefinition, sourceDefinition } from './definition.ts'
import { bindParameters } from './parameters.ts'

const call = (parameters: object): Source =>
  ({
    kind: 'procedure',
    connection: 'erp',
    procedure: 'dbo.usp',
    columns: {},
    checks: [],
    parameters,
  }) as unknown as Source
const pipeline = {
  name: 'erp',
  parameters: { year: { type: 'integer' }, note: { type: 'text' } },
  sources: { asked: call({ y: { $parameter: 'year' }, z: 1 }), other: call({ z: 1 }) },
  models: {
    'stage.a': { kind: 'sql', sql: "SELECT getvariable('note') AS n, getvariable('elsewhere') AS e", file: 'a.sql' },
    'stage.b': { kind: 'sql', sql: "SELECT 1 AS b -- getvariable('note')", file: 'b.sql' },
    'stage.c': { kind: 'code', inputs: [], parameters: ['year'], make: () => 'SELECT 1' },
  },
} as unknown as Pipeline
const project = { pipelines: [pipeline] } as unknown as Project
const bound = (year: string, note: string): Pipeline => bindParameters(project, { erp: { year, note } }).pipelines[0]!

test('each model and call has the values that it uses, as constants of their types', () => {
  const { sources, models } = bound('2026', 'x')
  expect(sources).toMatchObject({ asked: { parameters: { y: { type: 'integer', value: '2026' }, z: 1 } } })
  expect(sources['other']).toBe(pipeline.sources['other'])
  expect(models).toMatchObject({
    'stage.a': { bound: [{ name: 'note', type: 'text', value: 'x' }] },
    'stage.c': { bound: [{ name: 'year', type: 'integer', value: '2026' }] },
  })
  expect(models['stage.b']).toBe(pipeline.models['stage.b'])
})

test('another value is another definition of what uses it, and of nothing else', () => {
  const definitions = (of: Pipeline): Record<string, string> => ({
    ...Object.fromEntries(Object.entries(of.sources).map(([name, source]) => [name, sourceDefinition(source, {})])),
    ...Object.fromEntries(Object.entries(of.models).map(([name, model]) => [name, modelDefinition(model, {})])),
  })
  const [first, second] = [definitions(bound('2026', 'x')), definitions(bound('2025', 'x'))]
  expect(Object.keys(first).filter((name) => first[name] !== second[name])).toEqual(['asked', 'stage.c'])
})

test('a project without parameters is the same project; values can be bound again', () => {
  const plain = { pipelines: [{ ...pipeline, parameters: undefined }] } as unknown as Project
  expect(bindParameters(plain, undefined)).toBe(plain)
  const again = bindParameters({ pipelines: [bound('2026', 'x')] } as unknown as Project, {
    erp: { year: '2026', note: 'x' },
  })
  expect(again.pipelines[0]!.models).toEqual(bound('2026', 'x').models)
})
