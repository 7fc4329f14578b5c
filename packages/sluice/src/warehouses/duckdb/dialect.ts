/** DuckDB's own spellings. */
import { quoteName } from '../../sql/quote.ts'
import type { Dialect } from '../dialect.ts'

/** The dialect of DuckDB. */
export const duckDbDialect: Dialect = {
  name: 'duckdb',
  maxIdentifierBytes: 255,
  rowAddress: ['rowid'],
  countsByScan: false,
  ownSchema: 'sluice',
  table: quoteName,
  working: { schema: 'temp', untilCommit: '' },
  columnType: (engineType) => engineType,
  heldAs: (engineType) => engineType,
  differs: (a, b) => `${a} IS DISTINCT FROM ${b}`,
  // Another version may hash otherwise.
  rowDigest: (columns, condition) =>
    `CAST(sum(CASE WHEN ${condition} THEN hash(${columns.join(', ')}) END) AS VARCHAR)`,
  digestMaker: 'version()',
  digestsOf: 'version()',
  instantText: (expression) => `CAST(epoch_us(${expression}) AS VARCHAR)`,
}
