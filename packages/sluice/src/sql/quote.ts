/** The only functions that turn a name or a text into SQL. Values that can be parameters are parameters; these are for the places that cannot. */

/**
 * Quotes an identifier for DuckDB, PostgreSQL and Redshift, which share the rule (SQL-92, 5.2: double quotes, doubled inside).
 *
 * @example quoteIdentifier('Mês "x"') // '"Mês ""x"""'
 */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * Quotes each part of a dotted name.
 *
 * @example quoteName('raw.sales') // '"raw"."sales"'
 */
export function quoteName(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.')
}

/**
 * Quotes a text literal; backslashes stay themselves (DuckDB, and PostgreSQL with its standard_conforming_strings).
 *
 * @example quoteText("it's") // "'it''s'"
 */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/**
 * Quotes the path of one file for DuckDB's readers, which take every path for a glob: a set of one character stands for that character alone.
 *
 * @example quotePath('/data/[eu]/a.parquet') // "'/data/[[]eu]/a.parquet'"
 */
export function quotePath(path: string): string {
  return quoteText(path.replace(/[*?[]/g, '[$&]'))
}

/**
 * The relation of exactly these Parquet files, with their own columns alone: DuckDB would take a folder named `region=eu` for a column, in place
 * of the file's own.
 *
 * @example readParquetSql(['/data/a.parquet']) // "read_parquet(['/data/a.parquet'], hive_partitioning = false)"
 * @param paths local and absolute; at least one
 */
export function readParquetSql(paths: readonly string[], ...more: readonly string[]): string {
  return `read_parquet([${paths.map(quotePath).join(', ')}], ${['hive_partitioning = false', ...more].join(', ')})`
}
