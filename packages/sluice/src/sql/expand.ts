/** Items of a SELECT list that give several columns: stars, COLUMNS(…), unnested structs. */
import { type Column, lookUp, type Resolution, type Result, type Scope, same, starColumns } from './scope.ts'
import { child, children, dottedName, isName, isTree, kindOf, type Name, nameOf, namesOf, type Tree } from './tree.ts'
import { structMembers } from './types/parse.ts'

/** Expands an item to its columns; undefined where it is one expression. */
export function expandColumns(item: Tree, scope: Scope, to: Resolution): Result | undefined {
  const { kind, body } = kindOf(item)
  if (kind === 'star') return expandStar(body, scope, to)
  if (kind === 'function' && isCall(body, 'unnest')) return expandUnnest(body, scope)
  const pick = findColumnsCall(item)
  if (pick === undefined) return undefined
  const picked = expandPick(pick, scope, to)
  if (kind === 'function' && body === pick) return picked
  if (kind === 'alias') return { columns: [], open: true }
  const others = to.uses(item, scope, to)
  return {
    columns: picked.columns.map((column) => ({ name: column.name, from: new Set([...column.from, ...others]) })),
    open: picked.open,
  }
}

/** The name and type a plain expression passes on from the column it is: `s.quantity` gives `quantity`. */
export function implicitColumns(expression: Tree, scope: Scope): Pick<Column, 'name' | 'type'> | undefined {
  const { kind, body } = kindOf(expression)
  const inner = child(body, 'this')
  if (kind === 'paren' && inner !== undefined) return implicitColumns(inner, scope)
  if (kind === 'dot' && dottedName(expression) === undefined) return { name: nameOf(body, 'field')?.name }
  const parts = dottedName(expression)
  if (parts === undefined) return undefined
  const found = lookUp(parts, scope)
  const last = parts[parts.length - 1] as Name
  if (found.found !== 'column') return /^#\d/.test(last.name) ? { name: undefined } : { name: last.name }
  if (found.used < parts.length) return { name: last.name }
  return {
    name: found.column.name ?? last.name,
    ...(found.column.type === undefined ? {} : { type: found.column.type }),
  }
}

function expandStar(star: Tree, scope: Scope, to: Resolution): Result {
  const base = starBase(nameOf(star, 'table'), scope, to)
  const excluded = namesOf(star, 'except')
  const replaced = children(star, 'replace')
  for (const name of [...excluded, ...replaced.map((item) => nameOf(item, 'alias')).filter(isName)]) {
    if (!base.open && !base.columns.some((column) => same(column.name, lastPart(name.name)))) {
      to.report.unknownColumn([name], undefined, base.columns)
    }
  }
  const renames = Array.isArray(star['rename']) ? star['rename'].filter((pair) => Array.isArray(pair)) : []
  const columns = base.columns
    .filter((column) => !excluded.some((name) => isMeant(name.name, column, scope)))
    .map((column) => {
      const item = replaced.find((candidate) => same(column.name, nameOf(candidate, 'alias')?.name ?? ''))
      return item === undefined ? column : { name: column.name, from: to.uses(item['this'], scope, to) }
    })
    .map((column) => {
      const pair = renames.find(([from]) => isName(from) && same(column.name, lastPart(from.name)))
      return pair !== undefined && isName(pair[1]) ? { ...column, name: pair[1].name } : column
    })
  return { columns, open: base.open }
}

/** The parser keeps `EXCLUDE (s.country)` as one name with a dot in it. */
const lastPart = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

function isMeant(name: string, column: Column, scope: Scope): boolean {
  if (!same(column.name, lastPart(name))) return false
  const owner = scope.relations.find(({ alias }) => same(alias, name.slice(0, Math.max(0, name.lastIndexOf('.')))))
  return owner === undefined || owner.columns.includes(column)
}

/** What stands before the star: nothing, a relation, or a struct. */
function starBase(table: Name | undefined, scope: Scope, to: Resolution): Result {
  if (table === undefined) return starColumns(scope)
  const relations = scope.relations.filter((relation) => same(relation.alias, table.name))
  if (relations.length > 0) {
    return {
      columns: relations.flatMap((relation) => relation.columns),
      open: relations.some((relation) => relation.open),
    }
  }
  const found = lookUp([table], scope)
  if (found.found === 'column') return structColumns(found.column)
  if (found.found === 'nothing') to.report.unknownName([table], scope, undefined)
  return { columns: [], open: true }
}

/** A struct's fields as columns; open where its type is not known. */
function structColumns(column: Column): Result {
  const fields = column.type === undefined ? undefined : structMembers(column.type)
  if (fields === undefined) return { columns: [], open: true }
  return { columns: fields.map((field) => ({ ...field, from: column.from })), open: false }
}

function expandUnnest(call: Tree, scope: Scope): Result | undefined {
  const [argument, ...others] = children(call, 'args')
  const column = argument === undefined ? undefined : implicitColumns(argument, scope)
  const parts = argument === undefined ? undefined : dottedName(argument)
  const found = parts === undefined ? undefined : lookUp(parts, scope)
  if (others.length > 0) return { columns: [], open: true }
  if (found?.found !== 'column' || column?.type === undefined || !column.type.startsWith('STRUCT(')) return undefined
  return column.type.endsWith(')') ? structColumns(found.column) : undefined
}

const isCall = (body: Tree, name: string): boolean => String(body['name']).toLowerCase() === name

/** The COLUMNS(…) inside an expression. */
function findColumnsCall(value: unknown): Tree | undefined {
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = findColumnsCall(item)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (!isTree(value)) return undefined
  const call = child(value, 'function')
  if (call !== undefined && isCall(call, 'columns')) return call
  for (const [key, item] of Object.entries(value)) {
    // A subquery has columns of its own.
    if (key === 'select' || typeof item !== 'object') continue
    const found = findColumnsCall(item)
    if (found !== undefined) return found
  }
  return undefined
}

function expandPick(call: Tree, scope: Scope, to: Resolution): Result {
  const [argument] = children(call, 'args')
  const { kind, body } = argument === undefined ? { kind: '', body: {} } : kindOf(argument)
  if (kind === 'star') return expandStar(body, scope, to)
  const all = starColumns(scope)
  if (kind === 'literal' && typeof body['value'] === 'string') {
    const pattern = asPattern(body['value'])
    if (pattern === undefined) return { columns: [], open: true }
    return { ...all, columns: all.columns.filter(({ name }) => name !== undefined && pattern.test(name)) }
  }
  if (kind === 'array_func') {
    const wanted = children(body, 'expressions').map((item) => String(child(item, 'literal')?.['value']))
    const columns = wanted.map((name) => all.columns.find((column) => same(column.name, name)))
    return { columns: columns.filter((column) => column !== undefined), open: all.open || columns.includes(undefined) }
  }
  return { columns: [], open: true }
}

/** DuckDB's patterns are RE2's; the few that JavaScript reads differently make a result open, never wrong. */
function asPattern(pattern: string): RegExp | undefined {
  if (/\(\?|\\[^dwsDWS.]|\[\[:/.test(pattern)) return undefined
  try {
    return new RegExp(pattern, 'u')
  } catch {
    return undefined
  }
}
