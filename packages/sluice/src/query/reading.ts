/** What a statement reads, from DuckDB's tree of it. Pure. */

/** A relation as a statement names it; empty where it does not say. */
export interface NamedRelation {
  readonly catalog: string
  readonly schema: string
  readonly name: string
}

/** What has to be at hand before a statement runs. */
export interface Reading {
  /** Every table and view, in subqueries, too. Names of CTEs are among them. */
  readonly relations: readonly NamedRelation[]
  /** Whether it asks what tables and columns there are. */
  readonly lists: boolean
  /** Whether it may read a column; false only where it certainly does not. */
  readonly mayRead: (column: string) => boolean
  /** More rows of its one relation than these cannot change the answer: 0 where only columns are asked for. */
  readonly rows?: number
}

/** A part of a tree. */
export type Node = { readonly [key: string]: unknown }

const catalogs: ReadonlySet<string> = new Set(['information_schema', 'pg_catalog'])

/**
 * Looks through a tree as `json_serialize_sql` writes it.
 *
 * @param sql the statement's text: a column that it reads by name is in it
 * @example readingOf(tree, 'SELECT id FROM warehouse.people').relations // [{ catalog: '', schema: 'warehouse', name: 'people' }]
 */
export function readingOf(tree: unknown, sql: string): Reading {
  const nodes = [...nodesIn(tree)]
  const tables = nodes.filter(({ type }) => type === 'BASE_TABLE')
  const shows = nodes.filter(({ type }) => type === 'SHOW_REF')
  const relations = tables.map((node) => ({
    catalog: textOf(node, 'catalog_name'),
    schema: textOf(node, 'schema_name'),
    name: textOf(node, 'table_name'),
  }))
  // A relation's own name in an expression is its whole row.
  const rowNames = new Set(tables.flatMap((node) => [textOf(node, 'alias'), textOf(node, 'table_name')].map(lower)))
  const takesAll = nodes.some(
    (node) =>
      (node['class'] === 'STAR' && node['type'] === 'STAR') ||
      node['class'] === 'POSITIONAL_REFERENCE' ||
      node['type'] === 'PIVOT' ||
      isFull(node['column_name_alias']) ||
      node['ref_type'] === 'NATURAL' ||
      (node['class'] === 'COLUMN_REF' && (node['column_names'] as string[]).some((name) => rowNames.has(lower(name)))),
  )
  const words = wordsOf(sql)
  const rows = rowsOf(tree, tables.length)
  return {
    relations,
    lists:
      relations.some(({ schema }) => catalogs.has(lower(schema))) ||
      // SHOW TABLES is of the lake alone, as its tables need no other name.
      shows.some((node) => !isFull(node['query']) && node['table_name'] !== '"tables"'),
    mayRead: (column) => takesAll || [...wordsOf(column)].every((word) => words.has(word)),
    ...(rows === undefined ? {} : { rows }),
  }
}

/** The words of a text, in lower case. @example wordsOf('SELECT "My id"') // Set { 'select', 'my', 'id' } */
export function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{M}\p{N}_]+/gu))
}

/** Every part of a tree, in no order. @example for (const node of nodesIn(tree)) … */
export function* nodesIn(tree: unknown): Iterable<Node> {
  // A stack of its own: a deeply nested statement must not exhaust JavaScript's.
  const open: unknown[] = [tree]
  while (open.length > 0) {
    const node = open.pop()
    if (typeof node !== 'object' || node === null) continue
    if (!Array.isArray(node)) yield node as Node
    for (const child of Object.values(node)) open.push(child)
  }
}

/** Only of statements so plain that nothing else of them asks for rows: DESCRIBE, and columns of one table with a LIMIT. */
function rowsOf(tree: unknown, tables: number): number | undefined {
  const select = (tree as { readonly node?: Node } | null)?.node
  const from = select?.['from_table'] as Node | undefined
  if (from?.['type'] === 'SHOW_REF' && from['show_type'] === 'DESCRIBE') return 0
  if (select?.['type'] !== 'SELECT_NODE' || from?.['type'] !== 'BASE_TABLE' || tables !== 1 || isFull(from['sample']))
    return undefined
  if (['where_clause', 'group_expressions', 'having', 'sample', 'qualify'].some((part) => isFull(select[part])))
    return undefined
  const isPlain = (select['select_list'] as Node[]).every((one) => /^(COLUMN_REF|STAR)$/.test(String(one['class'])))
  const [limit, another] = (select['modifiers'] ?? []) as Node[]
  if (!isPlain || limit?.['type'] !== 'LIMIT_MODIFIER' || another !== undefined || isFull(limit['offset']))
    return undefined
  const { class: kind, value } = (limit['limit'] ?? {}) as { class?: string; value?: { value?: unknown } }
  return kind === 'CONSTANT' && typeof value?.value === 'number' && value.value >= 0
    ? Math.ceil(value.value)
    : undefined
}

const isFull = (part: unknown): boolean =>
  part !== null && part !== undefined && (typeof part !== 'object' || Object.keys(part).length > 0)

const textOf = (node: Node, key: string): string => String(node[key] ?? '')
const lower = (text: string): string => text.toLowerCase()
