/** What names mean at a place of a query: relations, their columns, and how a name is looked up among them. */
import type { Name, Tree } from './tree.ts'

/** A column of a relation or of a result. */
export interface Column {
  /** Undefined where the engine would make a name up. */
  readonly name: string | undefined
  /** The table columns it is made from. */
  readonly from: ReadonlySet<string>
  /** Known for columns that are passed through unchanged. */
  readonly type?: string
  /** Where an unnamed expression stands, or a name is given; for messages. */
  readonly at?: unknown
}

/** A set of columns with a name: a table, a subquery, a CTE. */
export interface Relation {
  readonly alias: string | undefined
  /** The layer, where it is a table without an alias of its own. */
  readonly layer?: string
  readonly columns: readonly Column[]
  /** Whether it may have columns that are not known here. */
  readonly open: boolean
  /** Seen by ON only: the right side of a semi or anti join. */
  readonly hidden?: boolean
}

/** A result: what a query gives to its surroundings. */
export interface Result {
  readonly columns: readonly Column[]
  readonly open: boolean
}

/** The names at one place. */
export interface Scope {
  readonly relations: Relation[]
  /** Columns that USING or NATURAL made one, by lower-case name. */
  readonly merged: Map<string, Column>
  /** Aliases of the SELECT list, lambda parameters; by lower-case name. */
  readonly aliases: Map<string, Column>
  readonly ctes: Ctes | undefined
  readonly parent: Scope | undefined
}

/** Where resolution says what it found. */
export interface Reporter {
  unknownTable(parts: readonly Name[]): void
  unknownColumn(parts: readonly Name[], relation: Relation | undefined, columns: readonly Column[]): void
  /** A dotted name that is nowhere; `where` is the relation that its first part names, if one does. */
  unknownName(parts: readonly Name[], scope: Scope, where: Relation | undefined): void
  ambiguous(parts: readonly Name[], tables: readonly string[]): void
  /** `at` is a part of the tree, a token, or a word to be looked for. */
  outside(what: string, at: unknown): void
  /** A statement that changes a table, inside a query. */
  writes(statement: string): void
  /** A variable that no run sets. */
  unknownParameter(parameter: string, known: readonly string[], at: unknown): void
  nondeterministic(what: string, why: string, at: unknown): void
  lineageUnknown(why: string, at?: unknown): void
  /** The same without an effect: for what is looked at twice. */
  silenced(): Reporter
}

/** The common table expressions that are visible, innermost first. */
export interface Ctes {
  readonly name: string
  readonly result: Result
  readonly next: Ctes | undefined
}

/** What a lookup found. */
export type Lookup =
  | { readonly found: 'column'; readonly column: Column; readonly used: number }
  | { readonly found: 'ambiguous'; readonly tables: readonly string[] }
  /** Not known, and it cannot be known whether it exists. */
  | { readonly found: 'open' }
  | { readonly found: 'nothing'; readonly where?: Relation }

/** What is known, what has been found so far, and how the parts of the resolution call each other. */
export interface Resolution {
  readonly report: Reporter
  /** Columns of a table of the schema, and its name as the schema spells it. */
  readonly table: (name: string) => { readonly name: string; readonly columns: readonly Column[] } | undefined
  /** Tables that were read. */
  readonly tables: Set<string>
  /** Resolves a query inside a place. */
  readonly query: (node: Tree, scope: Scope, to: Resolution) => Result
  /** All table columns below a value of the tree. */
  readonly uses: (value: unknown, scope: Scope, to: Resolution) => ReadonlySet<string>
}

/** A new place inside another. */
export function innerScope(parent: Scope | undefined, ctes: Ctes | undefined): Scope {
  return { relations: [], merged: new Map(), aliases: new Map(), ctes, parent }
}

/** Names are compared as every engine of Sluice's does: without regard to case. */
export function same(a: string | undefined, b: string): boolean {
  return a !== undefined && (a === b || a.toLowerCase() === b.toLowerCase())
}

/** Finds a visible common table expression. */
export function findCte(ctes: Ctes | undefined, name: string): Result | undefined {
  for (let at = ctes; at !== undefined; at = at.next) if (same(at.name, name)) return at.result
  return undefined
}

/** Gives a result's columns the names of an alias list: `t(a, b)`. */
export function renameColumns(result: Result, names: readonly Name[]): Result {
  if (names.length === 0) return result
  const columns = result.columns.map((column, at) => {
    const name = names[at]
    return name === undefined ? column : { ...column, name: name.name }
  })
  const extra = result.open ? names.slice(columns.length) : []
  return { ...result, columns: [...columns, ...extra.map((name) => ({ name: name.name, from: new Set<string>() }))] }
}

/** All columns a star gives, each merged one once. */
export function starColumns(scope: Scope): Result {
  const columns: Column[] = []
  const given = new Set<string>()
  const visible = scope.relations.filter((relation) => relation.hidden !== true)
  for (const relation of visible) {
    for (const column of relation.columns) {
      const key = column.name?.toLowerCase()
      const merged = key === undefined ? undefined : scope.merged.get(key)
      if (key === undefined || merged === undefined) columns.push(column)
      else if (!given.has(key)) {
        given.add(key)
        columns.push({ ...merged, name: column.name })
      }
    }
  }
  return { columns, open: visible.some((relation) => relation.open) }
}

/** How a relation is called in a message. */
export function relationName(relation: Relation): string {
  const name = relation.alias ?? 'a subquery'
  return relation.layer === undefined ? name : `${relation.layer}.${name}`
}

/**
 * Looks a dotted name up, in the order of DuckDB's binder: `layer.table.column`, `relation.column`, then a column whose rest is struct fields;
 * innermost place first.
 */
export function lookUp(parts: readonly Name[], scope: Scope): Lookup {
  let open = false
  let nearest: Relation | undefined
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const here = lookUpHere(
      parts.map((part) => part.name),
      at,
    )
    if (here.found === 'column' || here.found === 'ambiguous') return here
    if (here.found === 'open') open = true
    else nearest ??= here.where
  }
  if (open) return { found: 'open' }
  return nearest === undefined ? { found: 'nothing' } : { found: 'nothing', where: nearest }
}

function lookUpHere(parts: readonly string[], scope: Scope): Lookup {
  const [first, second, third] = parts
  if (first === undefined) return { found: 'nothing' }
  let open = false
  let where: Relation | undefined
  if (third !== undefined && second !== undefined) {
    for (const relation of scope.relations) {
      if (!same(relation.layer, first) || !same(relation.alias, second)) continue
      const column = relation.columns.find((candidate) => same(candidate.name, third))
      if (column !== undefined) return { found: 'column', column, used: 3 }
      if (relation.open) open = true
      where = relation
    }
  }
  if (second !== undefined) {
    const named = scope.relations.filter((relation) => same(relation.alias, first))
    for (const relation of named) {
      const column = relation.columns.find((candidate) => same(candidate.name, second))
      if (column !== undefined) return { found: 'column', column, used: 2 }
      if (relation.open) open = true
      where = relation
    }
  }
  const plain = lookUpColumn(first, scope)
  // A relation that is fully known decides about its own columns, whatever else is open beside it.
  if (plain.found !== 'nothing' && !(plain.found === 'open' && where !== undefined && !open)) return plain
  if (open) return { found: 'open' }
  if (parts.length === 1) {
    const whole = scope.relations.find((relation) => same(relation.alias, first))
    if (whole !== undefined) return { found: 'column', column: wholeRow(whole), used: 1 }
  }
  return where === undefined ? plain : { found: 'nothing', where }
}

function lookUpColumn(name: string, scope: Scope): Lookup {
  const merged = scope.merged.get(name.toLowerCase())
  if (merged !== undefined) return { found: 'column', column: merged, used: 1 }
  const matches: { relation: Relation; column: Column }[] = []
  for (const relation of scope.relations) {
    const column = relation.columns.find((candidate) => same(candidate.name, name))
    if (column !== undefined) matches.push({ relation, column })
  }
  if (matches.length > 1) return { found: 'ambiguous', tables: matches.map(({ relation }) => relationName(relation)) }
  const [match] = matches
  if (match !== undefined) return { found: 'column', column: match.column, used: 1 }
  const alias = scope.aliases.get(name.toLowerCase())
  if (alias !== undefined) return { found: 'column', column: alias, used: 1 }
  return { found: scope.relations.some((relation) => relation.open) ? 'open' : 'nothing' }
}

/** A relation used as a value: `select s from raw.sales s`. */
function wholeRow(relation: Relation): Column {
  return { name: relation.alias, from: new Set(relation.columns.flatMap((column) => [...column.from])) }
}
