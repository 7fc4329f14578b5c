/** Analyses a project's models, or finds the analysis of the same definition: it depends on nothing else, and a cache may be deleted at any time. */
import { digest } from '../../base/json.ts'
import { declaredChecks, declaredColumns, sourceColumns } from '../../definition/columns.ts'
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import type { Model, Pipeline, Project } from '../../definition/types.ts'
import type { Engine } from '../../engines/engine.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import { build } from '../definition/cache.ts'
import type { ProjectAnalysis } from './models.ts'
import type { Reading } from './reading.ts'

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
export async function analyseProject(
  project: Project,
  engine: Engine,
  cache: Storage,
  reading: Reading = {},
): Promise<ProjectAnalysis> {
  // Nothing is kept of a definition that is read in part.
  if (reading.unread !== undefined && (reading.unread.incomplete || reading.unread.tables.size > 0))
    return analyse(project, engine, reading)
  const key = digest({ build: build(), project: project.pipelines.map(analysed) })
  const kept = await readJson<Kept>(cache, path)
  if (kept?.key === key) return kept.result
  const result = await analyse(project, engine, reading)
  if (result.problems.every(({ severity }) => severity !== 'error'))
    await cache.write(path, JSON.stringify({ key, result } satisfies Kept))
  return result
}

async function analyse(project: Project, engine: Engine, reading: Reading): Promise<ProjectAnalysis> {
  const { analyseModels } = await import('./models.ts')
  const places = await placesOf(reading)
  return analyseModels(project, engine, { ...reading, ...(places === undefined ? {} : { places }) })
}

/**
 * Where pieces stand: as they were read, or found again in their files; loaded only where there is something to tell.
 *
 * @example await placesOf({ root: '/home/me/shop' })
 */
export async function placesOf({ places, root }: Reading): Promise<PlacesOf | undefined> {
  if (places !== undefined || root === undefined) return places
  return (await import('../definition/places.ts')).placesIn(root)
}

/** The part of a pipeline that an analysis depends on. */
function analysed(pipeline: Pipeline): unknown {
  return {
    layers: pipeline.layers,
    ...(pipeline.parameters === undefined ? {} : { parameters: pipeline.parameters }),
    sources: Object.fromEntries(
      Object.entries(pipeline.sources).map(([name, source]) => [
        name,
        [declaredColumns(source), sourceColumns(source), declaredChecks(source)],
      ]),
    ),
    checks: Object.fromEntries(
      Object.entries(pipeline.tables).map(([table, { checks, changes }]) => [table, [checks, changes?.checks]]),
    ),
    models: Object.fromEntries(Object.entries(pipeline.models).map(([table, model]) => [table, textOf(model)])),
  }
}

const textOf = (model: Model): unknown => (model.kind === 'code' ? { ...model, make: model.make.toString() } : model)
