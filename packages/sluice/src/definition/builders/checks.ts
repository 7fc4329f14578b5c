/**
 * Builders of checks. The column's name stays in the type, so that `files()` refuses a check on a column it does not have.
 */
import type { Check, CheckOptions } from '../types.ts'

/** The check of one kind, over the columns `C`. */
export type CheckOf<K extends Check['kind'], C extends string = string> = Extract<Check<C>, { kind: K }>

/** Bounds, both inclusive; text for values that JavaScript's numbers do not hold exactly, and for dates. */
export interface Bounds {
  readonly min?: number | string
  readonly max?: number | string
}

/** Bounds of a count, both inclusive. */
export interface CountBounds {
  readonly min?: number
  readonly max?: number
}

const many = <C extends string>(columns: C | readonly C[]): readonly C[] =>
  typeof columns === 'string' ? [columns] : columns

/**
 * The column has a value.
 *
 * @example notNull('customer_id')
 */
export function notNull<const C extends string>(column: C, options: CheckOptions = {}): CheckOf<'notNull', C> {
  return { kind: 'notNull', column, ...options }
}

/**
 * No two rows have equal values in these columns.
 *
 * @example unique(['invoice_no', 'line_no'])
 */
export function unique<const C extends string>(
  columns: C | readonly C[],
  options: CheckOptions = {},
): CheckOf<'unique', C> {
  return { kind: 'unique', columns: many(columns), ...options }
}

/**
 * The value lies within the bounds.
 *
 * @example range('quantity', { min: 1 })
 */
export function range<const C extends string>(column: C, options: Bounds & CheckOptions): CheckOf<'range', C> {
  return { kind: 'range', column, ...options }
}

/**
 * The text has so many characters.
 *
 * @example length('country_code', { min: 2, max: 2 })
 */
export function length<const C extends string>(column: C, options: CountBounds & CheckOptions): CheckOf<'length', C> {
  return { kind: 'length', column, ...options }
}

/**
 * The whole text matches a regular expression (RE2).
 *
 * @example pattern('invoice_no', '[0-9]{6}')
 */
export function pattern<const C extends string>(
  column: C,
  pattern: string,
  options: CheckOptions = {},
): CheckOf<'pattern', C> {
  return { kind: 'pattern', column, pattern, ...options }
}

/**
 * The value is one of a list.
 *
 * @example oneOf('status', ['open', 'closed'])
 */
export function oneOf<const C extends string>(
  column: C,
  values: readonly (string | number)[],
  options: CheckOptions = {},
): CheckOf<'oneOf', C> {
  return { kind: 'oneOf', column, values, ...options }
}

/**
 * The text is a well-formed e-mail address, URL, UUID, IPv4 address, ISO date, or digits alone.
 *
 * @example format('email', 'email')
 */
export function format<const C extends string>(
  column: C,
  format: CheckOf<'format'>['format'],
  options: CheckOptions = {},
): CheckOf<'format', C> {
  return { kind: 'format', column, format, ...options }
}

/**
 * A SQL expression over one row is not false; NULL passes, as in a CHECK constraint of SQL.
 *
 * @example row("invoice_no NOT LIKE 'C%'", { name: 'cancelled' })
 */
export function row(sql: string, options: CheckOptions = {}): CheckOf<'row', never> {
  return { kind: 'row', sql, ...options }
}

/**
 * The table has so many rows.
 *
 * @example rowCount({ min: 1 })
 */
export function rowCount(options: CountBounds & CheckOptions): CheckOf<'rowCount', never> {
  return { kind: 'rowCount', ...options }
}

/**
 * The newest value of a column is at most so many hours old.
 *
 * @example freshness('ordered_at', 26)
 */
export function freshness<const C extends string>(
  column: C,
  maxAgeHours: number,
  options: CheckOptions = {},
): CheckOf<'freshness', C> {
  return { kind: 'freshness', column, maxAgeHours, ...options }
}

/**
 * One row for each combination of these columns, none of them NULL: what one row of the table stands for.
 *
 * @example grain(['date_key', 'invoice_no', 'stock_code'])
 */
export function grain<const C extends string>(
  columns: C | readonly C[],
  options: CheckOptions = {},
): CheckOf<'grain', C> {
  return { kind: 'grain', columns: many(columns), ...options }
}

/**
 * Every value is found in another table's columns (of the same names, unless told). Rows with a NULL among the columns are not asked.
 *
 * @example reference('stock_code', 'analytics.dim_product')
 */
export function reference<const C extends string>(
  columns: C | readonly C[],
  to: string,
  options: CheckOptions & { readonly toColumns?: readonly string[] } = {},
): CheckOf<'reference', C> {
  return { kind: 'reference', columns: many(columns), to, toColumns: many(columns), ...options }
}

/**
 * An aggregate gives the same figure over this table and over another.
 *
 * @example reconcile('sum(quantity)', 'silver.inventory', { tolerance: '0.01' })
 */
export function reconcile(
  sql: string,
  table: string,
  options: CheckOptions & { readonly tolerance?: number | string } = {},
): CheckOf<'reconcile', never> {
  return { kind: 'reconcile', sql, with: table, ...options }
}

/**
 * A column's sum lies within the bounds.
 *
 * @example sum('amount', { min: 0 })
 */
export function sum<const C extends string>(column: C, options: Bounds & CheckOptions): CheckOf<'sum', C> {
  return { kind: 'sum', column, ...options }
}
