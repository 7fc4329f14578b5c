/**
 * A model's SQL for another engine, or a refusal that says why.
 *
 * Translators drop or keep constructs in silence (dbt-duckdb's maintainers gave up on one for this). So nothing is translated but what is on the lists below:
 * constructs that DuckDB, Spark, Redshift and PostgreSQL spell and mean alike. Each list entry has a test that executes it.
 */
import type { Problem } from '../base/errors.ts'
import { tokenise } from './lexer.ts'
import { utf16Offsets } from './place.ts'
import { adder } from './report.ts'
import { child, children, extentOf, isName, isTree, kindOf, nameOf, queryKinds, type Tree } from './tree.ts'

/** Engines that a model may be rendered for. */
export type RenderTarget = 'duckdb' | 'spark' | 'redshift' | 'postgres'

/** SQL for the target, or every reason why there is none. */
export type Rendered = { readonly sql: string } | { readonly problems: readonly Problem[] }

/** The parts of the parser's interface that rendering needs. */
export interface Translator {
  readonly parse: (sql: string) => { readonly tree: readonly unknown[] } | { readonly error: string }
  readonly translate: (sql: string, target: RenderTarget) => string | undefined
  readonly format: (sql: string) => string | undefined
}

/** Nodes that mean the same everywhere. Left out on purpose: division (integers), casts (rounding, failures), avg (Redshift truncates), LIMIT. */
const portableNodes: ReadonlySet<string> = new Set(
  (
    'select union subquery paren table column alias star literal boolean null identifier joined_table cte ' +
    'add sub mul neg eq neq lt lte gt gte and or not is_null between in exists case concat like ' +
    'count sum min max upper lower trim coalesce null_if abs window_function row_number rank dense_rank'
  ).split(' '),
)

/** Functions that the parser knows by name only, and that mean the same everywhere. */
const portableFunctions: ReadonlySet<string> = new Set(['nullif'])

/** Members of a node that carry meaning, each checked by its own rule; any other that is set is refused by name. */
const refusedMembers: Readonly<Record<string, string>> = {
  limit: 'LIMIT',
  offset: 'OFFSET',
  fetch: 'FETCH',
  qualify: 'QUALIFY',
  distinct_on: 'DISTINCT ON',
  lateral_views: 'LATERAL VIEW',
  sample: 'USING SAMPLE',
  table_sample: 'TABLESAMPLE',
  windows: 'WINDOW',
  by_name: 'UNION BY NAME',
  except: '* EXCLUDE',
  replace: '* REPLACE',
  rename: '* RENAME',
  frame: 'a window frame',
  lateral: 'LATERAL',
  recursive: 'WITH RECURSIVE',
  filter: 'FILTER',
  ignore_nulls: 'IGNORE NULLS',
  column_aliases: 'a list of column aliases',
  position_explicit: 'TRIM with a position',
  characters: 'TRIM of given characters',
  escape: 'LIKE … ESCAPE',
  catalog: 'a catalog name',
}

const joinKinds: ReadonlySet<string> = new Set(['Inner', 'Left', 'Right', 'Full', 'Cross', 'Implicit'])

/** Renders a model for a target; for DuckDB that is the text itself. */
export function renderSql(
  translator: Translator,
  model: { sql: string; file: string; table: string },
  target: RenderTarget,
): Rendered {
  const { sql } = model
  if (target === 'duckdb') return { sql }
  const problems: Problem[] = []
  const words = tokenise(sql)
  const offset = utf16Offsets(sql)
  const put = adder({ model, problems })
  const refuse = (construct: string, at?: unknown): void => {
    const extent = extentOf(at)
    const word = words.tokens.find(({ text }) => text === construct.split(/[ (]/, 1)[0]?.toLowerCase())
    const place =
      extent === undefined ? (word ?? { start: 0, end: 1 }) : { start: offset(extent.start), end: offset(extent.end) }
    put('Sql.NotPortable', { construct, target }, place)
  }
  const parsed = translator.parse(sql)
  const tree = 'tree' in parsed ? parsed.tree.filter(isTree) : []
  const [query] = tree
  if (query === undefined || tree.length > 1) refuse('What the analysis cannot read')
  else checkTree(query, refuse)
  if (problems.length > 0) return { problems }
  const rendered = translator.translate(sql, target)
  if (rendered === undefined) refuse('A part of the query')
  return rendered === undefined ? { problems } : { sql: rendered }
}

type Refuse = (construct: string, at?: unknown) => void

function checkTree(node: Tree, refuse: Refuse): void {
  const { kind, body } = kindOf(node)
  const isPortable =
    portableNodes.has(kind) || (kind === 'function' && portableFunctions.has(String(body['name']).toLowerCase()))
  if (!isPortable) {
    refuse(constructName(kind, body), node)
    return
  }
  for (const [member, name] of Object.entries(refusedMembers)) if (isSet(body[member])) refuse(name, body[member])
  checkMeaning(kind, body, refuse)
  checkValue(Object.fromEntries(Object.entries(body).filter(([member]) => !(member in refusedMembers))), refuse)
}

const isSet = (value: unknown): boolean =>
  value !== null && value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)

/** Walks what is below a node: objects with one member are nodes, others are parts of one. */
function checkValue(value: unknown, refuse: Refuse): void {
  if (Array.isArray(value)) {
    for (const item of value) checkValue(item, refuse)
    return
  }
  if (!isTree(value) || isName(value)) return
  for (const [member, item] of Object.entries(value)) {
    if (member === 'order_by') checkOrder(item, refuse)
    if (member in refusedMembers && isSet(item)) refuse(refusedMembers[member] as string, item)
    else if (isTree(item) && !isName(item) && isNode(item)) checkTree(item, refuse)
    else if (Array.isArray(item))
      for (const one of item) isTree(one) && isNode(one) ? checkTree(one, refuse) : checkValue(one, refuse)
    else checkValue(item, refuse)
  }
}

/** `{ this: … }` and `{ expressions: […] }` are clauses, not nodes. */
const isNode = (tree: Tree): boolean => Object.keys(tree).length === 1 && !('expressions' in tree) && !('this' in tree)

/** What looks alike and is not. */
function checkMeaning(kind: string, body: Tree, refuse: Refuse): void {
  if (kind === 'literal' && String(body['value']).includes('\\')) refuse('A text with a backslash')
  if (kind === 'literal' && !['number', 'string'].includes(String(body['literal_type'])))
    refuse('A literal of this kind')
  if (kind === 'like' && !children(body, 'right').length && child(child(body, 'right'), 'literal') === undefined)
    refuse('LIKE with a computed pattern', body)
  if (kind === 'select') {
    if (body['from'] === null) refuse('SELECT without FROM')
    for (const join of children(body, 'joins'))
      if (!joinKinds.has(String(join['kind']))) refuse(`${join['kind']} JOIN`, join)
    if (child(body, 'group_by')?.['all'] === true) refuse('GROUP BY ALL')
    checkAliases(body, refuse)
  }
}

/** Engines disagree on where nulls come, and a window or an aggregate depends on it. */
function checkOrder(orderBy: unknown, refuse: Refuse): void {
  for (const order of children({ orderBy }, 'orderBy').concat(
    children(isTree(orderBy) ? orderBy : {}, 'expressions'),
  )) {
    if ((order['nulls_first'] ?? null) === null) refuse('ORDER BY without NULLS FIRST or NULLS LAST', order)
  }
}

/** DuckDB lets later items and WHERE use an alias of the SELECT list; others do not, or mean a column. */
function checkAliases(body: Tree, refuse: Refuse): void {
  const aliases = new Set<string>()
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look)
    if (!isTree(value) || isName(value)) return
    for (const [kind, item] of Object.entries(value)) {
      if (queryKinds.has(kind)) continue
      const name =
        kind === 'column' && isTree(item) && nameOf(item, 'table') === undefined ? nameOf(item, 'name') : undefined
      if (name !== undefined && aliases.has(name.name.toLowerCase()))
        refuse(`The use of the alias "${name.name}"`, name)
      look(item)
    }
  }
  for (const item of children(body, 'expressions')) {
    look(item)
    const alias = nameOf(child(item, 'alias'), 'alias')
    if (alias !== undefined) aliases.add(alias.name.toLowerCase())
  }
  for (const clause of ['where_clause', 'group_by', 'having', 'joins']) look(body[clause])
}

function constructName(kind: string, body: Tree): string {
  if (kind === 'function' || kind === 'aggregate_function') return `${String(body['name']).toLowerCase()}(…)`
  return kind.replaceAll('_', ' ').toUpperCase()
}

/**
 * SQL laid out evenly. Where the layout would lose anything (a comment, a construct), the text comes back as it was.
 */
export function formatSql(translator: Translator, sql: string): string {
  const formatted = translator.format(sql)
  if (formatted === undefined) return sql
  const meaning = (text: string): string => {
    const parsed = translator.parse(text)
    return 'tree' in parsed ? JSON.stringify(parsed.tree, (key, value) => (key === 'span' ? undefined : value)) : ''
  }
  const words = (text: string): number => tokenise(text).tokens.length
  const comments = /--|\/\*/.test(sql)
  const same = !comments && meaning(sql) !== '' && meaning(sql) === meaning(formatted) && words(sql) <= words(formatted)
  return same ? `${formatted.trimEnd()}\n` : sql
}
