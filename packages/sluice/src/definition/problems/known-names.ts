/** Names of tables and columns that a project names, against those that it has. */
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
}

/**
 * Tells of a table that does not exist, and of the one that was probably meant.
 *
 * @example needTable('raw.slaes', pipeline.file, ['loads', 'fact', 'from'], context)
 */
export function needTable(table: string, file: string, path: Path, { problems, places, tables }: CheckContext): void {
  if (tables.has(table)) return
  const known = [...tables.keys()].sort()
  const meant = suggest(table, known)
  const context = { at: places(file).at(path, table), ...(meant === undefined ? {} : { suggestion: meant }) }
  problems.push(problem('Definition.UnknownTable', { table, known }, context))
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
