import { describe, expect, test } from 'vitest'
import { resolveConfig, resolvePipeline } from '../resolve.ts'
import type { Pipeline, Project } from '../types.ts'
import { checkProject } from './check.ts'
import { placesInCode } from './places.ts'

const columns = { id: 'integer', amount: 'decimal(12,2)', sold_at: 'timestamp' }
const source = (path: string, more: object = {}) => ({ kind: 'files', path, columns, ...more })

function pipeline(raw: object, sql: readonly string[] = []): Pipeline {
  const sqlFiles = sql.map((table) => ({ table, file: `${table}.sql`, sql: 'SELECT 1' }))
  const at = { places: placesInCode('pipeline.ts', JSON.stringify(raw)), sqlFiles }
  const resolved = resolvePipeline({ name: 'retail', ...raw }, at)
  expect(resolved.problems).toEqual([])
  return resolved.pipeline!
}

function project(...pipelines: Pipeline[]): Project {
  return { config: resolveConfig({ name: 'shop' }, placesInCode('c.ts', '')).config!, pipelines }
}

function problems(...pipelines: Pipeline[]) {
  return checkProject(project(...pipelines)).map(({ name, message, suggestion }) => [name, message, suggestion])
}

const sales = { sales: source('inbox/sales_*.csv') }

test('a project that is well has no problems', () => {
  const raw = {
    sources: { sales: source('inbox/sales_*.csv', { checks: [{ kind: 'notNull', column: '_file' }] }) },
    tables: { 'stage.sales': { partitionBy: { kind: 'yearMonth', column: 'sold_at' } } },
    loads: { fact: { mode: 'incremental', from: 'raw.sales', by: 'id' } },
  }
  expect(problems(pipeline(raw, ['stage.sales']))).toEqual([])
})

test('tables that do not exist, wherever they are named, with what was meant', () => {
  const model = { kind: 'code', inputs: ['raw.sale'], make: () => '' }
  const raw = {
    sources: sales,
    models: { 'stage.code': model },
    tables: {
      'stage.slaes': {},
      'stage.sales': {
        drops: { from: 'raw.saless', why: 'x' },
        checks: [
          { kind: 'reference', columns: ['id'], to: 'raw.sals', toColumns: ['id'] },
          { kind: 'reconcile', sql: 'count(*)', with: 'stage.sale' },
        ],
      },
    },
    loads: { fact: { mode: 'replace', from: 'stage.salse' } },
  }
  const found = problems(pipeline(raw, ['stage.sales']))
  expect(found.map(([name]) => name)).toEqual(Array(6).fill('Definition.UnknownTable'))
  expect(found.map(([, , suggestion]) => suggestion)).toEqual([
    'stage.sales',
    'stage.sales',
    'raw.sales',
    'raw.sales',
    'raw.sales',
    'stage.sales',
  ])
})

test('columns that a source does not have, wherever they are named', () => {
  const raw = {
    sources: {
      sales: source('inbox/sales_*.csv', {
        checks: [
          { kind: 'range', column: 'amout', min: 0 },
          { kind: 'notNull', column: '_row' },
        ],
        key: { columns: ['idd'], keep: { lastBy: 'sold_att' } },
      }),
    },
    tables: {
      'raw.sales': {
        checks: [{ kind: 'grain', columns: ['id', 'ids'] }],
      },
    },
    loads: { d: { mode: 'scd2', from: 'raw.sales', key: 'id', track: ['amunt'], effective: 'sold' } },
  }
  expect(
    problems(pipeline(raw)).map(([name, message, suggestion]) => [
      name,
      /"([^"]+)"\. C/.exec(String(message))?.[1],
      suggestion,
    ]),
  ).toEqual([
    ['Definition.UnknownColumn', 'idd', 'id'],
    ['Definition.UnknownColumn', 'sold_att', 'sold_at'],
    ['Definition.UnknownColumn', 'amout', 'amount'],
    ['Definition.UnknownColumn', '_row', undefined],
    ['Definition.UnknownColumn', 'ids', 'id'],
    ['Definition.UnknownColumn', 'amunt', 'amount'],
    ['Definition.UnknownColumn', 'sold', undefined],
  ])
})

test('names are taken once in a project, whatever their case', () => {
  const first = pipeline({ sources: sales, loads: { fact: { mode: 'replace', from: 'raw.sales' } } }, ['raw.Sales'])
  const second = pipeline({
    sources: { sales: source('other/*.csv') },
    loads: { FACT: { mode: 'replace', from: 'raw.sales' } },
  })
  expect(problems(first, { ...second, file: 'second.ts' }).map(([name, message]) => [name, message])).toEqual([
    ['Definition.DuplicateTable', '"raw.Sales" is made twice: by a source of pipeline.ts and by raw.Sales.sql.'],
    ['Definition.DuplicateTable', '"retail" is made twice: by pipeline.ts and by second.ts.'],
    [
      'Definition.DuplicateTable',
      '"raw.sales" is made twice: by a source of pipeline.ts and by a source of second.ts.',
    ],
    ['Definition.DuplicateTable', '"FACT" is made twice: by a load of pipeline.ts and by a load of second.ts.'],
  ])
})

test('layers: none twice, none that Sluice keeps for itself, no two orders', () => {
  const names = (...layers: string[][]) =>
    problems(...layers.map((list, i) => ({ ...pipeline({ layers: list }), name: `p${i}` }))).map(
      ([, message]) => message,
    )
  expect(names(['raw', 'stage', 'Raw', 'warehouse'])).toEqual([
    'The layers cannot be used: "Raw" is there twice.',
    'The layers cannot be used: "warehouse" is a name that Sluice keeps for itself.',
  ])
  expect(names(['raw', 'stage'], ['stage', 'raw'])).toEqual([
    'The layers cannot be used: pipeline "p0" has raw before stage, and pipeline "p1" has stage before raw.',
  ])
  expect(names(['raw', 'stage', 'analytics'], ['raw', 'analytics'])).toEqual([])
})

describe('AW-12: an output under an input path is refused', () => {
  test.each([
    [
      'the archive inside a deep inbox',
      source('inbox/**/*.csv', { archive: 'inbox/archive' }),
      'archive folder "inbox/archive"',
    ],
    ['the inbox itself as archive', source('inbox/*.csv', { archive: 'inbox' }), 'archive folder "inbox"'],
    ['the error folder', source('in/**/x_*.csv', { error: 'in/error' }), 'error folder "in/error"'],
    ['the lake', source('**/*.parquet', { archive: false, error: 'x.d' }), 'lake "lake"'],
  ])('%s', (_what, made, told) => {
    const found = problems(pipeline({ sources: { sales: made } }))
    expect(found.map(([name]) => name)).toContain('Definition.FolderLoop')
    expect(found.map(([, message]) => message).join()).toContain(told)
  })

  test('the outbox of notifications', () => {
    const raw = { sources: { log: source('out/*.jsonl') }, notifications: [{ kind: 'outbox', path: 'out/sent.jsonl' }] }
    expect(problems(pipeline(raw)).map(([name]) => name)).toEqual(['Definition.FolderLoop'])
  })

  test('an archive beside the files is no loop', () => {
    expect(problems(pipeline({ sources: { sales: source('inbox/*.csv', { archive: 'inbox/archive' }) } }))).toEqual([])
  })
})

test('two sources never look for the same file; patterns have one form', () => {
  const raw = { sources: { all: source('inbox/sales_*.csv'), returns: source('inbox/sales_returns_*.csv') } }
  expect(problems(pipeline(raw)).map(([name]) => name)).toEqual(['Definition.PatternOverlap'])
  const wrong = { sources: { a: source('in*/a.csv'), b: source('b/{x,y}.csv') } }
  expect(problems(pipeline(wrong)).map(([name]) => name)).toEqual(['Definition.WrongValue', 'Definition.WrongValue'])
})

test('files move within their bucket, or below the project', () => {
  const at = (path: string, more: object = {}) => problems(pipeline({ sources: { a: source(path, more) } }))
  expect(at('s3://shop/inbox/*.csv')).toEqual([])
  expect(at('s3://shop/*.csv')).toEqual([])
  expect(at('s3://shop/inbox/*.csv', { archive: 's3://shop/old', error: 's3://shop/bad' })).toEqual([])
  for (const [path, more] of [
    ['s3://shop/inbox/*.csv', { archive: 'archive' }],
    ['s3://shop/inbox/*.csv', { error: 's3://other/error' }],
    ['inbox/*.csv', { archive: 's3://shop/archive' }],
  ] as const)
    expect(at(path, more).map(([name]) => name)).toEqual(['Definition.WrongValue'])
  expect(at('s3://shop/inbox/*.csv', { archive: 's3://shop/inbox' }).map(([name]) => name)).toEqual([
    'Definition.FolderLoop',
  ])
})

test('columns: none that Sluice adds itself, no two that differ in case alone', () => {
  const raw = { sources: { a: { ...source('in/a.csv'), columns: { _file: 'text', id: 'text', ID: 'text' } } } }
  expect(problems(pipeline(raw)).map(([name]) => name)).toEqual(['Definition.WrongValue', 'Definition.WrongValue'])
})

test('CT-07: what would be ignored is refused: quarantine by checks of whole tables, options of tables that a source has no use for', () => {
  const grain = { kind: 'grain', columns: ['id'], action: 'quarantine' }
  const raw = {
    sources: {
      sales: source('inbox/sales_*.csv', {
        checks: [
          { kind: 'unique', columns: ['id'], action: 'quarantine' },
          { kind: 'reference', columns: ['id'], to: 'stage.sales', toColumns: ['id'], action: 'quarantine' },
          { kind: 'reconcile', sql: 'count(*)', with: 'stage.sales', action: 'quarantine' },
          { kind: 'reconcile', sql: 'count(*)', with: 'stage.sales', action: 'stop' },
        ],
      }),
    },
    tables: {
      'raw.sales': { partitionBy: { kind: 'value', column: 'id' }, drops: { from: 'stage.sales', why: 'x' } },
      'stage.sales': { checks: [grain, { kind: 'unique', columns: ['id'], action: 'quarantine' }] },
    },
  }
  expect(problems(pipeline(raw, ['stage.sales'])).map(([, message]) => String(message).split(' must be ')[0])).toEqual([
    'The action of the reference check on raw.sales',
    'The action of the reconcile check on raw.sales',
    'The action of the grain check on stage.sales',
    'The action of the unique check on stage.sales',
    'tables.raw.sales.partitionBy',
    'tables.raw.sales.drops',
  ])
})

test('CT-07: columns of a source do not take the names that Sluice uses for itself, in any case', () => {
  const names = ['_file', '_FILE_DATE', '_row', '_sluice_c0', '_Sluice_record', '_files', 'sluice_c0']
  const raw = {
    sources: { sales: source('inbox/x.csv', { columns: Object.fromEntries(names.map((name) => [name, 'text'])) }) },
  }
  expect(problems(pipeline(raw)).map(([, message]) => /column "(\w+)"/.exec(String(message))?.[1])).toEqual(
    names.slice(0, 5),
  )
})
