/** Decides whether a statement only reads tables: by DuckDB's own parser, never by looking at the text. */
import { sluiceError } from '../base/errors.ts'
import type { Session } from '../engines/engine.ts'
import { type Node, nodesIn, type Reading, readingOf } from './reading.ts'

/** Table functions that read nothing but their arguments; all others are refused (read_text, glob, query, duckdb_views …). */
const harmless: ReadonlySet<string> = new Set([
  'range',
  'generate_series',
  'unnest',
  'repeat',
  'repeat_row',
  'json_each',
  'json_tree',
])

/** An unqualified name with one of these is a file to DuckDB, not a table. */
const fileName = /[./\\*?:]/

interface Serialized {
  readonly error: boolean
  readonly error_type?: string
  readonly error_message?: string
  readonly position?: string
  readonly statements?: readonly unknown[]
}

/**
 * Refuses everything but one statement that reads tables; what it reads.
 *
 * @example await assertReadOnly(session, 'SELECT * FROM raw.sales')
 * @throws Query.NotReadOnly for what writes, attaches, sets, or reads files
 * @throws Query.Failed for what DuckDB cannot parse
 */
export async function assertReadOnly(session: Session, sql: string): Promise<Reading> {
  const [row] = await session.all<{ json: string }>('SELECT json_serialize_sql($1::VARCHAR) AS json', [sql])
  const tree = JSON.parse(row?.json ?? '{"error":true}') as Serialized
  if (tree.error) {
    if (tree.error_type === 'not implemented') throw refused('a statement that is not a query')
    throw sluiceError('Query.Failed', {
      detail: `${tree.error_message ?? 'it cannot be parsed'}${placeOf(sql, tree.position)}`,
    })
  }
  const statements = tree.statements ?? []
  if (statements.length !== 1)
    throw refused(statements.length === 0 ? 'nothing in it' : `${statements.length} statements`)
  for (const node of nodesIn(statements)) assertHarmless(node)
  return readingOf(statements[0], sql)
}

function assertHarmless(node: Node): void {
  if (node['type'] === 'TABLE_FUNCTION') {
    const name = (node['function'] as { function_name?: string } | undefined)?.function_name?.toLowerCase()
    if (name === undefined || !harmless.has(name)) throw refused(`the table function ${name ?? 'without a name'}`)
  }
  if (node['type'] === 'BASE_TABLE') {
    const { catalog_name, schema_name, table_name } = node as {
      catalog_name?: string
      schema_name?: string
      table_name?: string
    }
    if (!catalog_name && !schema_name && fileName.test(table_name ?? '')) throw refused(`the file name '${table_name}'`)
  }
}

function refused(found: string): Error {
  return sluiceError('Query.NotReadOnly', { found })
}

function placeOf(sql: string, position: string | undefined): string {
  if (position === undefined) return ''
  const before = sql.slice(0, Number(position)).split('\n')
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`
}
