/** What a project declares, walked: its tables with their columns, its checks with their places. */
import { addedColumns, declaredChecks, sourceColumns } from '../columns.ts'
import type { Check, Model, Pipeline, Project } from '../types.ts'
import type { Path } from './places.ts'

/**
 * Every table of a project, with its columns where the definition alone tells them.
 *
 * @example tablesOf(project).get('raw.sales') // ['id', 'amount', '_file']
 */
export function tablesOf(project: Project): Map<string, readonly string[] | undefined> {
  const tables = new Map<string, readonly string[] | undefined>()
  for (const pipeline of project.pipelines) {
    for (const [table, model] of Object.entries(pipeline.models)) {
      tables.set(table, modelColumns(model))
    }
    for (const [table, source] of Object.entries(pipeline.sources)) {
      tables.set(
        `${pipeline.layers[0]}.${table}`,
        sourceColumns(source).map((column) => column.name),
      )
    }
  }
  return tables
}

/** The names of a model's columns, where the definition alone tells them. */
function modelColumns(model: Model): readonly string[] | undefined {
  if (model.kind === 'code') return model.columns && Object.keys(model.columns)
  if (model.kind !== 'changes') return undefined
  const made = Object.keys(model.transforms).filter((name) => !Object.hasOwn(model.columns, name))
  return [...Object.keys(model.columns), ...made, ...addedColumns(model.as).map(({ name }) => name)]
}

/**
 * Every check of a pipeline, with its table and where it stands.
 *
 * @example checksOf(pipeline)[0] // { check: { kind: 'notNull', column: 'id' }, table: 'raw.sales', path: ['sources', 'sales', 'checks', 0] }
 */
export function checksOf(pipeline: Pipeline): { check: Check; table: string; path: Path }[] {
  const of = (kind: string, key: string, table: string, checks: readonly Check[] = []) =>
    checks.map((check, i) => ({ check, table, path: [kind, key, 'checks', i] }))
  return [
    ...Object.entries(pipeline.sources).flatMap(([key, source]) =>
      of('sources', key, `${pipeline.layers[0]}.${key}`, declaredChecks(source)),
    ),
    ...Object.entries(pipeline.tables).flatMap(([key, { checks, changes }]) => [
      ...of('tables', key, key, checks),
      ...of('tables', key, key, changes?.checks).map((one) => ({
        ...one,
        path: ['tables', key, 'changes', ...one.path.slice(2)],
      })),
    ]),
  ]
}
