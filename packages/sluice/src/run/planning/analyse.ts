/** Analyses a project's models, or finds the analysis of the same definition: it depends on nothing else, and a cache may be deleted at any time. */
import { digest } from '../../base/json.ts'
import { declaredColumns, sourceColumns } from '../../definition/columns.ts'
import type { Model, Pipeline, Project } from '../../definition/types.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Storage } from '../../storage/storage.ts'
import { build } from '../definition/cache.ts'
import type { ProjectAnalysis } from './models.ts'

interface Kept {
  readonly key: string
  readonly result: ProjectAnalysis
}

const path = 'cache/analysis.json'

/**
 * Analyses every model of a project.
 *
 * @example const { columns, problems } = await analyseProject(project, engine, state)
 */
export async function analyseProject(project: Project, engine: Engine, cache: Storage): Promise<ProjectAnalysis> {
  const key = digest({ build: build(), project: project.pipelines.map(analysed) })
  const kept = parse(await cache.read(path))
  if (kept?.key === key) return kept.result
  const { analyseModels } = await import('./models.ts')
  const result = await analyseModels(project, engine)
  if (result.problems.every(({ severity }) => severity !== 'error'))
    await cache.write(path, JSON.stringify({ key, result } satisfies Kept))
  return result
}

/** The part of a pipeline that an analysis depends on. */
function analysed(pipeline: Pipeline): unknown {
  return {
    layers: pipeline.layers,
    sources: Object.fromEntries(
      Object.entries(pipeline.sources).map(([name, source]) => [
        name,
        [declaredColumns(source), sourceColumns(source)],
      ]),
    ),
    models: Object.fromEntries(Object.entries(pipeline.models).map(([table, model]) => [table, textOf(model)])),
  }
}

const textOf = (model: Model): unknown => (model.kind === 'code' ? { ...model, make: model.make.toString() } : model)

/** A damaged cache counts as none. */
function parse(bytes: Uint8Array | undefined): Kept | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Kept
  } catch {
    return undefined
  }
}
