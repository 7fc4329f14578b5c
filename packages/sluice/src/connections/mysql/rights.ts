/** The statement that gives an account the right that it lacks, made from what the server says of it. */
import { quoteIdentifier } from './names.ts'

/** Access to a database or object denied, a privilege that is missing, EXECUTE denied. https://mariadb.com/kb/en/mariadb-error-codes/ */
export const denied: ReadonlySet<number> = new Set([1044, 1142, 1143, 1227, 1370])

/** An account as the server names it. */
const account = `user '((?:[^']|'')*)'@'((?:[^']|'')*)'`

/**
 * The GRANT that a refusal asks for; undefined where the server does not say which right is missing. The account is the one that was refused: of a
 * procedure with the rights of its definer, the definer.
 *
 * @example grantFor("execute command denied to user 'reader'@'%' for routine 'erp.usp_x'") // "GRANT EXECUTE ON PROCEDURE `erp`.`usp_x` TO 'reader'@'%';"
 */
export function grantFor(text: string): string | undefined {
  const found = new RegExp(account).exec(text)
  if (found === null) return undefined
  const to = `TO '${found[1]}'@'${found[2]}';`
  const [, routine] = /for routine '(.+)'$/.exec(text) ?? []
  if (routine !== undefined) return `GRANT EXECUTE ON PROCEDURE ${quoted(routine.split('.'))} ${to}`
  const [, database] = /to database '(.+)'$/.exec(text) ?? []
  if (database !== undefined) return `GRANT EXECUTE ON ${quoteIdentifier(database)}.* ${to}`
  const [, right, column, table] =
    /^([A-Z, ]+) command denied to .* for (?:column '(.+)' in )?table (.+)$/.exec(text) ?? []
  if (right === undefined || table === undefined) return undefined
  const columns = column === undefined ? '' : ` (${quoteIdentifier(column)})`
  // MariaDB quotes each part; MySQL quotes the table's name, and leaves its database out.
  const parts = table.startsWith('`')
    ? [...table.matchAll(/`((?:[^`]|``)+)`/g)].map(([, part]) => (part as string).replaceAll('``', '`'))
    : [table.slice(1, -1)]
  return `GRANT ${right}${columns} ON ${quoted(parts)} ${to}`
}

const quoted = (parts: readonly string[]): string => parts.map(quoteIdentifier).join('.')
