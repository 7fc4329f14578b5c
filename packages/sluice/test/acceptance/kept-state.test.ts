/** What Sluice keeps beside the tables: leases, runs, records; and what it says where some of it is damaged, missing or in the way. */
import { execFile } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
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

/** A second delivery, so that every table has two versions; then the newest record of `raw.t` is gone. */
async function loseNewest({ hint }: { readonly hint: boolean }): Promise<void> {
  writeFileSync(join(root, 'inbox/t_2.csv'), 'a,b\nx,2\n')
  expect(await run('run')).toMatchObject({ code: 0 })
  rmSync(join(root, 'data/lake/raw/t/_versions/000000000002.json'))
  if (!hint) rmSync(join(root, 'data/lake/raw/t/_latest.json'))
}

const versionsOf = (table: string): readonly string[] =>
  readdirSync(join(root, 'data/lake', table, '_versions')).map((name) => String(Number.parseInt(name, 10)))

test.each([
  ['its hint', { hint: true }, '_latest.json'],
  ['a table that was made from it', { hint: false }, 'version 2 of stage.x'],
])(
  'LK-03: the newest record is missing, as %s says: nothing old is served, and its number is not used again',
  async (_by, how, who) => {
    await loseNewest(how)
    const asked = await run('query', 'select count(*) from raw.t')
    expect(asked.code).toBe(1)
    expect(asked.stderr).toMatch(/SLU4530[\s\S]*Version 2 of "raw.t" was committed/)
    expect(asked.stderr).toContain(who)
    expect(asked.stderr).toContain('sluice rollback raw.t 1')
    expect(await rowsIn('select count(*) from stage.x')).toBe('2')
    expect((await run('doctor')).stdout).toContain('Version 2 of "raw.t" was committed')
    writeFileSync(join(root, 'inbox/t_3.csv'), 'a,b\nx,3\n')
    const refused = await run('run')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('SLU4530') })
    expect(versionsOf('raw/t')).toEqual(['1'])
    // The way out that the error names: what is left, above the number that was lost, and what that took delivered again.
    expect(await run('rollback', 'raw.t', '1', '--yes')).toMatchObject({ code: 0 })
    expect(versionsOf('raw/t')).toEqual(['1', '3'])
    writeFileSync(join(root, 'inbox/t_2.csv'), 'a,b\nx,2\n')
    expect(await run('run')).toMatchObject({ code: 0 })
    expect(await rowsIn('select b from warehouse.fact order by b')).toBe('1;2;3')
  },
)

test('the newest record is missing, as the load ledger says', async () => {
  await loseNewest({ hint: true })
  expect(await run('rollback', 'raw.t', '1', '--yes')).toMatchObject({ code: 0 })
  expect(await run('run')).toMatchObject({ code: 0 })
  expect(versionsOf('stage/x')).toEqual(['1', '2', '3'])
  rmSync(join(root, 'data/lake/stage/x/_versions/000000000003.json'))
  rmSync(join(root, 'data/lake/stage/x/_latest.json'))
  expect(await run('run')).toMatchObject({ code: 1, stderr: expect.stringContaining('as the load of fact says') })
  expect(versionsOf('stage/x')).toEqual(['1', '2'])
  expect(await run('rollback', 'stage.x', '2', '--yes')).toMatchObject({ code: 0 })
  expect(versionsOf('stage/x')).toEqual(['1', '2', '4'])
})

test('LK-03: what only the load ledger knows of is no garbage, nor is what it cannot be asked about', async () => {
  const newest = join(root, 'data/lake/stage/x/_versions/000000000001.json')
  writeFileSync(join(root, 'inbox/t_2.csv'), 'a,b\nx,2\n')
  expect(await run('run')).toMatchObject({ code: 0 })
  rmSync(newest.replace('01.json', '02.json'))
  rmSync(join(root, 'data/lake/stage/x/_latest.json'))
  const files = (): readonly string[] => filesBelow('data/lake/stage/x').filter((name) => name.endsWith('.parquet'))
  const old = new Date('2020-01-01')
  for (const file of files()) utimesSync(join(root, file), old, old)
  const before = files()
  expect(await run('clean')).toMatchObject({ code: 0, stderr: expect.stringContaining('as the load of fact says') })
  expect(files()).toEqual(before)
  rmSync(join(root, '.sluice/cache'), { recursive: true })
  writeFileSync(join(root, 'warehouse.duckdb'), 'no database')
  expect(await run('clean')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('Nothing of "stage.x" is removed'),
  })
  expect(files()).toEqual(before)
})

/** Flips every bit of some bytes, in the middle or at the end. */
function damage(path: string, where: 'middle' | 'end'): void {
  const bytes = readFileSync(path)
  const at = where === 'end' ? bytes.length - 8 : Math.floor(bytes.length / 3)
  for (let i = at; i < at + 4; i++) bytes[i] = ~bytes[i]!
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))

test.each(['end.json', 'run.json'])(
  'a damaged %s of a run is named, and stops nothing that does not need it',
  async (file) => {
    const [path] = filesBelow('.sluice/runs').filter((name) => name.endsWith(`/${file}`))
    writeFileSync(join(root, path!), '')
    expect(await run('query', 'select count(*) from stage.x')).toMatchObject({ code: 0, stderr: '' })
    for (const args of [['runs'], ['query', 'select count(*) from sluice.runs']])
      expect(await run(...args)).toMatchObject({ code: 0, stderr: expect.stringContaining(path!) })
    for (const args of [['show', 'stage.x'], ['catalog'], ['quarantine'], ['clean'], ['doctor'], ['run']])
      expect([args, (await run(...args)).code]).toEqual([args, 0])
  },
)

test.each(['middle', 'end'] as const)(
  'a file of refused rows that is damaged at its %s is named, and stops nothing that does not need it',
  async (where) => {
    const [path] = filesBelow('data/lake/raw/t/quarantine').filter((name) => name.endsWith('.parquet'))
    damage(join(root, path!), where)
    const name = path!.replace('data/lake/', '')
    expect(await rowsIn('select count(*) from stage.x')).toBe('1')
    expect(await run('quarantine')).toMatchObject({ code: 0, stderr: expect.stringContaining(name) })
    expect((await run('doctor')).stdout).toContain(name)
    for (const args of [['show', 'stage.x'], ['catalog'], ['runs'], ['clean'], ['run']])
      expect([args, (await run(...args)).code]).toEqual([args, 0])
  },
)

test.each(['data file', 'record'])('a damaged %s of one table is named, and the others are read', async (what) => {
  const [path] = filesBelow(what === 'record' ? 'data/lake/raw/t/_versions' : 'data/lake/raw/t/data').filter((name) =>
    /parquet$|json$/.test(name),
  )
  damage(join(root, path!), 'end')
  const name = path!.replace('data/lake/', '')
  const other = await run('query', 'select count(*) from stage.x')
  expect(other).toMatchObject({ code: 0, stderr: expect.stringContaining(name) })
  expect(await run('query', 'select count(*) from raw.t')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(name),
  })
  for (const args of [['show', 'stage.x'], ['catalog'], ['quarantine'], ['runs'], ['clean']])
    expect([args, (await run(...args)).code]).toEqual([args, 0])
  expect((await run('doctor')).stdout).toContain(name)
})
