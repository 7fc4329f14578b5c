/** Builders of loads, one for each load mode, and of partitions. */
import type { FactOptions, LoadInput, Scd2Options, UpsertOptions } from '../input.ts'
import type { LoadMode, PartitionBy } from '../types.ts'

/** A load of one mode. */
export type LoadOf<Mode extends LoadMode, From extends string = string> = Extract<LoadInput<From>, { mode: Mode }>

/**
 * The target becomes the table: readers see the old rows or the new ones, never none.
 *
 * @example replace({ from: 'analytics.dim_customer' })
 */
export function replace<const From extends string>(options: FactOptions<From>): LoadOf<'replace', From> {
  return { mode: 'replace', ...options }
}

/**
 * For every value of `by` among the new rows, the target's rows of that value are replaced; no other row is touched.
 *
 * @example incremental({ from: 'analytics.fact_sales', by: 'date_key' })
 */
export function incremental<const From extends string>(
  options: FactOptions<From> & { readonly by: string },
): LoadOf<'incremental', From> {
  return { mode: 'incremental', ...options }
}

/**
 * What is new is added, each batch once.
 *
 * @example append({ from: 'stage.events' })
 */
export function append<const From extends string>(
  options: FactOptions<From> & { readonly batch?: string },
): LoadOf<'append', From> {
  return { mode: 'append', ...options }
}

/**
 * Rows are updated or inserted by their key.
 *
 * @example upsert({ from: 'analytics.dim_customer', key: 'customer_id' })
 */
export function upsert<const From extends string>(options: UpsertOptions<From>): LoadOf<'upsert', From> {
  return { mode: 'upsert', ...options }
}

/**
 * A slowly changing dimension of type 2: every state that a key has had, with the time from which and until which it held.
 *
 * @example scd2({ from: 'analytics.dim_product', key: 'stock_code', effective: 'valid_from' })
 * @example scd2({ from: 'analytics.prices', key: 'stock_code', snapshot: 'file_date' }) // from dated full deliveries
 */
export function scd2<const From extends string>(options: Scd2Options<From>): LoadOf<'scd2', From> {
  return { mode: 'scd2', ...options }
}

/**
 * Data files split by the year and month of a date or timestamp.
 *
 * @example yearMonth('invoice_date')
 */
export function yearMonth(column: string): PartitionBy {
  return { kind: 'yearMonth', column }
}

/**
 * Data files split by a column's value.
 *
 * @example byValue('country')
 */
export function byValue(column: string): PartitionBy {
  return { kind: 'value', column }
}
