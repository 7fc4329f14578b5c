/**
 * One configuration, several environments: what an environment says in place of the configuration, where each value came from, and which
 * environments would be in each other's way.
 */
import { type Problem, problem, sluiceError } from '../base/errors.ts'
import { fillConfig } from './defaults.ts'
import type { ConfigInput, EnvironmentInput } from './input.ts'
import type { Places } from './problems/places.ts'
import { isReference } from './problems/references.ts'
import { suggest } from './problems/suggest.ts'
import { stateFolder } from './state.ts'
import type { EnvironmentChoice, ProjectConfig } from './types.ts'

/**
 * The configuration as an environment has it, completed. Without one it is what is written outside of `environments`.
 *
 * @example inEnvironment({ name: 'shop', environments: { prod: { concurrency: 8 } } }, 'prod').concurrency // 8
 * @throws Definition.UnknownEnvironment with the nearest name
 */
export function inEnvironment(input: ConfigInput, environment: string | undefined): ProjectConfig {
  if (environment === undefined) return fillConfig(input)
  const known = Object.keys(input.environments ?? {})
  if (!known.includes(environment)) {
    const meant = suggest(environment, known)
    const context = meant === undefined ? {} : { suggestion: meant }
    throw sluiceError('Definition.UnknownEnvironment', { environment, known }, context)
  }
  const own = input.environments![environment]!
  const config = fillConfig(overlaid(input, own))
  return { ...config, environment: choice(environment, own, config, fillConfig(input)) }
}

/** Runs over one lake share what is known of it; over another lake, nothing. */
function choice(
  name: string,
  { target = 'local' }: EnvironmentInput,
  config: ProjectConfig,
  project: ProjectConfig,
): EnvironmentChoice {
  const shares = folderName(config.lake.path) === folderName(project.lake.path)
  return { name, target, state: shares ? stateFolder : `${stateFolder}/env/${name}` }
}

/** A connection and a warehouse are replaced as a whole, so that no part of one server's settings is ever used with another's. */
function overlaid(input: ConfigInput, own: EnvironmentInput): ConfigInput {
  const { environments: _environments, ...base } = input
  const { target: _target, ...over } = own
  return {
    ...base,
    ...over,
    lake: { ...lakeOf(base), ...lakeOf(own) },
    connections: { ...base.connections, ...own.connections },
    engine: { ...base.engine, ...own.engine },
  }
}

function lakeOf({ lake = {} }: Pick<ConfigInput, 'lake'>): Exclude<ConfigInput['lake'], string | undefined> {
  return typeof lake === 'string' ? { path: lake } : lake
}

/** One value of a configuration, and where it came from. */
export interface Setting {
  /** Its way in the configuration: `engine.memoryLimit`. */
  readonly setting: string
  /** A reference stays one. */
  readonly value: unknown
  /** `environments.<name>`, `configuration`, or `default`. */
  readonly source: string
}

/**
 * Every value of a configuration in an environment, with its source.
 *
 * @example settingsOf({ name: 'shop' }, undefined)[0] // { setting: 'name', value: 'shop', source: 'configuration' }
 * @throws Definition.UnknownEnvironment
 */
export function settingsOf(input: ConfigInput, environment: string | undefined): readonly Setting[] {
  const { environment: chosen, ...config } = inEnvironment(input, environment)
  const own = chosen === undefined ? undefined : input.environments?.[chosen.name]
  const written = { ...input, lake: lakeOf(input) }
  const over = own === undefined ? undefined : { ...own, lake: lakeOf(own) }
  return leavesOf(config).map(({ path, value }) => {
    const isOver = over !== undefined && isIn(over, unitOf(path))
    const isWritten = isIn(isOver ? over : written, path)
    const source = isOver ? `environments.${environment}` : 'configuration'
    return { setting: path.join('.'), value, source: isWritten ? source : 'default' }
  })
}

/** The part of the configuration that is replaced as one. */
function unitOf(path: readonly string[]): readonly string[] {
  return path.slice(0, ['lake', 'engine', 'connections'].includes(path[0]!) ? 2 : 1)
}

function isIn(value: unknown, path: readonly string[]): boolean {
  let at = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return false
    at = (at as { readonly [key: string]: unknown })[step]
  }
  return at !== undefined
}

function leavesOf(
  value: unknown,
  path: readonly string[] = [],
): readonly { readonly path: readonly string[]; readonly value: unknown }[] {
  const isBranch = typeof value === 'object' && value !== null && !isReference(value)
  const entries = isBranch ? Object.entries(value) : []
  if (entries.length === 0) return [{ path, value }]
  return entries.flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
}

/**
 * Environments on this machine that would be in each other's way: lakes that two of them share without knowing of each other, lakes inside
 * lakes, and one warehouse that is loaded from two lakes.
 *
 * @example problems.push(...environmentProblems(input, places))
 */
export function environmentProblems(input: ConfigInput, places: Places): readonly Problem[] {
  const project = fillConfig(input)
  const others = Object.entries(input.environments ?? {}).filter(([, own]) => own.target !== 'aws')
  const all = [
    { name: undefined, config: project },
    ...others.map(([name, own]) => ({ name, config: fillConfig(overlaid(input, own)) })),
  ]
  return all.flatMap(({ name, config }, i) =>
    all.slice(0, i).flatMap((other) => {
      const why = conflict(config, other.config, project)
      if (why === undefined || name === undefined) return []
      const first = other.name === undefined ? 'The project without an environment' : `Environment "${other.name}"`
      const params = { first, second: name, why }
      return [problem('Definition.EnvironmentsMeet', params, { at: places.at(['environments', name]) })]
    }),
  )
}

function conflict(a: ProjectConfig, b: ProjectConfig, project: ProjectConfig): string | undefined {
  const [lake, other] = [folderName(a.lake.path), folderName(b.lake.path)]
  if (lake === other)
    return lake === folderName(project.lake.path)
      ? undefined
      : `have the lake "${lake}", which is not the project's own, and would not see each other's runs`
  if (`${lake}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${lake}/`))
    return `have lakes inside each other: "${other}" and "${lake}"`
  const warehouse = warehouseName(a)
  return warehouse !== undefined && warehouse === warehouseName(b)
    ? `load one warehouse, ${warehouse}, from two lakes`
    : undefined
}

/** What makes a warehouse that one. What is only referred to may have another value in each environment, and is no such name. */
function warehouseName({ warehouse, connections }: ProjectConfig): string | undefined {
  if (warehouse.kind === 'duckdb') return `"${folderName(warehouse.path)}"`
  const { host, port, database } = connections[warehouse.connection] ?? {}
  if ([host, port, database].some((part) => part === undefined || isReference(part))) return undefined
  return `schema "${warehouse.schema}" of "${database}" on ${host}:${port}`
}

function folderName(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}
