/** A statement as DuckDB's own parser reads it: no text is judged by its looks where the engine can say what it means. */
import type { Session } from './engine.ts'

/** A node of the tree: `type`, `class` and whatever else it has. */
export type SqlNode = { readonly [key: string]: unknown }

/** What the parser made of a text. */
export type ParsedSql =
  | { readonly statements: readonly SqlNode[] }
  /** It cannot be parsed; `offset` is where, as far as that is known. */
  | { readonly error: string; readonly offset?: number }
  /** It can, and is not queries alone: it writes, attaches or sets, or DuckDB would run several statements for it. */
  | { readonly notQuery: true }

interface Serialized {
  readonly error: boolean
  readonly error_type?: string
  readonly error_message?: string
  readonly position?: string
  readonly statements?: readonly SqlNode[]
}

/**
 * Parses SQL without running or binding it.
 *
 * @example await parseStatements(session, 'SELECT 1 AS a') // { statements: [{ node: { type: 'SELECT_NODE', … } }] }
 */
export async function parseStatements(session: Session, sql: string): Promise<ParsedSql> {
  const [row] = await session.all<{ json: string }>(
    'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true, skip_default := true) AS json',
    [sql],
  )
  const tree = JSON.parse(row?.json ?? '{"error":true}') as Serialized
  if (!tree.error) return { statements: tree.statements ?? [] }
  if (tree.error_type === 'not implemented') return { notQuery: true }
  const offset = tree.position === undefined ? {} : { offset: Number(tree.position) }
  return { error: tree.error_message ?? 'it cannot be parsed', ...offset }
}
