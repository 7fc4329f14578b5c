/**
 * From what was written to the full definition: checks every piece, reports all problems at once, and fills in defaults.
 *
 * TypeScript, JSON and YAML come through here alike. A wrong value never takes a default (fault CT-07).
 */
import type { z } from 'zod'
import { type Problem, problem } from '../base/errors.ts'
import { fillConfig, fillPipeline } from './defaults.ts'
import type { ConfigInput, PipelineInput } from './input.ts'
import { problemsOf } from './issues.ts'
import type { Places } from './places.ts'
import { configSchema, pipelineDataSchema, pipelineSchema } from './schema.ts'
import { suggest } from './suggest.ts'
import type { Pipeline, ProjectConfig, SqlModel } from './types.ts'

/** A SQL model as it was found: its place is its table's name. */
export interface SqlFile {
  /** `<folder>.<file name without .sql>`. */
  readonly table: string
  /** Relative to the project. */
  readonly file: string
  readonly sql: string
}

/**
 * Checks and completes a project's configuration.
 *
 * @example resolveConfig({ name: 'shop' }, noPlaces('sluice.config.ts')).config?.concurrency // 2
 */
export function resolveConfig(
  raw: unknown,
  places: Places,
): { readonly config?: ProjectConfig; readonly problems: readonly Problem[] } {
  const problems = [...checked(configSchema, raw, places, 'The configuration'), ...leakedSecrets(raw, places)]
  return problems.length > 0 ? { problems } : { config: fillConfig(raw as ConfigInput), problems }
}

/**
 * Checks and completes a pipeline, with the SQL files that lie beside it.
 *
 * @example resolvePipeline({ name: 'retail' }, { places: noPlaces('pipeline.ts'), sqlFiles: [] }).pipeline?.layers
 */
export function resolvePipeline(
  raw: unknown,
  at: { readonly places: Places; readonly sqlFiles: readonly SqlFile[] },
): { readonly pipeline?: Pipeline; readonly problems: readonly Problem[] } {
  const { places, sqlFiles } = at
  const schema = /\.(json|ya?ml)$/.test(places.file) ? pipelineDataSchema : pipelineSchema
  const problems = [...checked(schema, raw, places, 'The pipeline'), ...leakedSecrets(raw, places)]
  if (problems.length > 0) return { problems }
  const filled = fillPipeline(raw as PipelineInput, places)
  const models = modelsOf(filled.pipeline, sqlFiles)
  const all = [...filled.problems, ...models.problems]
  return all.length > 0 ? { problems: all } : { pipeline: { ...filled.pipeline, models: models.models }, problems: [] }
}

function checked(schema: z.ZodType, raw: unknown, places: Places, whole: string): Problem[] {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) {
    const found =
      raw === undefined ? 'nothing (is there an `export default`?)' : Array.isArray(raw) ? 'a list' : `a ${typeof raw}`
    return [problem('Definition.WrongValue', { where: whole, expected: 'an object', found }, { at: places.at([]) })]
  }
  return problemsOf(schema, raw, places, whole)
}

/** Notification addresses that carry a secret in the open. */
function leakedSecrets(raw: unknown, places: Places): Problem[] {
  const notifiers = (raw as { notifications?: unknown } | undefined)?.notifications
  if (!Array.isArray(notifiers)) return []
  return notifiers.flatMap((notifier: { url?: unknown } | null, i) => {
    const url = notifier?.url
    if (typeof url !== 'string' || !carriesSecret(url)) return []
    return [
      problem(
        'Definition.PlaintextSecret',
        { where: `notifications[${i}].url` },
        { at: places.at(['notifications', i, 'url'], url) },
      ),
    ]
  })
}

function carriesSecret(url: string): boolean {
  return (
    /^[a-z]+:\/\/[^/]*:[^/]*@/i.test(url) || /[?&](token|key|secret|password|sig|signature|api[_-]?key)=[^&]/i.test(url)
  )
}

/** SQL files join the code models; a table has one model, in a layer that the pipeline has. */
function modelsOf(
  pipeline: Pipeline,
  sqlFiles: readonly SqlFile[],
): { readonly models: Pipeline['models']; readonly problems: readonly Problem[] } {
  const models: Record<string, Pipeline['models'][string]> = { ...pipeline.models }
  const problems: Problem[] = []
  const told = new Set<string>()
  for (const { table, file, sql } of sqlFiles) {
    const layer = table.slice(0, table.indexOf('.'))
    if (!pipeline.layers.includes(layer)) {
      if (told.has(layer)) continue
      told.add(layer)
      const meant = suggest(layer, pipeline.layers)
      const context = { at: { file }, ...(meant === undefined ? {} : { suggestion: meant }) }
      problems.push(
        problem(
          'Definition.UnknownLayer',
          { layer: layer || 'the folder of the pipeline', known: pipeline.layers },
          context,
        ),
      )
      continue
    }
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(table.slice(layer.length + 1))) {
      const expected = 'named by letters, digits and _, as the file is the name of the table'
      problems.push(
        problem('Definition.WrongValue', { where: 'The SQL file', expected, found: `"${file}"` }, { at: { file } }),
      )
      continue
    }
    if (models[table] !== undefined) {
      const first = `a code model in ${pipeline.file}`
      problems.push(problem('Definition.DuplicateTable', { table, first, second: file }, { at: { file } }))
      continue
    }
    models[table] = { kind: 'sql', sql, file } satisfies SqlModel
  }
  return { models, problems }
}
