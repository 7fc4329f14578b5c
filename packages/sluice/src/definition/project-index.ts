/** Where each source, model and load of a project is defined: the one walk over its pipelines. */
import type { Load, Model, Pipeline, Project, Source, TableOptions } from './types.ts'

/** A source, by the table that it lands in. */
export interface IndexedSource {
  /** `<layer>.<key>` */
  readonly table: string
  /** Its name in `sources`. */
  readonly key: string
  readonly source: Source
  readonly pipeline: Pipeline
}

/** A model, by the table that it makes. */
export interface IndexedModel {
  readonly table: string
  readonly model: Model
  readonly pipeline: Pipeline
}

/** A load, by the warehouse table that it writes. */
export interface IndexedLoad {
  readonly target: string
  readonly load: Load
  readonly pipeline: Pipeline
}

/** A project by its names: lists are in the order of the definition, lookups by full name. */
export interface ProjectIndex {
  readonly sources: readonly IndexedSource[]
  readonly models: readonly IndexedModel[]
  readonly loads: readonly IndexedLoad[]
  source(table: string): IndexedSource | undefined
  model(table: string): IndexedModel | undefined
  load(target: string): IndexedLoad | undefined
  /** What is declared of a table besides its source or model; empty where nothing is. */
  options(table: string): TableOptions
}

const known = new WeakMap<Project, ProjectIndex>()

/**
 * The index of a project; made once for each project. Names are unique in a project: the definition's check says so before anything runs, and
 * until then the first of a name counts.
 *
 * @example projectIndex(project).source('raw.sales')?.pipeline.name // 'retail'
 */
export function projectIndex(project: Project): ProjectIndex {
  const existing = known.get(project)
  if (existing !== undefined) return existing
  const index = makeIndex(project)
  known.set(project, index)
  return index
}

function makeIndex({ pipelines }: Project): ProjectIndex {
  const sources = pipelines.flatMap((pipeline) =>
    Object.entries(pipeline.sources).map(([key, source]) => ({
      table: `${pipeline.layers[0]}.${key}`,
      key,
      source,
      pipeline,
    })),
  )
  const models = pipelines.flatMap((pipeline) =>
    Object.entries(pipeline.models).map(([table, model]) => ({ table, model, pipeline })),
  )
  const loads = pipelines.flatMap((pipeline) =>
    Object.entries(pipeline.loads).map(([target, load]) => ({ target, load, pipeline })),
  )
  const options = new Map(pipelines.flatMap(({ tables }) => Object.entries(tables)))
  const [bySource, byModel, byLoad] = [first(sources, 'table'), first(models, 'table'), first(loads, 'target')]
  return {
    sources,
    models,
    loads,
    source: (table) => bySource.get(table),
    model: (table) => byModel.get(table),
    load: (target) => byLoad.get(target),
    options: (table) => options.get(table) ?? {},
  }
}

function first<K extends string, T extends { readonly [key in K]: string }>(
  items: readonly T[],
  key: K,
): Map<string, T> {
  return new Map([...items].reverse().map((item) => [item[key], item]))
}
