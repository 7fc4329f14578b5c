/** Two environments of one project: what one of them does is nothing to the other. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openReads, owner } from '../query/reads.ts'
import { openProject } from './project.ts'

const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true })
})

function shop(environments: string): string {
  const root = mkdtempSync(join(tmpdir(), 'sluice-environments-'))
  roots.push(root)
  const files = {
    'sluice.config.yaml': `name: shop\nnotifications: [{ kind: webhook, url: { $env: HOOK }, on: success }]\nenvironments:\n${environments}`,
    'pipelines/retail/pipeline.yaml': `name: retail
sources: { sales: { kind: files, path: inbox/*.csv, archive: false, columns: { id: integer } } }
loads: { fact: { mode: replace, from: stage.sales } }`,
    'pipelines/retail/stage/sales.sql': 'SELECT id FROM raw.sales',
    'inbox/a.csv': 'id\n1\n2\n',
  }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

const apart = `  test:
    lake: lakes/test
    warehouse: { kind: duckdb, path: test.duckdb }
    notifications: []
  quick: { concurrency: 1, notifications: [] }
  prod: { target: aws }
`

async function runIn(root: string, environment?: string): Promise<readonly string[]> {
  await using project = await openProject(root, environment === undefined ? {} : { environment })
  const { id, summary } = await project.run()
  expect(summary.status).toBe('succeeded')
  const { tasks } = (await openReads(project, owner()).run(id)).summary!
  return [`${tasks.succeeded} done`, `${tasks.unchanged} unchanged`]
}

/** A plan over what has been made. */
const asItWas = [
  ['run', '1 file known already'],
  ['skip', 'nothing new'],
  ['skip', 'nothing new'],
]

test('an environment with a lake of its own shares no run, lease, cache or table with the project', async () => {
  const root = shop(apart)
  writeFileSync(join(root, '.env'), 'HOOK=http://127.0.0.1:9/\n')
  expect(await runIn(root, 'test')).toEqual(['3 done', '0 unchanged'])
  expect(existsSync(join(root, 'lake'))).toBe(false)
  expect(existsSync(join(root, 'warehouse.duckdb'))).toBe(false)
  const own = readdirSync(join(root, '.sluice/env/test'))
  expect(own).toEqual(expect.arrayContaining(['cache', 'runs']))
  expect(readdirSync(join(root, '.sluice')).filter((name) => !['_temp', 'cache', 'env'].includes(name))).toEqual([])
  {
    await using project = await openProject(root)
    const reads = openReads(project, owner())
    expect(await reads.runs()).toEqual([])
    expect((await reads.catalog()).every(({ version }) => version === undefined)).toBe(true)
    expect((await project.plan()).plan.tasks.every(({ action }) => action === 'run')).toBe(true)
  }
  await using project = await openProject(root, { environment: 'test' })
  expect(await openReads(project, owner()).runs()).toHaveLength(1)
  expect((await project.plan()).plan.tasks.map(({ action, detail }) => [action, detail])).toEqual(asItWas)
})

test('an environment over the lake of the project knows its runs, and goes on with its tables', async () => {
  const root = shop(apart)
  await runIn(root, 'quick')
  expect(existsSync(join(root, '.sluice/env'))).toBe(false)
  await using project = await openProject(root)
  expect(project.definition.config).not.toHaveProperty('environment')
  expect(await openReads(project, owner()).runs()).toHaveLength(1)
  expect((await project.plan()).plan.tasks.map(({ action, detail }) => [action, detail])).toEqual(asItWas)
})

test('a definition that is kept is kept for one environment', async () => {
  const root = shop(apart)
  for (const round of [1, 2]) {
    for (const [environment, path] of [
      [undefined, 'lake'],
      ['test', 'lakes/test'],
      ['quick', 'lake'],
    ] as const) {
      await using project = await openProject(root, environment === undefined ? {} : { environment })
      expect([round, environment, project.definition.config.lake.path]).toEqual([round, environment, path])
    }
  }
  expect(readdirSync(join(root, '.sluice/cache')).filter((name) => name.startsWith('project'))).toHaveLength(3)
})

test('what an environment refers to is looked for in its own files first, and checked for it alone', async () => {
  const root = shop('  a: {}\n  b: {}\n')
  writeFileSync(join(root, '.env.a'), 'HOOK=https://example.com\n')
  const missing = async (environment: string): Promise<readonly string[]> => {
    await using project = await openProject(root, { environment })
    const settings = await project.settings()
    expect(settings.find(({ setting }) => setting === 'notifications.0.url')).toMatchObject({
      value: { $env: 'HOOK' },
      found: environment === 'a' ? '.env.a' : undefined,
    })
    return (await project.check()).map(({ message }) => message)
  }
  expect(await missing('a')).toEqual([])
  expect(await missing('b')).toEqual([
    'A value is missing: HOOK. Looked in the environment, .env.b.local, .env.local, .env.b and .env.',
  ])
})

test('what is asked for and is not there, or not yet, is refused before anything is opened', async () => {
  const root = shop(apart)
  await expect(openProject(root, { environment: 'tset' })).rejects.toMatchObject({
    name: 'Definition.UnknownEnvironment',
    suggestion: 'test',
    exit: 2,
  })
  await expect(openProject(root, { environment: 'prod' })).rejects.toMatchObject({
    name: 'Definition.TargetUnavailable',
    message: expect.stringContaining('"aws"'),
    exit: 2,
  })
  expect(existsSync(join(root, 'lake'))).toBe(false)
  expect(readFileSync(join(root, 'sluice.config.yaml'), 'utf8')).toContain('target: aws')
})
