/**
 * From what was written to the full definition: checks every piece, reports all problems at once, and fills in defaults.
 *
 * TypeScript, JSON and YAML come through here alike. A wrong value never takes a default (fault CT-07).
 */
import type { z } from 'zod'
import { type Problem, problem } from '../base/errors.ts'
import { fillPipeline } from './defaults.ts'
import { environmentProblems, inEnvironment } from './environments.ts'
import type { ConfigInput, PipelineInput } from './input.ts'
import { modelsOf, type SqlFile } from './models.ts'
import { problemsOf, spell, valueAt } from './problems/issues.ts'
import type { Path, Places } from './problems/places.ts'
import { placesAround, soundPart, type Unread, unreadTables } from './problems/sound-part.ts'
import { expandLists, type ListFile } from './procedures/lists.ts'
import { configSchema, pipelineDataSchema, pipelineSchema } from './schema/schema.ts'
import type { Pipeline, ProjectConfig } from './types.ts'

/**
 * Checks and completes a project's configuration, as an environment has it. All environments are checked, whichever is asked for. `readable` is
 * what is left of one that has problems, without what they are about.
 *
 * @example resolveConfig({ name: 'shop' }, noPlaces('sluice.config.ts')).config?.concurrency // 2
 * @throws Definition.UnknownEnvironment: what was asked for is wrong, not the definition
 */
export function resolveConfig(
  raw: unknown,
  places: Places,
  environment?: string,
): {
  readonly config?: ProjectConfig
  readonly readable?: ProjectConfig
  /** What `readable` is without. */
  readonly lost: readonly Path[]
  readonly problems: readonly Problem[]
} {
  const names = Object.keys((raw as Partial<ConfigInput> | undefined)?.environments ?? {})
  const problems = [
    ...checked(configSchema, raw, places, 'The configuration'),
    ...leakedSecrets(raw, places),
    ...names.flatMap((name) => leakedSecrets(raw, places, ['environments', name])),
  ]
  if (problems.length === 0) {
    const input = raw as ConfigInput
    const config = inEnvironment(input, environment)
    return { config, readable: config, lost: [], problems: environmentProblems(input, places) }
  }
  const sound = soundPart(configSchema, raw)
  if (sound === undefined) return { lost: [[]], problems }
  return { readable: inEnvironment(sound.value as ConfigInput, environment), lost: sound.lost, problems }
}

/** What a pipeline is resolved with. */
export interface PipelineSurroundings {
  readonly places: Places
  /** The project's name, where it is known. */
  readonly project?: string
  /** The SQL files that lie beside it. */
  readonly sqlFiles: readonly SqlFile[]
  /** The lists of procedures that it names, by file name. */
  readonly lists?: ReadonlyMap<string, ListFile>
}

/** A pipeline, checked. */
export interface ResolvedPipeline {
  /** Undefined where there is a problem. */
  readonly pipeline?: Pipeline
  /** The pipeline without what has problems; undefined where nothing of it can be read. */
  readonly readable?: Pipeline
  readonly unread: Unread
  readonly problems: readonly Problem[]
  /** They know the entries of lists, too, and where the pieces of `readable` were written. */
  readonly places: Places
}

/**
 * Checks and completes a pipeline, with the files that lie beside it.
 *
 * @example resolvePipeline({ name: 'retail' }, { places: noPlaces('pipeline.ts'), sqlFiles: [] }).pipeline?.layers
 */
export function resolvePipeline(raw: unknown, at: PipelineSurroundings): ResolvedPipeline {
  const { value, places: written, problems: inLists } = expandLists(raw, at.places, at.lists ?? new Map())
  const schema = /\.(json|ya?ml)$/.test(written.file) ? pipelineDataSchema : pipelineSchema
  const wrong = [...inLists, ...checked(schema, value, written, 'The pipeline'), ...leakedSecrets(value, written)]
  const sound = wrong.length === 0 ? { value, lost: [] } : soundPart(schema, value)
  const layersLost = sound?.lost.some(([key, ...rest]) => key === 'layers' || (key === 'name' && rest.length === 0))
  if (sound === undefined || layersLost === true)
    return { problems: wrong, places: written, unread: { tables: new Set(), incomplete: true } }
  const places = placesAround(written, sound.lost)
  const filled = fillPipeline(sound.value as PipelineInput, places, at.project)
  const models = modelsOf(filled.pipeline, at.sqlFiles, places)
  const problems = [...wrong, ...filled.problems, ...models.problems]
  const readable = { ...filled.pipeline, models: models.models }
  const { tables, incomplete } = unreadTables(readable, sound.lost)
  const unread = { tables, incomplete: incomplete || inLists.length > 0 || models.problems.length > 0 }
  return { ...(problems.length > 0 ? {} : { pipeline: readable }), readable, unread, problems, places }
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
function leakedSecrets(raw: unknown, places: Places, below: Path = []): Problem[] {
  const notifiers = valueAt(raw, [...below, 'notifications'])
  if (!Array.isArray(notifiers)) return []
  return notifiers.flatMap((notifier: { url?: unknown } | null, i) => {
    const url = notifier?.url
    if (typeof url !== 'string' || !carriesSecret(url)) return []
    return [
      problem(
        'Definition.PlaintextSecret',
        { where: spell([...below, 'notifications', i, 'url']) },
        { at: places.at([...below, 'notifications', i, 'url'], url) },
      ),
    ]
  })
}

function carriesSecret(url: string): boolean {
  return (
    /^[a-z]+:\/\/[^/]*:[^/]*@/i.test(url) || /[?&](token|key|secret|password|sig|signature|api[_-]?key)=[^&]/i.test(url)
  )
}
