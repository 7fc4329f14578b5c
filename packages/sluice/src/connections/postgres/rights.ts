/** The statement that gives a role the right that it lacks, made from what the server says of it. */
import { quoteIdentifier } from '../../sql/quote.ts'
import { parseName } from './names.ts'

const selected = new Set(['table', 'view', 'materialized view', 'foreign table', 'relation', 'column'])

/**
 * The GRANT that a refusal asks for; undefined where the server does not say which right is missing.
 *
 * @example grantFor('permission denied for schema erp', 'reader', 'erp.usp_x') // 'GRANT USAGE ON SCHEMA "erp" TO "reader";'
 * @param procedure what was called: the server names a routine without its schema
 */
export function grantFor(text: string, user: string, procedure: string): string | undefined {
  const [, kind, name] = /^permission denied for ([a-z ]+?) ([^ ].*)$/.exec(text) ?? []
  if (kind === undefined || name === undefined) return undefined
  const to = `TO ${quoteIdentifier(user)};`
  if (kind === 'schema') return `GRANT USAGE ON SCHEMA ${quoteIdentifier(name)} ${to}`
  if (kind === 'sequence') return `GRANT USAGE ON SEQUENCE ${quoteIdentifier(name)} ${to}`
  if (selected.has(kind)) return `GRANT SELECT ON ${quoteIdentifier(name)} ${to}`
  if (kind !== 'function' && kind !== 'procedure' && kind !== 'routine') return undefined
  const parts = parseName(procedure)
  const called = parts.at(-1) === name ? parts : [name]
  return `GRANT EXECUTE ON ROUTINE ${called.map(quoteIdentifier).join('.')} ${to}`
}
