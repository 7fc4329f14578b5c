import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { commandLine, type Result, type Setting } from '../../test/cli/command-line.ts'
import { type Fake, fakeProject, invalidDefinition, runEvents, summary } from '../../test/cli/fake-project.ts'
import { sluiceError } from '../base/errors.ts'
import type { OpenProject } from '../run/api.ts'

let project: Fake
beforeAll(async () => {
  project = await fakeProject()
})

const sluice = (argv: readonly string[], setting?: Setting): Promise<Result> => commandLine(project, argv, setting)
const failing = (error: unknown): Setting => ({ open: async () => Promise.reject(error) })
const withProject = (over: Partial<OpenProject>): Setting => ({ open: async () => ({ ...project, ...over }) })
const json = (text: string): unknown => JSON.parse(text)
const lines = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('exit codes', () => {
  test.each([
    ['usage', ['rnu'], {}, 2],
    ['definition', ['run'], failing(invalidDefinition()), 2],
    [
      'an outside system',
      ['check'],
      failing(Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'open', path: '/x' })),
      3,
    ],
    ['busy', ['run'], failing(sluiceError('Run.Busy', { owner: 'r', since: 's' })), 5],
    [
      'an error after which something could not be closed',
      ['run'],
      failing(Object.assign(new Error('close'), { suppressed: sluiceError('Run.Busy', { owner: 'r', since: 's' }) })),
      5,
    ],
    ['a bug', ['run'], failing(new TypeError('x is undefined')), 70],
    [
      'a failed run',
      ['run'],
      withProject({ run: async () => ({ id: 'r', summary: { ...summary, status: 'failed' } }) }),
      1,
    ],
    ['an unknown table', ['show', 'raw.slaes'], {}, 2],
    ['a statement that writes', ['query', 'DROP VIEW raw.sales'], {}, 2],
    ['a query with a wrong column', ['query', 'SELECT nope FROM raw.sales'], {}, 1],
    [
      'a failed check of data',
      ['doctor'],
      withProject({ doctor: async () => [{ name: 'disk', status: 'fail', detail: 'full', fix: 'free some' }] }),
      1,
    ],
    ['nothing to run', ['plan', '--exit-code'], {}, 0],
    ['no confirmation', ['rollback', 'stage.sales', '1'], {}, 2],
    ['all well', ['check'], {}, 0],
  ] as const)('%s', async (_what, argv, setting, code) => {
    expect((await sluice(argv, setting)).code).toBe(code)
  })

  test('plan --exit-code is 4 when there is something to run', async () => {
    const { plan, problems } = await project.plan()
    const work = { plan: { ...plan, tasks: plan.tasks.map((task) => ({ ...task, action: 'run' as const })) }, problems }
    expect((await sluice(['plan', '--exit-code'], withProject({ plan: async () => work }))).code).toBe(4)
    expect((await sluice(['plan'], withProject({ plan: async () => work }))).code).toBe(0)
  })
})

describe('errors', () => {
  test('say what to do next, on stderr, and nothing on stdout', async () => {
    const { out, err } = await sluice(['show', 'stage.slaes'])
    expect(out).toBe('')
    expect(err).toMatch(/^✖ SLU1002 {2}Table "stage.slaes" does not exist/)
    expect(err).toContain('Did you mean "stage.sales"?')
    expect(err).toContain('More: sluice explain SLU1002')
  })
  test('are one JSON object with --json', async () => {
    const { out, err } = await sluice(['rnu', '--json'])
    expect(out).toBe('')
    expect(json(err)).toEqual({
      error: expect.objectContaining({
        code: 'SLU1101',
        name: 'Cli.UnknownCommand',
        suggestion: 'run',
        exit: 2,
        retryable: false,
      }),
    })
  })
  test('of a definition are listed all at once', async () => {
    const { err } = await sluice(['run'], failing(invalidDefinition()))
    expect(err).toContain('sluice.config.ts:1:8')
    expect(err).toContain('> 1 │ export default {}')
    expect(err).toContain('1 error, 1 warning in 1 file')
  })
  test('nobody foresaw call themselves bugs; the stack is in the debug log, which only its owner reads and which holds no secret', async () => {
    const setting = {
      ...failing(new TypeError('cannot read hunter2hunter2 of https://me:pw123456@host')),
      env: { DB_PASSWORD: 'hunter2hunter2' },
    }
    const { err } = await sluice(['run'], setting)
    expect(err).toContain('✖ SLU9002')
    expect(err).not.toMatch(/ at .*execute/)
    const log = join(project.root, '.sluice', 'debug.log')
    expect(err).toContain(log)
    expect(statSync(log).mode & 0o777).toBe(0o600)
    const text = readFileSync(log, 'utf8')
    expect(text).toContain('TypeError: cannot read *** of https://me:***@host')
    expect(text).toMatch(/ at /)
    expect((await sluice(['run', '--debug'], setting)).err).toMatch(/ {4}at /)
  })
  test('that nobody awaited are reported like any other', async () => {
    const stray: Setting = {
      ...withProject({ run: () => new Promise(() => {}) }),
      during: (signals) =>
        void setTimeout(
          () => signals.emit('unhandledRejection', sluiceError('Run.Busy', { owner: 'r', since: 's' })),
          50,
        ),
    }
    const { code, err } = await sluice(['run'], stray)
    expect([code, err.startsWith('✖ SLU4001')]).toEqual([5, true])
  })
  test('leave no log where there is no project', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'sluice-none-'))
    expect((await sluice(['run'], { ...failing(new Error('x')), cwd })).code).toBe(70)
    expect(existsSync(join(cwd, '.sluice'))).toBe(false)
  })
})

describe('in a pipe and on a terminal', () => {
  test('lists are one JSON object a line in a pipe, a table on a terminal, an array with --json', async () => {
    expect(lines((await sluice(['catalog'])).out)).toHaveLength(4)
    const table = await sluice(['catalog'], { tty: true, env: { NO_COLOR: '1' } })
    expect(table.out).toMatch(/^table +version +rows +size +updated +from\n/)
    expect(table.err).toBe('Next: sluice show raw.sales\n')
    expect(json((await sluice(['catalog', '--json'], { tty: true })).out)).toHaveLength(4)
  })
  test('no escape sequence reaches a pipe, whatever the data holds', async () => {
    for (const argv of [
      ['run'],
      ['quarantine'],
      ['runs', 'show'],
      ['runs', 'logs'],
      ['catalog'],
      ['lineage', 'stage.sales'],
      ['check'],
      ['plan'],
      ['doctor'],
    ]) {
      const { out, err } = await sluice(argv)
      expect(out + err, argv.join(' ')).not.toContain('\u001b')
      expect(err, argv.join(' ')).not.toMatch(/^Next:(?! read error)/m)
    }
  })
  test.each([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true],
  ])('colours on a terminal with %j: %s', async (env, colored) => {
    expect((await sluice(['check'], { tty: true, env: env as Record<string, string> })).out.includes('\u001b[')).toBe(
      colored,
    )
  })
  test('FORCE_COLOR colours a pipe; --no-color wins', async () => {
    expect((await sluice(['check'], { env: { FORCE_COLOR: '1' } })).out).toContain('\u001b[')
    expect((await sluice(['check', '--no-color'], { env: { FORCE_COLOR: '1' } })).out).not.toContain('\u001b[')
  })
  test('a run is redrawn in place only for people: not in CI, not with TERM=dumb', async () => {
    expect((await sluice(['run'], { tty: true })).err).toContain('\u001b[2K')
    for (const env of [{ CI: 'true' }, { TERM: 'dumb' }]) {
      expect((await sluice(['run'], { tty: true, env })).err).not.toContain('\u001b[2K')
    }
  })
})

describe('run', () => {
  test('tells its events as plain lines on stderr and the summary on stdout', async () => {
    const { code, out, err } = await sluice(['run', '-s', 'raw.sales,stage.sales', '--concurrency', '3'])
    expect(code).toBe(0)
    expect(out).toContain('42,481 read = 25,670 accepted + 16,324 quarantined + 487 dropped')
    expect(err).toContain('✖ inbox/bad.csv  refused')
    expect(err.trimEnd().split('\n').at(-1)).toBe(
      'Next: read error/sales/bad.csv.report.json, fix the file, deliver it again, then  sluice run',
    )
    expect(project.calls.findLast(([name]) => name === 'run')?.[1]).toMatchObject({
      select: ['raw.sales', 'stage.sales'],
      concurrency: 3,
    })
  })
  test('with --json is one event a line and nothing else', async () => {
    const { out, err } = await sluice(['run', '--json'])
    expect(lines(out)).toEqual(JSON.parse(JSON.stringify(runEvents())))
    expect(err).toBe('')
  })
  test('-q leaves only the summary', async () => {
    const { out, err } = await sluice(['run', '-q'])
    expect(out).toContain('succeeded in')
    expect(err).toBe('')
  })
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends cleanly with %i', async (signal, code) => {
    const hold: Setting = {
      ...withProject({
        run: (options) =>
          new Promise((resolve) =>
            options?.signal?.addEventListener('abort', () =>
              resolve({ id: 'r', summary: { ...summary, status: 'cancelled' } }),
            ),
          ),
      }),
      during: (signals) => void setTimeout(() => signals.emit(signal), 50),
    }
    const result = await sluice(['run'], hold)
    expect(result.code).toBe(code)
    expect(result.err).toContain('stopping what runs; nothing half-done is published')
    expect(result.err).toContain('Next: sluice run')
  })
  test('a second Ctrl-C ends at once', async () => {
    const exits: number[] = []
    const hold: Setting = {
      ...withProject({ run: () => new Promise((resolve) => setTimeout(() => resolve({ id: 'r', summary }), 150)) }),
      during: (signals) => {
        signals.on('exit', (code: number) => exits.push(code))
        setTimeout(() => signals.emit('SIGINT'), 20)
        setTimeout(() => signals.emit('SIGINT'), 40)
      },
    }
    expect((await sluice(['run'], hold)).code).toBe(130)
    expect(exits).toEqual([130])
  })
  test('an error after Ctrl-C is the interruption, not a bug', async () => {
    const hold: Setting = {
      ...withProject({
        run: (options) =>
          new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))),
      }),
      during: (signals) => void setTimeout(() => signals.emit('SIGINT'), 20),
    }
    const result = await sluice(['run'], hold)
    expect(result.code).toBe(130)
    expect(result.err).not.toContain('SLU')
  })
})

describe('query', () => {
  test('in every format, exact', async () => {
    const sql = "SELECT id, price, '=1+1' AS f FROM raw.sales WHERE id > 3"
    expect((await sluice(['query', sql])).out).toBe('{"id":"9007199254740993","price":"0.000","f":"=1+1"}\n')
    expect((await sluice(['query', sql, '--format', 'csv'])).out).toBe("id,price,f\n9007199254740993,0.000,'=1+1\n")
    expect((await sluice(['query', sql, '--format', 'csv', '--no-spreadsheet-safe'])).out).toContain(',=1+1\n')
    expect(json((await sluice(['query', sql, '--json'])).out)).toEqual([
      { id: '9007199254740993', price: '0.000', f: '=1+1' },
    ])
    expect(json((await sluice(['query', 'SELECT 1 WHERE false', '--json'])).out)).toEqual([])
    expect((await sluice(['query', sql], { tty: true, env: { NO_COLOR: '1' } })).out).toBe(
      '              id  price  f\n9007199254740993  0.000  =1+1\n',
    )
  })
  test('from stdin, from a file, into a file; a limit is told', async () => {
    expect((await sluice(['query', '-'], { stdin: 'SELECT 1 AS a' })).out).toBe('{"a":1}\n')
    writeFileSync(join(project.root, 'q.sql'), 'FROM range(10)')
    const limited = await sluice(['query', '-f', 'q.sql', '--limit', '3', '-o', 'out.csv'])
    expect(limited.err).toContain('Only the first 3 rows')
    expect(readFileSync(join(project.root, 'out.csv'), 'utf8')).toBe('range\n0\n1\n2\n')
    expect((await sluice(['query', '-f', 'q.sql', '--limit', '3', '--all', '-o', 'out.csv'])).err).toContain('10 rows')
    expect((await sluice(['query', 'SELECT 1', '-o', 'out.xlsx'])).err).toContain('SLU1103')
    expect((await sluice(['query'])).err).toContain('SLU1104')
  })
  test('a query that fails half-way leaves the earlier file as it was', async () => {
    writeFileSync(join(project.root, 'kept.csv'), 'before')
    const sql = "SELECT CASE WHEN range = 9999 THEN error('late') ELSE '1' END FROM range(10000)"
    expect((await sluice(['query', sql, '--all', '-o', 'kept.csv'])).code).toBe(1)
    expect(readFileSync(join(project.root, 'kept.csv'), 'utf8')).toBe('before')
  })
})

describe('other commands', () => {
  test('show: rows, an earlier version, versions', async () => {
    expect(lines((await sluice(['show', 'stage.sales', '--limit', '2'])).out)).toHaveLength(2)
    expect(lines((await sluice(['show', 'stage.sales', '--version', '1'])).out)).toEqual([{ id: '1' }, { id: '3' }])
    const csv = (await sluice(['show', 'stage.sales', '--versions', '--format', 'csv'])).out
    expect(csv).toMatch(/^version,committed,operation,rows,size,run\n\d+,/)
    expect(lines((await sluice(['show', 'stage.sales', '--versions'])).out)).toMatchObject([
      { version: 2 },
      { version: 1 },
    ])
  })
  test('lineage as tree, JSON and mermaid', async () => {
    expect((await sluice(['lineage', 'stage.sales', '--up'])).out).toBe(
      'stage.sales\nmade from\n└─ raw.sales\n   └─ inbox/*.csv\n',
    )
    expect(json((await sluice(['lineage', 'stage.sales', '--format', 'json'])).out)).toMatchObject({
      node: 'stage.sales',
    })
    expect((await sluice(['lineage', 'stage.sales', '--format', 'mermaid'])).out).toContain('n1 --> n0')
  })
  test('quarantine: shown with file and line, exported byte for byte, never over a file that is there', async () => {
    expect((await sluice(['quarantine', 'raw.sales'], { tty: true, env: { NO_COLOR: '1' } })).out).toContain(
      'inbox/a.csv:3  cast:id, range:qty\n    x,\\e[31m=1\n',
    )
    expect(json((await sluice(['quarantine', '--json'])).out)).toMatchObject([{ table: 'raw.sales', rows: 2 }])
    expect((await sluice(['quarantine', 'export', 'raw.sales'])).out).toBe('id,qty\r\nx,\u001b[31m=1\r\n9,0')
    expect((await sluice(['quarantine', 'export', 'raw.sales', '-o', 'refused'])).out).toBe('refused/a.csv\n')
    expect(readFileSync(join(project.root, 'refused', 'a.csv'), 'latin1')).toBe('id,qty\r\nx,\u001b[31m=1\r\n9,0')
    expect((await sluice(['quarantine', 'export', 'raw.sales', '-o', 'refused'])).code).toBe(3)
    const named = await sluice(['quarantine', 'export', 'raw.sales', '-o', 'again', '--json'])
    expect(json(named.out)).toEqual(['again/a.csv'])
    await sluice(['quarantine', 'replay', 'raw.sales'])
    expect(project.calls.findLast(([name]) => name === 'replay')?.[1]).toBe('raw.sales')
  })
  test('rollback asks, and --yes answers', async () => {
    const { code, out } = await sluice(['rollback', 'stage.sales', '1', '--yes'])
    expect([code, out]).toEqual([0, 'stage.sales is at version 3: the 2 rows of version 1.\n'])
    expect((await sluice(['rollback', 'stage.sales', '9', '-y'])).err).toContain('SLU4904')
    expect((await sluice(['rollback', 'stage.sales', '1'], { tty: true, stdin: 'n\n' })).out).toBe('')
  })
  test('runs, clean, crawl, render, quality', async () => {
    expect(lines((await sluice(['runs'])).out)).toMatchObject([{ status: 'succeeded' }])
    expect(json((await sluice(['runs', 'show', '--json'])).out)).toMatchObject({ events: expect.any(Array) })
    expect((await sluice(['runs', 'shwo'])).err).toContain('Did you mean "show"?')
    expect((await sluice(['runs', 'show', 'nope'])).code).toBe(2)
    expect((await sluice(['clean', '--dry-run'])).err).toContain('1 file, 2.0 KiB would be removed.')
    expect((await sluice(['crawl', 'inbox/x.csv'])).out).toBe(
      "sales: files('inbox/*.csv', { columns: { id: 'integer' } })\n",
    )
    expect(
      (await sluice(['crawl', 'erp', 'dbo.usp_sales', '--call', '--parameter', 'a=1,2=3', '--parameter', 'b'])).err,
    ).toMatch(/Against raw.sales: 1 difference[\s\S]+destructive +qty +missing[\s\S]+dbo.usp_later: only a call/)
    expect(project.calls.findLast(([name]) => name === 'crawl')?.[2]).toMatchObject({
      procedure: 'dbo.usp_sales',
      call: true,
      parameters: { a: '1,2=3', b: null },
    })
    expect((await sluice(['crawl', 'erp', '--call'])).code).toBe(2)
    expect((await sluice(['crawl', 'epr'])).err).toContain('Did you mean "erp"?')
    expect((await sluice(['crawl', 'erp', 'x', '--parameter', '=1'])).err).toContain('name=value')
    expect((await sluice(['render', 'stage.sales'])).out).toBe('SELECT id, qty * price AS revenue FROM raw.sales\n')
    expect(json((await sluice(['render', 'shop-master'])).out)).toMatchObject({ StartAt: 'raw' })
    const rendered = json((await sluice(['render', 'stage.sales', '--json'])).out)
    expect(rendered).toEqual({ table: 'stage.sales', sql: 'SELECT id, qty * price AS revenue FROM raw.sales' })
    expect(json((await sluice(['render', '--json'])).out)).toContain('shop-master')
    expect((await sluice(['render', 'stage.sale'])).err).toContain('Did you mean "stage.sales"?')
    expect(lines((await sluice(['quality'])).out)).toHaveLength(3)
  })
  test('explain: by number, by name, with a suggestion', async () => {
    expect((await sluice(['explain', 'slu4001'])).out).toContain('Run.Busy')
    expect((await sluice(['explain', '4001'])).out).toContain('Another run (<owner>)')
    expect((await sluice(['explain', 'Run.Bsy'])).err).toContain('Did you mean "Run.Busy"?')
    const retired = await sluice(['explain', 'SLU3036'])
    expect(retired.out).toContain('SLU5011')
    expect(retired.out).toContain('Earlier versions called it Source.CallRowCount (SLU3036).')
  })
  test('config masks what looks like a secret', async () => {
    const { out } = await sluice(['config'])
    expect(out).toContain('"password": "***"')
    expect(out).not.toContain('hunter2')
  })
  test('run, plan and watch take parameters', async () => {
    const given: unknown[] = []
    const over = withProject({
      run: async (options) => {
        given.push(options?.parameters)
        return { id: 'r', summary }
      },
      plan: async (options) => {
        given.push(options?.parameters)
        return project.plan()
      },
      watch: async (options) => void given.push(options.parameters),
    })
    await sluice(['run', '-p', 'since=2026-02-01', '--parameter', 'retail.note=a=b'], over)
    await sluice(['plan', '-p', 'since=2026-02-01'], over)
    await sluice(['watch', '-p', 'since'], over)
    const since = '2026-02-01'
    expect(given).toEqual([{ since, 'retail.note': 'a=b' }, { since }, { since: null }])
  })
  test('config --resolved has the source of each value, and references by name', async () => {
    const listed = lines((await sluice(['config', '--resolved', '--env', 'prod'])).out)
    expect(listed[0]).toEqual({ setting: 'environment', value: 'prod', source: '--env' })
    expect(listed[1]).toEqual({ setting: 'concurrency', value: 2, source: 'default' })
    const { out } = await sluice(['config', '--resolved'], { tty: true })
    expect(out).toMatch(/connections\.erp\.password +secret ERP_PASSWORD +configuration +\.env\.local/)
  })
  test('--env wins over SLUICE_ENV; an empty one is none', async () => {
    const asked: unknown[] = []
    const open: Setting['open'] = async (_root, options) => {
      asked.push(options.environment)
      return project
    }
    await sluice(['runs', '-e', 'prod'], { open, env: { SLUICE_ENV: 'test' } })
    await sluice(['runs'], { open, env: { SLUICE_ENV: 'test' } })
    await sluice(['runs'], { open, env: { SLUICE_ENV: '' } })
    await sluice(['runs'], { open })
    expect(asked).toEqual(['prod', 'test', undefined, undefined])
  })
  test('init refuses a folder with files in it', async () => {
    expect((await sluice(['init'])).err).toContain('SLU1107')
  })
  test('the log of a run is events with --json', async () => {
    const events = json((await sluice(['runs', 'logs', '--json'])).out) as { type: string }[]
    expect(events[0]?.type).toBe('run.started')
  })
  test('init refuses the name of a file, in words', async () => {
    const { code, err } = await sluice(['init', 'sluice.config.ts'])
    expect(code).toBe(2)
    expect(err).toContain('a folder, and this is a file')
  })
  test('the project is closed again, also after an error', async () => {
    const before = project.calls.filter(([name]) => name === 'closed').length
    await sluice(['show', 'nope.nope'])
    expect(project.calls.filter(([name]) => name === 'closed').length).toBe(before + 1)
  })
})
