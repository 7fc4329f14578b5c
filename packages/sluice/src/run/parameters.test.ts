/** Parameters of runs: from what is given to what is made, in the plan, in keys, and again. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { explainPlan } from '../plan/explain.ts'
import { openReads, owner } from '../query/reads.ts'
import { openProject } from './project.ts'

const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true })
})

function shop(over: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'sluice-parameters-'))
  roots.push(root)
  const files = {
    'sluice.config.yaml': 'name: shop\n',
    'pipelines/retail/pipeline.ts': `import { files, model, pipeline } from 'sluice'
export default pipeline('retail', {
  parameters: { since: { type: 'date', default: '2026-01-01' }, top: { type: 'integer', default: 2 }, note: 'text' },
  sources: { sales: files('inbox/*.csv', { archive: false, columns: { id: 'integer', day: 'date' } }) },
  models: {
    'analytics.top': model({
      inputs: ['raw.sales'],
      parameters: ['top'],
      make: (inputs, { top }) => \`SELECT id, \${typeof top} AS is_number FROM \${inputs['raw.sales'].name} CROSS JOIN (SELECT 1 AS number) ORDER BY id LIMIT \${top}\`,
    }),
  },
})`,
    'pipelines/retail/stage/recent.sql':
      "SELECT id, getvariable('since') AS since FROM raw.sales WHERE day >= getvariable('since')",
    'pipelines/retail/stage/all_sales.sql': 'SELECT id FROM raw.sales',
    'pipelines/retail/stage/noted.sql': "SELECT id, getvariable('note') AS note FROM raw.sales",
    'inbox/a.csv': 'id,day\n1,2025-12-31\n2,2026-01-01\n3,2026-02-01\n',
    ...over,
  }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

test('a run has the values that it is given, typed; a model is made again when one that it uses changes, and no other is', async () => {
  await using project = await openProject(shop())
  const reads = openReads(project, owner())
  const made = async (parameters: Record<string, string>) => {
    const { summary } = await project.run({ parameters })
    expect(summary.status).toBe('succeeded')
    const versions = ['raw.sales', 'stage.recent', 'stage.all_sales', 'stage.noted', 'analytics.top']
    return Promise.all(versions.map(async (table) => (await reads.versions(table))[0]!.version))
  }
  const recent = async () => (await reads.query('SELECT id, since FROM stage.recent ORDER BY id')).rows
  expect(await made({ note: 'a' })).toEqual([1, 1, 1, 1, 1])
  expect(await recent()).toEqual([
    { id: 2, since: '2026-01-01' },
    { id: 3, since: '2026-01-01' },
  ])
  expect(
    (
      await reads.query(
        'SELECT typeof(since) AS t, (SELECT count(*) FROM analytics.top) AS n FROM stage.recent LIMIT 1',
      )
    ).rows,
  ).toEqual([{ t: 'DATE', n: '2' }])
  expect(await made({ note: 'a', since: '2026-02-01' })).toEqual([1, 2, 1, 1, 1])
  expect(await recent()).toEqual([{ id: 3, since: '2026-02-01' }])
  expect(await made({ note: 'a', since: '2026-02-01' }), 'the same again is nothing to do').toEqual([1, 2, 1, 1, 1])
  expect(await made({ note: 'b', 'retail.since': '2026-02-01', top: '1' })).toEqual([1, 2, 1, 2, 2])
  // Back to a value that was there before: what stands was made with another.
  expect(await made({ note: 'b', top: '1' })).toEqual([1, 3, 1, 2, 2])
})

test('values are in the plan, which says what of a definition has changed', async () => {
  const root = shop()
  await using project = await openProject(root)
  const { id } = await project.run({ parameters: { note: 'a' } })
  const stored = JSON.parse(readFileSync(join(root, '.sluice/runs', id, 'plan.json'), 'utf8'))
  expect(stored.parameters).toEqual({ retail: { since: '2026-01-01', top: '2', note: 'a' } })
  const planned = await project.plan({ parameters: { note: 'a', since: '2026-02-01' } })
  const text = explainPlan(planned).join('\n')
  expect(text).toContain('retail.since = 2026-02-01')
  const tasks = new Map(planned.plan.tasks.map((task) => [task.table, task]))
  expect(tasks.get('stage.recent')).toMatchObject({ action: 'run', reason: 'changed-definition' })
  expect(tasks.get('stage.recent')?.detail).toContain('parameters')
  expect(tasks.get('stage.all_sales')?.action).toBe('skip')
})

test('a text is a value, whatever is in it', async () => {
  await using project = await openProject(shop())
  const note = `'); DROP TABLE raw.sales; -- $1 \${x} "`
  await project.run({ parameters: { note } })
  const { rows } = await openReads(project, owner()).query('SELECT DISTINCT note FROM stage.noted')
  expect(rows).toEqual([{ note }])
})

test('unknown, wrong and missing values are reported all at once, before anything runs', async () => {
  const root = shop()
  await using project = await openProject(root)
  const error = await project
    .run({ parameters: { sinse: '2026-02-01', since: '2026-02-30', top: 'many' } })
    .catch((one) => one)
  expect(error).toMatchObject({ name: 'Run.ParametersInvalid', exit: 2 })
  expect(error.problems.map(({ message }: Error) => message)).toEqual([
    'No pipeline has a parameter "sinse". Parameters: note, since, top.',
    'The parameter "since" must be a date such as 2026-02-01, not "2026-02-30".',
    'The parameter "top" must be a whole number of 32 bits, not "many".',
    'The parameter "retail.note" has no default and was given no value: text.',
  ])
  expect(error.problems[0].suggestion).toBe('since')
  expect(await openReads(project, owner()).runs()).toEqual([])
})

test('a value is needed only where a selected task uses it; a check needs none', async () => {
  await using project = await openProject(shop())
  expect(await project.check()).toEqual([])
  const { summary } = await project.run({ select: ['+stage.recent'] })
  expect(summary.status).toBe('succeeded')
  await expect(project.plan({ select: ['stage.noted'] })).rejects.toMatchObject({ name: 'Run.ParametersInvalid' })
  await expect(openReads(project, owner()).lineage('stage.noted')).resolves.toMatchObject({ node: 'stage.noted' })
})

test('a retry has the values of the run that failed', async () => {
  const root = shop({
    'pipelines/retail/stage/noted.sql':
      "SELECT id, CASE WHEN day > DATE '2026-01-15' THEN error('too new: ' || getvariable('note')) END AS e, getvariable('note') AS note FROM raw.sales",
  })
  await using project = await openProject(root)
  const { id, summary } = await project.run({ parameters: { note: 'mine', since: '2026-02-01' } })
  expect(summary.status).toBe('failed')
  const again = await project.retry(id)
  expect(again.summary.status).toBe('failed')
  const stored = JSON.parse(readFileSync(join(root, '.sluice/runs', again.id, 'plan.json'), 'utf8'))
  expect(stored.parameters.retail).toEqual({ since: '2026-02-01', top: '2', note: 'mine' })
})

test('a parameter that nobody declares is a problem, wherever it is used', async () => {
  const root = shop({
    'pipelines/erp/pipeline.yaml': `name: erp
layers: [erp_raw]
parameters: { year: integer }
sources:
  orders: { kind: procedure, connection: erp, procedure: dbo.usp_orders, parameters: { y: { $parameter: yaer } }, columns: { id: integer } }`,
    'sluice.config.yaml': `name: shop
connections: { erp: { kind: sqlserver, host: h, database: d, user: u, password: { $env: P, default: x } } }`,
  })
  await expect(openProject(root)).rejects.toMatchObject({
    problems: [
      {
        name: 'Definition.UnknownParameter',
        suggestion: 'year',
        message:
          'sources.orders.parameters.y uses a parameter "yaer" that its pipeline does not declare. Parameters: year.',
      },
    ],
  })
  const other = shop({
    'pipelines/retail/stage/recent.sql': "SELECT id FROM raw.sales WHERE day >= GetVariable('sinse')",
  })
  await using project = await openProject(other)
  expect(await project.check()).toMatchObject([
    {
      name: 'Definition.UnknownParameter',
      suggestion: 'since',
      at: { file: 'pipelines/retail/stage/recent.sql', line: 1, column: 51 },
    },
  ])
})
