/** What the types of a definition allow and refuse; `types.test.ts` compiles it. Nothing here runs. */

import type { z } from 'zod'
import type { configSchema, pipelineDataSchema } from '../../src/definition/schema/schema.ts'
import {
  append,
  type CdcInput,
  type ChangesInput,
  type Check,
  type Column,
  type ConfigInput,
  cdc,
  changes,
  decimal,
  defineConfig,
  duckdb,
  each,
  env,
  type FilesInput,
  files,
  grain,
  incremental,
  type LoadInput,
  model,
  mysql,
  notify,
  notNull,
  nullable,
  type PipelineInput,
  type ProcedureInput,
  parameter,
  pipeline,
  postgres,
  procedures,
  range,
  replace,
  row,
  type SourceInput,
  scd2,
  secret,
  sqlServer,
  timestamp,
  upsert,
  windowFrom,
} from '../../src/index.ts'

// The columns of a source.
files('inbox/*.csv', {
  columns: { id: 'integer', at: timestamp('M/d/yyyy H:mm', { zone: 'Europe/London' }), customer_id: nullable('text') },
  checks: [notNull('customer_id'), range('id', { min: 1 }), notNull('_file'), row('id > 0')],
  key: { columns: ['id'], keep: { lastBy: 'at' } },
})
files('inbox/*.csv', {
  columns: { customer_id: 'text' },
  // @ts-expect-error a check names a column that the source has
  checks: [notNull('custmer_id')],
})
files('inbox/*.csv', {
  columns: { id: 'text', at: 'date' },
  // @ts-expect-error so does each of several columns
  checks: [grain(['id', 'on'])],
})
files('inbox/*.csv', {
  columns: { id: 'text' },
  // @ts-expect-error and so does a key
  key: { columns: ['idd'], keep: 'none' },
})
// @ts-expect-error a type is one of those that exist
files('inbox/*.csv', { columns: { id: 'integr' } })
// @ts-expect-error a decimal has two numbers
files('inbox/*.csv', { columns: { id: 'decimal(12)' } })
// @ts-expect-error an option is one of those that exist
files('inbox/*.csv', { columns: { id: nullable('text', { nuls: [''] }) } })
// @ts-expect-error a source has columns
files('inbox/*.csv', {})
files('inbox/*.csv', { columns: { price: decimal(12, 3, { nullable: true }) } })

// Procedures: each names its own columns alone.
pipeline('erp', {
  sources: {
    ...procedures('erp', [
      { procedure: 'dbo.usp_regions', columns: { region_id: 'integer' }, key: 'region_id' },
      {
        procedure: 'dbo.usp_sales',
        parameters: {
          region: each('raw.regions', 'region_id', { as: 'region' }),
          since: windowFrom(),
          n: 1,
          rate: parameter('1.10', 'decimal(9,4)'),
        },
        columns: { sale_id: 'bigint', note: nullable('text') },
        key: ['sale_id', 'region'],
        checks: [notNull('region'), range('sale_id', { min: 1 })],
      },
    ]),
    ...procedures('old_erp', 'procedures.yaml'),
    sales: files('inbox/*.csv', { columns: { id: 'integer' } }),
  },
  tables: { 'stage.sales': { copy: 'raw.sales' } },
})
procedures('erp', [
  { procedure: 'dbo.usp_regions', columns: { region_id: 'integer' } },
  // @ts-expect-error a check names a column of its own procedure
  { procedure: 'dbo.usp_sales', columns: { sale_id: 'bigint' }, checks: [notNull('region_id')] },
])
// @ts-expect-error and so does a key
procedures('erp', [{ procedure: 'dbo.usp_sales', columns: { sale_id: 'bigint' }, key: 'id' }])
procedures('erp', [
  {
    procedure: 'dbo.usp_sales',
    parameters: { region: each('raw.regions', 'region_id', { as: 'region' }) },
    columns: { sale_id: 'bigint' },
    // @ts-expect-error or a column that keeps what it was called for
    key: ['sale_id', 'region_id'],
  },
])
// @ts-expect-error an option is one of those that exist
procedures('erp', [{ procedure: 'dbo.usp_sales', columns: { sale_id: 'bigint' }, timeout: 5 }])
// @ts-expect-error a type is one of those that exist
procedures('erp', [{ procedure: 'dbo.usp_sales', columns: { sale_id: 'bigin' } }])
// @ts-expect-error a result has a contract
procedures('erp', [{ procedure: 'dbo.usp_sales' }])
// @ts-expect-error a bound is one of two
procedures('erp', [{ procedure: 'dbo.usp_a', columns: { id: 'bigint' }, parameters: { since: { $window: 'form' } } }])

// Changes: a table of them names its own columns, and those that its transforms make.
const customers = { id: 'bigint', email: nullable('text') } as const
pipeline('shop', {
  sources: {
    shop: cdc('oltp', { tables: ['public.customers'], lag: { alertBytes: 1e9 }, snapshot: { connections: 4 } }),
  },
  tables: {
    'stage.customers': changes('raw.shop', 'public.customers', {
      columns: customers,
      key: 'id',
      transforms: { domain: "split_part(email, '@', 2)" },
      checks: [notNull('domain'), notNull('email')],
    }),
    'stage.history': {
      ...changes('raw.shop', 'public.customers', { as: 'history', columns: customers, key: ['id'] }),
      description: 'all',
    },
    'stage.delivered': changes('raw.files', { dms: { op: 'Op' }, key: 'id' }),
  },
  loads: {
    fact: append({
      from: 'stage.orders',
      lookups: { customer_sk: { dimension: 'dim', key: { customer_id: 'id' }, at: 'at' } },
    }),
  },
})
// @ts-expect-error a log captures tables
cdc('oltp', {})
// @ts-expect-error a key is of the columns
changes('raw.shop', 'public.customers', { columns: customers, key: 'nr' })
// @ts-expect-error and so is what a check names
changes('raw.shop', 'public.customers', { columns: customers, key: 'id', checks: [notNull('domain')] })
// @ts-expect-error a table is made as one of two
changes('raw.shop', 'public.customers', { columns: customers, key: 'id', as: 'now' })
// @ts-expect-error files have the columns of their source
changes('raw.files', { dms: { op: 'Op' }, key: 'id', columns: customers })
// @ts-expect-error a table of a log has columns
changes('raw.shop', 'public.customers', { key: 'id' })
// @ts-expect-error a dimension looks up nothing
scd2({ from: 'analytics.dim', key: 'id', lookups: {} })
// @ts-expect-error a lookup has a time
append({ from: 'stage.orders', lookups: { customer_sk: { dimension: 'dim', key: { customer_id: 'id' } } } })

// The layers of a pipeline.
pipeline('retail', { loads: { fact: incremental({ from: 'analytics.fact', by: 'date_key' }) } })
pipeline('retail', {
  // @ts-expect-error a load is from a table of a layer
  loads: { fact: incremental({ from: 'analytic.fact', by: 'date_key' }) },
})
pipeline('retail', {
  // @ts-expect-error a load's table has a layer
  loads: { fact: replace({ from: 'fact' }) },
})
pipeline('medallion', {
  layers: ['bronze', 'silver', 'gold'],
  tables: { 'silver.sales': { checks: [notNull('anything')] } },
  models: { 'gold.top': model({ inputs: ['silver.sales'], make: (inputs) => `FROM ${inputs['silver.sales'].name}` }) },
  loads: { top: scd2({ from: 'gold.top', key: ['a', 'b'] }) },
})
pipeline('medallion', {
  layers: ['bronze', 'silver', 'gold'],
  // @ts-expect-error the default layers are gone where others are named
  loads: { top: upsert({ from: 'analytics.top', key: 'id' }) },
})
pipeline('medallion', {
  layers: ['bronze', 'silver', 'gold'],
  // @ts-expect-error a table is of a layer
  tables: { 'siver.sales': {} },
})
model({
  inputs: ['silver.sales'],
  // @ts-expect-error a model gets the inputs that it declares
  make: (inputs) => inputs['silver.stock'].name,
})

// Loads have what their mode needs.
// @ts-expect-error incremental needs the column that it replaces by
incremental({ from: 'analytics.fact' })
// @ts-expect-error scd2 needs a key
scd2({ from: 'analytics.dim' })
// @ts-expect-error replace takes no key
replace({ from: 'analytics.dim', key: 'id' })
scd2({ from: 'analytics.dim', key: 'id', columns: { current: 'is_now' }, deletes: { column: 'op', value: 'D' } })

// The configuration.
defineConfig({ name: 'shop', warehouse: duckdb('w.duckdb'), notifications: [notify.webhook(env('URL'))] })
// @ts-expect-error an option is one of those that exist
defineConfig({ name: 'shop', concurency: 2 })
const server = { host: 'db', database: 'shop', user: 'sluice' }
defineConfig({
  name: 'shop',
  connections: { shop: postgres({ ...server, password: secret('DB'), port: env('PORT') }) },
})
// @ts-expect-error a password is never written out
defineConfig({ name: 'shop', connections: { shop: mysql({ ...server, password: 'hunter2' }) } })
// @ts-expect-error a protection is given up by its name
defineConfig({ name: 'shop', connections: { shop: sqlServer({ ...server, password: secret('DB'), tls: false }) } })
// @ts-expect-error a secret is never written out
defineConfig({ name: 'shop', notifications: [notify.webhook('https://example.com', { secret: 'hunter2' })] })
defineConfig({
  name: 'shop',
  notifications: [
    notify.email({ to: ['a@b.c'], from: 'a@b.c', host: 'mail', user: 'me', password: secret('SMTP_PASSWORD') }),
  ],
})

// What is written and what is checked are the same shapes, both ways, but for what only TypeScript can hold.
type Checked = z.input<typeof pipelineDataSchema>
type CheckedSource = NonNullable<Checked['sources']>[string]
type CheckedFiles = Extract<CheckedSource, { kind: 'files' }>
type CheckedLog = Extract<CheckedSource, { kind: 'cdc' }>
type CheckedChanges = NonNullable<NonNullable<Checked['tables']>[string]['changes']>
type CheckedProcedure = Extract<CheckedSource, { kind: 'procedure' }>
type Shared = 'name' | 'loads' | 'schedule' | 'notifications' | 'description'
export const loads: { readonly [target: string]: Loose<LoadInput> } = {} as NonNullable<Checked['loads']>
export const pipelineToChecked: Loose<Pick<Checked, Shared>> = {} as Pick<PipelineInput, Shared>
// A load's table is `<layer>.<table>` in the types, and any text to zod: which tables exist is checked over the whole project.
type Same = Exclude<Shared, 'loads'>
export const pipelineFromChecked: Loose<Pick<PipelineInput, Same>> = {} as Pick<Checked, Same>
export const configToChecked: Loose<z.input<typeof configSchema>> = {} as ConfigInput
export const configFromChecked: Loose<ConfigInput> = {} as z.input<typeof configSchema>
export const checks: readonly Loose<Check>[] = [] as NonNullable<CheckedFiles['checks']>
export const filesSource: Loose<Omit<FilesInput, 'columns'>> = {} as Omit<CheckedFiles, 'columns'>
export const procedure: Loose<Omit<ProcedureInput, Typed>> = {} as Omit<CheckedProcedure, Typed>
export const log: Loose<CdcInput> = {} as CheckedLog
export const tableOfChanges: Loose<Omit<ChangesInput, 'columns'>> = {} as Omit<CheckedChanges, 'columns'>
export const changesToChecked: Loose<CheckedChanges> = {} as ChangesInput
export const sourceToChecked: Loose<CheckedSource> = {} as SourceInput
export const column: Loose<Omit<Column, 'type'>> = {} as Omit<
  Exclude<CheckedProcedure['columns'][string], string>,
  'type'
>
// Types of columns are any text to zod's types, which a pattern narrows.
type Typed = 'columns' | 'parameters' | 'output'

/** The same, with `undefined` where something is optional, and lists that may be read only. */
type Loose<T> = T extends readonly (infer I)[]
  ? readonly Loose<I>[]
  : T extends object
    ? { readonly [K in keyof T]: Loose<T[K]> | (undefined extends T[K] ? undefined : never) }
    : T
