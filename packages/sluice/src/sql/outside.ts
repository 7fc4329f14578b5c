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
  /^(read_\w+|parquet_\w+|\w+_scan|scan_\w+|sniff_csv|glob|query|query_table|duckdb_\w+|pragma_\w+|st_read\w*|getenv|current_setting|test_all_types|which_secret|arrow_scan\w*)$/

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

/** A part of DuckDB's own tree of a statement. */
type Node = { readonly [key: string]: unknown }

/**
 * Every node of a tree that DuckDB's parser made. A stack of its own: a deeply nested statement must not exhaust JavaScript's.
 *
 * @example [...nodesOf(statements)].filter(({ type }) => type === 'BASE_TABLE')
 */
export function* nodesOf(tree: unknown): Iterable<Node> {
  const open: unknown[] = [tree]
  while (open.length > 0) {
    const node = open.pop()
    if (typeof node !== 'object' || node === null) continue
    if (!Array.isArray(node)) yield node as Node
    open.push(...Object.values(node))
  }
}

/** What a statement reads from outside, and where that stands in its text. */
export interface Outside {
  readonly what: string
  readonly offset: number
}

/**
 * What a parsed statement reads beside tables: files by any spelling, functions that reach outside, the engine's own tables.
 *
 * @example outsideIn(statements) // [{ what: 'read_csv(…)', offset: 14 }]
 */
export function outsideIn(tree: unknown): readonly Outside[] {
  const nodes = [...nodesOf(tree)]
  const found = nodes.flatMap((node): Outside[] => {
    const what = whatOutside(node)
    return what === undefined ? [] : [{ what, offset: Number(node['query_location'] ?? 0) }]
  })
  return found.sort((a, b) => a.offset - b.offset)
}

function whatOutside(node: Node): string | undefined {
  switch (node['type']) {
    case 'BASE_TABLE': {
      const name = String(node['table_name'] ?? '')
      const isBare = node['schema_name'] === undefined && node['catalog_name'] === undefined
      return isBare && isOutsideName(name) ? `the file ${name}` : undefined
    }
    case 'TABLE_FUNCTION': {
      const name = String((node['function'] as Node | undefined)?.['function_name'] ?? '').toLowerCase()
      return safeTableFunctions.has(name) ? undefined : `${name}(…)`
    }
    case 'SHOW_REF':
      return node['query'] === undefined ? "the engine's own tables (SHOW)" : undefined
    case 'FUNCTION': {
      const name = String(node['function_name'] ?? '').toLowerCase()
      // A table function's call is a node of its own below it, and is judged by it.
      return isOutsideFunction(name) && !safeTableFunctions.has(name) ? `${name}(…)` : undefined
    }
    default:
      return undefined
  }
}

/**
 * The tables that a parsed statement names with their schema, `<layer>.<table>`; and those without, which are none of its own WITH clauses.
 *
 * @example namedTables(statements) // { qualified: ['raw.sales'], bare: [] }
 */
export function namedTables(tree: unknown): {
  readonly qualified: readonly string[]
  readonly bare: readonly string[]
} {
  const nodes = [...nodesOf(tree)]
  const own = new Set<string>()
  for (const node of nodes) {
    const map = (node['cte_map'] as { map?: readonly { key?: unknown }[] } | undefined)?.map ?? []
    for (const { key } of map) own.add(String(key).toLowerCase())
    if (typeof node['cte_name'] === 'string') own.add(node['cte_name'].toLowerCase())
  }
  const tables = nodes.filter(({ type }) => type === 'BASE_TABLE')
  return {
    qualified: tables.flatMap((node) =>
      node['schema_name'] === undefined ? [] : [`${node['schema_name']}.${node['table_name']}`],
    ),
    bare: tables.flatMap((node) => {
      const name = String(node['table_name'])
      return node['schema_name'] !== undefined || own.has(name.toLowerCase()) ? [] : [name]
    }),
  }
}

/** Keys of a SELECT that consists of one expression alone. */
const bareSelect = new Set(['type', 'select_list', 'from_table', 'aggregate_handling'])

/**
 * Why a text is not one expression over the columns of a table; undefined where it is. The tree is of `SELECT <text>`.
 *
 * @example expressionMisfit(statements) // 'it reads another table'
 */
export function expressionMisfit(statements: readonly Node[]): string | undefined {
  if (statements.length !== 1) return `it is ${statements.length} statements, and not one expression`
  const select = statements[0]?.['node'] as Node | undefined
  const list = (select?.['select_list'] ?? []) as readonly Node[]
  const isBare =
    select?.['type'] === 'SELECT_NODE' &&
    Object.keys(select).every((key) => bareSelect.has(key)) &&
    (select['from_table'] as Node | undefined)?.['type'] === 'EMPTY'
  if (!isBare || list.length !== 1) return 'it is more than one expression'
  if (list[0]?.['alias'] !== undefined) return 'it is more than one expression, at its alias'
  for (const node of nodesOf(list)) {
    if (node['class'] === 'SUBQUERY') return 'it reads another table'
    if (node['class'] === 'WINDOW') return 'it looks at other rows, by OVER'
    if (node['class'] === 'PARAMETER') return 'it has a parameter, which nothing fills in'
  }
  const [outside] = outsideIn(list)
  return outside === undefined
    ? undefined
    : `it reads ${outside.what}, and nothing but the columns of its own table can be read here`
}
