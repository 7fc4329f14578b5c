/** Lakes that were written before commit records had format 3: read, continued, rolled back, replayed, cleaned and compacted by the code of today. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { onlyGrew } from '../../src/lake/growth.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { OpenProject } from '../../src/run/api.ts'
import { readContext } from '../../src/run/api.ts'
import { compactTable } from '../../src/run/execution/compact.ts'
import { openProject } from '../../src/run/project.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { erpServer, snapshotOf } from '../fixtures/lake-format-2/read.ts'

const fixtures = join(import.meta.dirname, '../fixtures/lake-format-2')
const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

/** The day after the last run of the lakes. */
const now = new Date('2026-01-28T06:00:00Z')
const clock: Clock = { now: () => now, sleep: systemClock.sleep }
const open = (root: string): Promise<OpenProject> => openProject(root, { clock, connectorOf: erpServer().connectorOf })

function unpack(name: 'shop' | 'log'): string {
  const root = mkdtempSync(join(tmpdir(), 'sluice-older-'))
  roots.push(root)
  const input = brotliDecompressSync(readFileSync(join(fixtures, `${name}.tar.br`)))
  execFileSync('tar', ['-xf', '-', '-C', root], { input })
  return root
}

const expected = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'))

async function runWell(root: string, select?: string): Promise<void> {
  await using project = await open(root)
  const { id } = await project.run(select === undefined ? {} : { select: [select] })
  const errors = (await project[readContext].events(id)).flatMap((event) =>
    'error' in event && event.error !== undefined ? [event.error] : [],
  )
  expect(errors).toEqual([])
}

async function rows<T = Record<string, unknown>>(root: string, sql: string): Promise<readonly T[]> {
  await using project = await open(root)
  await using session = await project[readContext].openRead()
  return await session.all<T>(sql)
}

test.each(['shop', 'log'] as const)('CT-04: %s is read as it was, every file of every version', async (name) => {
  const root = unpack(name)
  expect(await snapshotOf(root, openProject)).toEqual(expected(name))
  await using project = await open(root)
  for (const { table } of await project[readContext].tables())
    for (const record of await project[readContext].versions(table)) await project[readContext].verify(record)
})

test('CT-04: every kind of table goes on: new rows come, known ones do not come again, what is unchanged stays', async () => {
  const root = unpack('shop')
  // A procedure with a window is called for the time since, and a table of changes that was rolled back is made anew.
  const versions = `SELECT count(*) AS n FROM sluice.versions WHERE "table" NOT IN ('raw.movements', 'stage.customers')`
  const before = await rows(root, versions)
  await runWell(root)
  expect(await rows(root, versions)).toEqual(before)

  const put = (path: string, text: string): void => writeFileSync(join(root, 'inbox', path), text)
  const archived = readdirSync(join(root, 'archive'), { recursive: true, encoding: 'utf8' })
  const known = readFileSync(
    join(root, 'archive', archived.find((path) => path.endsWith('orders_2026-02-03.csv'))!),
    'utf8',
  )
  put('orders_2026-03-01_again.csv', known)
  put(
    'orders_2026-03-01.csv',
    'id,day,customer,city,amount\n1000,2026-03-01,customer 1,Oslo,7.00\n1001,2026-03-01,,Oslo,7.00\n',
  )
  put('prices_2026-03-01.csv', 'product,price\nnew,1.00\n')
  put('stock_9.csv', 'product,pieces\nc,9\n')
  put('readings_9.jsonl', '{"at":"2026-03-01T10:00:00Z","place":"roof","value":9,"remark":null}\n')
  put('dms/20260301-101112500.csv', 'Op,id,name\nU,1,newest\n')
  await runWell(root)
  const stored = readFileSync(join(root, 'lake/raw/orders/_versions/000000000020.json'), 'utf8')
  expect(JSON.parse(stored)).toMatchObject({ format: 3, known: { runs: [] } })
  expect(
    await rows(
      root,
      `SELECT (SELECT count(*) FROM raw.orders) AS orders, (SELECT count(*) FROM stage.orders) AS stage, (SELECT count(*) FROM warehouse.fact_orders) AS fact,
        (SELECT count(*) FROM warehouse.orders) AS appended, (SELECT list(product)::VARCHAR FROM raw.prices) AS prices, (SELECT sum(pieces)::INTEGER FROM raw.stock) AS stock,
        (SELECT count(remark)::VARCHAR || ' ' || sum(value) FROM raw.readings) AS readings, (SELECT name FROM stage.customers WHERE id = 1) AS customer,
        (SELECT count(*) FROM stage.customers_history) AS history, (SELECT count(*) FROM sluice.quarantine WHERE "table" = 'raw.orders' AND version > 19) AS refused,
        (SELECT count(*) FROM warehouse.dim_customer WHERE is_current_record) AS customers`,
    ),
  ).toMatchInlineSnapshot(`
    [
      {
        "appended": "100",
        "customer": "newest",
        "customers": "7",
        "fact": "100",
        "history": "11",
        "orders": "100",
        "prices": "[new]",
        "readings": "2 10000000019",
        "refused": "1",
        "stage": "100",
        "stock": 31,
      },
    ]
  `)
})

test('CT-04: every table can be taken back to its oldest version', async () => {
  const root = unpack('shop')
  await using project = await open(root)
  for (const { table, fields } of await project[readContext].tables()) {
    const oldest = (await project[readContext].versions(table)).at(-1)!
    const held = new Set(fields.map(({ id }) => id))
    const columns = oldest.fields.filter(({ id }) => held.has(id)).map(({ name }) => `"${name}"::VARCHAR`)
    const before = `SELECT ${columns} FROM ${table}__snapshot WHERE _version = ${oldest.version} ORDER BY ALL`
    const rowsBefore = await rows(root, before)
    expect(await project.rollback(table, oldest.version)).toMatchObject({ operation: 'rollback', rows: oldest.rows })
    expect([table, await rows(root, `SELECT ${columns} FROM ${table} ORDER BY ALL`)]).toEqual([table, rowsBefore])
  }
})

test('CT-04, LK-12: tables that only grew are compacted, with the same rows', async () => {
  const root = unpack('shop')
  const found = expected('shop') as Record<string, readonly string[]>
  const storage = diskStorage(join(root, 'lake'))
  const lake = openLake(storage, clock)
  const engine = duckDbEngine({ memoryLimit: '256MB', threads: 1, materialise: storage.materialise })
  const context = { lake, engine, workspace: openWorkspace(join(root, 'lake')) }
  let compacted = 0
  for (const table of await lake.tables()) {
    const current = (await lake.current(table))!
    if (!onlyGrew(current) || current.files.length < 2) continue
    const newest = await compactTable(
      context,
      table,
      { run: 'compaction', fencingToken: 1_000_000, fence: async () => {}, signal: new AbortController().signal },
      (record) => [record.files.filter(({ fields }) => fields.length === record.fields.length).slice(0, 4)],
    )
    expect(newest).toMatchObject({ operation: 'compact', version: current.version + 1 })
    compacted++
  }
  expect(compacted).toBeGreaterThanOrEqual(3)
  const after = await snapshotOf(root, openProject)
  for (const table of await lake.tables()) expect([table, after[table]]).toEqual([table, found[table]])
})

test('CT-04: what was refused before is replayed, and what nobody needs is removed', async () => {
  const root = unpack('shop')
  const file = join(root, 'pipelines/shop/pipeline.ts')
  writeFileSync(file, readFileSync(file, 'utf8').replace("notNull('customer'), ", ''))
  await using project = await open(root)
  const orders = await rows(root, 'SELECT count(*) AS n FROM raw.orders')
  await project.replayQuarantine('raw.orders')
  expect([orders, await rows(root, 'SELECT count(*) AS n FROM raw.orders')]).toMatchInlineSnapshot(`
    [
      [
        {
          "n": "99",
        },
      ],
      [
        {
          "n": "104",
        },
      ],
    ]
  `)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/retention: \{ versions: [24] \}/g, 'retention: { versions: 1 }'),
  )
  await using again = await open(root)
  await again.clean()
  expect((await again[readContext].versions('raw.prices')).length).toBe(1)
  // What this table refused is only in its older records, until a version of today's format says so by itself.
  const refused = `SELECT _file, _line, version FROM sluice.quarantine WHERE "table" = 'raw.stock' ORDER BY ALL`
  const before = await rows(root, refused)
  expect(before).not.toEqual([])
  expect((await again[readContext].versions('raw.stock')).length).toBeGreaterThan(1)
  writeFileSync(join(root, 'inbox/stock_9.csv'), 'product,pieces\nc,9\n')
  await runWell(root, 'raw.stock')
  await again.clean()
  expect((await again[readContext].versions('raw.stock')).length).toBe(1)
  expect(await rows(root, refused)).toEqual(before)
  for (const table of ['raw.prices', 'raw.stock'])
    for (const record of await again[readContext].versions(table)) await again[readContext].verify(record)
  // Whatever was taken stays known, though the records that say so are gone.
  writeFileSync(join(root, 'inbox/stock_8.csv'), 'product,pieces\na,0\nb,0\n')
  await runWell(root, 'raw.stock')
  expect((await again[readContext].versions('raw.stock')).length).toBe(1)
})
