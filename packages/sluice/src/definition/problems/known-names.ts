/** Names of tables and columns that a project names, against those that it has. */
import { distance } from 'fastest-levenshtein'
import { type Problem, problem } from '../../base/errors.ts'
import type { Path, Places } from './places.ts'
import { suggest } from './suggest.ts'

/** Finds the places of a project's file by its name. */
export type PlacesOf = (file: string) => Places

/** What is known while a project is checked. */
export interface CheckContext {
  readonly problems: Problem[]
  readonly places: PlacesOf
  /** Every table of the project, with its columns where the definition alone tells them. */
  readonly tables: ReadonlyMap<string, readonly string[] | undefined>
  /** Whether there may be tables that could not be read: a name that is not known may then be one of theirs. */
  readonly incomplete: boolean
}

/**
 * Tells of a table that does not exist, and of the one that was probably meant.
 *
 * @example needTable('raw.slaes', pipeline.file, ['loads', 'fact', 'from'], context)
 */
export function needTable(table: string, file: string, path: Path, context: CheckContext): void {
  const { problems, places, tables } = context
  if (tables.has(table)) return
  const known = [...tables.keys()].sort()
  const meant = suggest(table, known)
  if (context.incomplete && !isMisspelt(table, meant)) return
  const told = { at: places(file).at(path, table), ...(meant === undefined ? {} : { suggestion: meant }) }
  problems.push(problem('Definition.UnknownTable', { table, known }, told))
}

/**
 * Whether a name is so near to that of a known table of its layer that it hardly means one that could not be read.
 *
 * @example isMisspelt('raw.slaes', 'raw.sales') // true
 */
export function isMisspelt(table: string, meant: string | undefined): boolean {
  return meant !== undefined && distance(table, meant) <= 2 && table.split('.')[0] === meant.split('.')[0]
}

/**
 * Tells of columns that a table does not have, where its columns are known.
 *
 * @example needColumns(['id'], 'raw.sales', pipeline.file, ['sources', 'sales', 'key'], context)
 */
export function needColumns(
  columns: readonly string[],
  table: string,
  file: string,
  path: Path,
  { problems, places, tables }: CheckContext,
): void {
  const known = tables.get(table)
  if (known === undefined) return
  for (const column of columns) {
    if (known.includes(column)) continue
    const meant = suggest(column, known)
    const context = { at: places(file).at(path, column), ...(meant === undefined ? {} : { suggestion: meant }) }
    problems.push(problem('Definition.UnknownColumn', { column, table, known }, context))
  }
}
