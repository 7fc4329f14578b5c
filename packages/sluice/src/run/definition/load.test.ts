import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadProject } from './load.ts'

const roots: string[] = []
afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

/** A project folder with these files. */
async function project(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-load-'))
  roots.push(root)
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  return root
}

const config = `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'shop' })\n`
const pipelineTs = `import { files, incremental, notNull, pipeline } from 'sluice'

enum Kind { Text = 'text' }

export default pipeline('retail', {
  sources: {
    sales: files('inbox/sales_*.csv', {
      columns: { id: 'integer', note: Kind.Text },
      checks: [notNull('note')],
    }),
  },
  loads: { fact_sales: incremental({ from: 'analytics.fact_sales', by: 'date_key' }) },
})
`
const sql = 'SELECT id AS date_key FROM raw.sales\n'

test('a TypeScript project with SQL models is loaded, defaults filled in', async () => {
  const root = await project({
    'sluice.config.ts': config,
    'pipelines/retail/pipeline.ts': pipelineTs,
    'pipelines/retail/analytics/fact_sales.sql': sql,
    'pipelines/retail/dashboards/sales.sql': 'ignored',
  })
  const loaded = await loadProject(root)
  expect(loaded.problems).toEqual([])
  expect(loaded.files).toEqual([
    'pipelines/retail/analytics/fact_sales.sql',
    'pipelines/retail/pipeline.ts',
    'sluice.config.ts',
  ])
  const [retail] = loaded.project!.pipelines
  expect(retail!.layers).toEqual(['raw', 'stage', 'analytics'])
  expect(retail!.models).toEqual({
    'analytics.fact_sales': { kind: 'sql', sql, file: 'pipelines/retail/analytics/fact_sales.sql' },
  })
  expect(retail!.sources['sales']).toMatchObject({
    columns: { id: { type: 'integer' }, note: { type: 'text' } },
    format: { kind: 'csv' },
    archive: 'archive/sales',
    error: 'error/sales',
    quarantine: { maxShare: 0.01, maxRows: 1000 },
  })
})

test('an edited definition is read anew', async () => {
  const root = await project({
    'sluice.config.ts': config,
    'pipelines/retail/pipeline.ts': `export default { name: 'one' }`,
  })
  expect((await loadProject(root)).project!.pipelines[0]!.name).toBe('one')
  await writeFile(join(root, 'pipelines/retail/pipeline.ts'), `export default { name: 'two' }`)
  expect((await loadProject(root)).project!.pipelines[0]!.name).toBe('two')
})

test('no project: the error names the way out', async () => {
  const { problems, project: found } = await loadProject(await project({}))
  expect(found).toBeUndefined()
  expect(problems).toMatchObject([{ name: 'Definition.NoProject', hint: expect.stringContaining('sluice init') }])
})

test('CT-07: problems of every file at once, with their places and what was meant', async () => {
  const root = await project({
    'sluice.config.ts': `export default { name: 'shop', concurency: 4 }\n`,
    'pipelines/retail/pipeline.ts': pipelineTs.replace("'integer'", "'integr'"),
    'pipelines/retail/analitics/fact_sales.sql': sql,
    'pipelines/broken/pipeline.ts': `import { pipline } from 'sluice'\n\nexport default pipline('a', {})\n`,
    'pipelines/syntax/pipeline.ts': `export default {\n  name: 'a' 'b' }\n`,
    'pipelines/empty/notes.md': 'nothing here',
  })
  const { problems, project: found } = await loadProject(root)
  expect(found).toBeUndefined()
  expect(problems.map(({ name, at, suggestion }) => [name, at?.file, at?.line, at?.column, suggestion])).toEqual([
    ['Definition.FileFailed', 'pipelines/broken/pipeline.ts', 3, undefined, 'pipeline'],
    ['Definition.NoPipeline', 'pipelines/empty', undefined, undefined, undefined],
    ['Definition.UnknownLayer', 'pipelines/retail/analitics/fact_sales.sql', undefined, undefined, 'analytics'],
    ['Definition.WrongValue', 'pipelines/retail/pipeline.ts', 8, 22, 'integer'],
    ['Definition.FileFailed', 'pipelines/syntax/pipeline.ts', 2, expect.any(Number), undefined],
    ['Definition.UnknownKey', 'sluice.config.ts', 1, 32, 'concurrency'],
  ])
})

test('a folder of models that is no layer, and a load from nowhere, are told with what was meant', async () => {
  const wrongFolder = await project({
    'sluice.config.ts': config,
    'pipelines/retail/pipeline.ts': pipelineTs,
    'pipelines/retail/analitics/fact_sales.sql': sql,
  })
  expect((await loadProject(wrongFolder)).problems).toMatchObject([
    {
      name: 'Definition.UnknownLayer',
      suggestion: 'analytics',
      at: { file: 'pipelines/retail/analitics/fact_sales.sql' },
    },
  ])
  const wrongTable = await project({
    'sluice.config.ts': config,
    'pipelines/retail/pipeline.ts': pipelineTs,
    'pipelines/retail/analytics/fact_sale.sql': sql,
  })
  expect((await loadProject(wrongTable)).problems).toMatchObject([
    {
      name: 'Definition.UnknownTable',
      suggestion: 'analytics.fact_sale',
      at: { file: 'pipelines/retail/pipeline.ts', line: 12, column: 44 },
    },
  ])
})

test('two definitions of one thing are refused, not chosen between', async () => {
  const root = await project({
    'sluice.config.ts': config,
    'sluice.config.yaml': 'name: shop',
    'pipelines/a/pipeline.ts': '',
  })
  expect((await loadProject(root)).problems).toMatchObject([
    {
      name: 'Definition.AmbiguousFile',
      message: 'Only one of these can be the definition: sluice.config.ts, sluice.config.yaml.',
    },
  ])
})

test('what a definition throws is a problem with its place', async () => {
  const root = await project({
    'sluice.config.ts': config,
    'pipelines/a/pipeline.ts': `const nothing: any = undefined\nexport default nothing.name\n`,
  })
  expect((await loadProject(root)).problems).toMatchObject([
    { name: 'Definition.FileFailed', at: { file: 'pipelines/a/pipeline.ts', line: 2 } },
  ])
})

test('compiled definitions are kept below the project; half-written or impossible, they change nothing', async () => {
  const root = await project({ 'sluice.config.ts': config, 'pipelines/a/pipeline.ts': `export default { name: 'a' }` })
  expect((await loadProject(root)).problems).toEqual([])
  expect((await stat(join(root, '.sluice'))).mode & 0o077).toBe(0)
  const cache = join(root, '.sluice/cache/definition')
  const compiled = await readdir(cache)
  expect(compiled.length).toBe(2)
  for (const file of compiled) await truncate(join(cache, file), 20)
  expect((await loadProject(root)).project!.pipelines[0]!.name).toBe('a')
  await rm(join(root, '.sluice'), { recursive: true })
  await writeFile(join(root, '.sluice'), 'in the way')
  expect((await loadProject(root)).project!.pipelines[0]!.name).toBe('a')
})

const erpFiles = {
  'sluice.config.ts': `import { defineConfig, secret, sqlServer } from 'sluice'
export default defineConfig({
  name: 'shop',
  connections: { erp: sqlServer({ host: 'erp', database: 'erp', user: 'sluice', password: secret('ERP') }) },
})
`,
  'pipelines/erp/pipeline.ts': `import { pipeline, procedures } from 'sluice'
export default pipeline('erp', {
  sources: { ...procedures('erp', 'procedures.yaml'), ...procedures('erp', 'more/old.json') },
  tables: { 'stage.customers': { copy: 'raw.customers' } },
})
`,
  'pipelines/erp/procedures.yaml': '- procedure: dbo.usp_customers\n  columns: { id: integer }\n  key: id\n',
  'pipelines/erp/more/old.json': '[{ "procedure": "old.get_orders", "columns": { "id": "bigint" } }]',
}

test('procedures listed in files beside the pipeline are its sources', async () => {
  const loaded = await loadProject(await project(erpFiles))
  expect(loaded.problems).toEqual([])
  expect(loaded.files).toContain('pipelines/erp/procedures.yaml')
  const [erp] = loaded.project!.pipelines
  expect(Object.values(erp!.sources)).toMatchObject([
    { procedure: 'dbo.usp_customers' },
    { procedure: 'old.get_orders' },
  ])
  expect(Object.keys(erp!.models)).toEqual(['stage.customers'])
})

test('CT-07: what is wrong in such a file is told with its place there, beside all that is wrong elsewhere', async () => {
  const files = {
    ...erpFiles,
    'pipelines/erp/procedures.yaml': `- procedure: dbo.usp_customers
  columns: { id: intger }
- procedure: dbo.usp_regions
  columns: { id: integer }
  key: idd
`,
    'pipelines/erp/more/old.json': '[{ "procedure": "old.get_orders", "columns": { "id": "bigint" }, "columns": {} }]',
  }
  const place = async (root: Promise<string>) =>
    (await loadProject(await root)).problems.map(({ at, name }) => `${at?.file}:${at?.line}:${at?.column} ${name}`)
  expect(await place(project(files))).toEqual([
    'pipelines/erp/more/old.json:1:66 Definition.Unreadable',
    'pipelines/erp/procedures.yaml:2:18 Definition.WrongValue',
    'pipelines/erp/procedures.yaml:5:8 Definition.UnknownColumn',
  ])
  const oneWrong = {
    ...files,
    'pipelines/erp/more/old.json': '[]',
    'pipelines/erp/procedures.yaml': files['pipelines/erp/procedures.yaml'].replace('intger', 'integer'),
  }
  expect(await place(project(oneWrong))).toEqual(['pipelines/erp/procedures.yaml:5:8 Definition.UnknownColumn'])
})

test('a list of procedures that is not there, or not beside the pipeline', async () => {
  const pipeline = erpFiles['pipelines/erp/pipeline.ts']
    .replace('procedures.yaml', '../other.yaml')
    .replace('old.json', 'none.json')
  const { problems } = await loadProject(await project({ ...erpFiles, 'pipelines/erp/pipeline.ts': pipeline }))
  expect(problems.map(({ at, message }) => `${at?.line}:${at?.column} ${message}`)).toEqual([
    '3:35 The list of procedures must be a YAML or JSON file beside the pipeline, not "../other.yaml".',
    '3:74 The list of procedures must be a file that is there, not "more/none.json".',
  ])
})

test('CT-07: a problem of one phase hides none of another, and nothing is told of what cannot be known', async () => {
  const root = await project({
    'sluice.config.ts': `export default { name: 'shop', concurency: 4, warehouse: { kind: 'postgres', connection: 'dwh' } }\n`,
    'pipelines/retail/pipeline.ts': `import { files, grain, incremental, notNull, pipeline, range } from 'sluice'
export default pipeline('retail', {
  sources: {
    sales: files('inbox/sales_*.csv', {
      columns: { id: 'integer', day: 'date' },
      checks: [range('id', {}), notNull('idd'), { kind: 'notNul', column: 'id' }, notNull('dya')],
    }),
    stock: files('inbox/stock_*.csv', { columns: { sku: 'txt', count: 'integer' }, checks: [notNull('nothing_is_known_of_it')] }),
    other: files('inbox/sales_2*.csv', { columns: { id: 'integer' } }),
  },
  tables: { 'raw.sales': { checks: [grain(['ID'])] }, 'raw.slaes': {} },
  loads: { fact: incremental({ from: 'raw.sales', by: 'dy' }), lost: incremental({ from: 'web.hits', by: 'day' }), bad: { mode: 'replase', from: 'raw.sales' } },
})
`,
    'pipelines/web/pipeline.ts': 'export default {,}\n',
  })
  const { problems, readable } = await loadProject(root)
  expect(problems.map(({ name, at, suggestion }) => [name, at?.line, suggestion])).toEqual([
    ['Definition.UnknownConnection', undefined, undefined],
    ['Definition.MissingKey', 6, undefined],
    ['Definition.UnknownColumn', 6, 'id'],
    ['Definition.WrongValue', 6, 'notNull'],
    ['Definition.UnknownColumn', 6, 'day'],
    ['Definition.WrongValue', 8, 'text'],
    ['Definition.PatternOverlap', 9, undefined],
    ['Definition.UnknownColumn', 11, 'id'],
    ['Definition.UnknownTable', 11, 'raw.sales'],
    ['Definition.UnknownColumn', 12, 'day'],
    ['Definition.WrongValue', 12, 'replace'],
    ['Definition.FileFailed', 1, undefined],
    ['Definition.UnknownKey', 1, 'concurrency'],
  ])
  expect(readable?.config.name).toBe('shop')
  expect(Object.keys(readable!.pipelines[0]!.sources)).toEqual(['sales', 'stock', 'other'])
})
