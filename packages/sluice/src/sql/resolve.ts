/**
 * Resolves a query: which tables it reads, and which table columns each of its output columns is made from.
 *
 * Whatever is not understood is open: nothing is reported about names that might come from there, so that no query DuckDB accepts is refused.
 */
import { expandColumns, implicitColumns } from './expand.ts'
import { noteDistinctOn, noteFunction, noteLimit } from './nondeterminism.ts'
import { readJoin, readRelation } from './relations.ts'
import {
  type Column,
  type Ctes,
  innerScope,
  lookUp,
  type Resolution,
  type Result,
  renameColumns,
  type Scope,
  same,
} from './scope.ts'
import {
  child,
  children,
  dottedName,
  isName,
  isTree,
  kindOf,
  type Name,
  nameOf,
  namesOf,
  queryKinds,
  type Tree,
} from './tree.ts'

/** Resolves any query node, with the places around it. */
export function resolveQuery(node: Tree, ctes: Ctes | undefined, parent: Scope | undefined, to: Resolution): Result {
  const { kind, body } = kindOf(node)
  const visible = resolveCtes(child(body, 'with'), ctes, parent, to)
  if (kind === 'select') return resolveSelect(body, visible, parent, to)
  if (kind === 'union' || kind === 'intersect' || kind === 'except') return resolveSet(kind, body, visible, parent, to)
  if (kind === 'values') return resolveValues(body, visible, parent, to)
  const inner = child(body, 'this')
  if ((kind === 'subquery' || kind === 'paren') && inner !== undefined) {
    const result = resolveQuery(inner, visible, parent, to)
    resolveTail(body, result, visible, parent, to)
    return result
  }
  if (kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'merge') to.report.writes(kind)
  const scope = innerScope(parent, visible)
  const relation = readRelation(node, scope, to)
  return relation ?? { columns: [], open: true }
}

/** Adds a WITH clause's tables to those that are visible. */
function resolveCtes(
  clause: Tree | undefined,
  ctes: Ctes | undefined,
  parent: Scope | undefined,
  to: Resolution,
): Ctes | undefined {
  let visible = ctes
  for (const cte of children(clause, 'ctes')) {
    const name = nameOf(cte, 'alias')?.name ?? ''
    const query = child(cte, 'this')
    if (query === undefined) continue
    const names = namesOf(cte, 'columns')
    const recursive = clause?.['recursive'] === true
    const result = recursive
      ? resolveRecursive(name, names, query, visible, parent, to)
      : renameColumns(resolveQuery(query, visible, parent, to), names)
    visible = { name, result, next: visible }
  }
  return visible
}

/** The anchor gives names; lineage flows round until it no longer grows. */
function resolveRecursive(
  name: string,
  names: readonly Name[],
  query: Tree,
  ctes: Ctes | undefined,
  parent: Scope | undefined,
  to: Resolution,
): Result {
  const { kind, body } = kindOf(query)
  const anchor = kind === 'union' ? child(body, 'left') : undefined
  if (anchor === undefined) return renameColumns(resolveQuery(query, ctes, parent, to), names)
  const quiet = { ...to, report: to.report.silenced() }
  const own = resolveCtes(child(body, 'with'), ctes, parent, quiet)
  let result = renameColumns(resolveQuery(anchor, own, parent, quiet), names)
  for (let size = -1; size !== sizeOf(result); ) {
    size = sizeOf(result)
    result = renameColumns(resolveQuery(query, { name, result, next: ctes }, parent, quiet), names)
  }
  return renameColumns(resolveQuery(query, { name, result, next: ctes }, parent, to), names)
}

const sizeOf = (result: Result): number => result.columns.reduce((sum, column) => sum + column.from.size, 0)

function resolveSet(
  kind: string,
  body: Tree,
  ctes: Ctes | undefined,
  parent: Scope | undefined,
  to: Resolution,
): Result {
  const empty: Result = { columns: [], open: true }
  const [leftNode, rightNode] = [child(body, 'left'), child(body, 'right')]
  const left = leftNode === undefined ? empty : resolveQuery(leftNode, ctes, parent, to)
  const right = rightNode === undefined ? empty : resolveQuery(rightNode, ctes, parent, to)
  const byName = body['by_name'] === true
  const partner = (column: Column, at: number): Column | undefined =>
    byName
      ? right.columns.find((other) => column.name !== undefined && same(other.name, column.name))
      : right.columns[at]
  const columns = left.columns.map((column, at) => {
    const other = kind === 'except' ? undefined : partner(column, at)
    return other === undefined ? column : { ...column, from: new Set([...column.from, ...other.from]) }
  })
  const added = byName
    ? right.columns.filter(({ name }) => name === undefined || !left.columns.some((column) => same(column.name, name)))
    : []
  const result = { columns: [...columns, ...added], open: left.open || (byName && right.open) }
  resolveTail(body, result, ctes, parent, to)
  return result
}

/** ORDER BY and LIMIT after a set operation or a query in parentheses see its output only. */
function resolveTail(
  body: Tree,
  result: Result,
  ctes: Ctes | undefined,
  parent: Scope | undefined,
  to: Resolution,
): void {
  const scope = innerScope(parent, ctes)
  scope.relations.push({ alias: undefined, ...result })
  const order = child(body, 'order_by')
  if (!isAll(order)) dependencies(order, scope, to)
  noteLimit(body, to)
}

function resolveValues(body: Tree, ctes: Ctes | undefined, parent: Scope | undefined, to: Resolution): Result {
  const scope = innerScope(parent, ctes)
  const columns: { name: string; from: Set<string> }[] = []
  for (const row of children(body, 'expressions')) {
    children(row, 'expressions').forEach((value, at) => {
      columns[at] ??= { name: `col${at}`, from: new Set() }
      for (const source of dependencies(value, scope, to)) columns[at].from.add(source)
    })
  }
  return { columns, open: false }
}

function resolveSelect(body: Tree, ctes: Ctes | undefined, parent: Scope | undefined, to: Resolution): Result {
  const scope = innerScope(parent, ctes)
  for (const item of children(child(body, 'from'), 'expressions')) readRelation(item, scope, to)
  for (const join of children(body, 'joins')) readJoin(join, scope, to)
  if (children(body, 'lateral_views').length > 0) scope.relations.push({ alias: undefined, columns: [], open: true })

  const columns: Column[] = []
  let open = false
  for (const item of children(body, 'expressions')) {
    const expanded = expandColumns(item, scope, to)
    if (expanded !== undefined) {
      columns.push(...expanded.columns)
      open ||= expanded.open
      continue
    }
    const column = resolveItem(item, scope, to)
    columns.push(column)
    if (column.name !== undefined) scope.aliases.set(column.name.toLowerCase(), column)
  }
  for (const clause of ['where_clause', 'having', 'qualify', 'windows', 'distinct_on', 'limit', 'offset']) {
    dependencies(body[clause], scope, to)
  }
  for (const clause of ['group_by', 'order_by']) if (!isAll(child(body, clause))) dependencies(body[clause], scope, to)
  noteLimit(body, to)
  noteDistinctOn(body, to)
  return { columns, open }
}

/** One expression of the SELECT list. */
function resolveItem(item: Tree, scope: Scope, to: Resolution): Column {
  const { kind, body } = kindOf(item)
  const alias = kind === 'alias' ? nameOf(body, 'alias') : undefined
  const expression = kind === 'alias' ? child(body, 'this') : item
  const from = dependencies(expression, scope, to)
  const passed = expression === undefined ? undefined : implicitColumns(expression, scope)
  const name = alias?.name ?? passed?.name
  return {
    name,
    from,
    ...(passed?.type === undefined ? {} : { type: passed.type }),
    at: alias ?? item,
  }
}

/** `GROUP BY ALL`, `ORDER BY ALL`: the parser reads a column named so. */
function isAll(clause: Tree | undefined): boolean {
  const [only, ...others] = children(clause, 'expressions')
  if (only === undefined || others.length > 0) return false
  const column = child(only, 'column') ?? child(child(only, 'this'), 'column')
  const name = nameOf(column, 'name')
  return name !== undefined && !name.quoted && name.name.toLowerCase() === 'all'
}

/**
 * All table columns below a value of the tree; names that are nowhere are reported.
 *
 * Anything the parser may put here is walked, whether it is known or not.
 */
export function dependencies(value: unknown, scope: Scope, to: Resolution): Set<string> {
  const from = new Set<string>()
  collect(value, scope, to, from)
  return from
}

function collect(value: unknown, scope: Scope, to: Resolution, from: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, scope, to, from)
    return
  }
  if (!isTree(value) || isName(value)) return
  for (const [kind, body] of Object.entries(value)) {
    if (!isTree(body)) {
      if (Array.isArray(body)) collect(body, scope, to, from)
      continue
    }
    if (kind === 'column' || kind === 'dot') collectName({ [kind]: body }, scope, to, from)
    else if (kind === 'exists') collect(body, scope, to, new Set())
    else if (queryKinds.has(kind)) {
      for (const column of resolveQuery({ [kind]: body }, scope.ctes, scope, to).columns) addAll(from, column.from)
    } else if (kind === 'lambda' || kind === 'comprehension') collectLambda(kind, body, scope, to, from)
    else {
      noteFunction(kind, body, to)
      collect(body, scope, to, from)
    }
  }
}

/** A name with dots; where its base is an expression, that is walked and the fields are left out. */
function collectName(node: Tree, scope: Scope, to: Resolution, from: Set<string>): void {
  const parts = dottedName(node)
  if (parts === undefined) {
    collect(child(child(node, 'dot'), 'this'), scope, to, from)
    return
  }
  if (/^#\d+$/.test(parts[0]?.name ?? '')) return
  const found = lookUp(parts, scope)
  if (found.found === 'column') addAll(from, found.column.from)
  else if (found.found === 'ambiguous') to.report.ambiguous(parts, found.tables)
  else if (found.found === 'nothing') to.report.unknownName(parts, scope, found.where)
}

function collectLambda(kind: string, body: Tree, scope: Scope, to: Resolution, from: Set<string>): void {
  const inner = innerScope(scope, scope.ctes)
  const parameters = kind === 'lambda' ? namesOf(body, 'parameters') : comprehensionNames(body)
  for (const { name } of parameters) inner.aliases.set(name.toLowerCase(), { name, from: new Set() })
  const { iterator, expression, parameters: _names, ...rest } = body
  collect(iterator, scope, to, from)
  collect(kind === 'lambda' ? { expression, ...rest } : rest, inner, to, from)
}

function comprehensionNames(body: Tree): readonly Name[] {
  const expression = child(body, 'expression')
  return expression === undefined ? [] : (dottedName(expression) ?? [])
}

function addAll(to: Set<string>, from: Iterable<string>): void {
  for (const item of from) to.add(item)
}
