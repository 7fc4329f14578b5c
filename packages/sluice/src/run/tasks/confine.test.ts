import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { runQuery } from '../../query/run-query.ts'
import { readContext } from '../api.ts'
import { openProject } from '../project.ts'

const roots: string[] = []
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))))

/** A project with one file delivered, and a file outside that nothing of it may read. */
async function projectWith(files: Record<string, string>): Promise<{ root: string; outside: string }> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-confined-'))
  const other = await mkdtemp(join(tmpdir(), 'sluice-outside-'))
  roots.push(root, other)
  const outside = join(other, 'project.csv')
  await writeFile(outside, 'u,p\nroot,hunter2\n')
  const all = {
    'sluice.config.ts': `export default { name: 'x' }\n`,
    'inbox/t_1.csv': 'a,b\nx,1\ny,2\n',
    ...files,
  }
  for (const [file, text] of Object.entries(all)) {
    await mkdir(join(root, dirname(file)), { recursive: true })
    await writeFile(join(root, file), text.replaceAll('OUTSIDE', outside))
  }
  return { root, outside }
}

const pipeline = (more: string): string => `import { files, pipeline, reference } from 'sluice'
export default pipeline('m', {
  layers: ['raw', 'stage'],
  sources: { t: files('inbox/t_*.csv', { columns: { a: 'text', b: 'integer' } }) },
  ${more}
})
`

test('CO-10: SQL that only a run sees reaches neither the machine nor the lake, but its inputs and what its checks compare with', async () => {
  const { root } = await projectWith({
    'pipelines/m/pipeline.ts': pipeline(`
  models: {
    'stage.returns': ({ kind: 'code', inputs: ['raw.t'], columns: { u: 'text' }, make: () => "SELECT u FROM read_csv('OUTSIDE')" }),
    'stage.asks': ({ kind: 'code', inputs: ['raw.t'], columns: { u: 'text' }, make: async (inputs) => {
      await inputs['raw.t'].rows("SELECT * FROM read_csv('OUTSIDE')")
      return [] } }),
    'stage.sets': ({ kind: 'code', inputs: ['raw.t'], columns: { u: 'text' }, make: async (inputs) => {
      await inputs['raw.t'].rows("SET enable_external_access = true")
      return [] } }),
    'stage.environment': ({ kind: 'code', inputs: ['raw.t'], columns: { u: 'text' }, make: async (inputs) => {
      await inputs['raw.t'].rows("SELECT content FROM read_text('/proc/self/environ')")
      return [] } }),
    'stage.lake': ({ kind: 'code', inputs: ['raw.t'], columns: { u: 'text' }, make: async () => "SELECT a AS u FROM parquet_scan('lake/raw/t/**/*.parquet')" }),
    'stage.good': ({ kind: 'code', inputs: ['raw.t'], make: (inputs) => 'SELECT a, b FROM ' + inputs['raw.t'].name }),
  },
  tables: { 'stage.good': { checks: [reference('a', 'raw.t')] } },`),
  })
  await using project = await openProject(root)
  const errors = new Map<string, string>()
  const { summary } = await project.run({
    onEvent: (event) => {
      if (event.type === 'task.finished' && event.error !== undefined) errors.set(event.task, event.error.message)
    },
  })
  expect(summary.tasks).toMatchObject({ succeeded: 2, failed: 5 })
  expect(Object.fromEntries(errors)).toEqual({
    'model:stage.returns': expect.stringContaining('read_csv(…)'),
    'model:stage.asks': expect.stringContaining('disabled by configuration'),
    'model:stage.sets': expect.stringContaining('Cannot enable external access'),
    'model:stage.environment': expect.stringContaining('disabled by configuration'),
    'model:stage.lake': expect.stringContaining('parquet_scan(…)'),
  })
  expect((await runQuery(project[readContext], 'SELECT a, b FROM stage.good ORDER BY b')).rows).toEqual([
    { a: 'x', b: 1 },
    { a: 'y', b: 2 },
  ])
})

test.each(['TABLE "OUTSIDE"', "SELECT a FROM raw.t WHERE EXISTS (TABLE 'OUTSIDE')", 'PIVOT raw.t ON a USING sum(b)'])(
  'a model of %s makes nothing, and its run does not begin',
  async (sql) => {
    const { root } = await projectWith({ 'pipelines/m/pipeline.ts': pipeline(''), 'pipelines/m/stage/x.sql': sql })
    await using project = await openProject(root)
    await expect(project.run()).rejects.toMatchObject({ name: 'Definition.Invalid' })
    expect(await readdir(join(root, 'lake')).catch(() => [])).toEqual([])
  },
)

test('a PIVOT that names its values publishes its row', async () => {
  const { root } = await projectWith({
    'pipelines/m/pipeline.ts': pipeline(''),
    'pipelines/m/stage/x.sql': "PIVOT raw.t ON a IN ('x', 'y') USING sum(b) GROUP BY _file",
  })
  await using project = await openProject(root)
  await project.run()
  expect((await runQuery(project[readContext], 'SELECT x, y FROM stage.x')).rows).toEqual([{ x: '1', y: '2' }])
})
