/** The models of a pipeline: those in code, those in SQL files beside it, and copies, which are SQL that nobody has to write. */
import { type Problem, problem } from '../base/errors.ts'
import type { Places } from './places.ts'
import { suggest } from './suggest.ts'
import type { Model, Pipeline } from './types.ts'

/** A SQL model as it was found: its place is its table's name. */
export interface SqlFile {
  /** `<folder>.<file name without .sql>`. */
  readonly table: string
  /** Relative to the project. */
  readonly file: string
  readonly sql: string
}

/**
 * Joins copies and SQL files to the code models; a table has one model, in a layer that the pipeline has.
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
  for (const { table, file, sql } of [...copies(pipeline), ...sqlFiles]) {
    const isCopy = file === pipeline.file
    const at = isCopy ? places.at(['tables', table, 'copy'], table) : { file }
    const layer = table.slice(0, table.indexOf('.'))
    if (!pipeline.layers.includes(layer)) {
      if (told.has(layer)) continue
      told.add(layer)
      const params = { layer: layer || 'the folder of the pipeline', known: pipeline.layers }
      const meant = suggest(layer, pipeline.layers)
      const context = { at, ...(meant === undefined ? {} : { suggestion: meant }) }
      problems.push(problem('Definition.UnknownLayer', params, context))
    } else if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(table.slice(layer.length + 1))) {
      const expected = 'named by letters, digits and _'
      const params = isCopy
        ? { where: `tables.${table}`, expected, found: `"${table}"` }
        : { where: 'The SQL file', expected: `${expected}, as the file is the name of the table`, found: `"${file}"` }
      problems.push(problem('Definition.WrongValue', params, { at }))
    } else if (models[table] === undefined) models[table] = { kind: 'sql', sql, file }
    else {
      const first = models[table].kind === 'code' ? `a code model in ${pipeline.file}` : `a copy in ${pipeline.file}`
      const second = isCopy ? `a copy in ${file}` : file
      problems.push(problem('Definition.DuplicateTable', { table, first, second }, { at }))
    }
  }
  return { models, problems }
}

/** Copies as the SQL that they stand for; both parts of the name are plain identifiers. */
function copies({ file, tables }: Pipeline): readonly SqlFile[] {
  return Object.entries(tables).flatMap(([table, { copy }]) =>
    copy === undefined ? [] : [{ table, file, sql: `SELECT * FROM ${copy.replace('.', '"."').replace(/^|$/g, '"')}` }],
  )
}
