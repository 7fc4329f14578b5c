/**
 * Keeps a loaded definition, so that a project that nobody edited is not evaluated again. A cache: it may be deleted at any time.
 *
 * What is kept is used only while everything that loading looked at is as it was: each file's content, each folder's names, the build of
 * Sluice and of Node. Code is kept only where that settles its value: where it imports nothing but 'sluice' and files of the project, and
 * names nothing that could answer differently tomorrow (the environment, the time, chance, other files). See docs/decisions/0005.
 */
import { readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Problem } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { Project } from '../../definition/types.ts'
import { readJson } from '../../storage/read-json.ts'
import type { Storage } from '../../storage/storage.ts'
import type { LoadedProject } from './load.ts'
import { type Looks, sameLooks, textDigest } from './looks.ts'
import { settledImports } from './settled-code.ts'

/** What opening a project needs of its definition. */
export interface Definition
  extends Pick<LoadedProject, 'project' | 'problems'>,
    Partial<Pick<LoadedProject, 'unread' | 'places'>> {
  /** What can be read of it, also where a problem is an error. */
  readonly readable?: Project
}

interface Kept {
  readonly build: string
  readonly looks: Looks
  readonly project: Project
  readonly problems: readonly Problem[]
}

/** Of each environment its own: the same files are another project there. */
const pathOf = (environment: string | undefined): string =>
  environment === undefined ? 'cache/project.json' : `cache/project.${digest(environment).slice(0, 16)}.json`

/**
 * Loads the definition of a project, or finds it as it was loaded before.
 *
 * @param environment The one to load it for.
 * @example const { project, problems } = await loadDefinition('/home/me/shop', state)
 * @throws Definition.UnknownEnvironment
 */
export async function loadDefinition(root: string, state: Storage, environment?: string): Promise<Definition> {
  const path = pathOf(environment)
  const kept = await readJson<Kept>(state, path)
  if (kept !== undefined && kept.build === build() && same(root, kept.looks)) return { ...kept, readable: kept.project }
  const { loadProject } = await import('./load.ts')
  const { looks, ...loaded } = await loadProject(root, environment)
  const { project, problems } = loaded
  const imported =
    project &&
    importsOf(
      root,
      Object.keys(looks.files).filter((file) => looks.files[file] !== ''),
    )
  if (project !== undefined && imported !== undefined) {
    const all = { files: { ...imported, ...looks.files }, folders: looks.folders }
    const keep: Kept = { build: build(), looks: all, project, problems }
    // A function, say, does not survive being written down.
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(keep)), keep))
      await state.write(path, JSON.stringify(keep)).catch(() => undefined)
  }
  // Where not even the configuration can be read, the one that could be read last says where the tables are.
  if (loaded.readable === undefined && kept !== undefined)
    return { ...loaded, readable: { config: kept.project.config, pipelines: [] } }
  return loaded
}

function same(root: string, looks: Looks): boolean {
  try {
    return sameLooks(root, looks)
  } catch {
    return false
  }
}

let known: string | undefined

/** Which Sluice, on which Node: its version, and where it was compiled from source, the time of that. */
export function build(): string {
  if (known !== undefined) return known
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  const compiled = statSync(new URL('../../.tsbuildinfo', import.meta.url), { throwIfNoEntry: false })
  known = digest({ version, compiled: compiled?.mtimeMs, runtime: process.versions })
  return known
}

/** The digests of everything that these code files import, directly or not; undefined where their text does not settle their value. */
function importsOf(root: string, files: readonly string[]): Record<string, string> | undefined {
  // jiti can be told by the environment to resolve or to compile differently.
  if (Object.keys(process.env).some((name) => name.startsWith('JITI_'))) return undefined
  const found: Record<string, string> = {}
  const waiting = files.filter((file) => code.test(file))
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (file in found) continue
    const bytes = read(root, file)
    const imports = bytes && (code.test(file) ? localImports(file, bytes.toString('utf8')) : [])
    if (imports === undefined) return undefined
    found[file] = textDigest(bytes)
    // Whether a folder's code is CommonJS or not.
    for (let folder = posix.dirname(file); ; folder = posix.dirname(folder)) {
      const manifest = posix.join(folder, 'package.json')
      found[manifest] = textDigest(read(root, manifest))
      if (folder === '.') break
    }
    waiting.push(...imports)
  }
  return found
}

const code = /\.[mc]?[jt]s$/

/** The project's files that a file of code imports; undefined where it imports anything else, or its text does not settle its value. */
function localImports(file: string, text: string): readonly string[] | undefined {
  const local: string[] = []
  for (const name of settledImports(text) ?? ['?']) {
    if (name === 'sluice') continue
    // Spelled as it is called: what has to be searched for could be found elsewhere tomorrow.
    const target = posix.join(posix.dirname(file), name)
    if (!/^\.\.?\//.test(name) || target.startsWith('../') || !/\.(?:json|[mc]?[jt]s)$/.test(target)) return undefined
    local.push(target)
  }
  return local
}

/** Undefined for what is not there, or is no file. */
function read(root: string, file: string): Buffer | undefined {
  try {
    return readFileSync(join(root, file))
  } catch {
    return undefined
  }
}
