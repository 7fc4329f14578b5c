/** What Sluice keeps beside the tables: leases, runs, records; and what it says where some of it is damaged, missing or in the way. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { makeProject, sluice } from './project.ts'

let root: string

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(...args: string[]): Promise<Ended> {
  const env = { ...process.env, NO_COLOR: '1', CI: '1' }
  return new Promise((done) => {
    execFile(process.execPath, [sluice, '-C', root, ...args], { env }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr }),
    )
  })
}

const rowsIn = async (sql: string): Promise<string> =>
  (await run('query', sql, '--format', 'csv')).stdout.trim().split('\n').slice(1).join(';')

/** `raw.t` appends, `stage.x` reads it, `fact` is loaded from that. */
beforeEach(async () => {
  root = makeProject({
    'sluice.config.ts': `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'shop', lake: 'data/lake' })\n`,
    'pipelines/shop/pipeline.ts': `import { files, pipeline, replace } from 'sluice'
export default pipeline('shop', {
  layers: ['raw', 'stage'],
  sources: { t: files('inbox/t_*.csv', { columns: { a: 'text', b: 'integer' }, quarantine: { maxShare: 0.9 } }) },
  loads: { fact: replace({ from: 'stage.x' }) },
})
`,
    'pipelines/shop/stage/x.sql': 'SELECT a, b FROM raw.t',
    'inbox/t_1.csv': 'a,b\nx,1\ny,none\n',
  })
  expect(await run('run')).toMatchObject({ code: 0 })
})

test('a lease of a machine that is gone: doctor names its run, and --release frees it after it was asked', async () => {
  const folder = join(root, '.sluice/leases/pipelines/shop')
  const newest = readdirSync(folder).sort().at(-1)!
  const own = JSON.parse(readFileSync(join(folder, newest), 'utf8'))
  const since = new Date(Date.now() + 7_200_000).toISOString()
  const { released: _, ...rest } = own
  const process = { host: 'gone', boot: 'x/1', pid: 1, started: '1' }
  const gone = { ...rest, token: own.token + 1, owner: '20261130T053000Z-deadhost', since, process }
  writeFileSync(join(folder, `${String(Number.parseInt(newest, 10) + 1).padStart(12, '0')}.json`), JSON.stringify(gone))
  const looked = await run('doctor')
  expect(looked.stdout).toMatch(/run 20261130T053000Z-deadhost of gone .* ahead of this clock/)
  expect(looked.stdout).toContain('sluice doctor --release')
  const asked = await run('doctor', '--release')
  expect(asked.code).toBe(2)
  expect(asked.stderr).toMatch(/20261130T053000Z-deadhost of the machine gone/)
  expect((await run('doctor', '--release', '--yes')).stdout).toContain('20261130T053000Z-deadhost no longer holds shop')
  const started = Date.now()
  expect(await run('run')).toMatchObject({ code: 0 })
  expect(Date.now() - started).toBeLessThan(25_000)
})
