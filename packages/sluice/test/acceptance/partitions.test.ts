import { appendFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CommitRecord } from '../../src/lake/record.ts'
import { type RunOptions, readContext } from '../../src/run/api.ts'
import type { RunEvent } from '../../src/run/ledger/events.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

/** A table that is split by months, over deliveries that touch some of them. */
const project = {
  'package.json': '{ "private": true, "type": "module" }',
  'sluice.config.json': '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
  'pipelines/shop/pipeline.yaml': `
name: shop
sources:
  sales:
    kind: files
    path: inbox/sales_*.csv
    mode: replace
    columns: { id: integer, sold_on: { type: date, nullable: true }, amount: 'decimal(10,2)' }
tables:
  stage.sales:
    partitionBy: { kind: yearMonth, column: sold_on }
    checks: [{ kind: range, column: amount, max: 100, action: quarantine, maxShare: 1 }]
`,
  'pipelines/shop/stage/sales.sql': 'SELECT id, sold_on, amount FROM raw.sales\n',
}

type Finished = Extract<RunEvent, { type: 'task.finished' }>

let deliveries = 0

/** Delivers sales, and runs; what became of the partitioned table. */
async function deliver(
  root: string,
  sales: readonly string[],
  options: RunOptions = {},
): Promise<{ record: CommitRecord; finished: Finished; rows: string[] }> {
  const file = join(root, `inbox/sales_${String(deliveries++).padStart(3, '0')}.csv`)
  writeFileSync(file, `id,sold_on,amount\n${sales.map((line) => `${line}\n`).join('')}`)
  return runAndRead(root, options)
}

async function runAndRead(
  root: string,
  options: RunOptions,
): Promise<{ record: CommitRecord; finished: Finished; rows: string[] }> {
  await using opened = await openProject(root)
  const events: RunEvent[] = []
  const { summary } = await opened.run({ ...options, onEvent: (event) => events.push(event) })
  expect([
    summary.status,
    events.flatMap((event) => ('error' in event && event.error !== undefined ? [event.error.message] : [])),
  ]).toEqual(['succeeded', []])
  const finished = events.find((event) => event.type === 'task.finished' && event.table === 'stage.sales') as Finished
  const record = (await opened[readContext].versions('stage.sales'))[0] as CommitRecord
  await opened[readContext].verify(record)
  await using session = await opened[readContext].openRead()
  const rows = await session.all<{ row: string }>(
    `SELECT concat_ws(',', id, sold_on, amount) AS "row" FROM stage.sales ORDER BY 1`,
  )
  return { record, finished, rows: rows.map(({ row }) => row) }
}

const start = ['1,2010-12-01,1.00', '2,2010-12-02,2.00', '3,2011-01-01,3.00', '4,2011-02-01,4.00', '5,,5.00']

const months = ({ files }: CommitRecord, addedIn: number): string[] =>
  files
    .filter((file) => file.addedIn === addedIn)
    .map(({ partition }) => `${partition?.['year']}-${partition?.['month']}`)
    .sort()

test('split again, only the partitions that changed are written; the others keep their files', async () => {
  const root = makeProject({ ...project, 'inbox/.keep': '' })
  const first = await deliver(root, start)
  expect(first.finished.partitions).toEqual({ rewritten: 4, total: 4 })
  expect(first.record.files.every(({ content }) => content !== undefined)).toBe(true)

  // Other order, one row of January changed, March is new, February is gone.
  const changed = ['5,,5.00', '2,2010-12-02,2.00', '1,2010-12-01,1.00', '3,2011-01-01,3.01', '6,2011-03-01,6.00']
  const second = await deliver(root, changed)
  expect(second.finished.partitions).toEqual({ rewritten: 2, total: 4 })
  expect(months(second.record, 2)).toEqual(['2011-01', '2011-03'])
  expect(second.record.files.length).toBe(4)
  expect(second.rows).toEqual([...changed].sort().map((row) => row.replace(',,', ',')))
  expect(second.record).toMatchObject({ rows: 5, accounting: { read: 5, accepted: 5, quarantined: 0 } })

  // A row twice, and a row that a check keeps apart: changes of their partitions alone.
  const third = await deliver(root, [...changed, '5,,5.00', '7,2011-03-02,700.00'])
  expect(third.finished.partitions).toEqual({ rewritten: 1, total: 4 })
  expect(third.record).toMatchObject({ rows: 6, accounting: { read: 7, accepted: 6, quarantined: 1 } })
})

test('nothing but the inputs moved: a version of the same files, and then nothing to do', async () => {
  const root = makeProject({ ...project, 'inbox/.keep': '' })
  const first = await deliver(root, start)
  const second = await deliver(root, [...start].reverse())
  expect(second.finished).toMatchObject({ status: 'succeeded', partitions: { rewritten: 0, total: 4 } })
  expect(second.record.version).toBe(2)
  const paths = ({ files }: CommitRecord): string[] => files.map(({ path }) => path).sort()
  expect(paths(second.record)).toEqual(paths(first.record))
  const third = await runAndRead(root, {})
  expect(third.finished.status).toBe('unchanged')
  expect(third.record.version).toBe(2)
  await using opened = await openProject(root)
  await using session = await opened[readContext].openRead()
  expect(
    await session.all(
      `SELECT version, files, files_kept FROM sluice.versions WHERE "table" = 'stage.sales' ORDER BY ALL`,
    ),
  ).toEqual([
    { version: '1', files: '4', files_kept: '0' },
    { version: '2', files: '4', files_kept: '4' },
  ])
})

test('LK-03: a damaged file is not kept; another type is written everywhere, whatever the values', async () => {
  const root = makeProject({ ...project, 'inbox/.keep': '' })
  const { record } = await deliver(root, start)
  const file = join(root, 'lake', record.files[0]?.path as string)
  const { mtime } = statSync(file)
  appendFileSync(file, 'x')
  utimesSync(file, mtime, mtime)
  const healed = await deliver(root, [...start].reverse())
  expect(healed.finished.partitions).toEqual({ rewritten: 4, total: 4 })
  expect(healed.rows.length).toBe(5)

  writeFileSync(
    join(root, 'pipelines/shop/stage/sales.sql'),
    'SELECT id::BIGINT AS id, sold_on, amount FROM raw.sales\n',
  )
  const widened = await runAndRead(root, {})
  expect(widened.finished.partitions).toEqual({ rewritten: 4, total: 4 })
  expect(widened.record.fields[0]).toMatchObject({ name: 'id', type: 'BIGINT' })
})
