/** Collects problems with their places; each place and message once. */
import { distance } from 'fastest-levenshtein'
import type { ErrorName, ErrorParams, Problem } from '../base/errors.ts'
import { problem } from '../base/errors.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { placeOf, type Stretch } from './place.ts'
import { type Column, type Relation, type Reporter, relationName, type Scope } from './scope.ts'
import { extentOf, isTree, type Name } from './tree.ts'

/** What a reporter needs to know of the model. */
export interface Reported {
  readonly model: { readonly sql: string; readonly file: string; readonly table: string }
  readonly knownTables: readonly string[]
  readonly problems: Problem[]
  readonly nondeterministic: Set<string>
  /** Translates the parser's offsets. */
  readonly offset: (codePoints: number) => number
  /** Where a word stands that the tree has no place for. */
  readonly findWord: (word: string) => Stretch | undefined
}

/**
 * Makes a reporter.
 *
 * @example reporter(reported).lineageUnknown('PIVOT')
 */
export function reporter(to: Reported): Reporter {
  const { model } = to
  const put = adder(to)
  const at = (value: unknown): Stretch => stretchOf(value, to)
  return {
    unknownTable(parts) {
      const table = dotted(parts)
      put('Sql.UnknownTable', { table, known: to.knownTables }, at(parts), suggestTable(table, to.knownTables))
    },
    unknownColumn(parts, relation, columns) {
      const column = dotted(parts)
      const known = namesOfColumns(columns)
      const where = relation === undefined ? {} : { where: relationName(relation) }
      put('Sql.UnknownColumn', { column, ...where, known }, at(parts.at(-1)), suggest(column, known))
    },
    unknownName(parts, scope, where) {
      if (where !== undefined && parts.length > 1) {
        const column = parts[where.layer !== undefined && parts.length > 2 ? 2 : 1] as Name
        return this.unknownColumn([column], where, where.columns)
      }
      const known = visible(scope)
      const column = dotted(parts)
      const names = namesOfColumns(known.flatMap(({ columns }) => columns))
      const last = (parts.at(-1) as Name).name
      const elsewhere = known.find((relation) =>
        relation.columns.some(({ name }) => name?.toLowerCase() === last.toLowerCase()),
      )
      const meant =
        parts.length > 1 && elsewhere?.alias !== undefined ? `${elsewhere.alias}.${last}` : suggest(column, names)
      put('Sql.UnknownColumn', { column, known: names }, at(parts), meant)
    },
    ambiguous(parts, tables) {
      put('Sql.AmbiguousColumn', { column: dotted(parts), tables }, at(parts))
    },
    outside(what, where) {
      put('Sql.ReadsOutside', { what }, at(where))
    },
    writes(statement) {
      put('Sql.NotOneSelect', { found: `changes a table by ${statement.toUpperCase()}` }, at(statement))
    },
    unknownParameter(parameter, known, where) {
      const params = { parameter, where: `"${model.table}"`, known }
      put('Definition.UnknownParameter', params, at(where), suggest(parameter, known))
    },
    nondeterministic(what, why, where) {
      to.nondeterministic.add(what)
      put('Sql.Nondeterministic', { what, why }, at(where), undefined, 'warning')
    },
    lineageUnknown(why, where) {
      const place = where === undefined ? { start: 0, end: model.sql.length } : at(where)
      put('Sql.LineageUnknown', { table: model.table, why }, place, undefined, 'warning')
    },
    silenced: () => silent,
  }
}

const nothing = (): void => {}
const silent: Reporter = {
  unknownTable: nothing,
  unknownColumn: nothing,
  unknownName: nothing,
  ambiguous: nothing,
  outside: nothing,
  writes: nothing,
  unknownParameter: nothing,
  nondeterministic: nothing,
  lineageUnknown: nothing,
  silenced: () => silent,
}

/** Adds a problem with its place, unless it is there already. */
export function adder(to: Pick<Reported, 'model' | 'problems'>) {
  return <N extends ErrorName>(
    name: N,
    params: ErrorParams<N>,
    stretch: Stretch,
    suggestion?: string,
    severity: 'error' | 'warning' = 'error',
  ): void => {
    const made = problem(name, params, {
      at: placeOf(to.model.file, to.model.sql, stretch),
      severity,
      ...(suggestion === undefined ? {} : { suggestion }),
    })
    const known = to.problems.some(
      (other) =>
        other.message === made.message && other.at?.line === made.at?.line && other.at?.column === made.at?.column,
    )
    if (!known) to.problems.push(made)
  }
}

/** A value's place: by the names in it, or by the word it is called with. */
export function stretchOf(value: unknown, to: Pick<Reported, 'model' | 'offset' | 'findWord'>): Stretch {
  if (typeof value === 'string') return to.findWord(value) ?? { start: 0, end: 1 }
  if (isStretch(value)) return value
  const extent = extentOf(value)
  if (extent === undefined) return { start: 0, end: Math.max(1, to.model.sql.length) }
  return { start: to.offset(extent.start), end: to.offset(extent.end) }
}

function isStretch(value: unknown): value is Stretch {
  return isTree(value) && typeof value['start'] === 'number' && typeof value['end'] === 'number'
}

const dotted = (parts: readonly Name[]): string => parts.map(({ name }) => name).join('.')

const namesOfColumns = (columns: readonly Column[]): string[] => [
  ...new Set(columns.map(({ name }) => name).filter((name) => name !== undefined)),
]

function visible(scope: Scope): Relation[] {
  const relations: Relation[] = []
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) relations.push(...at.relations)
  return relations
}

/** `sales` means `raw.sales`, where there is one; else the nearest spelling. */
function suggestTable(table: string, known: readonly string[]): string | undefined {
  const last = table.slice(table.lastIndexOf('.') + 1).toLowerCase()
  const sameName = known.filter((name) => name.slice(name.indexOf('.') + 1).toLowerCase() === last)
  const near = sameName.sort((a, b) => distance(a, table) - distance(b, table))
  return near[0] ?? suggest(table, known)
}
