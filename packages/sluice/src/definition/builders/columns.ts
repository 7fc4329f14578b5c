/** Builders of columns. Each returns plain data; nothing is checked here, so that TypeScript, JSON and YAML are checked alike. */
import type { ColumnInput } from '../input.ts'
import type { Column, ColumnType } from '../types.ts'

/** Everything of a column but its type. */
export type ColumnOptions = Omit<Column, 'type'>

/**
 * A column with options.
 *
 * @example column('text', { trim: true, nulls: ['', 'N/A'] })
 */
export function column(type: ColumnType, options: ColumnOptions = {}): Column {
  return { type, ...options }
}

/**
 * A column in which NULL is a legal value.
 *
 * @example nullable('text')
 * @example nullable(timestamp('M/d/yyyy H:mm'))
 */
export function nullable(type: ColumnInput, options: ColumnOptions = {}): Column {
  return { ...(typeof type === 'string' ? { type } : type), ...options, nullable: true }
}

/**
 * An exact number with `precision` digits, `scale` of them after the point; a value that has more is refused, never rounded.
 *
 * @example decimal(12, 3)
 */
export function decimal(precision: number, scale: number, options: ColumnOptions = {}): Column {
  return { type: `decimal(${precision},${scale})`, ...options }
}

/** One accepted pattern, or several. */
type Patterns = string | readonly string[]

/**
 * A date and time without a zone, in the accepted pattern (Unicode letters), or in one of several. `zone` says where the clock hung that wrote it: times that this zone
 * skips are refused, and times that it has twice need `overlap`.
 *
 * @example timestamp('M/d/yyyy H:mm', { zone: 'Europe/London' })
 */
export function timestamp(format?: Patterns, options: ColumnOptions = {}): Column {
  return { type: 'timestamp', ...(format === undefined ? {} : { format }), ...options }
}

/**
 * An instant. Text that carries no offset needs the `zone` that it was written in.
 *
 * @example timestamptz('yyyy-MM-dd HH:mm:ss', { zone: 'Europe/Istanbul', overlap: 'earlier' })
 */
export function timestamptz(format?: Patterns, options: ColumnOptions = {}): Column {
  return { type: 'timestamptz', ...(format === undefined ? {} : { format }), ...options }
}

/**
 * A date, in the accepted pattern (Unicode letters), or in one of several.
 *
 * @example date('dd.MM.yyyy')
 * @example date(['dd.MM.yyyy', 'yyyy-MM-dd'])
 */
export function date(format?: Patterns, options: ColumnOptions = {}): Column {
  return { type: 'date', ...(format === undefined ? {} : { format }), ...options }
}

/**
 * A truth value, by the texts that are accepted for it.
 *
 * @example boolean(['Y'], ['N'])
 */
export function boolean(trueValues?: readonly string[], falseValues?: readonly string[]): Column {
  return {
    type: 'boolean',
    ...(trueValues === undefined ? {} : { trueValues }),
    ...(falseValues === undefined ? {} : { falseValues }),
  }
}
