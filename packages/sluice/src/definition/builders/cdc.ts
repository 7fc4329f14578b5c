/** Builders of changes: the log of a database, and the tables that are made of it. */
import type { CdcInput, CdcOptions, ChangesInput, ChangesOptions, ColumnsInput, DmsOptions } from '../input.ts'

/**
 * The changes of a PostgreSQL database: its tables are copied once, and from then on every change is taken, in whole transactions.
 *
 * @example
 * pipeline('shop', {
 *   sources: { shop: cdc('oltp', { tables: ['public.customers', 'public.orders'] }) },
 *   tables: {
 *     'stage.customers': changes('raw.shop', 'public.customers', {
 *       columns: { id: 'bigint', email: 'text', city: nullable('text') },
 *       key: 'id',
 *     }),
 *   },
 * })
 */
export function cdc(connection: string, options: CdcOptions): CdcInput {
  return { kind: 'cdc', connection, ...options }
}

/**
 * A table that is made of the changes of one table: its current rows, or with `as: 'history'` every change in order. Goes into `tables`; what
 * else is declared of the table is spread beside it.
 *
 * @example
 * { 'stage.customers': { ...changes('raw.shop', 'public.customers', { columns: { id: 'bigint', email: 'text' }, key: 'id' }), description: 'Customers' } }
 *
 * @example
 * // Files that AWS DMS has written, over a source of files with row numbers; their columns are those of the source.
 * { 'stage.customers': changes('raw.customer_files', { dms: { op: 'Op' }, key: 'id' }) }
 */
export function changes<const C extends ColumnsInput, const T extends string = never>(
  from: string,
  table: string,
  options: ChangesOptions<C, T>,
): { readonly changes: ChangesInput }
export function changes(from: string, options: DmsOptions): { readonly changes: ChangesInput }
export function changes(
  from: string,
  ...rest: readonly [string, ChangesOptions] | readonly [DmsOptions]
): { readonly changes: ChangesInput } {
  const [table, options] = rest.length === 2 ? rest : [undefined, rest[0]]
  return { changes: { from, ...(table === undefined ? {} : { table }), ...options } }
}
