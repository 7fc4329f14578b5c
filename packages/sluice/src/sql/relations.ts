/** What stands in FROM: tables, CTEs, subqueries, joins, and the few table functions that read nothing from outside. */
import { isOutsideName, safeTableFunctions } from './outside.ts'
import {
  type Column,
  findCte,
  innerScope,
  type Relation,
  type Resolution,
  type Result,
  renameColumns,
  type Scope,
  same,
  starColumns,
} from './scope.ts'
import {
  child,
  children,
  dottedName,
  isName,
  kindOf,
  type Name,
  nameOf,
  namesOf,
  queryKinds,
  type Tree,
} from './tree.ts'

/** Reads one item of FROM, adds its relation to the place, and gives it back. */
export function readRelation(node: Tree, scope: Scope, to: Resolution): Relation | undefined {
  const { kind, body } = kindOf(node)
  const alias = nameOf(body, 'alias')?.name
  const names = namesOf(body, 'column_aliases')
  if (kind === 'table') return add(scope, readTable(body, alias, names, scope, to))
  if (queryKinds.has(kind)) return add(scope, named(to.query(node, scope, to), undefined))
  if (kind === 'subquery') {
    const result = renameColumns(to.query(node, scope, to), names)
    return add(scope, named(result, alias))
  }
  if (kind === 'alias' || kind === 'paren') {
    const inner = child(body, 'this')
    if (inner === undefined) return open(scope, alias)
    if (kind === 'paren' && alias === undefined) return readRelation(inner, scope, to)
    const place = innerScope(scope, scope.ctes)
    const relation = readRelation(inner, place, to)
    const result = renameColumns(relation ?? starColumns(place), names)
    return add(scope, named(result, alias ?? relation?.alias))
  }
  if (kind === 'joined_table') return readJoined(body, alias, scope, to)
  if (kind === 'unnest' || kind === 'function') return add(scope, readFunction(kind, body, scope, to))
  if (kind === 'pivot' || kind === 'unpivot') return add(scope, readPivot(kind, body, alias, scope, to))
  if (kind === 'column') return readRelation(tableOfColumn(body), scope, to)
  to.uses(node, innerScope(scope, scope.ctes), to)
  return open(scope, alias)
}

function add(scope: Scope, relation: Relation): Relation {
  scope.relations.push(relation)
  return relation
}

function open(scope: Scope, alias: string | undefined): Relation {
  return add(scope, { alias, columns: [], open: true })
}

/** A result as a relation; DuckDB numbers names that come twice: a, a_1. */
function named(result: Result, alias: string | undefined): Relation {
  const seen = new Map<string, number>()
  const columns = result.columns.map((column): Column => {
    if (column.name === undefined) return column
    const key = column.name.toLowerCase()
    const times = seen.get(key) ?? 0
    seen.set(key, times + 1)
    return times === 0 ? column : { ...column, name: `${column.name}_${times}` }
  })
  // An unnamed column can be reached by the name the engine makes up, which is not known here.
  const unnamed = columns.some(({ name }) => name === undefined)
  return { alias, columns, open: result.open || unnamed }
}

function readTable(
  body: Tree,
  alias: string | undefined,
  names: readonly Name[],
  scope: Scope,
  to: Resolution,
): Relation {
  const [catalog, layer, table] = [nameOf(body, 'catalog'), nameOf(body, 'schema'), nameOf(body, 'name')]
  if (table === undefined) return { alias, columns: [], open: true }
  const parts = [catalog, layer, table].filter(isName)
  const cte = parts.length === 1 ? findCte(scope.ctes, table.name) : undefined
  if (cte !== undefined) return named(renameColumns(cte, names), alias ?? table.name)
  const known = parts.length === 2 ? to.table(`${layer?.name}.${table.name}`) : undefined
  if (known === undefined) {
    if (parts.length === 1 && isOutsideName(table.name))
      to.report.outside(`the file ${table.name.replace(/'$/, '')}`, parts)
    else to.report.unknownTable(parts)
    return { alias: alias ?? table.name, columns: [], open: true }
  }
  to.tables.add(known.name)
  const result = renameColumns({ columns: known.columns, open: known.columns.length === 0 }, names)
  const [ownLayer, ownName] = splitName(known.name)
  return alias === undefined ? { alias: ownName, layer: ownLayer, ...result } : { alias, ...result }
}

function splitName(table: string): readonly [string, string] {
  const dot = table.indexOf('.')
  return [table.slice(0, dot), table.slice(dot + 1)]
}

/** A join in parentheses: its relations stay visible, unless it has an alias of its own. */
function readJoined(body: Tree, alias: string | undefined, scope: Scope, to: Resolution): Relation | undefined {
  const place = alias === undefined ? scope : innerScope(scope, scope.ctes)
  const left = child(body, 'left')
  if (left !== undefined) readRelation(left, place, to)
  for (const join of children(body, 'joins')) readJoin(join, place, to)
  return alias === undefined ? undefined : add(scope, named(starColumns(place), alias))
}

function readFunction(kind: string, body: Tree, scope: Scope, to: Resolution): Relation {
  const name = kind === 'unnest' ? 'unnest' : String(body['name']).toLowerCase()
  if (!safeTableFunctions.has(name)) {
    to.report.outside(`${name}(…)`, name)
    return { alias: name, columns: [], open: true }
  }
  const from = to.uses(body, scope, to)
  if (name.startsWith('json_')) {
    const fields = ['key', 'value', 'type', 'atom', 'id', 'parent', 'fullkey', 'path']
    return { alias: name, columns: fields.map((field) => ({ name: field, from })), open: true }
  }
  const more = children(body, 'expressions').length
  const columns = name === 'repeat' ? [] : [{ name, from }]
  const ordinality = body['with_ordinality'] === true ? [{ name: 'ordinality', from: new Set<string>() }] : []
  return { alias: name, columns: [...columns, ...ordinality], open: name === 'repeat' || more > 0 }
}

/** `PIVOT raw.sales ON …`: the parser reads the table as a column. */
function tableOfColumn(body: Tree): Tree {
  return { table: { name: body['name'], schema: body['table'] ?? null } }
}

/** PIVOT's columns depend on data or on a list of values, so its result is open; UNPIVOT's are known. */
function readPivot(kind: string, body: Tree, alias: string | undefined, scope: Scope, to: Resolution): Relation {
  const place = innerScope(scope, scope.ctes)
  const source = child(body, 'this')
  if (source !== undefined) readRelation(source, place, to)
  const isUnpivot = kind === 'unpivot' || body['unpivot'] === true
  const clauses = isUnpivot
    ? (body['columns'] ?? body['expressions'])
    : [body['using'], body['expressions'], body['fields']]
  const used = to.uses(clauses, place, to)
  if (!isUnpivot) {
    if (children(body, 'using').length > 0 && !Array.isArray(body['fields'])) to.report.lineageUnknown('PIVOT')
    return { alias, columns: [], open: true }
  }
  const into = child(child(body, 'into'), 'unpivot_columns')
  const name = nameOf(body, 'name_column')?.name ?? variable(child(into, 'this')) ?? 'name'
  const values = [nameOf(body, 'value_column')?.name, ...children(into, 'expressions').map(variable)].filter(
    (value) => value !== undefined,
  )
  const taken = children({ clauses }, 'clauses').map((item) => dottedName(item)?.at(-1)?.name)
  if (taken.includes(undefined)) return { alias, columns: [], open: true }
  const star = starColumns(place)
  const kept = star.columns.filter((column) => !taken.some((item) => same(column.name, item ?? '')))
  const made = [
    { name, from: new Set<string>() },
    ...(values.length === 0 ? ['value'] : values).map((value) => ({ name: value, from: used })),
  ]
  return { alias, columns: [...kept, ...made], open: star.open }
}

function variable(node: Tree | undefined): string | undefined {
  const text = child(node, 'var')?.['this']
  return typeof text === 'string' ? text : undefined
}

/** Adds a joined relation to a place, with what USING and NATURAL make one. */
export function readJoin(join: Tree, scope: Scope, to: Resolution): void {
  const right = child(join, 'this')
  if (right === undefined) return
  const kind = String(join['kind'] ?? '')
  const before = scope.relations.length
  readRelation(right, scope, to)
  const added = scope.relations.slice(before)
  const left = scope.relations.slice(0, before).filter((relation) => relation.hidden !== true)
  const using = namesOf(join, 'using').map((name) => ({ name: name.name, at: name }))
  const shared = kind.includes('Natural')
    ? added
        .flatMap((relation) => relation.columns)
        .flatMap(({ name }) =>
          name !== undefined && left.some((other) => other.columns.some((column) => same(column.name, name)))
            ? [{ name, at: undefined }]
            : [],
        )
    : using
  for (const { name, at } of shared) mergeColumn(name, at, left, added, kind, scope, to)
  to.uses(join['on'], scope, to)
  if (kind.includes('Semi') || kind.includes('Anti')) {
    scope.relations.splice(
      before,
      added.length,
      ...added.map((relation) => ({ ...relation, columns: [], hidden: true })),
    )
  }
  if (kind.includes('Positional')) {
    to.report.nondeterministic('positional join', 'rows are paired by their place, and a table has no order', join)
  }
}

function mergeColumn(
  name: string,
  at: Name | undefined,
  left: Scope['relations'],
  right: Scope['relations'],
  kind: string,
  scope: Scope,
  to: Resolution,
): void {
  const find = (side: Scope['relations']): Column | undefined =>
    side.flatMap((relation) => relation.columns).find((column) => same(column.name, name))
  const one = scope.merged.get(name.toLowerCase()) ?? find(left)
  const two = find(right)
  for (const [found, side] of [
    [one, left],
    [two, right],
  ] as const) {
    if (found === undefined && at !== undefined && !side.some((relation) => relation.open)) {
      to.report.unknownColumn(
        [at],
        side[0],
        side.flatMap((relation) => relation.columns),
      )
    }
  }
  if (one === undefined || two === undefined || kind.includes('Semi') || kind.includes('Anti')) return
  const from = kind.includes('Full')
    ? new Set([...one.from, ...two.from])
    : kind.includes('Right')
      ? two.from
      : one.from
  scope.merged.set(name.toLowerCase(), { ...one, name, from })
}
