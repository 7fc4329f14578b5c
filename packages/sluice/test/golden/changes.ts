/** A project of changes: one log, current rows and a history, a dimension from the history, and facts that look its keys up. */
import { cdc, changes } from '../../src/definition/builders/cdc.ts'
import { append, scd2 } from '../../src/definition/builders/loads.ts'
import { addedColumns, columnsOf, sourceColumns } from '../../src/definition/columns.ts'
import { noPlaces } from '../../src/definition/problems/places.ts'
import { resolvePipeline } from '../../src/definition/resolve.ts'
import type { ChangesModel } from '../../src/definition/types.ts'
import type { PlanInput } from '../../src/plan/types.ts'
import { analysisOf, projectOf } from './project.ts'

const customers = { columns: { id: 'bigint', email: 'text' }, key: 'id' } as const
const orders = { columns: { id: 'bigint', customer_id: 'bigint', ordered_at: 'timestamptz' }, key: 'id' } as const

const { pipeline } = resolvePipeline(
  {
    name: 'shop',
    sources: { shop: cdc('oltp', { tables: ['public.customers', 'public.orders'] }) },
    tables: {
      'stage.customers': changes('raw.shop', 'public.customers', {
        ...customers,
        transforms: { email: 'lower(email)' },
      }),
      'stage.customer_history': changes('raw.shop', 'public.customers', { ...customers, as: 'history' }),
      'stage.orders': changes('raw.shop', 'public.orders', orders),
    },
    loads: {
      fact_orders: append({
        from: 'stage.orders',
        lookups: {
          customer_sk: { dimension: 'dim_customer', key: { customer_id: 'id' }, at: 'ordered_at', missing: 'infer' },
        },
      }),
      dim_customer: scd2({
        from: 'stage.customer_history',
        key: 'id',
        effective: '_effective_at',
        sequence: '_sequence',
        deletes: { column: '_op', value: 'D' },
      }),
    },
  },
  { places: noPlaces('pipelines/shop/pipeline.ts'), sqlFiles: [] },
)

const models = Object.entries(pipeline!.models) as [string, ChangesModel][]

/** Nothing committed yet. */
export const marketplace: PlanInput = {
  project: projectOf(pipeline!),
  analysis: Object.fromEntries(models.map(([table, { from }]) => [table, analysisOf([from])])),
  columns: {
    'raw.shop': sourceColumns(pipeline!.sources['shop']!),
    ...Object.fromEntries(
      models.map(([table, { columns, as }]) => [table, [...columnsOf(columns), ...addedColumns(as)]]),
    ),
  },
  tables: {},
  targets: {},
  intake: {},
  options: { select: [], exclude: [], approve: [], force: false },
}
