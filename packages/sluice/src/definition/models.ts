/** The models of a pipeline: in code, in SQL files beside it, and made by an option of the table, as copies (which are SQL that nobody has to write) and as changes. */
import { type Location, type Problem, problem } from '../base/errors.ts'
import type { Places } from './problems/places.ts'
import { suggest } from './problems/suggest.ts'
import type { Model, Pipeline } from './types.ts'

/** A SQL model as it was found: its place is its table's name. */
export interface SqlFile {
  /** `<folder>.<file name without .sql>`. */
  readonly table: string
  /** Relative to the project. */
  readonly file: string
  readonly sql: string
}

/** A model that stands elsewhere than among those in code. */
interface Found {
  readonly table: string
  readonly model: Model
  /** What it is, for messages. */
  readonly what: string
  readonly at: Location
  /** Where its table's name comes from, and how the name was written there. */
  readonly named: readonly [where: string, why: string, found: string]
}

/**
 * Joins copies, tables of changes and SQL files to the code models; a table has one model, in a layer that the pipeline has.
 *
 * @example modelsOf(pipeline, [{ table: 'stage.sales', file: 'pipelines/retail/stage/sales.sql', sql }], places).models
 */
export function modelsOf(
  pipeline: Pipeline,
  sqlFiles: readonly SqlFile[],
  places: Places,
): { readonly models: Pipeline['models']; readonly problems: readonly Problem[] } {
  const models: Record<string, Model> = { ...pipeline.models }
  const problems: Problem[] = []
  const told = new Set<string>()
  const first = new Map(Object.keys(models).map((table) => [table, `a code model in ${pipeline.file}`]))
  for (const { table, model, what, at, named } of [...options(pipeline, places), ...sqlFiles.map(inFile)]) {
    const layer = table.slice(0, table.indexOf('.'))
    if (!pipeline.layers.includes(layer)) {
      if (told.has(layer)) continue
      told.add(layer)
      const params = { layer: layer || 'the folder of the pipeline', known: pipeline.layers }
      const meant = suggest(layer, pipeline.layers)
      const context = { at, ...(meant === undefined ? {} : { suggestion: meant }) }
      problems.push(problem('Definition.UnknownLayer', params, context))
    } else if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(table.slice(layer.length + 1))) {
      const [where, why, found] = named
      const expected = `named by letters, digits and _${why}`
      problems.push(problem('Definition.WrongValue', { where, expected, found: `"${found}"` }, { at }))
    } else if (models[table] === undefined) {
      models[table] = model
      first.set(table, what)
    } else {
      problems.push(problem('Definition.DuplicateTable', { table, first: first.get(table)!, second: what }, { at }))
    }
  }
  return { models, problems }
}

function inFile({ table, file, sql }: SqlFile): Found {
  const named = ['The SQL file', ', as the file is the name of the table', file] as const
  return { table, model: { kind: 'sql', sql, file }, what: file, at: { file }, named }
}

/** Models that options of tables stand for. Both parts of a copy's name are plain identifiers. */
function options({ file, tables }: Pipeline, places: Places): readonly Found[] {
  return Object.entries(tables).flatMap(([table, { copy, changes, checks = [] }]) => {
    const found: Found[] = []
    const named = [`tables.${table}`, '', table] as const
    if (copy !== undefined) {
      const sql = `SELECT * FROM ${copy.replace('.', '"."').replace(/^|$/g, '"')}`
      const at = places.at(['tables', table, 'copy'], table)
      found.push({ table, model: { kind: 'sql', sql, file }, what: `a copy in ${file}`, at, named })
    }
    if (changes !== undefined) {
      const model: Model = { kind: 'changes', ...changes, checks: [...changes.checks, ...checks] }
      const at = places.at(['tables', table, 'changes'], table)
      found.push({ table, model, what: `changes in ${file}`, at, named })
    }
    return found
  })
}
