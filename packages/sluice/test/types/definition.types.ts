/** What the types of a definition allow and refuse; `types.test.ts` compiles it. Nothing here runs. */

import type { z } from 'zod'
import type { configSchema, pipelineDataSchema } from '../../src/definition/schema.ts'
import {
  type Check,
  type Column,
  type ConfigInput,
  decimal,
  defineConfig,
  duckdb,
  env,
  type FilesInput,
  files,
  grain,
  incremental,
  type LoadInput,
  model,
  notify,
  notNull,
  nullable,
  type PipelineInput,
  type ProcedureInput,
  pipeline,
  range,
  replace,
  row,
  type SourceInput,
  scd2,
  secret,
  timestamp,
  upsert,
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
type CheckedProcedure = Extract<CheckedSource, { kind: 'procedure' }>
type Shared = 'name' | 'loads' | 'schedule' | 'notifications' | 'description'
export const loads: { readonly [target: string]: Loose<LoadInput> } = {} as NonNullable<Checked['loads']>
export const pipelineToChecked: Loose<Pick<Checked, Shared>> = {} as Pick<PipelineInput, Shared>
// A load's table is `<layer>.<table>` in the types, and any text to zod: which tables exist is checked over the whole project.
type Same = Exclude<Shared, 'loads'>
export const pipelineFromChecked: Loose<Pick<PipelineInput, Same>> = {} as Pick<Checked, Same>
export const configToChecked: Loose<z.input<typeof configSchema>> = {} as ConfigInput
export const configFromChecked: Loose<ConfigInput> = {} as z.input<typeof configSchema>
export const checks: readonly Loose<Check>[] = [] as NonNullable<CheckedSource['checks']>
export const files_: Loose<Omit<FilesInput, 'columns'>> = {} as Omit<CheckedFiles, 'columns'>
export const procedure: Loose<Omit<ProcedureInput, Typed>> = {} as Omit<CheckedProcedure, Typed>
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
