/** A small project in plain data, for plans and state machines; each test changes what it is about. */
import type { FilesSource, Load, Pipeline, Project, SqlModel } from '../../src/definition/types.ts'
import { buildPlan } from '../../src/plan/build.ts'
import type { Plan, PlanColumn, PlanInput, PlanResult, TableState } from '../../src/plan/types.ts'
import type { SqlAnalysis } from '../../src/sql/analysis.ts'

export const column = (name: string, type = 'VARCHAR', nullable = true): PlanColumn => ({ name, type, nullable })

export function source(path: string, change: Partial<FilesSource> = {}): FilesSource {
  return {
    kind: 'files',
    path,
    columns: { id: { type: 'integer' }, amount: { type: 'decimal(12,2)', nullable: true } },
    format: { kind: 'csv' },
    mode: 'append',
    checks: [],
    quarantine: { maxShare: 0.01 },
    duplicateContent: 'skip',
    changedContent: 'append',
    archive: 'archive',
    error: 'error',
    ...change,
  }
}

export const sql = (file: string, text: string): SqlModel => ({ kind: 'sql', sql: text, file })

export function analysisOf(tables: readonly string[], change: Partial<SqlAnalysis> = {}): SqlAnalysis {
  return { tables, columns: [], nondeterministic: [], problems: [], ...change }
}

export function pipelineOf(name: string, change: Partial<Pipeline> = {}): Pipeline {
  return {
    name,
    file: `pipelines/${name}/pipeline.ts`,
    layers: ['raw', 'stage', 'analytics'],
    sources: {},
    models: {},
    tables: {},
    loads: {},
    notifications: [],
    ...change,
  }
}

export function projectOf(...pipelines: readonly Pipeline[]): Project {
  return {
    config: {
      name: 'shop',
      pipelines: 'pipelines',
      lake: { path: 'lake', retention: {} },
      runRetention: {},
      warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' },
      connections: {},
      engine: { memoryLimit: '1GB' },
      concurrency: 2,
      notifications: [],
    },
    pipelines,
  }
}

const retail = pipelineOf('retail', {
  sources: {
    sales: source('inbox/sales_*.csv', { checks: [{ kind: 'notNull', column: 'amount' }] }),
    stores: source('inbox/stores_*.csv', { mode: 'replace' }),
  },
  models: {
    'stage.sales': sql('pipelines/retail/stage/sales.sql', 'SELECT id, amount FROM raw.sales'),
    'stage.daily': sql(
      'pipelines/retail/stage/daily.sql',
      'SELECT id, sum(amount) AS amount FROM stage.sales GROUP BY id',
    ),
    'analytics.fact_sales': sql(
      'pipelines/retail/analytics/fact_sales.sql',
      'SELECT d.id, d.amount, now() AS made FROM stage.daily d JOIN raw.stores USING (id)',
    ),
    'analytics.dim_store': { kind: 'code', inputs: ['raw.stores'], make: () => 'SELECT id, amount FROM raw.stores' },
  },
  tables: {
    'stage.sales': { partitionBy: { kind: 'value', column: 'id' }, timeoutSeconds: 600 },
    'analytics.fact_sales': {
      checks: [{ kind: 'reference', columns: ['id'], to: 'analytics.dim_store', toColumns: ['id'] }],
    },
  },
  loads: {
    fact_sales: { mode: 'incremental', from: 'analytics.fact_sales', by: 'id', timeoutSeconds: 900 },
    dim_store: {
      mode: 'scd2',
      from: 'analytics.dim_store',
      key: ['id'],
      columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
    } satisfies Load,
  },
})

const stock = pipelineOf('stock', {
  layers: ['bronze', 'silver'],
  sources: { inventory: source('stock/*.csv') },
  models: {
    'silver.coverage': sql(
      'pipelines/stock/silver/coverage.sql',
      'SELECT * FROM bronze.inventory JOIN stage.daily USING (id)',
    ),
  },
})

const keyed = [column('id', 'INTEGER', false), column('amount', 'DECIMAL(12,2)')]

/** Two pipelines, one of which reads the other; nothing committed, files waiting for two of three sources. */
export const shop: PlanInput = {
  project: projectOf(retail, stock),
  analysis: {
    'stage.sales': analysisOf(['raw.sales'], {
      columns: [
        { column: 'id', from: ['raw.sales.id'] },
        { column: 'amount', from: ['raw.sales.amount'] },
      ],
    }),
    'stage.daily': analysisOf(['stage.sales']),
    'analytics.fact_sales': analysisOf(['raw.stores', 'stage.daily'], { nondeterministic: ['now()'] }),
    'analytics.dim_store': analysisOf(['raw.stores']),
    'silver.coverage': analysisOf(['bronze.inventory', 'stage.daily']),
  },
  columns: {
    'raw.sales': keyed,
    'raw.stores': keyed,
    'bronze.inventory': keyed,
    'stage.sales': keyed,
    'stage.daily': keyed,
    'analytics.fact_sales': [...keyed, column('made', 'TIMESTAMP WITH TIME ZONE')],
    'analytics.dim_store': keyed,
    'silver.coverage': keyed,
  },
  tables: {},
  targets: {},
  intake: {
    'raw.sales': { take: 3, bytes: 4_100_000, known: 1, waiting: 1, refuse: 0 },
    'raw.stores': { take: 1, bytes: 812, known: 0, waiting: 0, refuse: 0 },
    'bronze.inventory': { take: 0, bytes: 0, known: 0, waiting: 0, refuse: 0 },
  },
  options: { select: [], exclude: [], approve: [], force: false },
}

/** The same input with other options. */
export function withOptions(input: PlanInput, options: Partial<PlanInput['options']>): PlanInput {
  return { ...input, options: { ...input.options, ...options } }
}

/** What is known after the plan of an input has been carried out to the end: every table that ran has one more version. */
export function afterRun(input: PlanInput, { plan }: PlanResult = buildPlan(input)): PlanInput {
  const tables: Record<string, TableState> = { ...input.tables }
  const targets = { ...input.targets }
  for (const task of plan.tasks.filter(({ action }) => action === 'run')) {
    if (task.kind === 'load') {
      targets[task.table] = { version: tables[task.inputs[0]!.table]!.version, definition: task.definition }
      continue
    }
    tables[task.table] = {
      version: (tables[task.table]?.version ?? 0) + 1,
      definition: task.definition,
      columns: task.columns,
      inputs:
        task.kind === 'ingest' ? [] : task.inputs.map(({ table }) => ({ table, version: tables[table]!.version })),
      rows: 1000,
    }
  }
  const intake = Object.fromEntries(
    Object.entries(input.intake).map(([table, { waiting }]) => [
      table,
      { take: 0, bytes: 0, known: 0, waiting, refuse: 0 },
    ]),
  )
  return { ...input, tables, targets, intake }
}

/** One task of a plan. */
export function taskOf(plan: Plan, id: string): Plan['tasks'][number] {
  const task = plan.tasks.find((one) => one.id === id)
  if (task === undefined) throw new RangeError(`no task ${id} in ${plan.tasks.map((one) => one.id).join(', ')}`)
  return task
}
