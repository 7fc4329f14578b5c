import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sluiceError } from '../../src/base/errors.ts'
import type { ProcedureCall } from '../../src/connections/connection.ts'
import { openProject } from '../../src/run/project.ts'
import { arriving, scriptedServer } from '../doubles/scripted-server.ts'
import { lakeOf, project, rowsOf, run } from './project.ts'

/** A table of a server: rows become visible with their commit, which may come later than the time that they carry. */
interface Change {
  readonly key: number
  readonly value: number
  readonly changedAt: number
  readonly visibleAt: number
}

const columns = [
  arriving('id', 'integer'),
  arriving('value', 'integer'),
  arriving('changed_at', 'timestamp', 'datetime2(3)'),
]
const begin = Date.UTC(2026, 0, 1)
const text = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 23)
const bound = (call: ProcedureCall, name: string): string =>
  call.parameters.find((one) => one.name === name)?.value as string

/** What the procedure returns at a moment: the newest visible change of each key in the window, or all of them. */
function answer(changes: readonly Change[], now: number, call: ProcedureCall, isLog: boolean) {
  const [from, to] = [bound(call, 'from'), bound(call, 'to')]
  const visible = changes.filter(({ visibleAt }) => visibleAt <= now)
  const newest = new Map(visible.toSorted((a, b) => a.changedAt - b.changedAt).map((one) => [one.key, one]))
  return (isLog ? visible : [...newest.values()])
    .filter(({ changedAt }) => from <= text(changedAt) && text(changedAt) < to)
    .map(({ key, value, changedAt }) => [String(key), String(value), text(changedAt)])
}

const source = (options: string): string =>
  `[{ procedure: 'dbo.usp_changes', parameters: { from: windowFrom(), to: windowTo() }, columns: { id: 'integer', value: 'integer', changed_at: 'timestamp' }, window: { start: '2026-01-01', ${options} }]`

/** Times in seconds; a change is visible at most 30 seconds after the time that it carries. */
const histories = fc.record({
  changes: fc.array(
    fc.record({
      key: fc.integer({ min: 1, max: 12 }),
      at: fc.integer({ min: 1, max: 400 }),
      late: fc.integer({ min: 0, max: 30 }),
    }),
    { maxLength: 40 },
  ),
  runs: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
})

function changesOf(made: readonly { key: number; at: number; late: number }[], isLog: boolean): readonly Change[] {
  // One change of a key at a time, as a row of a table has it; and a log has one row a key.
  const seen = new Set<string>()
  return made.flatMap(({ key, at, late }, value) => {
    const one = isLog ? String(value) : `${key} ${at}`
    if (seen.has(one)) return []
    seen.add(one)
    return [{ key: isLog ? value : key, value, changedAt: begin + at * 1000, visibleAt: begin + (at + late) * 1000 }]
  })
}

test.each([
  ['merge', "overlapSeconds: 30 }, key: 'id'", false],
  ['append, with a lag instead of an overlap', 'lagSeconds: 30 }', true],
] as const)(
  'SR-08: whatever comes late, the windows of %s add up to the truth',
  { timeout: 300_000 },
  async (_mode, options, isLog) => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ changes: made, runs }) => {
        const changes = changesOf(made, isLog)
        const server = scriptedServer()
        const root = project(source(options))
        let read = 0
        for (const at of [...runs.toSorted((a, b) => a - b), 600]) {
          const now = begin + at * 1000
          server.procedures = { 'dbo.usp_changes': (call) => [{ columns, rows: answer(changes, now, call, isLog) }] }
          const { summary } = await run(root, server, new Date(now))
          expect(summary.status).toBe('succeeded')
          expect(summary.rows.read).toBe(summary.rows.accepted + summary.rows.quarantined + summary.rows.dropped)
          read += summary.rows.accepted
        }
        const newest = new Map(changes.toSorted((a, b) => a.changedAt - b.changedAt).map((one) => [one.key, one]))
        const truth = [...newest.values()].map(({ key, value }) => ({ id: key, value })).sort((a, b) => a.id - b.id)
        expect(await rowsOf(root, 'SELECT id, value FROM raw.changes ORDER BY id')).toEqual(truth)
        if (isLog) expect(read).toBe(truth.length)
      }),
      { numRuns: Number(process.env['SLUICE_HISTORIES'] ?? 4) },
    )
  },
)

test('SR-07: every attempt of a run binds the same window and the same values, in the same order; the next run does not', async () => {
  const failures = [
    sluiceError('Connection.Lost', { connection: 'erp', procedure: 'dbo.usp_sales', rows: 0, why: 'reset' }),
  ]
  const server = scriptedServer({
    'dbo.usp_regions': () => [
      { columns: [arriving('region', 'text', 'varchar(2)')], rows: [['US'], ['EU'], ['EU'], [null]] },
    ],
    'dbo.usp_sales': (call) => {
      const fails = server.calls.length === 3 ? failures.shift() : undefined
      if (fails !== undefined) return [{ columns: [arriving('n', 'integer')], rows: [['9']] }, { fails }]
      return [{ columns: [arriving('n', 'integer')], rows: [[bound(call, 'region') === 'EU' ? '1' : '2']] }]
    },
  })
  const root = project(`[
    { procedure: 'dbo.usp_regions', columns: { region: nullable('text') } },
    { procedure: 'dbo.usp_sales', columns: { n: 'integer' }, window: { start: '2026-01-01' }, mode: 'append',
      parameters: { region: each('raw.regions', 'region', { as: 'region' }), from: windowFrom(), to: windowTo(), on: runDate({ zone: 'Asia/Tokyo' }), price: parameter('12.3400', 'decimal(18,4)'), all: true } },
  ]`)
  const now = new Date('2026-06-01T20:00:00Z')
  const { summary } = await run(root, server, now)
  expect(summary.status).toBe('succeeded')
  expect(await rowsOf(root, 'SELECT * FROM raw.sales ORDER BY n')).toEqual([
    { n: 1, region: 'EU' },
    { n: 2, region: 'US' },
  ])
  const values = server.calls.slice(1).map(({ parameters }) => parameters.map(({ value }) => value))
  const eu = ['EU', '2026-01-01 00:00:00.000', '2026-06-01 20:00:00.000', '2026-06-02', '12.3400', 'true']
  const us = ['US', ...eu.slice(1)]
  // The call for US failed, and the attempt with it: both are made again.
  expect(values).toEqual([eu, us, eu, us])
  expect(server.calls.at(-1)?.parameters.map(({ type }) => type)).toEqual([
    'text',
    'timestamp',
    'timestamp',
    'date',
    'decimal(18,4)',
    'boolean',
  ])
  const log = await lakeOf(root).extraction('raw.sales')
  expect(log).toMatchObject({
    status: 'committed',
    window: { to: '2026-06-01 20:00:00.000' },
    attempts: [{ calls: 1 }, { calls: 2 }],
  })
  expect((await lakeOf(root).current('raw.sales'))?.watermark).toBe('2026-06-01T20:00:00.000Z')
  const later = await run(root, server, new Date('2026-06-01T21:00:00Z'))
  expect(later.summary.status).toBe('succeeded')
  expect(bound(server.calls.at(-1) as ProcedureCall, 'from')).toBe('2026-06-01 20:00:00.000')
})

test('a failed window moves no watermark: the next one begins where the last good one ended', async () => {
  const server = scriptedServer()
  const root = project(source('}'))
  server.procedures = { 'dbo.usp_changes': () => [{ columns, rows: [['1', '1', '2026-01-01 00:00:00']] }] }
  await run(root, server, new Date(begin + 1000))
  server.procedures = { 'dbo.usp_changes': () => [{ columns: [], rows: [] }] }
  expect((await run(root, server, new Date(begin + 2000))).errors).toMatchObject([{ name: 'Source.ContractChanged' }])
  server.procedures = { 'dbo.usp_changes': () => [{ columns, rows: [] }] }
  await run(root, server, new Date(begin + 3000))
  const call = server.calls.at(-1) as ProcedureCall
  expect([bound(call, 'from'), bound(call, 'to')]).toEqual(['2026-01-01 00:00:01.000', '2026-01-01 00:00:03.000'])
})

test('a merge writes only the files again that hold superseded rows, and small ones together when they are many', async () => {
  const server = scriptedServer()
  const root = project(source("}, key: 'id'"))
  const at = (n: number) => begin + n * 1000
  const merge = async (n: number, rows: readonly (readonly number[])[]) => {
    const texts = rows.map(([id, value]) => [String(id), String(value), text(at(n))])
    server.procedures = { 'dbo.usp_changes': () => [{ columns, rows: texts }] }
    const { summary } = await run(root, server, new Date(at(n + 1)))
    expect(summary.rows).toMatchObject({ read: rows.length, accepted: rows.length })
    const { files, accounting } = (await lakeOf(root).current('raw.changes'))!
    return { files: files.length, carried: accounting.carried }
  }
  for (let n = 0; n < 31; n++)
    expect(
      (
        await merge(n, [
          [n, n],
          [n + 1000, n],
        ])
      ).files,
    ).toBe(n + 1)
  // One file held the row that is superseded: what is left of it is written again, beside the new one.
  expect(await merge(31, [[7, 77]])).toEqual({ files: 32, carried: 61 })
  // Now they are many.
  expect(
    await merge(32, [
      [1007, 78],
      [2000, 1],
    ]),
  ).toEqual({ files: 2, carried: 61 })
  expect(
    await rowsOf(
      root,
      'SELECT count(*)::INTEGER AS rows, count(DISTINCT id)::INTEGER AS ids, sum(value)::INTEGER AS total FROM raw.changes',
    ),
  ).toEqual([{ rows: 63, ids: 63, total: 2 * 465 - 7 - 7 + 77 + 78 + 1 }])
})

test('SR-08: a clock that was set back beyond the overlap stops the source; from the version before, nothing is lost', async () => {
  const server = scriptedServer({ 'dbo.usp_changes': () => [{ columns, rows: [['1', '1', '2026-01-01 00:00:00']] }] })
  const root = project(source("overlapSeconds: 60 }, key: 'id'"))
  const at = (seconds: number) => new Date(begin + seconds * 1000)
  await run(root, server, at(100))
  await run(root, server, at(99_000))
  server.procedures = { 'dbo.usp_changes': () => [{ columns, rows: [['2', '2', '2026-01-01 00:02:30']] }] }
  await run(root, server, at(98_940))
  expect(server.calls).toHaveLength(3)
  const { errors } = await run(root, server, at(200))
  expect(errors).toMatchObject([{ name: 'Source.ClockBehind', message: expect.stringContaining('raw.changes') }])
  expect(server.calls).toHaveLength(3)
  {
    await using opened = await openProject(root)
    await opened.rollback('raw.changes', 1)
  }
  expect((await run(root, server, at(200))).summary.status).toBe('succeeded')
  expect(bound(server.calls.at(-1) as ProcedureCall, 'from')).toBe('2026-01-01 00:00:40.000')
  expect(await rowsOf(root, 'SELECT id FROM raw.changes ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])
})

test('rows that are carried into a wider column have its type; the sign of a zero is a change', async () => {
  const call = (type: 'integer' | 'bigint', rows: readonly (readonly string[])[]) => ({
    'dbo.usp_wide': () => [{ columns: [arriving('id', type), arriving('n', type), arriving('x', 'float')], rows }],
  })
  const list = (type: string): string =>
    `[{ procedure: 'dbo.usp_wide', mode: 'merge', key: 'id', columns: { id: '${type}', n: '${type}', x: 'float' } }]`
  const root = project(list('integer'))
  const before = [
    ['1', '1', '0'],
    ['2', '2', '2'],
  ]
  expect((await run(root, scriptedServer(call('integer', before)))).summary.status).toBe('succeeded')
  expect((await run(root, scriptedServer(call('integer', [['1', '1', '-0']])))).summary.status).toBe('succeeded')
  expect(await rowsOf(root, 'SELECT x::VARCHAR AS x FROM raw.wide ORDER BY id')).toEqual([{ x: '-0.0' }, { x: '2.0' }])
  const pipeline = join(root, 'pipelines/erp/pipeline.ts')
  writeFileSync(pipeline, readFileSync(pipeline, 'utf8').replace(list('integer'), list('bigint')))
  const { errors } = await run(root, scriptedServer(call('bigint', [['1', '9999999999', '1']])))
  expect(errors).toEqual([])
  expect(await rowsOf(root, 'SELECT n FROM raw.wide ORDER BY id')).toEqual([{ n: '9999999999' }, { n: '2' }])
})
