/** The values of a run in its project: each model and call has those that it uses, and no others, so its definition changes with them alone. */
import type { MissingParameter, ParameterValues } from '../definition/parameters.ts'
import type { BoundParameter, Model, ParameterValue, Pipeline, Project, Source } from '../definition/types.ts'
import { parametersOf } from '../sql/parameters.ts'
import type { Plan } from './types.ts'

/**
 * The project with the values of a run. Without parameters it is the same project.
 *
 * @example bindParameters(project, plan.parameters)
 */
export function bindParameters(project: Project, values: ParameterValues | undefined): Project {
  if (!project.pipelines.some(({ parameters }) => parameters !== undefined)) return project
  return { ...project, pipelines: project.pipelines.map((pipeline) => bound(pipeline, values?.[pipeline.name] ?? {})) }
}

function bound(pipeline: Pipeline, values: { readonly [parameter: string]: string }): Pipeline {
  const { parameters = {} } = pipeline
  const give = (name: string): BoundParameter => ({
    name,
    type: parameters[name]!.type,
    value: values[name] ?? null,
  })
  const known = (names: readonly string[]): readonly string[] => names.filter((name) => Object.hasOwn(parameters, name))
  return {
    ...pipeline,
    sources: mapped(pipeline.sources, (source) => boundSource(source, known(usedBy(source)), give)),
    models: mapped(pipeline.models, (model) => {
      const names = known(usedBy(model))
      return names.length === 0 || model.kind === 'changes' ? model : { ...model, bound: names.map(give) }
    }),
  }
}

function boundSource(source: Source, names: readonly string[], give: (name: string) => BoundParameter): Source {
  if (names.length === 0 || source.kind !== 'procedure') return source
  const constant = (value: ParameterValue): ParameterValue => {
    const name = parameterIn(value)
    if (name === undefined || !names.includes(name)) return value
    const { name: _, ...typed } = give(name)
    return typed
  }
  return { ...source, parameters: mapped(source.parameters, constant) }
}

const parameterIn = (value: ParameterValue): string | undefined =>
  typeof value === 'object' && value !== null && '$parameter' in value ? value.$parameter : undefined

/** The parameters that a source or a model names. */
function usedBy(made: Source | Model): readonly string[] {
  switch (made.kind) {
    case 'sql':
      return parametersOf(made.sql)
    case 'code':
      return [...(made.parameters ?? [])].sort()
    case 'procedure':
      return Object.values(made.parameters).flatMap((value) => parameterIn(value) ?? [])
    default:
      return []
  }
}

/**
 * Of the parameters without a value, those that a selected task of the plan uses.
 *
 * @example needed(missing, plan, project)
 */
export function needed(
  missing: readonly MissingParameter[],
  plan: Plan,
  { pipelines }: Project,
): readonly MissingParameter[] {
  return missing.filter(({ pipeline, parameter }) => {
    const of = pipelines.find(({ name }) => name === pipeline)!
    const selected = plan.tasks.filter((task) => task.pipeline === pipeline && task.reason !== 'not-selected')
    return selected.some(({ kind, table, layer }) => {
      const made =
        kind === 'model' ? of.models[table] : (of.sources[table] ?? of.sources[table.slice(layer.length + 1)])
      return kind !== 'load' && made !== undefined && usedBy(made).includes(parameter)
    })
  })
}

function mapped<A, B>(record: { readonly [key: string]: A }, map: (value: A) => B): { readonly [key: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
