/** What a model may not read: anything that is not a version of a table. An allow-list, so that what is new is refused until it is known. */

/** Table functions that compute from their arguments alone. */
export const safeTableFunctions: ReadonlySet<string> = new Set([
  'unnest',
  'range',
  'generate_series',
  'repeat',
  'json_each',
  'json_tree',
])

/** Functions that reach outside wherever they stand, also where a model could not be parsed and only its words are known. */
const outsideFunctions =
  /^(read_\w+|parquet_\w+|\w+_scan|scan_\w+|sniff_csv|glob|query|query_table|duckdb_\w+|pragma_\w+|st_read\w*|getenv|test_all_types|which_secret|arrow_scan\w*)$/

/** First words of statements that are not queries. */
export const otherStatements: ReadonlySet<string> = new Set(
  (
    'alter analyze attach begin call checkpoint comment commit copy create deallocate delete describe detach drop execute explain export ' +
    'import insert install load merge pragma prepare reset rollback set show summarize transaction truncate update use vacuum'
  ).split(' '),
)

/** Whether a function reads files, settings or the engine's own tables. */
export function isOutsideFunction(name: string): boolean {
  return outsideFunctions.test(name)
}

/** Whether an unqualified table name is a file's: DuckDB reads `from 'x.csv'`. */
export function isOutsideName(name: string): boolean {
  return /[./\\*?:]/.test(name)
}
