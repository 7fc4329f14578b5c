/** Builders of sources and of the formats of their files. */
import type { ColumnsInput, FilesInput, FilesOptions } from '../input.ts'
import type { CsvFormat, JsonLinesFormat, ParquetFormat } from '../types.ts'

/**
 * A source of files: everything below the project that matches the path, each file taken once.
 *
 * @example
 * files('inbox/sales_*.csv', {
 *   columns: { invoice_no: 'text', quantity: 'integer', customer_id: nullable('text') },
 *   checks: [notNull('customer_id'), range('quantity', { min: 1 })],
 *   fileDate: 'yyyy-MM-dd',
 * })
 */
export function files<const C extends ColumnsInput>(path: string, options: FilesOptions<C>): FilesInput<C> {
  return { kind: 'files', path, ...options }
}

/**
 * CSV that is not the default kind.
 *
 * @example csv({ delimiter: ';', encoding: 'windows-1252' })
 */
export function csv(options: Omit<CsvFormat, 'kind'> = {}): CsvFormat {
  return { kind: 'csv', ...options }
}

/**
 * JSON Lines: one object a line.
 *
 * @example jsonl({ extraColumns: 'ignore' })
 */
export function jsonl(options: Omit<JsonLinesFormat, 'kind'> = {}): JsonLinesFormat {
  return { kind: 'jsonl', ...options }
}

/**
 * Parquet.
 *
 * @example parquet({ extraColumns: 'ignore' })
 */
export function parquet(options: Omit<ParquetFormat, 'kind'> = {}): ParquetFormat {
  return { kind: 'parquet', ...options }
}
