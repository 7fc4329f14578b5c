/** A small opened project over a real DuckDB and real Parquet files, for tests of what reads and prints; nothing of it is defined by files. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sluiceError } from '../../src/base/errors.ts'
import type { Pipeline, Project } from '../../src/definition/types.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session } from '../../src/engines/engine.ts'
import type { CommitRecord } from '../../src/lake/record.ts'
import type { PlanTask } from '../../src/plan/types.ts'
import { quarantineWriter } from '../../src/quality/quarantine.ts'
import { type OpenProject, type ReadContext, type RunInfo, readContext } from '../../src/run/api.ts'
import type { RunEvent, RunSummary } from '../../src/run/ledger/events.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'

const at = '2026-11-20T10:00:00.000Z'
const limits = { memoryLimit: '256MB', threads: 1 }

export const summary: RunSummary = {
  status: 'succeeded',
  tasks: { succeeded: 3, failed: 0, skipped: 0, unchanged: 1 },
  rows: { read: 42_481, accepted: 25_670, quarantined: 16_324, dropped: 487, loaded: 2833 },
  refusedFiles: 0,
  warnings: 0,
  durationMs: 12_300,
}

/** The events of a run in which everything that can be told is reported. */
export function runEvents(): readonly RunEvent[] {
  const base = { v: 1, runId: '20261120T100000Z-00000001' } as const
  const time = (seconds: number): string => new Date(Date.parse(at) + seconds * 1000).toISOString()
  return [
    { ...base, ts: time(0), type: 'run.started', pipelines: ['retail'], tasks: 3, project: 'shop' },
    {
      ...base,
      ts: time(0),
      type: 'task.started',
      task: 'ingest:raw.sales',
      kind: 'ingest',
      table: 'raw.sales',
      attempt: 1,
    },
    {
      ...base,
      ts: time(1),
      type: 'task.progress',
      task: 'ingest:raw.sales',
      rows: 21_000,
      bytes: 1_500_000,
      input: 'inbox/evil\u001b[2J\n.csv',
    },
    {
      ...base,
      ts: time(2),
      type: 'task.refused',
      what: 'file',
      task: 'ingest:raw.sales',
      input: 'inbox/bad.csv',
      error: { code: 'SLU3002', name: 'Source.MissingColumn', message: 'Column "price" is missing.', retryable: false },
      report: 'error/sales/bad.csv.report.json',
    },
    {
      ...base,
      ts: time(3),
      type: 'task.finished',
      task: 'ingest:raw.sales',
      kind: 'ingest',
      table: 'raw.sales',
      status: 'succeeded',
      durationMs: 3200,
      version: 1,
      rows: 25_670,
      accounting: { read: 42_481, accepted: 25_670, quarantined: 16_324, dropped: { duplicate: 487 } },
    },
    {
      ...base,
      ts: time(3),
      type: 'task.started',
      task: 'model:stage.sales',
      kind: 'model',
      table: 'stage.sales',
      attempt: 1,
    },
    {
      ...base,
      ts: time(4),
      type: 'quality.result',
      task: 'model:stage.sales',
      check: 'range:price',
      status: 'warned',
      failing: 3,
      total: 25_670,
    },
    {
      ...base,
      ts: time(4),
      type: 'task.finished',
      task: 'model:stage.sales',
      kind: 'model',
      table: 'stage.sales',
      status: 'succeeded',
      durationMs: 800,
      version: 1,
      rows: 25_670,
    },
    {
      ...base,
      ts: time(5),
      type: 'task.finished',
      task: 'load:dim_product',
      kind: 'load',
      table: 'dim_product',
      status: 'succeeded',
      durationMs: 500,
      load: { inserted: 2833, updated: 0, deleted: 0, total: 2833 },
    },
    { ...base, ts: time(5), type: 'run.finished', summary: { ...summary, refusedFiles: 1 } },
  ]
}

const pipeline: Pipeline = {
  name: 'retail',
  file: 'pipelines/retail/pipeline.ts',
  layers: ['raw', 'stage', 'analytics'],
  sources: { sales: { kind: 'files', path: 'inbox/*.csv' } as Pipeline['sources'][string] },
  models: {
    'stage.sales': { kind: 'sql', sql: 'SELECT id, qty * price AS revenue FROM raw.sales', file: 'stage/sales.sql' },
    'analytics.dim_product': { kind: 'code', inputs: ['stage.sales'], make: () => 'SELECT 1' },
  },
  tables: { 'stage.sales': { description: 'cleaned sales' } },
  loads: { dim_product: { mode: 'replace', from: 'analytics.dim_product' } },
  notifications: [],
}

export interface Fake extends OpenProject {
  /** What was asked of it. */
  readonly calls: unknown[][]
}

/** Opens the fake; `over` replaces any of its functions. */
export async function fakeProject(
  over: Partial<Omit<OpenProject, typeof readContext>> & { readonly [readContext]?: Partial<ReadContext> } = {},
): Promise<Fake> {
  const { [readContext]: reading, ...acting } = over
  const root = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const lake = join(root, 'lake')
  mkdirSync(join(lake, 'q'), { recursive: true })
  writeFileSync(join(root, 'sluice.config.ts'), 'export default {}\n')
  const quarantined = await makeFiles(lake)
  const definition = {
    config: {
      name: 'shop',
      lake: { path: 'lake' },
      connections: { erp: {} },
      notifications: [{ kind: 'email', password: 'hunter2hunter2' }],
    },
    pipelines: [pipeline],
  } as unknown as Project
  const records = [record('raw.sales', 1, 3, quarantined), record('stage.sales', 1, 2), record('stage.sales', 2, 3)]
  const calls: unknown[][] = []
  const info: RunInfo = {
    id: '20261120T100000Z-00000001',
    startedAt: at,
    status: 'succeeded',
    pipelines: ['retail'],
    summary,
  }
  const running = async (name: string, ...args: unknown[]): ReturnType<OpenProject['run']> => {
    calls.push([name, ...args])
    const options = args.at(-1) as Parameters<OpenProject['run']>[0]
    for (const event of runEvents()) options?.onEvent?.(event)
    return { id: info.id, summary }
  }
  const nothing = {
    kind: 'model',
    pipeline: 'retail',
    layer: 'stage',
    table: 'stage.sales',
    wave: 0,
    dependsOn: [],
    inputs: [],
    action: 'skip',
    reason: 'unchanged',
    detail: 'nothing has changed',
    definition: 'd',
    columns: [],
    schemaChanges: [],
    lineage: [],
    warnings: [],
    timeoutSeconds: 60,
  }
  const task = { id: 'model:stage.sales', ...nothing } as unknown as PlanTask
  return {
    calls,
    root,
    definition,
    problems: [],
    check: async () => [],
    settings: async () => [
      { setting: 'concurrency', value: 2, source: 'default' },
      {
        setting: 'connections.erp.password',
        value: { $secret: 'ERP_PASSWORD' },
        source: 'configuration',
        found: '.env.local',
      },
    ],
    plan: async () => ({
      plan: {
        format: 1,
        project: 'shop',
        definition: 'd',
        layers: [{ name: 'stage', waves: [[task.id]] }],
        tasks: [task],
      },
      problems: [],
    }),
    stateMachines: async () =>
      [{ name: 'shop-master', definition: { StartAt: 'raw', States: {} } }] as unknown as Awaited<
        ReturnType<OpenProject['stateMachines']>
      >,
    run: (options) => running('run', options),
    watch: async (options) => {
      calls.push(['watch', options])
      options.onCycle({ isBusy: true, events: [], nextMs: options.everyMs })
      options.onCycle({ isBusy: false, id: info.id, summary, events: runEvents(), nextMs: options.everyMs })
    },
    task: async () => ({}),
    cancel: async (id) => void calls.push(['cancel', id]),
    cdc: async (table) => {
      throw sluiceError('Cli.UnknownName', { what: 'source of changes', name: table, known: [] })
    },
    retry: (id, options) => running('retry', id, options),
    [readContext]: {
      root,
      definition,
      problems: [],
      runs: async () => [info],
      events: async () => runEvents(),
      log: async (id, name) => `log of ${id} ${name ?? 'all'}\u001b[31m\n`,
      damaged: async () => [],
      damagedRefused: async () => false,
      run: async (id) => (id === info.id ? info : undefined),
      tables: async () => [records[0]!, records[2]!],
      verify: async () => {},
      refused: async (table) => records.filter((one) => one.table === table).flatMap(({ quarantine: files }) => files),
      versions: async (table) => records.filter((one) => one.table === table),
      analysis: async () => ({
        'stage.sales': {
          tables: ['raw.sales'],
          columns: [
            { column: 'id', from: ['raw.sales.id'] },
            { column: 'revenue', from: ['raw.sales.qty', 'raw.sales.price'] },
          ],
          nondeterministic: [],
          problems: [],
        },
      }),
      iceberg: async () => undefined,
      loads: async () => [],
      openRead: () => openRead(lake, quarantined),
      readWarehouse: async () => undefined,
      ...reading,
    },
    rollback: async (table, version) => {
      calls.push(['rollback', table, version])
      return { ...record(table, 3, 2), operation: 'rollback', rollbackOf: version }
    },
    held: async () => [{ target: 'dim_price', instant: '2026-03-02', keys: 40, before: 100 }],
    accept: async (target, instant) => void calls.push(['accept', target, instant]),
    dismissQuarantine: async (table, version) => {
      calls.push(['dismiss', table, version])
      return { ...record(table, 3, 2), operation: 'compact' }
    },
    replayQuarantine: (table, options) => running('replay', table, options),
    crawl: async (path) => ({
      files: [{ path, bytes: 1024, rows: 10 }],
      definition: "sales: files('inbox/*.csv', { columns: { id: 'integer' } })",
      columns: [{ name: 'id', type: 'integer', nullable: false }],
      against: 'raw.sales',
      diff: [{ column: 'qty', change: 'removed', class: 'destructive' }],
    }),
    crawlConnection: async (connection, options) => {
      calls.push(['crawl', connection, options])
      return {
        connection,
        server: 'PostgreSQL 18.4',
        definition: "...procedures('erp', [\n]),\n",
        procedures: [
          {
            procedure: 'dbo.usp_sales',
            parameters: [],
            sets: [
              {
                set: 1,
                table: 'sales',
                columns: [{ name: 'id', type: 'integer', serverType: 'int', nullable: false }],
                against: 'raw.sales',
                diff: [{ column: 'qty', change: 'missing', class: 'destructive', from: 'integer', to: '(none)' }],
              },
            ],
          },
          { procedure: 'dbo.usp_later', parameters: [], sets: [], note: 'only a call shows its columns' },
        ],
      }
    },
    syncCatalog: async (table) => {
      calls.push(['syncCatalog', table])
      return [
        { table: table ?? 'raw.sales', status: 'current', address: 'file:///lake/raw/sales/metadata/v2.metadata.json' },
      ]
    },
    clean: async (options) => {
      calls.push(['clean', options])
      return { removed: ['raw/sales/data/x.parquet'], bytes: 2048, agedOut: [] }
    },
    doctor: async () => [{ name: 'node', status: 'ok', detail: 'v20' }],
    release: async () => [],
    [Symbol.asyncDispose]: async () => void calls.push(['closed']),
    ...acting,
  }
}

const quarantineTable = 'q/part-0.parquet'

async function makeFiles(
  lake: string,
): Promise<{ readonly rows: number; readonly reasons: { readonly [reason: string]: number } }> {
  await using session = await duckDbEngine(limits).open()
  const values =
    "(1, 2, 1.10::DECIMAL(12,3), TIMESTAMP '2010-12-01 08:26:00'), (9007199254740993, 3, 0.000, NULL), (3, 1, 2.5, NULL)"
  await session.run(
    `COPY (SELECT * FROM (VALUES ${values}) t(id, qty, price, sold)) TO ${quoteText(join(lake, 'sales.parquet'))} (FORMAT parquet)`,
  )
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-cli-q-'))
  const writer = quarantineWriter(session, scratch)
  writer.header('inbox/a.csv', Buffer.from('id,qty\r\n'))
  writer.add({
    file: 'inbox/a.csv',
    line: 3,
    record: 2,
    offset: 20,
    bytes: Buffer.from('x,\u001b[31m=1\r\n'),
    reasons: ['cast:id', 'range:qty'],
  })
  writer.add({ file: 'inbox/a.csv', line: 5, record: 4, offset: 40, bytes: Buffer.from('9,0'), reasons: ['range:qty'] })
  const written = (await writer.finish())!
  await session.run(
    `COPY (FROM ${quoteText(written.localFile)}) TO ${quoteText(join(lake, quarantineTable))} (FORMAT parquet)`,
  )
  return written
}

async function openRead(lake: string, quarantined: { readonly rows: number }): Promise<Session> {
  const session = await duckDbEngine({ ...limits, materialise: diskStorage(lake).materialise }).open()
  const parquet = `read_parquet(${quoteText(join(lake, 'sales.parquet'))})`
  await session.run('CREATE SCHEMA raw; CREATE SCHEMA stage; CREATE SCHEMA sluice')
  await session.run(`CREATE VIEW raw.sales AS SELECT * FROM ${parquet}`)
  await session.run(`CREATE VIEW stage.sales AS SELECT id, qty * price AS revenue FROM ${parquet}`)
  await session.run(
    `CREATE VIEW stage.sales__snapshot AS SELECT id, 1 AS _version, now() AS _committed_at, today() AS _version_date FROM ${parquet} WHERE id < 4 UNION ALL SELECT id, 2, now(), today() FROM ${parquet}`,
  )
  await session.run(
    `CREATE VIEW sluice.quarantine AS SELECT 'raw.sales' AS "table", 1 AS version, * FROM read_parquet(${quoteText(join(lake, quarantineTable))}) LIMIT ${quarantined.rows}`,
  )
  return session
}

function record(
  table: string,
  version: number,
  rows: number,
  refused?: { readonly rows: number; readonly reasons: CommitRecord['quarantine'][number]['reasons'] },
): CommitRecord {
  return {
    format: 3,
    table,
    version,
    parent: version - 1,
    committedAt: at,
    operation: 'append',
    taskKey: 'k',
    definition: 'd',
    run: '20261120T100000Z-00000001',
    attempt: 1,
    fencingToken: 1,
    fields: [
      { id: 1, name: 'id', type: 'BIGINT', nullable: false },
      { id: 2, name: table === 'raw.sales' ? 'qty' : 'revenue', type: 'INTEGER', nullable: true },
    ],
    nextFieldId: 3,
    files: [],
    rows,
    bytes: 2048,
    inputs:
      table === 'raw.sales'
        ? [
            {
              kind: 'file',
              path: 'inbox/a.csv',
              sha256: 'ab',
              bytes: 100,
              accounting: { read: 5, accepted: 3, quarantined: 2, dropped: {} },
            },
          ]
        : [{ kind: 'table', table: 'raw.sales', version: 1 }],
    accounting: { read: 5, accepted: rows, quarantined: refused?.rows ?? 0, dropped: {} },
    checks: [
      {
        name: 'notNull:id',
        kind: 'notNull',
        columns: ['id'],
        severity: 'error',
        status: 'passed',
        failing: 0,
        total: rows,
      },
      ...(table === 'raw.sales'
        ? [
            {
              name: 'range:qty',
              kind: 'range',
              columns: ['qty'],
              severity: 'warn',
              status: 'warned',
              failing: 2,
              total: 5,
            } as const,
          ]
        : []),
    ],
    quarantine:
      refused === undefined
        ? []
        : [
            {
              path: quarantineTable,
              rows: refused.rows,
              bytes: 10,
              sha256: 'cd',
              reasons: refused.reasons,
              addedIn: version,
              definition: 'd',
            },
          ],
  }
}

/** The error that a definition with two problems raises. */
export function invalidDefinition(): Error {
  return sluiceError(
    'Definition.Invalid',
    { count: 2 },
    {
      problems: [
        {
          name: 'Definition.UnknownTable',
          code: 'SLU1002',
          severity: 'error',
          message: 'Table "stage.slaes" does not exist.',
          suggestion: 'stage.sales',
          at: { file: 'sluice.config.ts', line: 1, column: 8, length: 7 },
        },
        { name: 'Sql.Syntax', code: 'SLU2001', severity: 'warning', message: 'The SQL is odd.' },
      ],
    },
  )
}
