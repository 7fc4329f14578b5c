import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import type { ExtractionLog } from '../lake/extractions.ts'
import { openLake } from '../lake/lake.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import { readContext } from './api.ts'
import { openProject } from './project.ts'

const log: ExtractionLog = {
  format: 1,
  table: 'raw.customers',
  run: 'r1',
  connection: 'erp',
  procedure: 'dbo.usp_customers',
  status: 'committed',
  startedAt: '2026-11-20T08:00:00.000Z',
  finishedAt: '2026-11-20T08:00:09.000Z',
  calls: [
    { region: 'north', since: null },
    { region: "o'south", since: '2026-01-01' },
  ],
  window: { from: '2026-11-19 00:00:00', to: '2026-11-20 00:00:00' },
  version: 1,
  attempts: [
    {
      attempt: 1,
      startedAt: '2026-11-20T08:00:01.000Z',
      calls: 1,
      rows: 5,
      bytes: 50,
      messages: [{ text: 'a "quoted" word, and a line\nbreak', code: '0', severity: 10 }],
      moreMessages: 7,
      error: { name: 'Connection.Deadlock', code: 'SLU4999', message: 'deadlock' },
    },
    {
      attempt: 2,
      startedAt: '2026-11-20T08:00:05.000Z',
      finishedAt: '2026-11-20T08:00:09.000Z',
      calls: 2,
      rows: 10,
      bytes: 100,
      messages: [],
      returnCode: 0,
      output: { total: '10' },
    },
  ],
}

test('SR-03, SR-09: sluice.extractions has a row an attempt, also of a table that has no version; sluice.inputs knows calls', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-system-'))
  mkdirSync(join(root, 'pipelines/shop'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "private": true, "type": "module" }')
  writeFileSync(
    join(root, 'sluice.config.json'),
    '{ "name": "shop", "warehouse": { "kind": "duckdb", "path": "w.duckdb" } }',
  )
  writeFileSync(
    join(root, 'pipelines/shop/pipeline.yaml'),
    'name: shop\nsources:\n  a: { kind: files, path: inbox/*.csv, columns: { a: integer } }\n',
  )
  const lake = openLake(diskStorage(join(root, 'lake')), systemClock)
  await lake.writeExtraction(log)
  await lake.writeExtraction({ ...log, table: 'raw.failing', status: 'failed', attempts: log.attempts.slice(0, 1) })
  await lake.commit({
    table: 'raw.customers',
    operation: 'replace',
    taskKey: 'k',
    definition: 'd',
    run: 'r1',
    attempt: 2,
    fencingToken: 1,
    fence: async () => undefined,
    verifyFile: async () => ({ rows: 0 }),
    fields: [{ name: 'a', type: 'INTEGER', nullable: true }],
    files: [],
    quarantine: [],
    inputs: [
      { kind: 'table', table: 'raw.a', version: 3 },
      {
        kind: 'call',
        connection: 'erp',
        procedure: 'dbo.usp_customers',
        parameters: {},
        startedAt: log.startedAt,
        rows: 10,
      },
    ],
    accounting: { read: 0, accepted: 0, quarantined: 0, dropped: {} },
    checks: [],
  })
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  // Before the first load there are none; that is no missing table.
  expect(await session.all('SELECT count(*)::INTEGER AS n FROM sluice.loads')).toEqual([{ n: 0 }])
  const rows = await session.all(
    `SELECT * EXCLUDE (connection, procedure, run), parameters->1->>'region' AS region FROM sluice.extractions ORDER BY "table", attempt`,
  )
  const shared = {
    parameters: JSON.stringify(log.calls),
    region: "o'south",
    window_from: '2026-11-19 00:00:00',
    window_to: '2026-11-20 00:00:00',
  }
  const first = {
    ...shared,
    attempt: '1',
    status: 'failed',
    started_at: '2026-11-20 08:00:01+00',
    finished_at: null,
    calls: '1',
    rows: '5',
    bytes: '50',
    messages: [log.attempts[0]?.messages[0]?.text],
    more_messages: '7',
    error_code: 'SLU4999',
    error: 'deadlock',
    return_code: null,
    output: null,
    version: null,
  }
  expect(rows).toEqual([
    { ...first, table: 'raw.customers' },
    {
      ...shared,
      table: 'raw.customers',
      attempt: '2',
      status: 'committed',
      started_at: '2026-11-20 08:00:05+00',
      finished_at: '2026-11-20 08:00:09+00',
      calls: '2',
      rows: '10',
      bytes: '100',
      messages: [],
      more_messages: '0',
      error_code: null,
      error: null,
      return_code: '0',
      output: '{"total":"10"}',
      version: '1',
    },
    { ...first, table: 'raw.failing', version: '1' },
  ])
  expect(await session.all('SELECT * FROM sluice.inputs ORDER BY kind')).toEqual([
    {
      table: 'raw.customers',
      version: '1',
      kind: 'call',
      input: 'erp: dbo.usp_customers',
      input_version: null,
      rows: '10',
    },
    { table: 'raw.customers', version: '1', kind: 'table', input: 'raw.a', input_version: '3', rows: null },
  ])
  expect(
    await session.all('SELECT count(*)::INT AS n FROM raw.customers__snapshot WHERE _version_date IS NULL'),
  ).toEqual([{ n: 0 }])
})
