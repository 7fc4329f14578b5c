/** DuckDB's own spellings. */
import { quoteIdentifier } from '../../sql/quote.ts'
import type { Dialect } from '../dialect.ts'

/** The dialect of DuckDB. */
export const duckDbDialect: Dialect = {
  name: 'duckdb',
  maxIdentifierBytes: 255,
  rowAddress: 'rowid',
  columnType: (engineType) => engineType,
  differs: (a, b) => `${a} IS DISTINCT FROM ${b}`,
  instantText: (expression) => `CAST(epoch_us(${expression}) AS VARCHAR)`,
  rowHash: (columns) => `hash(${columns.map(quoteIdentifier).join(', ')})`,
  // One summed in 128 bits, its hash combined by XOR: neither depends on the order of rows.
  fingerprint: (hash) =>
    `CAST(sum(CAST(${hash} AS HUGEINT)) AS VARCHAR) || ':' || CAST(bit_xor(hash(${hash})) AS VARCHAR)`,
  tryCast: (expression, type) => `TRY_CAST(${expression} AS ${type})`,
}
