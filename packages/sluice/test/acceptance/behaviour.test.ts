import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { type OpenProject, type RunOptions, readContext } from '../../src/run/api.ts'
import type { RunEvent, RunSummary } from '../../src/run/ledger/events.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

/** What an opened project does over several runs, in one process. */
const base = {
  'package.json': '{ "private": true, "type": "module" }',
  'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
  'pipelines/shop/pipeline.yaml': `
name: shop
sources:
  orders:
    kind: files
    path: inbox/orders_*.csv
    columns: { id: integer, city: text, amount: 'decimal(10,2)' }
    quarantine: { maxShare: 0.9 }
tables:
  stage.orders:
    checks: [{ kind: range, column: amount, max: 100 }]
loads:
  orders: { mode: upsert, from: stage.orders, key: [id] }
  cities: { mode: replace, from: analytics.cities }
`,
  'pipelines/shop/stage/orders.sql': 'SELECT id, city, amount FROM raw.orders\n',
  'pipelines/shop/analytics/cities.sql': 'SELECT city, sum(amount) AS amount FROM stage.orders GROUP BY city\n',
  'pipelines/shop/analytics/apart.sql': 'SELECT count(*) AS orders FROM raw.orders\n',
  'inbox/orders_1.csv': 'id,city,amount\n1,Oslo,10.00\n2,Bergen,20.50\n3,Oslo,x\n',
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

async function opened<T>(root: string, work: (project: OpenProject) => Promise<T>): Promise<T> {
  await using project = await openProject(root)
  return await work(project)
}

async function run(
  root: string,
  options: RunOptions = {},
): Promise<{ summary: RunSummary; events: RunEvent[]; id: string }> {
  const events: RunEvent[] = []
  const { summary, id } = await opened(root, (project) =>
    project.run({ ...options, onEvent: (event) => events.push(event) }),
  )
  return { summary, events, id }
}

async function rows(root: string, sql: string): Promise<Record<string, unknown>[]> {
  return opened(root, async (project) => {
    await using session = await project[readContext].openRead()
    return await session.all(sql)
  })
}

function statuses(events: readonly RunEvent[]): Record<string, string> {
  return Object.fromEntries(
    events.flatMap((event) => (event.type === 'task.finished' ? [[event.task, event.status]] : [])),
  )
}

test('a YAML pipeline runs; run again, nothing runs, and nothing is written', async () => {
  const root = makeProject(base)
  const first = await run(root)
  expect(first.summary).toMatchObject({
    status: 'succeeded',
    rows: { read: 3, accepted: 2, quarantined: 1, dropped: 0 },
  })
  expect(await rows(root, 'SELECT * FROM warehouse.cities ORDER BY city')).toEqual([
    { city: 'Bergen', amount: '20.50' },
    { city: 'Oslo', amount: '10.00' },
  ])
  const lake = readdirSync(join(root, 'lake'), { recursive: true }).sort()
  const second = await run(root)
  expect(new Set(Object.values(statuses(second.events)))).toEqual(new Set(['unchanged']))
  expect(readdirSync(join(root, 'lake'), { recursive: true }).sort()).toEqual(lake)
})

test('write, check, then publish: a version whose check fails is never current; the rest goes on; retry runs only what is left', async () => {
  const root = makeProject(base)
  await run(root)
  write(root, 'inbox/orders_2.csv', 'id,city,amount\n4,Oslo,999.00\n')
  const failed = await run(root)
  expect(failed.summary.status).toBe('failed')
  expect(statuses(failed.events)).toEqual({
    'ingest:raw.orders': 'succeeded',
    'model:stage.orders': 'failed',
    'model:analytics.apart': 'succeeded',
    'model:analytics.cities': 'skipped',
    'load:orders': 'skipped',
    'load:cities': 'skipped',
  })
  expect(await rows(root, 'SELECT max(amount) AS m FROM stage.orders')).toEqual([{ m: '20.50' }])

  write(root, 'pipelines/shop/stage/orders.sql', 'SELECT id, city, least(amount, 100) AS amount FROM raw.orders\n')
  const events: RunEvent[] = []
  const retried = await opened(root, (project) => project.retry(failed.id, { onEvent: (event) => events.push(event) }))
  expect(retried.summary.status).toBe('succeeded')
  expect(events.flatMap((event) => (event.type === 'task.started' ? [event.task] : [])).sort()).toEqual([
    'load:cities',
    'load:orders',
    'model:analytics.cities',
    'model:stage.orders',
  ])
  expect(await rows(root, 'SELECT max(amount) AS m FROM warehouse.orders')).toEqual([{ m: '100.00' }])
})

test('a lossy or destructive change waits for its approval; what does not depend on it goes on', async () => {
  const root = makeProject(base)
  await run(root)
  write(root, 'pipelines/shop/analytics/cities.sql', 'SELECT city FROM stage.orders GROUP BY city\n')
  const refused = await run(root)
  expect(statuses(refused.events)).toMatchObject({
    'model:analytics.cities': 'skipped',
    'load:cities': 'skipped',
    'load:orders': 'unchanged',
  })
  expect(refused.summary.status).toBe('failed')
  const { problems } = await opened(root, (project) => project.plan())
  expect(problems.map(({ name }) => name)).toContain('Plan.NeedsApproval')
  expect((await run(root, { approve: ['analytics.cities'], select: ['analytics.cities'] })).summary.status).toBe(
    'succeeded',
  )
  expect(await rows(root, 'SELECT * FROM analytics.cities ORDER BY ALL')).toEqual([
    { city: 'Bergen' },
    { city: 'Oslo' },
  ])
})

test('a column that joins the contract is taken over without a file, and earlier rows have NULL there', async () => {
  const root = makeProject(base)
  await run(root)
  write(
    root,
    'pipelines/shop/pipeline.yaml',
    base['pipelines/shop/pipeline.yaml'].replace(
      "'decimal(10,2)' }",
      "'decimal(10,2)', note: { type: text, nullable: true } }",
    ),
  )
  write(root, 'pipelines/shop/stage/orders.sql', 'SELECT id, city, amount, note FROM raw.orders\n')
  expect((await run(root)).summary.status).toBe('succeeded')
  expect(await rows(root, 'SELECT id, note FROM warehouse.orders ORDER BY id')).toEqual([
    { id: 1, note: null },
    { id: 2, note: null },
  ])
})

test('LK-13: rollback makes a new version with the old content; what reads it is made again; history stays readable', async () => {
  const root = makeProject(base)
  await run(root)
  write(root, 'inbox/orders_2.csv', 'id,city,amount\n4,Oslo,40.00\n')
  await run(root)
  const record = await opened(root, (project) => project.rollback('raw.orders', 1))
  expect(record).toMatchObject({ version: 3, operation: 'rollback', rollbackOf: 1, rows: 2 })
  await run(root)
  expect(await rows(root, 'SELECT sum(amount) AS amount FROM warehouse.cities')).toEqual([{ amount: '30.50' }])
  expect(
    await rows(root, 'SELECT _version, count(*) AS n FROM raw.orders__snapshot GROUP BY ALL ORDER BY ALL'),
  ).toEqual([
    { _version: 1, n: '2' },
    { _version: 2, n: '3' },
    { _version: 3, n: '2' },
  ])
})

test('quarantine is replayed through the definition of today, once', async () => {
  // Lines before the header come with what is delivered again, and a footer does not.
  const definition = base['pipelines/shop/pipeline.yaml'].replace(
    'quarantine: {',
    'format: { kind: csv, skip: 1, footer: END }\n    quarantine: {',
  )
  const root = makeProject({
    ...base,
    'pipelines/shop/pipeline.yaml': definition,
    'inbox/orders_1.csv': `Orders\n${base['inbox/orders_1.csv']}END\n`,
  })
  await run(root)
  write(
    root,
    'pipelines/shop/pipeline.yaml',
    definition.replace("amount: 'decimal(10,2)'", "amount: { type: 'decimal(10,2)', nullable: true, nulls: ['', x] }"),
  )
  await expect(opened(makeProject(base), (project) => project.replayQuarantine('raw.orders'))).rejects.toMatchObject({
    name: 'Quality.NothingToReplay',
  })
  await opened(root, (project) => project.replayQuarantine('raw.orders'))
  expect(await rows(root, 'SELECT id, amount FROM warehouse.orders ORDER BY id')).toEqual([
    { id: 1, amount: '10.00' },
    { id: 2, amount: '20.50' },
    { id: 3, amount: null },
  ])
  // It left quarantine with that.
  await expect(opened(root, (project) => project.replayQuarantine('raw.orders'))).rejects.toMatchObject({
    name: 'Quality.NothingToReplay',
  })
  expect(await rows(root, 'SELECT count(*) AS n FROM raw.orders')).toEqual([{ n: '3' }])
})

test('IN-10: a table that takes new columns of files keeps them, and its models and loads follow', async () => {
  const root = makeProject({
    ...base,
    'pipelines/shop/pipeline.yaml': base['pipelines/shop/pipeline.yaml'].replace(
      'quarantine: {',
      'drift: evolve\n    quarantine: {',
    ),
    'pipelines/shop/stage/orders.sql': 'SELECT * FROM raw.orders\n',
  })
  await run(root)
  write(root, 'inbox/orders_2.csv', 'id,city,amount,note\n4,Oslo,1.00,hi\n')
  await run(root)
  write(root, 'inbox/orders_3.csv', 'id,city,amount\n5,Oslo,2.00\n')
  expect((await run(root)).summary.status).toBe('succeeded')
  expect(await rows(root, 'SELECT id, note FROM warehouse.orders ORDER BY id')).toEqual([
    ...[1, 2].map((id) => ({ id, note: null })),
    ...[
      { id: 4, note: 'hi' },
      { id: 5, note: null },
    ],
  ])
  expect(new Set(Object.values(statuses((await run(root)).events)))).toEqual(new Set(['unchanged']))
})

test('a check of action quarantine keeps a model’s refused rows apart, and counts them', async () => {
  const root = makeProject({
    ...base,
    'pipelines/shop/pipeline.yaml': base['pipelines/shop/pipeline.yaml'].replace(
      'max: 100 }',
      'max: 15, action: quarantine, name: too much }',
    ),
  })
  const { summary } = await run(root)
  expect(summary.status).toBe('succeeded')
  expect(await rows(root, 'SELECT id FROM warehouse.orders')).toEqual([{ id: 1 }])
  expect(
    await rows(
      root,
      `SELECT "table", reasons[1] AS reason, fields ->> 'id' AS id FROM sluice.quarantine WHERE "table" = 'stage.orders'`,
    ),
  ).toEqual([{ table: 'stage.orders', reason: 'too much', id: '2' }])
  expect(
    await rows(root, `SELECT rows_read, rows, rows_quarantined FROM sluice.versions WHERE "table" = 'stage.orders'`),
  ).toEqual([{ rows_read: '2', rows: '1', rows_quarantined: '1' }])
})

test('code models return SQL over their inputs, or rows that fit their columns', async () => {
  const root = makeProject({
    'package.json': base['package.json'],
    'sluice.config.json': base['sluice.config.json'],
    'inbox/orders_1.csv': base['inbox/orders_1.csv'].replace('x', '30.00'),
    'pipelines/shop/pipeline.ts': `
import { decimal, files, model, pipeline } from 'sluice'
export default pipeline('shop', {
  sources: { orders: files('inbox/orders_*.csv', { columns: { id: 'integer', city: 'text', amount: decimal(10, 2) } }) },
  models: {
    'stage.by_sql': model({ inputs: ['raw.orders'], make: (inputs) => \`SELECT city, count(*) AS n FROM \${inputs['raw.orders'].name} GROUP BY city\` }),
    'stage.by_rows': model({
      inputs: ['stage.by_sql'],
      columns: { city: 'text', doubled: 'bigint' },
      make: async (inputs) => (await inputs['stage.by_sql'].rows()).map((row) => ({ city: row.city, doubled: Number(row.n) * 2 })),
    }),
    'stage.wrong': model({ inputs: ['raw.orders'], columns: { n: 'integer' }, make: () => [{ n: 1.5 }] }),
  },
})
`,
  })
  const { events, summary } = await run(root)
  expect(summary.status).toBe('failed')
  expect(statuses(events)).toMatchObject({ 'model:stage.by_rows': 'succeeded', 'model:stage.wrong': 'failed' })
  expect(await rows(root, 'SELECT * FROM stage.by_rows ORDER BY city')).toEqual([
    { city: 'Bergen', doubled: '2' },
    { city: 'Oslo', doubled: '4' },
  ])
})

test('OR-08: cancelled, a run stops between durable steps, says so, and the next one goes on', async () => {
  const root = makeProject(base)
  const controller = new AbortController()
  const { summary, id } = await opened(root, (project) =>
    project.run({
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'task.finished' && event.task === 'ingest:raw.orders') controller.abort()
      },
    }),
  )
  expect(summary.status).toBe('cancelled')
  expect((await opened(root, (project) => project[readContext].runs())).find((info) => info.id === id)?.status).toBe(
    'cancelled',
  )
  expect((await run(root)).summary).toMatchObject({ status: 'succeeded', rows: { read: 0 } })
  expect(await rows(root, 'SELECT count(*) AS n FROM warehouse.orders')).toEqual([{ n: '2' }])
})

test('OR-04: of two runs at once, one is told that the project is held', async () => {
  const root = makeProject(base)
  const results = await Promise.allSettled([run(root), run(root)])
  const refused = results.find((result) => result.status === 'rejected')
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
  expect(refused?.reason).toMatchObject({ name: 'Run.Busy', exit: 5 })
})

test('CT-01: every cache can be deleted', async () => {
  const root = makeProject(base)
  await run(root)
  rmSync(join(root, '.sluice'), { recursive: true })
  for (const table of ['raw/orders', 'stage/orders']) rmSync(join(root, 'lake', table, '_latest.json'), { force: true })
  const again = await run(root)
  expect(new Set(Object.values(statuses(again.events)))).toEqual(new Set(['unchanged']))
  expect(existsSync(join(root, 'lake/raw/orders/_versions'))).toBe(true)
})

test('LK-03: a damaged data file is found before anything is made from it', async () => {
  const root = makeProject(base)
  await run(root)
  const [file] = readdirSync(join(root, 'lake/raw/orders/data'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.parquet'),
  )
  writeFileSync(join(root, 'lake/raw/orders/data', file as string), 'PAR1 not any more PAR1')
  write(root, 'pipelines/shop/stage/orders.sql', 'SELECT id, city, amount FROM raw.orders WHERE id > 0\n')
  const { events, summary } = await run(root)
  expect(summary.status).toBe('failed')
  expect(events.find((event) => event.type === 'task.finished' && event.task === 'model:stage.orders')).toMatchObject({
    error: { name: 'Lake.FileCorrupt' },
  })
})

test('LK-09: retention is applied once a day by the first run that has something to do; what readers may still need stays for its grace', async () => {
  const root = makeProject({
    ...base,
    'sluice.config.json':
      '{ "name": "shop", "lake": { "path": "lake", "retention": { "versions": 1, "days": 0 } }, "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
  })
  let now = new Date('2026-11-20T10:00:00Z')
  const clock = { ...systemClock, now: () => now }
  const runAt = async (time: string, file: string): Promise<void> => {
    now = new Date(time)
    write(root, `inbox/${file}`, `id,city,amount\n${file.length + now.getUTCDate()},Oslo,1.00\n`)
    await using project = await openProject(root, { clock })
    expect((await project.run()).summary.status).toBe('succeeded')
  }
  const kept = (): Promise<readonly number[]> =>
    opened(root, async (project) => (await project[readContext].versions('stage.orders')).map(({ version }) => version))
  await runAt('2026-11-20T10:00:00Z', 'orders_1.csv')
  await runAt('2026-11-20T11:00:00Z', 'orders_22.csv')
  expect(await kept()).toEqual([2, 1])
  await runAt('2026-11-21T12:00:00Z', 'orders_333.csv')
  expect(await kept()).toEqual([3])
})

test('IN-25: a file that policy refuses at the door goes to the error folder with its error named, and nothing changes', async () => {
  const root = makeProject({
    ...base,
    'pipelines/shop/pipeline.yaml': base['pipelines/shop/pipeline.yaml'].replace(
      '    quarantine:',
      '    duplicateContent: error\n    quarantine:',
    ),
  })
  await run(root)
  write(root, 'inbox/orders_2.csv', base['inbox/orders_1.csv'])
  const { summary, events } = await run(root)
  expect(summary).toMatchObject({ status: 'failed', refusedFiles: 1 })
  expect(events.find((event) => event.type === 'task.refused')).toMatchObject({
    input: 'inbox/orders_2.csv',
    error: { name: 'Source.DuplicateContent', code: 'SLU3012' },
  })
  expect(readdirSync(join(root, 'error/orders')).sort()).toEqual([
    'orders_2.csv',
    'orders_2.csv.report.json',
    'orders_2.csv.report.txt',
  ])
  expect(await rows(root, 'SELECT max(version) AS v FROM sluice.versions')).toEqual([{ v: '1' }])
})
