import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeProject, sluice } from '../acceptance/project.ts'

const config = `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'shop', lake: 'data/lake' })\n`
const pipeline = `import { files, incremental, pipeline } from 'sluice'
export default pipeline('shop', {
  layers: ['raw', 'stage'],
  sources: { t: files('inbox/t_*.csv', { columns: { a: 'text', b: 'integer' }, quarantine: { maxShare: 0.9 } }) },
  loads: { fact: incremental({ from: 'stage.x', by: 'b' }) },
})
`
let root: string

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [sluice, '-C', root, ...args],
      { env: { ...process.env, NO_COLOR: '1' } },
      (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr }),
    )
  })
}

beforeAll(async () => {
  root = makeProject({
    'sluice.config.ts': config,
    'pipelines/shop/pipeline.ts': pipeline,
    'pipelines/shop/stage/x.sql': 'SELECT a, b FROM raw.t',
    'inbox/t_1.csv': 'a,b\nx,1\ny,none\n',
  })
  expect(await run('run')).toMatchObject({ code: 0 })
})

/** Commands that look at what is committed. */
const looking = [
  ['query', 'SELECT a, b FROM stage.x', '--format', 'csv'],
  ['query', 'SELECT a, b FROM warehouse.fact', '--format', 'csv'],
  ['show', 'stage.x', '--format', 'csv'],
  ['lineage', 'raw.t'],
  ['quarantine'],
  ['runs'],
  ['catalog'],
  ['quality'],
]

describe.each([
  ['a typo in a pipeline', 'pipelines/shop/pipeline.ts', pipeline.replace("'integer'", "'integr'"), pipeline],
  ['a pipeline that is no code', 'pipelines/shop/pipeline.ts', 'export default {,', pipeline],
  ['a pipeline that exits', 'pipelines/shop/pipeline.ts', `process.exit(0)\n${pipeline}`, pipeline],
  ['a typo in the configuration', 'sluice.config.ts', config.replace('lake:', 'concurency: 1, lake:'), config],
  ['a configuration that is no code', 'sluice.config.ts', 'export default {,', config],
])('CT-07: %s', (_, file, broken, sound) => {
  beforeAll(() => {
    writeFileSync(join(root, file), broken)
    return () => writeFileSync(join(root, file), sound)
  })

  test.each(looking)('locks no %s', async (...args) => {
    const { code, stdout, stderr } = await run(...args)
    expect(stderr).toMatch(/The definition has \d+ problems?\./)
    expect(code, stderr).toBe(0)
    if (args.includes('csv')) expect(stdout).toBe('a,b\nx,1\n')
  })

  test('lets nothing be planned or run, and says what is wrong', async () => {
    expect(await run('run')).toMatchObject({ code: 2 })
    expect(await run('plan')).toMatchObject({ code: 2 })
    const { code, stdout } = await run('check', '--json')
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([expect.objectContaining({ at: expect.objectContaining({ file }) })]),
    })
  })
})

test('what a definition prints is no part of a JSON output', async () => {
  const noisy = `console.log('hello')\nprocess.stdout.write('there')\nconsole.table([1])\n${pipeline}`
  writeFileSync(join(root, 'pipelines/shop/pipeline.ts'), noisy)
  const { code, stdout, stderr } = await run('check', '--json')
  expect(JSON.parse(stdout)).toEqual({ ok: true, problems: [] })
  expect(stderr).toContain('hello')
  expect(code).toBe(0)
})

test('a definition without an end is named, and ends the command', async () => {
  for (const endless of ['while (true) {}', 'await new Promise(() => {})']) {
    writeFileSync(join(root, 'pipelines/shop/pipeline.ts'), `${endless}\n${pipeline}`)
    const { code, stdout } = await run('check', '--json')
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      problems: [{ name: 'Definition.FileMisbehaves', at: { file: 'pipelines/shop/pipeline.ts' } }],
    })
  }
})
