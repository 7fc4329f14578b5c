/**
 * Secrets and environment variables, resolved at the moment of use: the process's environment, then `.env.<environment>.local`, `.env.local`,
 * `.env.<environment>` and `.env`, below the project; the two in the middle only where an environment was chosen.
 *
 * Values are handed to who needs them and to nothing else: no error, event, record or hash holds one.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { type Problem, problem, sluiceError } from '../../base/errors.ts'
import { isReference, referencesOf } from '../../definition/problems/references.ts'
import type { EnvReference, Project, ProjectConfig, SecretReference, TextOrReference } from '../../definition/types.ts'

type Reference = SecretReference | EnvReference

/** Values by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The variables of a project.
 *
 * @example const environment = await readEnvironment('/home/me/shop', project.config)
 */
export async function readEnvironment(
  root: string,
  { environment }: Pick<ProjectConfig, 'environment'>,
  own: Environment = process.env,
): Promise<Environment> {
  const files = await Promise.all(envFiles(environment?.name).map((name) => readEnvFile(join(root, name))))
  return { ...Object.assign({}, ...files), ...own }
}

/** The last wins. */
function envFiles(environment: string | undefined): readonly string[] {
  return environment === undefined
    ? ['.env', '.env.local']
    : ['.env', `.env.${environment}`, '.env.local', `.env.${environment}.local`]
}

/**
 * The place where a name has its value; undefined where it has none.
 *
 * @example await placeOf('ERP_PASSWORD', '/home/me/shop', project.config) // '.env.local'
 */
export async function placeOf(
  name: string,
  root: string,
  { environment }: Pick<ProjectConfig, 'environment'>,
  own: Environment = process.env,
): Promise<string | undefined> {
  if (Object.hasOwn(own, name)) return own[name] === '' ? undefined : 'the environment'
  for (const file of envFiles(environment?.name).toReversed()) {
    const values = await readEnvFile(join(root, file))
    if (Object.hasOwn(values, name)) return values[name] === '' ? undefined : file
  }
  return undefined
}

async function readEnvFile(file: string): Promise<Environment> {
  try {
    return parseEnv(await readFile(file, 'utf8')) as Environment
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

/**
 * The text that a reference stands for; a text stands for itself. An empty value is a missing one.
 *
 * @example resolveText(secret('SMTP_PASSWORD'), await readEnvironment(root, project.config))
 * @throws Definition.SecretMissing
 */
export function resolveText(value: TextOrReference, environment: Environment): string {
  if (!isReference(value)) return value
  const found = lookUp(value, environment)
  if (found === undefined) throw sluiceError('Definition.SecretMissing', { names: [nameOf(value)] })
  return found
}

function lookUp(reference: Reference, environment: Environment): string | undefined {
  const name = nameOf(reference)
  const found = Object.hasOwn(environment, name) ? environment[name] : undefined
  if (found !== undefined && found !== '') return found
  return '$env' in reference ? reference.default : undefined
}

function nameOf(reference: Reference): string {
  return '$secret' in reference ? reference.$secret : reference.$env
}

/** Every reference of a project. */
function referencesIn({ config, pipelines }: Project): Reference[] {
  return [config, ...pipelines.map(({ notifications }) => notifications)].flatMap(referencesOf)
}

/**
 * The names that a project refers to and that have no value, each once, sorted.
 *
 * @example await missingSecrets('/home/me/shop', project) // ['SMTP_PASSWORD']
 */
export async function missingSecrets(root: string, project: Project): Promise<readonly string[]> {
  const environment = await readEnvironment(root, project.config)
  const missing = referencesIn(project).filter((reference) => lookUp(reference, environment) === undefined)
  return [...new Set(missing.map(nameOf))].sort()
}

/**
 * The problem of missing secrets: one, with all their names (fault CT-07).
 *
 * @example problems.push(...(await checkSecrets(root, project)))
 */
export async function checkSecrets(root: string, project: Project): Promise<readonly Problem[]> {
  const names = await missingSecrets(root, project)
  const { environment } = project.config
  const params = environment === undefined ? { names } : { names, environment: environment.name }
  return names.length === 0 ? [] : [problem('Definition.SecretMissing', params)]
}

/**
 * A function that masks values in any text: as they are, and as JSON, URLs, base64 and basic credentials would spell them.
 *
 * @example redactor(['hunter2'])('password=hunter2') // 'password=***'
 */
export function redactor(values: Iterable<string>): (text: string) => string {
  const spellings = [...values].filter((value) => value !== '').flatMap(spellingsOf)
  // The longest first, so that no spelling is cut by a shorter one inside it.
  const parts = [...new Set(spellings)].sort((a, b) => b.length - a.length)
  if (parts.length === 0) return (text) => text
  const pattern = new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g')
  return (text) => text.replace(pattern, '***')
}

function spellingsOf(value: string): readonly string[] {
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64'),
    Buffer.from(value).toString('base64url'),
  ]
}
