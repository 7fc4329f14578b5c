/** DuckDB's own spellings. */
import type { Dialect } from '../dialect.ts'

/** The dialect of DuckDB. */
export const duckDbDialect: Dialect = {
  name: 'duckdb',
  maxIdentifierBytes: 255,
  rowAddress: 'rowid',
  countsByScan: false,
  ownSchema: 'sluice',
  columnType: (engineType) => engineType,
  heldAs: (engineType) => engineType,
  differs: (a, b) => `${a} IS DISTINCT FROM ${b}`,
  instantText: (expression) => `CAST(epoch_us(${expression}) AS VARCHAR)`,
}
