/** The built command as a process: signals, pipes, a terminal, and what a start costs. */
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url))
const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' }
const folder = (): string => mkdtempSync(join(tmpdir(), 'sluice-process-'))

function sluice(cwd: string, argv: readonly string[], more: Record<string, string> = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [bin, ...argv], { cwd, env: { ...env, ...more }, encoding: 'utf8' })
}

/** Loaded files of this package and of others, by V8's own account. */
function loadedBy(argv: readonly string[], cwd = folder()): { readonly own: string[]; readonly others: string[] } {
  const coverage = folder()
  expect(sluice(cwd, argv, { NODE_V8_COVERAGE: coverage }).status).toBe(0)
  const reports = readdirSync(coverage).map((name) => JSON.parse(readFileSync(join(coverage, name), 'utf8')))
  const urls: string[] = reports.flatMap((report) => report.result.map((script: { url: string }) => script.url))
  const files = urls.filter((url) => url.startsWith('file://'))
  const own = files.filter((url) => /\/(dist|bin)\//.test(url) && !url.includes('/node_modules/'))
  return {
    own: own.map((url) => url.replace(/.*\/(dist|bin)\//, '')).sort(),
    others: files.filter((url) => !own.includes(url)),
  }
}

test('--help loads four small files and no package', () => {
  expect(loadedBy(['--help'])).toEqual({
    own: ['cli/command-table.js', 'cli/help.js', 'cli/main.js', 'sluice.mjs'],
    others: [],
  })
})

test('help that nobody reads is no error', async () => {
  const child = spawn(process.execPath, [bin, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let errors = ''
  child.stderr.on('data', (data) => (errors += data))
  expect([(await once(child, 'close'))[0], errors]).toEqual([0, ''])
})

test('a run with nothing to do loads no engine, no interpreter, no schema library, and nothing that reads or writes tables', () => {
  const root = folder()
  mkdirSync(join(root, 'pipelines/shop'), { recursive: true })
  mkdirSync(join(root, 'inbox'))
  writeFileSync(
    join(root, 'sluice.config.ts'),
    "import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'shop' })\n",
  )
  writeFileSync(
    join(root, 'pipelines/shop/pipeline.yaml'),
    `name: shop
sources: { orders: { kind: files, path: inbox/*.csv, columns: { id: integer } } }
loads: { orders: { mode: append, from: raw.orders } }
`,
  )
  writeFileSync(join(root, 'inbox/orders.csv'), 'id\n1\n')
  // The first run loads the table; the second finds that out from the warehouse.
  for (let run = 1; run <= 2; run++) expect(sluice(root, ['run']).status).toBe(0)
  const { own, others } = loadedBy(['run'], root)
  expect(others.map((url) => url.replace(/.*\/node_modules\//, ''))).toEqual(['fastest-levenshtein/mod.js'])
  expect(
    own.filter((file) => /^(sql|statemachine|warehouses|quality|notifications)\/|interpreter|load\.js|take/.test(file)),
  ).toEqual(['sql/quote.js', 'sql/types/lattice.js', 'sql/types/parse.js', 'warehouses/duckdb/stamp.js'])
})

test('a mistyped command loads no engine, no parser of SQL and no schema library', () => {
  const coverage = folder()
  expect(sluice(folder(), ['rnu'], { NODE_V8_COVERAGE: coverage }).status).toBe(2)
  const text = readdirSync(coverage)
    .map((name) => readFileSync(join(coverage, name), 'utf8'))
    .join('')
  expect(text).not.toMatch(/node_modules\/(@duckdb|@polyglot|zod|jiti|nodemailer|cli-table3)/)
})

describe('a project', () => {
  let shop: string
  beforeAll(() => {
    const parent = folder()
    shop = join(parent, 'shop')
    const made = sluice(parent, ['init', 'shop'])
    expect(made.stderr).toContain('Next: cd shop')
    expect(existsSync(join(shop, '.gitignore'))).toBe(true)
    expect(existsSync(join(shop, 'gitignore'))).toBe(false)
    expect(sluice(parent, ['init', 'shop']).status).toBe(2)
    expect(sluice(parent, ['init', 'shop', '--force']).status).toBe(0)
  })

  test('Ctrl-C ends a run with 130, and the next run completes it', async () => {
    const child = spawn(process.execPath, [bin, 'run'], { cwd: shop, env })
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
      // The first task has started: there is something to interrupt.
      if (err.includes('▸') && !child.killed) child.kill('SIGINT')
    })
    const [code] = await once(child, 'close')
    expect(code).toBe(130)
    expect(err).toContain('nothing half-done is published')
    const again = sluice(shop, ['run'])
    expect(again.stderr + again.stdout).not.toContain('SLU')
    expect(again.status).toBe(0)
    expect(sluice(shop, ['plan', '--exit-code']).status).toBe(0)
  })

  test('pipes get data without escape sequences: rows as JSON lines, events with --json', () => {
    const rows = sluice(shop, ['query', 'SELECT count(*) AS n FROM stage.sales'])
    expect(Number(JSON.parse(rows.stdout).n)).toBeGreaterThan(1000)
    const events = sluice(shop, ['run', '--json', '--force', '-s', 'stage.sales'])
    const types = events.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).type)
    expect([types[0], types.at(-1)]).toEqual(['run.started', 'run.finished'])
    expect(events.stderr).toBe('')
  })

  test('every command that reads answers in a pipe', () => {
    const lines = [
      ['check'],
      ['plan'],
      ['runs'],
      ['runs', 'show'],
      ['runs', 'logs'],
      ['catalog'],
      ['catalog', 'raw.sales'],
      ['show', 'raw.sales'],
      ['show', 'stage.sales', '--versions'],
      ['show', 'fact_sales'],
      ['lineage', 'fact_sales'],
      ['quality'],
      ['quarantine'],
      ['doctor'],
      ['render'],
      ['render', 'stage.sales'],
      ['explain', 'SLU1002'],
      ['clean', '--dry-run'],
      ['config'],
    ]
    for (const argv of lines) {
      const plain = sluice(shop, argv)
      expect([argv, plain.status, plain.stderr.includes('SLU')]).toEqual([argv, 0, false])
      expect(plain.stdout + plain.stderr).not.toContain('\u001b')
    }
  })

  test('with --json, a list is one JSON value', () => {
    for (const command of ['runs', 'catalog', 'quality', 'quarantine', 'doctor']) {
      expect(JSON.parse(sluice(shop, [command, '--json']).stdout).length, command).toBeGreaterThan(0)
    }
  })

  test('a reader that goes away is no error', () => {
    const command = `"${process.execPath}" "${bin}" query "FROM range(3000000)" --all | head -n 1; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: shop, env, encoding: 'utf8' })
    expect(stdout).toBe('{"range":"0"}\n0\n')
    expect(stderr).toBe('')
  })

  const hasScript = spawnSync('script', ['--version']).status === 0
  test.skipIf(!hasScript)('a terminal gets a live view and tables (needs script(1))', () => {
    const onTerminal = (line: string): string =>
      spawnSync('script', ['-qec', `stty cols 120 rows 40; "${process.execPath}" "${bin}" ${line}`, '/dev/null'], {
        cwd: shop,
        env: { ...env, TERM: 'xterm' },
        encoding: 'utf8',
      }).stdout
    const run = onTerminal('run --force -s stage.sales')
    expect(run).toContain('\u001b[2K')
    expect(run).toMatch(/Rows +\d/)
    expect(run).toContain('Next:')
    expect(onTerminal('catalog --no-color')).toMatch(/table +version +rows/)
  })

  test('all problems of a definition come at once, with their places; nothing runs', () => {
    writeFileSync(join(shop, 'pipelines', 'retail', 'stage', 'sales.sql'), 'SELECT nope, neither FROM raw.slaes\n')
    const broken = sluice(shop, ['run'])
    expect(broken.status).toBe(2)
    expect(broken.stderr).toMatch(/stage\/sales\.sql:1:\d+/)
    expect(broken.stderr).toContain('> 1 │ SELECT nope, neither FROM raw.slaes')
    expect(broken.stderr).toContain('nothing was run')
    expect(JSON.parse(sluice(shop, ['check', '--json']).stdout)).toMatchObject({ ok: false })
  })
})
