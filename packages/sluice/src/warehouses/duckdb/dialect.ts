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
  // 64-bit hashes, one summed in 128 bits and one combined by XOR: neither depends on the order of rows.
  fingerprint: (columns) => {
    const list = columns.map(quoteIdentifier).join(', ')
    return `CAST(sum(CAST(hash(${list}) AS HUGEINT)) AS VARCHAR) || ':' || CAST(bit_xor(hash(${list}, 'sluice')) AS VARCHAR)`
  },
  tryCast: (expression, type) => `TRY_CAST(${expression} AS ${type})`,
}
