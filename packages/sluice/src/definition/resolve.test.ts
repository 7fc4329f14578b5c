import { describe, expect, test } from 'vitest'
import type { Problem } from '../base/errors.ts'
import { noPlaces, placesInCode } from './problems/places.ts'
import { readData } from './read-data.ts'
import { resolveConfig, resolvePipeline } from './resolve.ts'

const retail = {
  name: 'retail',
  sources: { sales: { kind: 'files', path: 'inbox/sales_*.csv', columns: { id: 'integer' } } },
}

/** Problems of a pipeline in YAML, as `line:column name message (suggestion)`. */
function problemsIn(yaml: string): string[] {
  const { value, places, problems } = readData('pipeline.yaml', yaml)
  expect(problems).toEqual([])
  return resolvePipeline(value, { places, sqlFiles: [] }).problems.map(told)
}

function told({ at, message, suggestion }: Problem): string {
  return `${at?.line}:${at?.column} ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`
}

test('CT-07: every problem at once: place, allowed values, what was meant', () => {
  const yaml = `name: Retail
scedule: { cron: 0 6 * * * }
sources:
  sales:
    kind: files
    path: ../inbox/*.csv
    mode: apend
    colums: {}
    columns:
      id: integr
      amount: decimal(50,2)
      at: { type: timestamp, zone: Europe/Londn }
      note: { type: text, nulable: true }
    checks:
      - { kind: rnge, column: id, min: 1 }
      - { kind: range, column: id }
      - { kind: notNull }
    quarantine: { maxShare: 30 }
loads:
  fact:
    mode: incremental
    from: analytics.fact
  dim: { mode: scd, from: analytics.dim, key: id }
`
  expect(problemsIn(yaml)).toMatchInlineSnapshot(`
    [
      "1:7 name must be lower-case letters, digits, _ and -, at most 63, starting with a letter, not "Retail".",
      "6:11 sources.sales.path must be a path below the project, without "..", or s3://bucket/path, not "../inbox/*.csv".",
      "10:11 sources.sales.columns.id must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, or an object, not "integr". (integer)",
      "11:15 sources.sales.columns.amount must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, or an object, not "decimal(50,2)".",
      "12:36 sources.sales.columns.at.zone must be an IANA zone such as Europe/London, not "Europe/Londn". (Europe/London)",
      "13:27 sources.sales.columns.note has a key "nulable" that Sluice does not know. Allowed: type, nullable, from, nulls, format, zone, overlap, fraction, trueValues, falseValues, decimalSeparator, groupSeparator, trim, encoding, description, aliases, optional. (nullable)",
      "7:11 sources.sales.mode must be one of append, replace, not "apend". (append)",
      "15:17 sources.sales.checks[0].kind must be one of notNull, unique, range, length, pattern, oneOf, format, row, rowCount, freshness, grain, reference, reconcile, sum, not "rnge". (range)",
      "16:9 sources.sales.checks[1] needs a "min": a bound, or a "max", or both.",
      "17:9 sources.sales.checks[2] needs a "column": a text.",
      "18:19 sources.sales.quarantine.maxShare must be at most 1, not 30.",
      "8:5 sources.sales has a key "colums" that Sluice does not know. Allowed: kind, path, columns, format, mode, fileDate, rowNumbers, checks, quarantine, drift, duplicateContent, changedContent, key, rowCount, archive, error, ready, limits, description. (columns)",
      "20:3 loads.fact needs a "by": a text.",
      "23:16 loads.dim.mode must be one of replace, incremental, append, upsert, scd2, not "scd". (scd2)",
      "2:1 The pipeline has a key "scedule" that Sluice does not know. Allowed: name, layers, sources, tables, loads, parameters, schedule, notifications, description. (schedule)",
    ]
  `)
})

test('CT-07: what is missing or of the wrong kind, in the configuration', () => {
  const { problems } = resolveConfig(
    {
      pipelines: 3,
      lake: { path: '/etc', retention: { versions: 0 } },
      engine: { memoryLimit: '512' },
      concurrency: 0.5,
    },
    noPlaces('sluice.config.ts'),
  )
  expect(problems.map(({ message }) => message)).toMatchInlineSnapshot(`
    [
      "The configuration needs a "name": a text.",
      "pipelines must be a text, not 3.",
      "lake.path must be a path below the project, without "..", or s3://bucket/path, not "/etc".",
      "lake.retention.versions must be at least 1, not 0.",
      "engine.memoryLimit must be a size such as 512MB or 2GiB, not "512".",
      "concurrency must be a whole number, not 0.5.",
    ]
  `)
})

test.each([[undefined], [null], [[]], ['text'], [3]])('%j is no pipeline', (raw) => {
  const { problems } = resolvePipeline(raw, { places: noPlaces('pipeline.ts'), sqlFiles: [] })
  expect(problems).toMatchObject([{ name: 'Definition.WrongValue' }])
})

describe('P17: a secret in the open is refused and never repeated', () => {
  const canary = 'hunter2-canary'
  test.each([
    ['a password', { kind: 'email', to: ['a@b.c'], from: 'a@b.c', host: 'mail', password: canary }],
    ['a signing secret', { kind: 'webhook', url: 'https://example.com', secret: canary }],
    ['credentials in an address', { kind: 'webhook', url: `https://me:${canary}@example.com/` }],
    ['a token in an address', { kind: 'webhook', url: `https://example.com/?token=${canary}` }],
  ])('%s', (_what, notifier) => {
    const text = `export default { name: 'shop', notifications: [${JSON.stringify(notifier)}] }`
    const { problems, config } = resolveConfig(
      { name: 'shop', notifications: [notifier] },
      placesInCode('sluice.config.ts', text),
    )
    expect(config).toBeUndefined()
    expect(problems).toMatchObject([{ name: 'Definition.PlaintextSecret', at: { line: 1 } }])
    expect(JSON.stringify(problems)).not.toContain(canary)
  })
})

test('a code model in YAML, and a format that the path does not tell', () => {
  expect(problemsIn('name: a\nmodels: { stage.x: { kind: code } }')).toEqual([
    expect.stringMatching(/^2:1 The pipeline has a key "models"/),
  ])
  expect(problemsIn('name: a\nsources: { x: { kind: files, path: inbox/*, columns: { a: text } } }')).toEqual([
    expect.stringMatching(/^2:36 sources.x needs a "format": csv, jsonl or parquet/),
  ])
})

test('defaults: folders beside the inbox, and the format by the ending', () => {
  const resolve = (path: string) => {
    const raw = { ...retail, sources: { sales: { ...retail.sources.sales, path } } }
    const source = resolvePipeline(raw, { places: noPlaces('p.ts'), sqlFiles: [] }).pipeline!.sources['sales']!
    return source.kind === 'files' && [source.archive, source.error, source.format.kind]
  }
  expect(resolve('inbox/sales_*.csv')).toEqual(['archive/sales', 'error/sales', 'csv'])
  expect(resolve('data/inbox/**/sales_*.csv.gz')).toEqual(['data/archive/sales', 'data/error/sales', 'csv'])
  expect(resolve('sales.ndjson')).toEqual(['archive/sales', 'error/sales', 'jsonl'])
  expect(resolve('a/b/c/*.parquet')).toEqual(['a/b/archive/sales', 'a/b/error/sales', 'parquet'])
})

test('defaults: what is given of the quarantine limits replaces the rest as declared', () => {
  const limits = (quarantine: object) => {
    const sources = { sales: { ...retail.sources.sales, quarantine } }
    const surroundings = { places: noPlaces('p.ts'), sqlFiles: [] }
    return resolvePipeline({ ...retail, sources }, surroundings).pipeline!.sources['sales']
  }
  expect(limits({})).toHaveProperty('quarantine', { maxShare: 0.01, maxRows: 1000 })
  expect(limits({ maxShare: 0.3 })).toHaveProperty('quarantine', { maxShare: 0.3 })
  expect(limits({ maxRows: 5 })).toHaveProperty('quarantine', { maxShare: 0.01, maxRows: 5 })
})

test('defaults: keys are lists, and SCD2 has its column names', () => {
  const loads = { d: { mode: 'scd2', from: 'analytics.d', key: 'id', columns: { current: 'is_now' } } }
  const { pipeline } = resolvePipeline({ ...retail, loads }, { places: noPlaces('p.ts'), sqlFiles: [] })
  expect(pipeline!.loads['d']).toEqual({
    mode: 'scd2',
    from: 'analytics.d',
    key: ['id'],
    columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_now', surrogate: 'surrogate_key' },
  })
})

test('a SQL file joins under its place; a bad name, a folder that is no layer, and a second model are problems', () => {
  const sql = (table: string) => ({ table, file: `pipelines/retail/${table.replace('.', '/')}.sql`, sql: 'SELECT 1' })
  const model = { kind: 'code', inputs: ['raw.sales'], make: () => 'SELECT 1' }
  const places = noPlaces('pipeline.ts')
  const good = resolvePipeline({ ...retail, models: { 'stage.a': model } }, { places, sqlFiles: [sql('stage.b')] })
  expect(Object.keys(good.pipeline!.models)).toEqual(['stage.a', 'stage.b'])
  const bad = resolvePipeline(
    { ...retail, models: { 'stage.a': model } },
    { places, sqlFiles: [sql('stage.a'), sql('stge.b'), sql('stge.c'), sql('stage.1-b')] },
  )
  expect(bad.problems.map(({ name, suggestion }) => [name, suggestion])).toEqual([
    ['Definition.DuplicateTable', undefined],
    ['Definition.UnknownLayer', 'stage'],
    ['Definition.WrongValue', undefined],
  ])
})
