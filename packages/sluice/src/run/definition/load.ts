/** Loads a project from its folder: finds its files, evaluates or parses them, and checks the whole. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, posix, relative, sep } from 'node:path'
import { isSluiceError, type Location, type Problem, problem, sluiceError } from '../../base/errors.ts'
import type { ConfigInput } from '../../definition/input.ts'
import type { SqlFile } from '../../definition/models.ts'
import { checkProject } from '../../definition/problems/check.ts'
import { inOrder } from '../../definition/problems/in-order.ts'
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import { noPlaces, type Places, placesInCode } from '../../definition/problems/places.ts'
import type { Unread } from '../../definition/problems/sound-part.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import { type ListFile, listFilesOf } from '../../definition/procedures/lists.ts'
import { resolveConfig, resolvePipeline } from '../../definition/resolve.ts'
import type { Pipeline, Project, ProjectConfig } from '../../definition/types.ts'
import { contained } from './contain.ts'
import { folderDigest, type Looks, textDigest } from './looks.ts'
import { settledImports } from './settled-code.ts'

/** The endings that a definition file may have, in no order: only one may be there. */
const endings = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml', 'yml']

/** Milliseconds that a file of code may take; compiling is part of it. */
const longestEvaluation = 15_000

/** Folders beside a pipeline that hold no models. */
const noModels = ['dashboards', 'node_modules', 'tests']

/** What was found in a project's folder. */
export interface LoadedProject {
  /** Undefined where a problem is an error. */
  readonly project?: Project
  /** What can be read of it, also where a problem is an error; undefined where nothing can. */
  readonly readable?: Project
  /** What `readable` is without. */
  readonly unread: Unread
  readonly places: PlacesOf
  readonly problems: readonly Problem[]
  /** The files that were read, relative to the root, sorted. */
  readonly files: readonly string[]
  /** Everything that the loader asked the disk, but for what code imports. */
  readonly looks: Looks
}

/** Collects while a project is loaded. */
interface Loading {
  readonly root: string
  readonly environment: string | undefined
  readonly problems: Problem[]
  readonly places: Map<string, Places>
  readonly files: string[]
  readonly looks: { readonly files: Record<string, string>; readonly folders: Record<string, string> }
  readonly unread: Unread[]
}

/**
 * Loads the project in a folder: `sluice.config.*`, `pipelines/<name>/pipeline.*`, and the SQL models `pipelines/<name>/<layer>/<table>.sql`.
 * Never throws for what a user wrote: everything that is wrong comes back as problems, all at once.
 *
 * @example const { project, problems } = await loadProject('/home/me/shop')
 * @throws Definition.UnknownEnvironment
 */
export async function loadProject(root: string, environment?: string): Promise<LoadedProject> {
  const loading = startLoading(root, environment)
  const { readable, connectionsLost } = await loadAll(loading)
  const { problems } = loading
  const places: PlacesOf = (file) => loading.places.get(file) ?? noPlaces(file)
  const unread: Unread = {
    tables: new Set(loading.unread.flatMap(({ tables }) => [...tables])),
    incomplete: loading.unread.some(({ incomplete }) => incomplete),
  }
  if (readable !== undefined)
    problems.push(
      ...checkProject(readable, places, unread).filter(
        ({ name }) => !(connectionsLost && name === 'Definition.UnknownConnection'),
      ),
    )
  const broken = problems.some(({ severity }) => severity === 'error')
  return {
    ...(readable === undefined || broken ? {} : { project: readable }),
    ...(readable === undefined ? {} : { readable }),
    unread,
    places,
    problems: inOrder(problems),
    files: loading.files.sort(),
    looks: loading.looks,
  }
}

interface Read {
  readonly readable?: Project
  /** Whether a connection may be there that could not be read. */
  readonly connectionsLost: boolean
}

function startLoading(root: string, environment: string | undefined): Loading {
  return {
    root,
    environment,
    problems: [],
    places: new Map(),
    files: [],
    looks: { files: {}, folders: {} },
    unread: [],
  }
}

/**
 * The configuration as it is written, for who asks where its values come from. It was loaded before, and had no problem.
 *
 * @example settingsOf(await readConfig('/home/me/shop'), 'prod')
 */
export async function readConfig(root: string): Promise<ConfigInput> {
  const loading = startLoading(root, undefined)
  const file = await definitionFile(loading, '', 'sluice.config')
  const read = file === undefined || file === 'ambiguous' ? undefined : await readDefinition(loading, file)
  const { problems } = loading
  if (read === undefined) throw sluiceError('Definition.Invalid', { count: problems.length }, { problems })
  return read.value as ConfigInput
}

async function loadAll(loading: Loading): Promise<Read> {
  const { root, environment, problems } = loading
  const file = await definitionFile(loading, '', 'sluice.config')
  if (file === 'ambiguous') return { connectionsLost: true }
  if (file === undefined) {
    problems.push(problem('Definition.NoProject', { root }))
    return { connectionsLost: true }
  }
  const read = await readDefinition(loading, file)
  const config = read && resolveConfig(read.value, read.places, environment)
  problems.push(...(config?.problems ?? []))
  // Pipelines are looked at even where the configuration is wrong, so that all problems are reported at once.
  const pipelines = await loadPipelines(loading, config?.readable)
  // A key that is not known may be a misspelt one.
  const connectionsLost = config?.lost.some(([key]) => suggest(String(key), ['connections']) !== undefined) ?? true
  return config?.readable === undefined
    ? { connectionsLost }
    : { readable: { config: config.readable, pipelines }, connectionsLost }
}

async function loadPipelines(loading: Loading, config: ProjectConfig | undefined): Promise<readonly Pipeline[]> {
  const folder = config?.pipelines ?? 'pipelines'
  const names = (await entries(loading, folder))
    .filter((entry) => entry.isDirectory() && !/^[._]/.test(entry.name) && entry.name !== 'node_modules')
    .map((entry) => entry.name)
    .sort()
  // A warning: a project begins empty, and a crawl can propose its first source.
  if (names.length === 0) loading.problems.push(problem('Definition.NoPipeline', { folder }, { severity: 'warning' }))
  const pipelines: Pipeline[] = []
  for (const name of names) {
    const pipeline = await loadPipeline(loading, `${folder}/${name}`, config?.name)
    if (pipeline === undefined) loading.unread.push({ tables: new Set(), incomplete: true })
    else pipelines.push(pipeline)
  }
  return pipelines
}

/** A pipeline as far as it can be read; undefined where it cannot. */
async function loadPipeline(
  loading: Loading,
  folder: string,
  project: string | undefined,
): Promise<Pipeline | undefined> {
  const file = await definitionFile(loading, folder, 'pipeline')
  if (file === 'ambiguous') return undefined
  if (file === undefined) {
    loading.problems.push(problem('Definition.NoPipeline', { folder }, { at: { file: folder } }))
    return undefined
  }
  const read = await readDefinition(loading, file)
  const sqlFiles = await readSqlFiles(loading, folder)
  if (read === undefined) return undefined
  const lists = await readLists(loading, folder, listFilesOf(read.value), read.places)
  const { readable, unread, problems, places } = resolvePipeline(read.value, {
    ...{ places: read.places, sqlFiles, lists },
    ...(project !== undefined && { project }),
  })
  loading.places.set(file, places)
  loading.problems.push(...problems)
  loading.unread.push(unread)
  if (lists.size < listFilesOf(read.value).length) loading.unread.push({ tables: new Set(), incomplete: true })
  return readable
}

/** The one definition file of a folder. */
async function definitionFile(
  loading: Loading,
  folder: string,
  name: string,
): Promise<string | 'ambiguous' | undefined> {
  const present = new Set((await entriesOf(join(loading.root, folder))).map((entry) => entry.name))
  const candidates = endings.map((ending) => `${name}.${ending}`)
  const inFolder = (file: string): string => (folder === '' ? file : `${folder}/${file}`)
  for (const file of candidates) loading.looks.files[inFolder(file)] = textDigest(undefined)
  const paths = candidates.filter((file) => present.has(file)).map(inFolder)
  if (paths.length < 2) return paths[0]
  loading.problems.push(problem('Definition.AmbiguousFile', { files: paths }, { at: { file: paths[1]! } }))
  return 'ambiguous'
}

async function readDefinition(
  loading: Loading,
  file: string,
): Promise<{ readonly value: unknown; readonly places: Places } | undefined> {
  const text = await readText(loading, file)
  if (/\.(json|ya?ml)$/.test(file)) {
    const { readData } = await import('../../definition/read-data.ts')
    const { value, places, problems } = readData(file, text)
    loading.places.set(file, places)
    loading.problems.push(...problems)
    return problems.length > 0 ? undefined : { value, places }
  }
  const places = placesInCode(file, text)
  loading.places.set(file, places)
  try {
    const isPlain =
      settledImports(text)?.every((name) => name === 'sluice') === true && !/\b(?:async|await|then)\b/.test(text)
    // Made before: only what runs before its first wait can be stopped without a watchdog.
    const work = await evaluator(loading.root, file, isPlain)
    return { value: await contained(work, { file, limitMs: longestEvaluation, isPlain }), places }
  } catch (error) {
    if (isSluiceError(error, 'Definition.FileMisbehaves')) {
      const params = { file, what: String(error.params['what']) }
      loading.problems.push(problem('Definition.FileMisbehaves', params, { at: { file } }))
      return undefined
    }
    loading.problems.push(evaluationProblem(loading.root, file, error as Error, await import('../../index.ts')))
    return undefined
  }
}

/**
 * What evaluates TypeScript or JavaScript; what it imports as 'sluice' is this very package, wherever the project lies.
 *
 * Compiled files are kept below the project, by the hash of their source: compiling costs twenty times as much as reading them back, and in a folder
 * that others can write to, anyone could plant code.
 */
async function evaluator(root: string, file: string, isPlain: boolean): Promise<() => Promise<unknown>> {
  // Required, not imported: importing CommonJS parses all of it a second time for the names it exports.
  const { createJiti } = createRequire(import.meta.url)('jiti') as typeof import('jiti')
  const sluice = await import('../../index.ts')
  const state = join(root, '.sluice')
  await mkdir(state, { recursive: true, mode: 0o700 }).catch(() => {})
  const options = { virtualModules: { sluice }, moduleCache: false, fsCache: join(state, 'cache', 'definition') }
  const jiti = createJiti(import.meta.url, options)
  const path = join(root, file)
  // Without a wait, so that all of it can be stopped.
  if (isPlain) return async () => (jiti(path) as { default?: unknown }).default
  return async () => (await jiti.import<{ default?: unknown }>(path)).default
}

function evaluationProblem(root: string, file: string, error: Error, sluice: object): Problem {
  const at = placeOf(root, String(error?.message)) ?? lineOf(placeOf(root, String(error?.stack))) ?? { file }
  const absent = /\(0 ?, ?_sluice\.(\w+)\) is not a function/.exec(String(error?.message))?.[1]
  if (absent !== undefined) {
    const meant = suggest(absent, Object.keys(sluice))
    const detail = `'sluice' has no "${absent}".`
    return problem('Definition.FileFailed', { file, detail }, meant === undefined ? { at } : { at, suggestion: meant })
  }
  const detail = String(error?.message ?? error)
    .split('\n')[0]!
    .trim()
    .replace(/^ParseError: /, '')
  return problem('Definition.FileFailed', { file, detail: /[.!?]$/.test(detail) ? detail : `${detail}.` }, { at })
}

/** The first place inside the project that a message or a stack names. */
function placeOf(root: string, text: string): Location | undefined {
  for (const [, path, line, column] of text.matchAll(/(?:file:\/\/)?(\/[^\s():]+|[A-Za-z]:[^\s():]+):(\d+):(\d+)/g)) {
    const file = relative(root, path!)
    if (file.startsWith('..') || file.includes('node_modules')) continue
    return { file: file.split(sep).join('/'), line: Number(line), column: Number(column) }
  }
  return undefined
}

/** A place in a stack without its column, which is that of the compiled line. */
function lineOf(place: Location | undefined): Location | undefined {
  return place && { file: place.file, line: place.line! }
}

/** The lists of procedures that a pipeline names, as files beside it; those that cannot be read are problems. */
async function readLists(
  loading: Loading,
  folder: string,
  names: readonly string[],
  places: Places,
): Promise<ReadonlyMap<string, ListFile>> {
  const lists = new Map<string, ListFile>()
  for (const name of names) {
    const file = posix.join(folder, name)
    const isBeside = /\.(json|ya?ml)$/.test(name) && file.startsWith(`${folder}/`) && !name.includes('\\')
    const found = isBeside && existsSync(join(loading.root, file))
    if (!found) {
      const expected = isBeside ? 'a file that is there' : 'a YAML or JSON file beside the pipeline'
      const params = { where: 'The list of procedures', expected, found: `"${name}"` }
      loading.problems.push(problem('Definition.WrongValue', params, { at: places.at(['sources'], name) }))
      // So that the file's coming is noticed.
      if (isBeside) loading.looks.files[file] = textDigest(undefined)
      continue
    }
    const list = await readDefinition(loading, file)
    if (list !== undefined) lists.set(name, list)
  }
  return lists
}

/** Every SQL file below a pipeline, in the order of names. */
async function readSqlFiles(loading: Loading, folder: string, below = ''): Promise<readonly SqlFile[]> {
  const found: SqlFile[] = []
  const all = await entries(loading, below === '' ? folder : `${folder}/${below}`)
  for (const entry of all.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || (below === '' && noModels.includes(entry.name))) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) found.push(...(await readSqlFiles(loading, folder, path)))
    else if (entry.name.endsWith('.sql')) {
      const file = `${folder}/${path}`
      found.push({ table: `${below}.${entry.name.slice(0, -4)}`, file, sql: await readText(loading, file) })
    }
  }
  return found
}

async function readText({ root, files, looks }: Loading, file: string): Promise<string> {
  files.push(file)
  const bytes = await readFile(join(root, file))
  looks.files[file] = textDigest(bytes)
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

/** The entries of a folder below the root; none where there is no folder. */
async function entries({ root, looks }: Loading, folder: string) {
  const found = await entriesOf(join(root, folder))
  looks.folders[folder] = folderDigest(found)
  return found
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
