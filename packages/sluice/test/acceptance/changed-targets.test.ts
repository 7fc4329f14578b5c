/** A project whose targets somebody else has changed: seen by the plan, reported by the run and by doctor, put right by --force. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import type { RunEvent } from '../../src/run/ledger/events.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

function write(root: string, file: string, text: string): void {
  writeFileSync(join(root, file), text)
}

/** What a client of the warehouse does. */
async function byHand(root: string, sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(join(root, 'warehouse.duckdb'))
  const connection = await instance.connect()
  const rows = (await connection.runAndReadAll(sql)).getRowsJson()
  connection.closeSync()
  instance.closeSync()
  return rows
}

async function run(root: string, options: { force?: boolean } = {}) {
  await using opened = await openProject(root)
  const events: RunEvent[] = []
  const { summary } = await opened.run({ ...options, onEvent: (event) => void events.push(event) })
  const warnings = events.flatMap((event) => (event.type === 'task.warning' ? [event.message] : []))
  const totals = events.flatMap((event) =>
    event.type === 'task.finished' && event.load !== undefined ? [event.load.total] : [],
  )
  return { status: summary.status, warnings, totals }
}

const shop = {
  'sluice.config.ts': `import { defineConfig, duckdb } from 'sluice'
export default defineConfig({ name: 'shop', warehouse: duckdb('warehouse.duckdb') })`,
  'pipelines/m/pipeline.ts': `import { append, files, incremental, pipeline } from 'sluice'
export default pipeline('m', {
  sources: { a: files('inbox/*.csv', { mode: 'append', columns: { id: 'integer', day: 'integer' } }) },
  loads: { i: incremental({ from: 'raw.a', by: 'day' }), p: append({ from: 'raw.a' }) },
})`,
  'inbox/a_1.csv': 'id,day\n1,20240101\n2,20240102\n',
}

test('WH-13, WH-18: rows that somebody removed are reported with figures, and come back from the lake when asked for', async () => {
  const root = makeProject(shop)
  expect(await run(root)).toMatchObject({ status: 'succeeded', warnings: [], totals: [2, 2] })
  await byHand(root, 'DELETE FROM i WHERE day = 20240101; DELETE FROM p WHERE day = 20240101')
  write(root, 'inbox/a_2.csv', 'id,day\n3,20240103\n')
  const second = await run(root)
  // The total is counted.
  expect(second).toMatchObject({ status: 'succeeded', totals: [2, 2] })
  expect(second.warnings.sort()).toEqual(
    ['i', 'p'].map(
      (target) =>
        `${target} had 1 rows where its last load left 2: somebody else removed rows; to replace it from the lake: sluice run --force --select ${target}`,
    ),
  )
  {
    // It stays so until it is written again.
    await using opened = await openProject(root)
    const { tasks } = (await opened.plan()).plan
    expect(tasks.filter(({ action }) => action === 'run')).toEqual([])
    expect(tasks.flatMap(({ warnings }) => warnings)).toHaveLength(2)
    expect(await opened.doctor()).toContainEqual(
      expect.objectContaining({ name: 'Warehouse', status: 'warn', detail: expect.stringContaining('i had 1 rows') }),
    )
  }
  expect(await run(root, { force: true })).toMatchObject({ status: 'succeeded', warnings: [], totals: [3, 3] })
  expect(await byHand(root, 'SELECT id FROM i ORDER BY id')).toEqual([[1], [2], [3]])
  expect(await byHand(root, 'SELECT id FROM p ORDER BY id')).toEqual([[1], [2], [3]])
  // What comes next is added to that.
  write(root, 'inbox/a_3.csv', 'id,day\n4,20240101\n')
  expect(await run(root)).toMatchObject({ status: 'succeeded', warnings: [], totals: [4, 4] })
  // A new version may be asked for so, too.
  await byHand(root, 'DELETE FROM p WHERE id = 1')
  write(root, 'inbox/a_4.csv', 'id,day\n5,20240105\n')
  expect(await run(root, { force: true })).toMatchObject({
    ...{ status: 'succeeded', totals: [5, 5] },
    warnings: [
      'p had 3 rows where its last load left 4: somebody else removed rows; this load wrote it again from the lake',
    ],
  })
  write(root, 'inbox/a_5.csv', 'id,day\n6,20240106\n')
  expect(await run(root)).toMatchObject({ status: 'succeeded', warnings: [], totals: [6, 6] })
})

test('WH-13: a target that was emptied or dropped is noticed though nothing came', async () => {
  const root = makeProject(shop)
  await run(root)
  await byHand(root, 'DELETE FROM i; DROP TABLE p')
  {
    await using opened = await openProject(root)
    const loads = (await opened.plan()).plan.tasks.filter(({ kind }) => kind === 'load')
    expect(loads.map(({ action, reason, detail }) => [action, reason, detail])).toEqual([
      ['run', 'target-changed', 'i had 0 rows where its last load left 2: somebody else removed rows'],
      ['run', 'target-changed', 'p is gone: somebody dropped it, or gave it another name'],
    ])
  }
  const noticed = await run(root)
  expect(noticed.status).toBe('failed')
  expect(noticed.warnings).toHaveLength(1)
  expect(await run(root, { force: true })).toMatchObject({ status: 'succeeded', totals: [2, 2] })
  for (const target of ['i', 'p']) expect(await byHand(root, `SELECT count(*) FROM ${target}`)).toEqual([['2']])
})

test('a plan foresees that a type cannot widen', async () => {
  const root = makeProject(shop)
  await run(root)
  await byHand(root, 'CREATE INDEX fast ON i (day)')
  write(root, 'pipelines/m/pipeline.ts', shop['pipelines/m/pipeline.ts'].replace("day: 'integer'", "day: 'bigint'"))
  await using opened = await openProject(root)
  const loads = (await opened.plan()).plan.tasks.filter(({ kind }) => kind === 'load')
  expect(loads.map(({ warnings }) => warnings)).toEqual([
    [
      'the load will be refused: the type of "day" changes from INTEGER to BIGINT, which the index fast forbids; drop it before, and make it again after',
    ],
    [],
  ])
})

test('two targets with a key between them load in one run, the one that is named first', async () => {
  const root = makeProject({
    ...shop,
    'pipelines/m/pipeline.ts': `import { files, pipeline, upsert } from 'sluice'
export default pipeline('m', {
  sources: { a: files('inbox/*.csv', { mode: 'append', columns: { id: 'integer', day: 'integer' } }) },
  loads: { accounts: upsert({ from: 'stage.a', key: 'id' }), customers: upsert({ from: 'stage.a', key: 'id' }) },
})`,
    'pipelines/m/stage/a.sql': 'SELECT id, day FROM raw.a',
  })
  await byHand(root, 'CREATE TABLE customers (id INTEGER PRIMARY KEY, day INTEGER)')
  await byHand(root, 'CREATE TABLE accounts (id INTEGER REFERENCES customers (id), day INTEGER)')
  {
    await using opened = await openProject(root)
    const { layers } = (await opened.plan()).plan
    expect(layers.at(-1)!.waves).toEqual([['load:customers'], ['load:accounts']])
  }
  expect(await run(root)).toMatchObject({ status: 'succeeded', totals: [2, 2] })
})
