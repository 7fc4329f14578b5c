/** A project of procedures: two systems, calls for each value of another table, and tables that are copies. */
import { each, procedures, windowFrom, windowTo } from '../../src/definition/builders/procedures.ts'
import { sourceColumns } from '../../src/definition/columns.ts'
import { noPlaces } from '../../src/definition/problems/places.ts'
import { resolvePipeline } from '../../src/definition/resolve.ts'
import type { PlanInput } from '../../src/plan/types.ts'
import { analysisOf, projectOf } from './project.ts'

const sources = {
  ...procedures('erp', [
    { procedure: 'dbo.usp_regions', columns: { region_id: 'integer', name: 'text' } },
    {
      procedure: 'dbo.usp_sales',
      parameters: {
        region: each('raw.regions', 'region_id', { as: 'region_id' }),
        since: windowFrom(),
        until: windowTo(),
      },
      columns: { sale_id: 'bigint', amount: 'decimal(18,4)', sold_on: 'date' },
      key: 'sale_id',
      window: { start: '2024-01-01', zone: 'Europe/Istanbul', overlapSeconds: 3600 },
    },
  ]),
  ...procedures('old_erp', [
    { procedure: 'reports.regions', table: 'old_regions', columns: { region_id: 'integer' }, timeoutSeconds: 7200 },
  ]),
}

const tables = {
  'stage.regions': { copy: 'raw.regions' },
  'stage.sales': { copy: 'raw.sales', partitionBy: { kind: 'yearMonth', column: 'sold_on' } },
}

const { pipeline } = resolvePipeline(
  { name: 'erp', sources, tables, loads: { sales: { mode: 'upsert', from: 'stage.sales', key: 'sale_id' } } },
  { places: noPlaces('pipelines/erp/pipeline.ts'), sqlFiles: [] },
)

const columns = Object.fromEntries(
  Object.entries(pipeline!.sources).map(([name, source]) => [`raw.${name}`, sourceColumns(source)]),
)

/** Nothing committed yet. */
export const erp: PlanInput = {
  project: projectOf(pipeline!),
  analysis: { 'stage.regions': analysisOf(['raw.regions']), 'stage.sales': analysisOf(['raw.sales']) },
  columns: { ...columns, 'stage.regions': columns['raw.regions']!, 'stage.sales': columns['raw.sales']! },
  tables: {},
  targets: {},
  intake: {},
  options: { select: [], exclude: [], approve: [], force: false },
}
