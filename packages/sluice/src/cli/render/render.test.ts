import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runEvents } from '../../../test/cli/fake-project.ts'
import { problem, sluiceError } from '../../base/errors.ts'
import type { Project } from '../../definition/types.ts'
import type { RunEvent } from '../../run/ledger/events.ts'
import { csvRecord } from './csv.ts'
import { errorJson, errorText, problemsText } from './error.ts'
import { mermaidText, treeLines } from './lineage.ts'
import { frameLines } from './run-frame.ts'
import { outcome, runLine } from './run-line.ts'
import { afterEvent, emptyRun, type RunView } from './run-state.ts'
import { nextAfterRun, summaryLines } from './run-summary.ts'
import { tableText, valueText } from './table.ts'
import { bytes, cut, duration, visible, visibleLines, width } from './text.ts'

const plain = (_look: string, text: string): string => text
const channel = { paint: plain }
const project = { config: { warehouse: { kind: 'duckdb' } }, pipelines: [] } as unknown as Project

describe('IN-29: hostile text cannot act on a terminal', () => {
  test('control characters, colours, line ends and direction marks are shown, not obeyed', () => {
    expect(visible('a\u001b[2J\r\nb\u202ec\u0007')).toBe('a\\e[2J\\r\\nb\\u{202e}c\\u{7}')
    expect(visible('Ünïcode 日本 🎉 ok')).toBe('Ünïcode 日本 🎉 ok')
    expect(visible('\ud800x')).toBe('\\u{d800}x')
  })
  test('whatever comes in, nothing of it that acts comes out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/)
        expect(visibleLines(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
      }),
    )
  })
  test('in tables and in mermaid labels', () => {
    expect(tableText([{ key: 'a' }], [{ a: 'x\u001b[31m\ny' }], channel)).toBe('a\nx\\e[31m\\ny\n')
    expect(mermaidText({ node: 'a"]', level: 'table', up: [], down: [] })).toBe('flowchart LR\n  n0["a#34;]"]\n')
  })
})

describe('text', () => {
  test('sizes, times and widths', () => {
    expect([bytes(0), bytes(1023), bytes(1536), bytes(5 * 1024 ** 3)]).toEqual(['0 B', '1023 B', '1.5 KiB', '5.0 GiB'])
    expect([duration(7), duration(3240), duration(95_000), duration(7_380_000)]).toEqual([
      '7 ms',
      '3.2 s',
      '1 min 35 s',
      '2 h 3 min',
    ])
    expect([width('日本'), width('e\u0301'), width('\u001b[31mred\u001b[39m')]).toEqual([4, 1, 3])
    expect(cut('日本語', 5)).toBe('日本…')
  })
})

describe('tables', () => {
  test('numbers to the right, NULL told apart from text, structures as JSON', () => {
    const rows = [
      { name: 'a', n: '9007199254740993', list: null },
      { name: '日本', n: 5, list: [1, 2] },
    ]
    expect(tableText([{ key: 'name' }, { key: 'n', align: 'right' }, { key: 'list' }], rows, channel)).toBe(
      ['name                 n  list', 'a     9007199254740993  NULL', '日本                 5  [1,2]', ''].join('\n'),
    )
  })
})

describe('CSV', () => {
  test('NULL and the empty text stay apart; quotes, commas and line ends are kept', () => {
    expect(csvRecord([-0, 0], true)).toBe('-0,0\n')
    expect(valueText(-0)).toBe('-0')
    expect(csvRecord([null, '', 'a"b', 'c,d', 'e\nf', 1.5, { a: 1 }], true)).toBe(
      ',"","a""b","c,d","e\nf",1.5,"{""a"":1}"\n',
    )
  })
  test('IN-26: what a spreadsheet would run gets a quote before it, numbers do not', () => {
    const cells = ['=1+1', '+cmd', '-x', '@sum', '\tx', '\rx', '＝1', '-5', '+5.20', '-1e3', 'a=b']
    expect(csvRecord(cells, true)).toBe(`'=1+1,'+cmd,'-x,'@sum,'\tx,"'\rx",'＝1,-5,+5.20,-1e3,a=b\n`)
    expect(csvRecord(cells, false)).toBe('=1+1,+cmd,-x,@sum,\tx,"\rx",＝1,-5,+5.20,-1e3,a=b\n')
  })
})

describe('a run', () => {
  const finished = (event: object): Extract<RunEvent, { type: 'task.finished' }> =>
    ({ ...runEvents().find(({ type }) => type === 'task.finished'), error: undefined, ...event }) as never
  const done = (...events: RunEvent[]): RunView => [...events, runEvents().at(-1)!].reduce(afterEvent, emptyRun)

  test('a model that leaves rows out says how many', () => {
    const accounting = { read: 575, accepted: 556, quarantined: 0, dropped: { 'an earlier state': 19 } }
    const event = finished({ kind: 'model', status: 'succeeded', version: 1, rows: 556, accounting, durationMs: 5 })
    expect(outcome(event)).toBe(
      'succeeded  v1  575 read = 556 accepted + 0 quarantined + 19 dropped (an earlier state)  5 ms',
    )
  })

  test('a load that was done before is not told as loaded again', () => {
    const load = { inserted: 3, updated: 0, deleted: 0, total: 3 }
    const event = finished({
      kind: 'load',
      table: 'facts',
      status: 'unchanged',
      version: 1,
      load,
      accounting: undefined,
    })
    expect(outcome(event)).not.toContain('+3')
    expect(summaryLines(done(event), plain, 120).join()).not.toContain('Loaded')
  })

  test('what a delete closed is told apart from deleted rows: inserted less deleted makes the rows', () => {
    const load = { inserted: 25_907, updated: 0, deleted: 0, closed: 1275, total: 25_907 }
    const event = finished({ kind: 'load', table: 'dim_product', status: 'succeeded', load, accounting: undefined })
    expect(outcome(event)).toContain('+25,907 ~0 -0 = 25,907 rows, 1,275 closed')
  })

  test('a table that needs an approval is named, with the command that gives it', () => {
    const reason = 'its schema would change in a way that can lose data'
    const view = done(finished({ kind: 'model', table: 'stage.sales', status: 'skipped', reason }))
    expect(summaryLines(view, plain, 120)).toContain(`  Waiting   stage.sales  ${reason}`)
    expect(nextAfterRun(view, project)).toBe('sluice plan, then  sluice run --approve stage.sales')
  })

  test('where the only file of a table was refused, the file is what wants mending, not the table without a version', () => {
    const refused = runEvents().find(({ type }) => type === 'task.refused')!
    const error = { code: 'SLU4008', name: 'Run.NoVersion', message: 'no version', retryable: false }
    const view = done(refused, finished({ kind: 'model', table: 'stage.sales', status: 'failed', error }))
    expect(nextAfterRun(view, project)).toMatch(/^read error\/sales\/bad.csv.report.json/)
  })

  const view = runEvents().reduce(afterEvent, emptyRun)

  test('as plain lines', () => {
    expect(runEvents().flatMap((event) => runLine(event, plain) ?? [])).toEqual([
      'Run 20261120T100000Z-00000001 of retail: 3 tasks to run',
      '▸ raw.sales  ingest',
      '  ingest:raw.sales  21,000 rows  inbox/evil\\e[2J\\n.csv',
      '✖ inbox/bad.csv  refused: Column "price" is missing.',
      '✔ raw.sales  succeeded  v1  42,481 read = 25,670 accepted + 16,324 quarantined + 487 dropped (duplicate)  3.2 s  13,275 rows/s',
      '▸ stage.sales  model',
      '! model:stage.sales  check range:price warned: 3 of 25,670',
      '✔ stage.sales  succeeded  v1  25,670 rows  800 ms',
      '✔ dim_product  succeeded  +2,833 ~0 -0 = 2,833 rows  500 ms',
    ])
  })

  test('as a summary of at most twelve lines that accounts for every row', () => {
    const lines = summaryLines(view, plain, 120)
    expect(lines).toEqual([
      '✔ Run 20261120T100000Z-00000001 succeeded in 12.3 s',
      '  Tasks     3 succeeded, 0 failed, 0 skipped, 1 unchanged',
      '  Rows      42,481 read = 25,670 accepted + 16,324 quarantined + 487 dropped',
      '  Refused   1 file: inbox/bad.csv (report: error/sales/bad.csv.report.json)',
      '  Loaded    dim_product  +2,833 ~0 -0 = 2,833 rows',
      '  Slowest   raw.sales  3.2 s',
    ])
    expect(nextAfterRun(view, project)).toBe(
      'read error/sales/bad.csv.report.json, fix the file, deliver it again, then  sluice run',
    )
    expect(nextAfterRun({ ...view, refused: [] }, project)).toBe('sluice quarantine raw.sales')
    const failed = { ...view, summary: { ...view.summary!, status: 'failed' as const } }
    expect(summaryLines(failed, plain, 120)[0]).toBe(
      '✖ Run 20261120T100000Z-00000001 failed in 12.3 s: 1 file refused, all else is done',
    )
  })

  test('a summary stays within twelve lines, whatever happened', () => {
    const finished = runEvents().find((event) => event.type === 'task.finished' && event.kind === 'load') as Extract<
      RunEvent,
      { type: 'task.finished' }
    >
    const many = Array.from({ length: 40 }, (_, i): RunEvent[] => [
      { ...finished, task: `load:${i}`, table: `t${i}` },
      {
        ...finished,
        task: `model:${i}`,
        kind: 'model',
        status: 'failed',
        load: undefined as never,
        error: { code: 'SLU4701', name: 'Engine.Failed', message: 'x'.repeat(500), retryable: false },
      },
    ]).flat()
    const full = [...runEvents(), ...many].reduce(afterEvent, emptyRun)
    const lines = summaryLines(full, plain, 100)
    expect(lines.length).toBeLessThanOrEqual(12)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100)
    expect(nextAfterRun(full, project)).toBe('sluice explain SLU4701, then  sluice retry')
  })

  test('a failure says what is to be done, in whole', () => {
    const hint = `Nothing was published. Correct${' the contract of the source'.repeat(6)}, then: sluice run`
    const failed = view.tasks.map((task, at) => ({
      ...task,
      status: at === 0 ? ('failed' as const) : task.status,
      finished: { ...task.finished!, error: { code: 'SLU3030', name: 'x', message: 'no', hint, retryable: false } },
    }))
    const lines = summaryLines({ ...view, tasks: failed }, plain, 60)
    const from = lines.findIndex((line) => line.startsWith('  Fix'))
    const fix = lines.slice(from).filter((line, at) => at === 0 || line.startsWith(' '.repeat(12)))
    expect(fix.length).toBeGreaterThan(2)
    expect(fix.map((line) => line.slice(12)).join(' ')).toBe(hint)
    for (const line of fix) expect(line.length).toBeLessThanOrEqual(60)
  })

  test('after a load into a server: by its own client, or the table it was loaded from; never with a password', () => {
    const done = { ...view, refused: [], tasks: view.tasks.filter(({ kind }) => kind === 'load') }
    expect(nextAfterRun(done, project)).toBe('sluice query "SELECT * FROM warehouse.dim_product LIMIT 10"')
    const star = {
      kind: 'postgres',
      host: 'db.example.com',
      port: 5433,
      user: 'etl',
      database: 'star',
      password: { $secret: 'P' },
    }
    const on = (connection: object): Project =>
      ({
        config: {
          warehouse: { kind: 'postgres', connection: 'dw', schema: 'public' },
          connections: { dw: connection },
        },
        pipelines: [{ sources: {}, models: {}, tables: {}, loads: { dim_product: { from: 'analytics.products' } } }],
      }) as unknown as Project
    expect(nextAfterRun(done, on(star))).toBe(
      'psql -h db.example.com -p 5433 -U etl -d star -c "SELECT * FROM public.dim_product LIMIT 10"',
    )
    for (const odd of [{ $env: 'HOST' }, 'a b', '$(id)'])
      expect(nextAfterRun(done, on({ ...star, host: odd }))).toBe(
        'sluice query "SELECT * FROM analytics.products LIMIT 10"',
      )
  })

  test('CD-17: a captured table that waits is no file, and says what is to be done', () => {
    const hint = 'See what happened, and take it: sluice cdc accept'
    const error = { code: 'SLU3220', name: 'Source.TableWaits', message: 'waits', hint, retryable: false }
    const waiting = { ...view, refused: [{ what: 'table' as const, input: 'public.orders', error }] }
    const lines = summaryLines({ ...waiting, summary: { ...view.summary!, status: 'failed' } }, plain, 100)
    expect(lines[0]).toContain('1 table waits, all else is done')
    expect(lines).toContain('  Waits     1 table: public.orders')
    expect(lines).toContain(`  Fix       ${hint}`)
    expect(nextAfterRun(waiting, project)).toBe('sluice cdc status')
  })

  test('as a live frame: layers, tasks, rows and rates', () => {
    const half = runEvents().slice(0, 3).reduce(afterEvent, emptyRun)
    const frame = { now: Date.parse('2026-11-20T10:00:02.000Z'), columns: 100, rows: 30, paint: plain }
    expect(frameLines(half, frame)).toEqual([
      'raw',
      '  ▸ raw.sales     21,000 rows  10,500 rows/s  1.4 MiB  2.0 s  inbox/evil\\e[2J\\n.csv',
      '0 of 3 tasks  21,000 rows read  2.0 s',
    ])
    expect(frameLines(view, frame).slice(0, 2)).toEqual([
      'raw',
      '  ✔ raw.sales     succeeded  v1  42,481 read = 25,670 accepted + 16,324 quarantined + 487 dropped …',
    ])
  })

  test('a frame never needs more room than the window has, nor more width', () => {
    const start = (i: number): RunEvent => ({
      v: 1,
      runId: 'r',
      ts: '2026-11-20T10:00:00.000Z',
      type: 'task.started',
      task: `model:${i}`,
      kind: 'model',
      table: `layer${i % 3}.table_${i}`,
      attempt: 1,
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 8, max: 60 }),
        fc.integer({ min: 30, max: 200 }),
        (tasks, rows, columns) => {
          const big = Array.from({ length: tasks }, (_, i) => start(i)).reduce(afterEvent, emptyRun)
          const lines = frameLines(big, { now: Date.parse('2026-11-20T10:00:02.000Z'), columns, rows, paint: plain })
          expect(lines.length).toBeLessThan(rows)
          for (const line of lines.slice(0, -1)) expect(width(line)).toBeLessThan(columns)
        },
      ),
    )
  })
})

describe('errors', () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-error-'))
  writeFileSync(join(root, 'sales.sql'), 'SELECT order_date,\n\tsum(amout) AS revenue\nFROM raw.orders\n')

  test('say what, where with the source, what was meant, what next, and where to read more', () => {
    const error = sluiceError(
      'Definition.UnknownTable',
      { table: 'raw.ordrs' },
      { at: { file: 'sales.sql', line: 2, column: 6, length: 5 }, suggestion: 'amount' },
    )
    expect(errorText(error, { channel, root })).toBe(
      [
        '✖ SLU1002  Table "raw.ordrs" does not exist.',
        '',
        '  sales.sql:2:6',
        '    1 │ SELECT order_date,',
        '  > 2 │   sum(amout) AS revenue',
        '      │       ^^^^^',
        '',
        '  Did you mean "amount"?',
        '',
        '  More: sluice explain SLU1002',
        '',
      ].join('\n'),
    )
  })

  test('a place in a file that cannot be read is still named', () => {
    const error = sluiceError('Sql.Syntax', { detail: 'x' }, { at: { file: 'gone.sql', line: 7, column: 1 } })
    expect(errorText(error, { channel, root })).toContain('  gone.sql:7:1\n')
  })

  test('all problems come at once: by file, errors before warnings, counted', () => {
    const problems = [
      problem('Sql.Syntax', { detail: 'odd' }, { severity: 'warning', at: { file: 'b.sql', line: 1 } }),
      problem('Sql.Syntax', { detail: 'late' }, { at: { file: 'a.sql', line: 9 } }),
      problem('Sql.Syntax', { detail: 'bad' }, { at: { file: 'b.sql', line: 5 } }),
    ]
    const lines = problemsText(problems, { channel, root }).split('\n')
    expect(lines.filter((line) => /^[✖!]|error/.test(line))).toEqual([
      '✖ SLU2001  The SQL cannot be read: bad',
      '! SLU2001  The SQL cannot be read: odd',
      '✖ SLU2001  The SQL cannot be read: late',
      '  2 errors, 1 warning in 2 files',
    ])
  })

  test('as JSON', () => {
    expect(errorJson(sluiceError('Run.Busy', { owner: 'r1', since: 's' })).error).toMatchObject({
      code: 'SLU4001',
      name: 'Run.Busy',
      retryable: true,
      exit: 5,
      next: 'sluice explain SLU4001',
    })
  })
})

test('lineage is drawn as a tree, also where it has a cycle', () => {
  const edges = [
    { from: 'b', to: 'a' },
    { from: 'c', to: 'a' },
    { from: 'a', to: 'b' },
  ]
  expect(treeLines({ node: 'a', level: 'table', up: edges, down: [] }, plain)).toEqual([
    'a',
    'made from',
    '├─ b',
    '│  └─ a …',
    '└─ c',
  ])
})
