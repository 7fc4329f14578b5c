import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { diskStorage } from '../../storage/disk/storage.ts'
import { loadDefinition } from './cache.ts'
import { settledImports } from './settled-code.ts'

const roots: string[] = []
afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true })))
})

async function write(root: string, files: Record<string, string>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
}

async function project(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-kept-'))
  roots.push(root)
  await write(root, { 'sluice.config.yaml': 'name: shop\n', ...files })
  return root
}

const load = (root: string): ReturnType<typeof loadDefinition> =>
  loadDefinition(root, diskStorage(join(root, '.sluice')))

const kept = async (root: string): Promise<string | undefined> =>
  readFile(join(root, '.sluice/cache/project.json'), 'utf8').catch(() => undefined)

/** Puts a mark into what is kept, which shows in what is loaded only where that was not loaded anew. */
async function mark(root: string): Promise<void> {
  await load(root)
  const text = await kept(root)
  expect(text).toContain('"shop"')
  await writeFile(join(root, '.sluice/cache/project.json'), text!.replace('"name":"shop"', '"name":"marked"'))
}

const name = async (root: string): Promise<string | undefined> => (await load(root)).project?.config.name

const one = {
  'pipelines/one/pipeline.ts': `import { files, pipeline } from 'sluice'
import { columns } from '../../shared/columns.ts'
export default pipeline('one', { sources: { sales: files('inbox/*.csv', { columns }) } })`,
  'shared/columns.ts': `export const columns = { id: 'integer' } as const`,
  'pipelines/one/stage/sales.sql': 'SELECT * FROM raw.sales',
}

test('an untouched definition is not evaluated again, and is the same', async () => {
  const root = await project(one)
  const first = await load(root)
  expect(await load(root)).toMatchObject({ project: first.project, problems: first.problems })
  await mark(root)
  expect(await name(root)).toBe('marked')
})

test.each([
  ['an edited configuration', { 'sluice.config.yaml': 'name: shop # x\n' }],
  ['a second configuration', { 'sluice.config.json': '{}' }],
  ['an edited pipeline', { 'pipelines/one/pipeline.ts': `${one['pipelines/one/pipeline.ts']}\n` }],
  ['an edited import', { 'shared/columns.ts': `export const columns = { id: 'text' } as const` }],
  ['an edited model', { 'pipelines/one/stage/sales.sql': 'SELECT 1 FROM raw.sales' }],
  ['a new model', { 'pipelines/one/stage/more.sql': 'SELECT * FROM raw.sales' }],
  ['a new layer', { 'pipelines/one/analytics/more.sql': 'SELECT * FROM raw.sales' }],
  ['a new pipeline', { 'pipelines/two/pipeline.yaml': 'name: two' }],
  ['a new manifest', { 'shared/package.json': '{ "type": "commonjs" }' }],
])('%s is loaded anew', async (_what, files) => {
  const root = await project(one)
  await mark(root)
  await write(root, files as Record<string, string>)
  expect(await name(root)).not.toBe('marked')
})

test('what is gone, and what became a link, is loaded anew', async () => {
  const root = await project(one)
  await mark(root)
  await rm(join(root, 'pipelines/one/stage/sales.sql'))
  expect(await name(root)).toBe('shop')
  await mark(root)
  await rm(join(root, 'shared/columns.ts'))
  await write(root, { 'elsewhere/columns.ts': one['shared/columns.ts'] })
  await symlink(join(root, 'elsewhere/columns.ts'), join(root, 'shared/columns.ts'))
  expect(await name(root)).toBe('shop')
})

test('a damaged cache, or that of another build, counts as none', async () => {
  const root = await project(one)
  await mark(root)
  const text = (await kept(root))!
  await writeFile(join(root, '.sluice/cache/project.json'), text.slice(0, -10))
  expect(await name(root)).toBe('shop')
  await writeFile(join(root, '.sluice/cache/project.json'), text.replace(/"build":"../, '"build":"??'))
  expect(await name(root)).toBe('shop')
})

test.each([
  ['the environment', `export default { name: process.env.HOME ? 'one' : 'two' }`],
  ['the time', `export default { name: 'y' + new Date().getFullYear() }`],
  ['a package', `import 'node:os'\nexport default { name: 'one' }`],
  ['a file found by searching', `import { a } from './a'\nexport default { name: a }`],
  [
    'code that runs later',
    `import { model, pipeline } from 'sluice'
export default pipeline('one', {
  sources: { a: { kind: 'files', path: 'a.csv', columns: { a: 'text' } } },
  models: { 'stage.a': model({ inputs: ['raw.a'], make: () => 'SELECT 1 AS a' }) },
})`,
  ],
])('a definition that depends on %s is never kept', async (_what, text) => {
  const root = await project({ 'pipelines/one/pipeline.ts': text, 'pipelines/one/a.ts': `export const a = 'one'` })
  const { problems } = await load(root)
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
  expect(await kept(root)).toBeUndefined()
})

test('only text whose imports are all understood is settled', () => {
  expect(settledImports(`import a, { b as c } from './a.ts'\nimport "./d.json"\nexport * from '../e.ts'`)).toEqual([
    './a.ts',
    './d.json',
    '../e.ts',
  ])
  expect(settledImports('import type { X } from "./x.ts"\nexport default [] satisfies X[]')).toEqual(['./x.ts'])
  for (const text of [
    'await import("./a.ts")',
    'import.meta.url',
    'import { a } from /* here */ "./a.ts"',
    'export { a } from /* here */ "./a.ts"',
    'export { a } from "./\\x61.ts"',
    'glob\\u0061lThis.x',
    'globalThis.x',
    '[].constructor.constructor("return 1")()',
    'Math.random()',
    'fetch("http://x")',
    "['b', 'a'].sort((a, b) => a.localeCompare(b))",
    'eval("1")',
  ])
    expect([text, settledImports(text)]).toEqual([text, undefined])
})
