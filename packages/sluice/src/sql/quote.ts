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
