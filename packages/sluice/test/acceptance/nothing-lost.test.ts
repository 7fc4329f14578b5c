import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type OpenProject, readContext } from '../../src/run/api.ts'
import type { RunEvent, RunSummary } from '../../src/run/ledger/events.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

/** Ways on which a row could be lost, doubled or hidden between its file and the warehouse. */
interface Shop {
  readonly source?: string
  readonly tables?: string
  readonly loads?: string
  readonly more?: string
}

const pipelineOf = ({ source = '', tables = '', loads = '', more = '' }: Shop): string => `
name: shop
sources:
  orders:
    kind: files
    path: inbox/orders_*.csv
    columns: { id: integer, city: text }
    quarantine: { maxShare: 1 }
    ${source}
  ${more}
tables: { ${tables} }
loads: { ${loads} }
`

function shop(definition: Shop, files: Readonly<Record<string, string>> = {}): string {
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/shop/pipeline.yaml': pipelineOf(definition),
    'pipelines/shop/stage/orders.sql': 'SELECT id, city FROM raw.orders\n',
    ...files,
  })
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

async function opened<T>(root: string, work: (project: OpenProject) => Promise<T>): Promise<T> {
  await using project = await openProject(root)
  return await work(project)
}

async function run(root: string): Promise<{ summary: RunSummary; errors: readonly string[] }> {
  const events: RunEvent[] = []
  const { summary } = await opened(root, (project) => project.run({ onEvent: (event) => events.push(event) }))
  const errors = events.flatMap((event) =>
    event.type === 'task.finished' && event.error !== undefined ? [`${event.task}: ${event.error.name}`] : [],
  )
  return { summary, errors }
}

async function rows(root: string, sql: string): Promise<unknown[][]> {
  return opened(root, async (project) => {
    await using session = await project[readContext].openRead()
    return (await session.all(sql)).map((row) => Object.values(row as object))
  })
}

test('a source is compared with other tables before it is published: references and totals, over old and new rows', async () => {
  const root = shop(
    {
      source: `checks:
      - { kind: reference, columns: [city], to: raw.cities, toColumns: [city] }
      - { kind: reconcile, sql: "count(*)", with: raw.cities, tolerance: 1 }`,
      more: 'cities: { kind: files, path: inbox/cities.csv, columns: { city: text } }',
    },
    { 'inbox/cities.csv': 'city\nOslo\nBergen\n', 'inbox/orders_1.csv': 'id,city\n1,Oslo\n2,Bergen\n' },
  )
  expect((await run(root)).summary).toMatchObject({ status: 'succeeded', rows: { accepted: 4 } })
  write(root, 'inbox/orders_2.csv', 'id,city\n3,Rome\n')
  expect((await run(root)).errors).toEqual(['ingest:raw.orders: Quality.ChecksFailed'])
  expect(existsSync(join(root, 'inbox/orders_2.csv'))).toBe(true)
  write(root, 'inbox/orders_2.csv', 'id,city\n3,Oslo\n4,Oslo\n')
  expect((await run(root)).errors).toEqual(['ingest:raw.orders: Quality.ChecksFailed'])
  write(root, 'inbox/orders_2.csv', 'id,city\n3,Oslo\n')
  expect((await run(root)).summary.status).toBe('succeeded')
  expect(await rows(root, 'SELECT id FROM raw.orders ORDER BY id')).toEqual([[1], [2], [3]])
})

test('checks that are declared with the table of a source run like those of the source', async () => {
  const root = shop(
    { tables: `raw.orders: { checks: [{ kind: range, column: id, min: 1 }, { kind: rowCount, min: 1 }] }` },
    { 'inbox/orders_1.csv': 'id,city\n0,Oslo\n2,Bergen\n' },
  )
  expect((await run(root)).summary.rows).toMatchObject({ read: 2, accepted: 1, quarantined: 1 })
})

test('IN-25: the copy of a file that is refused while it is taken is not put away as known', async () => {
  const content = 'id,city\n1,Oslo\nx,Oslo\n'
  const root = shop({ source: '' }, { 'inbox/orders_a.csv': content, 'inbox/orders_b.csv': content })
  write(root, 'pipelines/shop/pipeline.yaml', pipelineOf({}).replace('maxShare: 1', 'maxShare: 0'))
  await run(root)
  expect(readdirSync(join(root, 'error/orders')).filter((name) => name.endsWith('.csv'))).toEqual(['orders_a.csv'])
  expect(existsSync(join(root, 'inbox/orders_b.csv'))).toBe(true)
  await run(root)
  expect(readdirSync(join(root, 'error/orders')).filter((name) => name.endsWith('.csv'))).toEqual([
    'orders_a.csv',
    'orders_b.csv',
  ])
  expect(existsSync(join(root, 'archive/orders'))).toBe(false)
})

test('WH-04: an append after a rollback neither doubles nor keeps what was taken back', async () => {
  const root = shop(
    { loads: 'orders: { mode: append, from: raw.orders }' },
    { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n' },
  )
  await run(root)
  write(root, 'inbox/orders_2.csv', 'id,city\n2,Rome\n')
  await run(root)
  expect(await rows(root, 'SELECT id FROM warehouse.orders ORDER BY ALL')).toEqual([[1], [2]])
  await opened(root, (project) => project.rollback('raw.orders', 1))
  expect((await run(root)).errors).toEqual(['load:orders: Warehouse.AppendUndone'])
  write(root, 'inbox/orders_2.csv', 'id,city\n2,Rome\n')
  write(root, 'inbox/orders_3.csv', 'id,city\n3,Bergen\n')
  expect((await run(root)).errors).toEqual(['load:orders: Warehouse.AppendUndone'])
  expect(await rows(root, 'SELECT id FROM warehouse.orders ORDER BY ALL')).toEqual([[1], [2]])
})

test('WH-04: an append goes on after a rollback of what was never loaded', async () => {
  const loads = 'orders: { mode: append, from: raw.orders }'
  const root = shop({}, { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n' })
  await run(root)
  write(root, 'inbox/orders_2.csv', 'id,city\n2,Rome\n')
  await run(root)
  await opened(root, (project) => project.rollback('raw.orders', 1))
  write(root, 'pipelines/shop/pipeline.yaml', pipelineOf({ loads }))
  expect((await run(root)).errors).toEqual([])
  write(root, 'inbox/orders_2.csv', 'id,city\n2,Rome\n')
  expect((await run(root)).errors).toEqual([])
  expect(await rows(root, 'SELECT id FROM warehouse.orders ORDER BY ALL')).toEqual([[1], [2]])
})

test('LK-14: a partition value that is too long for a folder is told with what to do; hostile ones come back as they were', async () => {
  const tables = 'stage.orders: { partitionBy: { kind: value, column: city } }'
  const hostile = ['../x', 'a/b', '__HIVE_DEFAULT_PARTITION__', 'a=b', '.', ' x ', 'é'.repeat(30)]
  const root = shop(
    { tables },
    { 'inbox/orders_1.csv': `id,city\n${hostile.map((city, id) => `${id},${city}\n`).join('')}99,""\n` },
  )
  expect((await run(root)).errors).toEqual([])
  expect(await rows(root, 'SELECT city FROM stage.orders ORDER BY id')).toEqual([...hostile, ''].map((city) => [city]))
  write(root, 'inbox/orders_2.csv', `id,city\n100,${'x'.repeat(256)}\n`)
  expect((await run(root)).errors).toEqual(['model:stage.orders: Run.PartitionTooLong'])
})

test('P5: what a version refused of a file is delivered again once, under every later definition, through rollbacks and names that come twice', async () => {
  const columns = (more: string) =>
    pipelineOf({}).replace('id: integer', `id: { type: integer, nullable: true, nulls: [${more}] }`)
  const root = shop({}, { 'inbox/orders_1.csv': 'id,city\n1,Oslo\nx,Rome\ny,Bergen\n' })
  const replay = () => opened(root, (project) => project.replayQuarantine('raw.orders'))
  const held = () => rows(root, 'SELECT city FROM raw.orders ORDER BY ALL')
  await run(root)
  await opened(root, (project) => project.rollback('raw.orders', 1))
  write(root, 'inbox/orders_1.csv', 'city,id\nParis,x\n')
  await run(root)
  expect(await held()).toEqual([['Oslo']])

  write(root, 'pipelines/shop/pipeline.yaml', columns('x'))
  await replay()
  expect(await held()).toEqual([['Oslo'], ['Paris'], ['Rome']])
  await expect(replay()).rejects.toThrow('Nothing that "raw.orders" refused is to be delivered again')
  expect(await held()).toEqual([['Oslo'], ['Paris'], ['Rome']])

  write(root, 'pipelines/shop/pipeline.yaml', columns('x, z'))
  await replay()
  expect(await held()).toEqual([['Oslo'], ['Paris'], ['Rome']])

  write(root, 'pipelines/shop/pipeline.yaml', columns('x, y'))
  await replay()
  await run(root)
  expect(await held()).toEqual([['Bergen'], ['Oslo'], ['Paris'], ['Rome']])
  expect(readdirSync(join(root, 'inbox'))).toEqual([])
}, 60_000)

test('P5: refused rows that cannot be a delivery of their own are not made one', async () => {
  for (const [source, path] of [
    ['mode: replace', 'orders_1.csv'],
    ['path: inbox/orders_1.csv', 'orders_1.csv'],
  ] as const) {
    const yaml = (more: string) =>
      pipelineOf({ source: more }).replace(
        /path: inbox\/orders_\*\.csv\n/,
        source.startsWith('path') ? `${source}\n` : 'path: inbox/orders_*.csv\n    mode: replace\n',
      )
    const root = shop({}, { [`inbox/${path}`]: 'id,city\n1,Oslo\nx,Rome\n', 'pipelines/shop/pipeline.yaml': yaml('') })
    await run(root)
    write(root, 'pipelines/shop/pipeline.yaml', yaml('').replace('id: integer', 'id: text'))
    await expect(opened(root, (project) => project.replayQuarantine('raw.orders'))).rejects.toMatchObject({
      name: 'Quality.NotReplayable',
    })
    expect(readdirSync(join(root, 'inbox'))).toEqual([])
    expect(await rows(root, 'SELECT city FROM raw.orders')).toEqual([['Oslo']])
  }
})

test('CT-08: a definition that changes while a run is on is the next run’s', async () => {
  const root = shop({}, { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n' })
  await opened(root, (project) =>
    project.run({
      onEvent: (event) => {
        if (event.type !== 'run.started') return
        write(root, 'pipelines/shop/stage/orders.sql', "SELECT id, 'changed' AS city FROM raw.orders\n")
      },
    }),
  )
  expect(await rows(root, 'SELECT city FROM stage.orders')).toEqual([['Oslo']])
  expect((await run(root)).summary.status).toBe('succeeded')
  expect(await rows(root, 'SELECT city FROM stage.orders')).toEqual([['changed']])
})

test('CT-09: nothing that stands in data, or in the name of a file, is taken for code, a path or a reference', async () => {
  const hostile = [
    '${process.exit(1)}',
    '$.x',
    '$env(HOME)',
    '{{x}}',
    "'; DROP TABLE raw.orders; --",
    'States.Format',
    '../../x',
    '"quoted"',
  ]
  const name = "orders_${HOME}'; DROP SCHEMA raw; --$(touch x).csv"
  const root = shop(
    {
      loads: 'orders: { mode: replace, from: stage.orders }',
      tables: 'stage.orders: { partitionBy: { kind: value, column: city } }',
    },
    { [`inbox/${name}`]: `id,city\n${hostile.map((city, id) => `${id},"${city.replaceAll('"', '""')}"\n`).join('')}` },
  )
  expect((await run(root)).errors).toEqual([])
  expect(await rows(root, 'SELECT city FROM warehouse.orders ORDER BY id')).toEqual(hostile.map((city) => [city]))
  expect(await rows(root, 'SELECT DISTINCT _file FROM raw.orders')).toEqual([[`inbox/${name}`]])
  expect(existsSync(join(root, 'archive/orders', name))).toBe(true)
})

test('WH-17: a join that multiplies rows is stopped by the grain, and by declared drops that come out negative', async () => {
  const twice = 'SELECT o.id, o.city FROM raw.orders AS o CROSS JOIN (VALUES (1), (2)) AS t(n)\n'
  const tables = ['checks: [{ kind: grain, columns: [id] }]', 'drops: { from: raw.orders, why: filtered }']
  const found: unknown[] = []
  for (const options of tables) {
    const root = shop({ tables: `stage.orders: { ${options} }` }, { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n' })
    await run(root)
    write(root, 'pipelines/shop/stage/orders.sql', twice)
    found.push((await run(root)).errors, await rows(root, 'SELECT count(*) FROM stage.orders'))
  }
  expect(found).toEqual([
    ['model:stage.orders: Quality.ChecksFailed'],
    [['1']],
    ['model:stage.orders: Quality.DropsGained'],
    [['1']],
  ])
})

test('TR-09: every run looks for itself: a file that came by rename, over another and with an old time, is found', async () => {
  const root = shop(
    { source: 'archive: false' },
    { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n', 'orders_1.new': 'id,city\n2,Rome\n' },
  )
  await run(root)
  utimesSync(join(root, 'orders_1.new'), new Date(0), new Date(0))
  renameSync(join(root, 'orders_1.new'), join(root, 'inbox/orders_1.csv'))
  expect((await run(root)).summary.rows).toMatchObject({ read: 1, accepted: 1 })
  expect(await rows(root, 'SELECT city FROM raw.orders ORDER BY ALL')).toEqual([['Oslo'], ['Rome']])
})

test('P4: a model’s values come out of its files as they went in, whatever their type; a type that files hold in part is refused', async () => {
  const values: Readonly<Record<string, string>> = {
    huge: '9007199254740993::HUGEINT + 170141183460469231',
    unsigned: '9007199254740993::UHUGEINT',
    total: 'sum(9007199254740993) OVER ()',
    biggest: '18446744073709551615::UBIGINT',
    exact: '99999999999999999999999999999999999999::DECIMAL(38,0)',
    time: "TIME '12:00:00.123456'",
    nanos: "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'",
    forever: "'infinity'::TIMESTAMP",
    instant: "TIMESTAMPTZ '2024-03-31 01:30:00+00'",
    nan: "'nan'::DOUBLE",
    zero: "'-0.0'::DOUBLE",
    real: '0.1::FLOAT',
    nothing: 'NULL',
    bytes: "'\\x00\\xFF'::BLOB",
    bits: "'10101'::BIT",
    nested: "{'a': [1, NULL], 'b': MAP {'k': DATE '2024-02-29'}}",
    choice: "'y'::ENUM('x', 'y')",
    json: `'{"a": 1.10, "a": 2}'::JSON`,
    id: "'5b6a3f2e-8a50-4f4e-9f0b-0a3c7e1d2b4c'::UUID",
    mark: 'chr(65279)',
  }
  const list = Object.entries(values).map(([name, sql]) => `${sql} AS "${name}"`)
  const plain = Object.keys(values)
    .filter((name) => name !== 'bytes')
    .map((name) => `"${name}"::VARCHAR AS "${name}"`)
  const root = shop(
    { loads: 'typed: { mode: replace, from: stage.typed }' },
    {
      'inbox/orders_1.csv': 'id,city\n1,Oslo\n',
      'pipelines/shop/stage/typed.sql': `SELECT ${list.join(', ')} FROM raw.orders -- the end\n;`,
      'pipelines/shop/stage/parted.sql': 'SELECT 9007199254740993::HUGEINT AS a FROM raw.orders -- the end',
      'pipelines/shop/stage/spans.sql': "SELECT INTERVAL '1.123456 seconds' AS a FROM raw.orders",
      'pipelines/shop/stage/zoned.sql': "SELECT [TIMETZ '12:00:00+05:30'] AS a FROM raw.orders",
      'pipelines/shop/stage/deep.sql': "SELECT {'a': 1::HUGEINT, 'INTERVAL': 1} AS a FROM raw.orders",
      'pipelines/shop/pipeline.yaml': pipelineOf({
        tables: 'stage.parted: { partitionBy: { kind: value, column: a } }',
        loads: 'typed: { mode: replace, from: stage.typed }',
      }),
    },
  )
  expect([...(await run(root)).errors].sort()).toEqual([
    'model:stage.deep: Run.ColumnInexact',
    'model:stage.spans: Run.ColumnInexact',
    'model:stage.zoned: Run.ColumnInexact',
  ])
  const [expected] = await rows(root, `SELECT ${plain.join(', ')}, hex(bytes) FROM (SELECT ${list.join(', ')})`)
  for (const table of ['stage.typed', 'warehouse.main.typed']) {
    expect(await rows(root, `SELECT ${plain.join(', ')}, hex(bytes) FROM ${table}`)).toEqual([expected])
  }
  expect(await rows(root, 'SELECT a, typeof(a) FROM stage.parted')).toEqual([['9007199254740993', 'HUGEINT']])
})

test('WH-04: versions of a lake that was made anew are loaded, though their numbers were loaded before', async () => {
  const loads = 'orders: { mode: replace, from: stage.orders }, added: { mode: append, from: raw.orders }'
  const root = shop({ loads }, { 'inbox/orders_1.csv': 'id,city\n1,Oslo\n' })
  await run(root)
  rmSync(join(root, 'lake'), { recursive: true })
  write(root, 'inbox/orders_1.csv', 'id,city\n2,Rome\n3,Bergen\n')
  expect((await run(root)).errors).toEqual(['load:added: Warehouse.AppendUndone'])
  expect(await rows(root, 'SELECT city FROM warehouse.orders ORDER BY id')).toEqual([['Rome'], ['Bergen']])
})
