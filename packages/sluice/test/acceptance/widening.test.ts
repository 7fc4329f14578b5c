import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { explainPlan } from '../../src/plan/explain.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

/** Every kind of widening that a contract can make: from, to, a value of the narrower, one of the wider, and how the first is shown afterwards. */
const widenings: readonly (readonly [from: string, to: string, old: string, came: string, shown?: string])[] = [
  ['tinyint', 'integer', '-128', '2147483647'],
  ['integer', 'bigint', '-2147483648', '9223372036854775807'],
  ['real', 'float', '0.5', '0.1'],
  ['decimal(12,2)', 'decimal(18,2)', '9999999999.99', '9999999999999999.99'],
  ['smallint', 'real', '-32768', '0.5', '-32768.0'],
  ['integer', 'float', '2147483647', '0.1', '2147483647.0'],
  ['integer', 'decimal(12,2)', '2147483647', '9999999999.99', '2147483647.00'],
  ['decimal(9,0)', 'bigint', '999999999', '9223372036854775807'],
  ['decimal(12,2)', 'decimal(14,4)', '0.01', '0.0001', '0.0100'],
  ['date', 'timestamp', '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 00:00:00'],
]
/** Those that Iceberg v2 knows come first. */
const known = 4

const pipeline = (kinds: readonly (readonly [string, string])[], loads: string): string => `
name: shop
sources:
  t:
    kind: files
    path: inbox/t_*.csv
    columns: { id: integer, ${kinds.map(([name, type]) => `${name}: '${type}'`).join(', ')} }
loads:
${loads}
`
const loads = `
  every: { mode: replace, from: stage.t }
  added: { mode: append, from: raw.t }
  keyed: { mode: upsert, from: stage.t, key: [id] }
  timed: { mode: incremental, from: stage.t, by: id }`
const names = widenings.map((_, at) => `c${at}`)
const csv = (id: number, values: readonly string[]): string => `id,${names.join(',')}\n${[id, ...values].join(',')}\n`
const columnsBy = (types: readonly string[]) => types.map((type, at) => [names[at] as string, type] as const)

test('SR-05: what a plan calls a widening, the run makes: in the table, in the models and in the warehouse', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/shop/pipeline.yaml': pipeline(columnsBy(widenings.map(([from]) => from)), loads),
    'pipelines/shop/stage/t.sql': 'SELECT * FROM raw.t\n',
    'inbox/t_1.csv': csv(
      1,
      widenings.map(([, , old]) => old),
    ),
  })
  {
    await using opened = await openProject(root)
    expect((await opened.run()).summary.status).toBe('succeeded')
  }
  writeFileSync(join(root, 'pipelines/shop/pipeline.yaml'), pipeline(columnsBy(widenings.map(([, to]) => to)), loads))
  writeFileSync(
    join(root, 'inbox/t_2.csv'),
    csv(
      2,
      widenings.map(([, , , came]) => came),
    ),
  )
  await using opened = await openProject(root)
  const planned = await opened.plan()
  expect(planned.problems).toEqual([])
  const ingest = planned.plan.tasks.find(({ id }) => id === 'ingest:raw.t')
  expect(ingest?.schemaChanges.map((change) => [change.column, change.class])).toEqual(
    names.map((name) => [name, 'widening']),
  )
  const [before] = await opened[readContext].versions('raw.t')
  expect(ingest?.rewriteBytes).toBe(before?.bytes)
  expect(explainPlan(planned).join('\n')).toMatch(/writes [\d.]+ kB of older files again, in the new types/)

  const { summary } = await opened.run()
  expect(summary.status).toBe('succeeded')
  const [record] = await opened[readContext].versions('raw.t')
  expect(record).toMatchObject({ version: 2, operation: 'append', rows: 2 })
  expect(record?.files.map(({ path }) => path)).not.toContain(before?.files[0]?.path)
  await opened[readContext].verify(record!)
  await using session = await opened[readContext].openRead()
  const list = names.map((name) => `${name}::VARCHAR AS ${name}`).join(', ')
  for (const relation of [
    'raw.t',
    'stage.t',
    ...['every', 'added', 'keyed', 'timed'].map((name) => `warehouse.${name}`),
  ]) {
    const rows = await session.all<Record<string, string>>(`SELECT ${list} FROM ${relation} ORDER BY id`)
    for (const [at, [from, to, old, came, shown = old]] of widenings.entries())
      expect(
        rows.map((row) => row[names[at] as string]),
        `${relation}: ${from} to ${to}`,
      ).toEqual([shown, came])
  }
  expect((await opened.plan()).plan.tasks.filter(({ action }) => action === 'run')).toEqual([])
})

test('SR-05: what Iceberg v2 knows rewrites nothing; a contract without a new file takes its version at once', async () => {
  const of = (at: 1 | 0): readonly (readonly [string, string])[] =>
    columnsBy(widenings.slice(0, known).map((one) => one[at]))
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/shop/pipeline.yaml': pipeline(of(0), '  {}'),
    'pipelines/shop/stage/t.sql': 'SELECT * FROM raw.t\n',
    'inbox/t_1.csv': `id,c0,c1,c2,c3\n1,${widenings
      .slice(0, known)
      .map(([, , old]) => old)
      .join(',')}\n`,
  })
  {
    await using opened = await openProject(root)
    expect((await opened.run()).summary.status).toBe('succeeded')
  }
  writeFileSync(join(root, 'pipelines/shop/pipeline.yaml'), pipeline(of(1), '  {}'))
  {
    await using opened = await openProject(root)
    const [before] = await opened[readContext].versions('raw.t')
    const ingest = (await opened.plan()).plan.tasks.find(({ id }) => id === 'ingest:raw.t')
    expect(ingest).toMatchObject({ action: 'run' })
    expect(ingest).not.toHaveProperty('rewriteBytes')
    expect((await opened.run()).summary.status).toBe('succeeded')
    const [record] = await opened[readContext].versions('raw.t')
    expect(record?.files.map(({ path }) => path)).toEqual(before?.files.map(({ path }) => path))
  }
  // And without a file, what it does not know: the version has the older rows alone, written again.
  writeFileSync(
    join(root, 'pipelines/shop/pipeline.yaml'),
    pipeline(
      of(1).map(([name, type]) => [name, name === 'c0' ? 'decimal(12,2)' : type] as const),
      '  {}',
    ),
  )
  await using opened = await openProject(root)
  const [before] = await opened[readContext].versions('raw.t')
  expect((await opened.plan()).plan.tasks.find(({ id }) => id === 'ingest:raw.t')?.rewriteBytes).toBe(before?.bytes)
  expect((await opened.run()).summary.status).toBe('succeeded')
  const [record] = await opened[readContext].versions('raw.t')
  expect(record).toMatchObject({ version: 3, rows: 1, accounting: { read: 0 } })
  expect(record?.files[0]?.path).not.toBe(before?.files[0]?.path)
  await using session = await opened[readContext].openRead()
  expect(await session.all('SELECT c0::VARCHAR AS c0 FROM stage.t')).toEqual([{ c0: '-128.00' }])
})

test('SR-05: to text is lossy; approved, the older rows are texts, too', async () => {
  const kinds: readonly (readonly [type: string, value: string])[] = [
    ['integer', '-7'],
    ['float', '0.30000000000000004'],
    ['boolean', 'true'],
    ['date', '2024-02-29'],
    ['timestamptz', '2024-02-29 23:59:59.999999+00'],
    ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ]
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/shop/pipeline.yaml': pipeline(columnsBy(kinds.map(([type]) => type)), '  {}'),
    'inbox/t_1.csv': `id,${names.slice(0, kinds.length).join(',')}\n1,${kinds.map(([, value]) => value).join(',')}\n`,
  })
  {
    await using opened = await openProject(root)
    expect((await opened.run()).summary.status).toBe('succeeded')
  }
  writeFileSync(join(root, 'pipelines/shop/pipeline.yaml'), pipeline(columnsBy(kinds.map(() => 'text')), '  {}'))
  await using opened = await openProject(root)
  const [before] = await opened[readContext].versions('raw.t')
  const [ingest] = (await opened.plan()).plan.tasks
  expect(ingest).toMatchObject({ action: 'skip', reason: 'needs-approval', rewriteBytes: before?.bytes })
  expect(new Set(ingest?.schemaChanges.map((change) => change.class))).toEqual(new Set(['lossy']))
  expect((await opened.run({ approve: ['raw.t'] })).summary.status).toBe('succeeded')
  await using session = await opened[readContext].openRead()
  const [row] = await session.all<Record<string, string>>('SELECT * EXCLUDE (id, _file) FROM raw.t')
  expect(Object.values(row ?? {})).toEqual(kinds.map(([, value]) => value))
})
