/** Builders of the two files of a project: `sluice.config.ts` and `pipeline.ts`; and of code models. */
import type { CodeModelInput, ColumnsInput, ConfigInput, DefaultLayers, PipelineOptions } from '../input.ts'
import type { CodeModel, ModelInput, WarehouseConfig } from '../types.ts'

/**
 * A pipeline: sources land in its first layer, models make the tables of the others, loads take them to the warehouse.
 *
 * Layers are part of the type: a load from a table of a layer that the pipeline does not have is a type error.
 *
 * @example
 * export default pipeline('retail', {
 *   sources: { sales: files('inbox/sales_*.csv', { columns: { id: 'integer' } }) },
 *   loads: { fact_sales: incremental({ from: 'analytics.fact_sales', by: 'date_key' }) },
 * })
 */
export function pipeline<const Layers extends readonly string[] = DefaultLayers>(
  name: string,
  options: PipelineOptions<NoInfer<Layers>[number], Layers>,
): PipelineOptions<Layers[number], Layers> & { readonly name: string } {
  return { name, ...options }
}

/**
 * The project's configuration.
 *
 * @example export default defineConfig({ name: 'shop', warehouse: duckdb('warehouse.duckdb') })
 */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}

/**
 * A DuckDB file as the warehouse, below the project.
 *
 * @example duckdb('warehouse.duckdb')
 */
export function duckdb(path: string): WarehouseConfig {
  return { kind: 'duckdb', path }
}

/**
 * A schema of a PostgreSQL database as the warehouse; `connection` is a name of the configuration's `connections`.
 *
 * @example postgresWarehouse('star', { schema: 'mart' })
 */
export function postgresWarehouse(
  connection: string,
  { schema = 'public' }: { schema?: string } = {},
): WarehouseConfig {
  return { kind: 'postgres', connection, schema }
}

/** What `model()` takes. */
export interface ModelOptions<Inputs extends readonly string[]> {
  /** The tables it reads, as `<layer>.<table>`. */
  readonly inputs: Inputs
  /** The columns it makes; needed where it returns rows. */
  readonly columns?: ColumnsInput
  /** The parameters of the pipeline that it uses; their values are the second argument of `make`. */
  readonly parameters?: readonly string[]
  readonly make: (
    inputs: { readonly [table in Inputs[number]]: ModelInput },
    parameters: Parameters<CodeModel['make']>[1],
  ) => ReturnType<CodeModel['make']>
}

/**
 * A model in TypeScript: gets its inputs as relations, and returns SQL over them, or rows.
 *
 * @example
 * model({
 *   inputs: ['silver.sales'],
 *   make: (inputs) => `SELECT store, sum(quantity) AS quantity FROM ${inputs['silver.sales'].name} GROUP BY store`,
 * })
 */
export function model<const Inputs extends readonly string[]>(options: ModelOptions<Inputs>): CodeModelInput {
  // The runtime hands over exactly the declared inputs, which the index signature of CodeModel cannot say.
  return { kind: 'code', ...options, make: options.make as CodeModel['make'] }
}
