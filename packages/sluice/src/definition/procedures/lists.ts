/**
 * Lists of procedures: each entry becomes a source of its own, whether the list stands in code or in a YAML or JSON file beside the pipeline.
 *
 * What is wrong with an entry is found where all sources are checked, and told at the entry's own place.
 */
import { type Problem, problem } from '../../base/errors.ts'
import type { Path, Places } from '../problems/places.ts'
import { tableOf } from './rules.ts'

/** A list in a file, read. */
export interface ListFile {
  readonly value: unknown
  readonly places: Places
}

interface List {
  readonly connection: unknown
  readonly list: unknown
}

type Entries = { readonly [key: string]: unknown }

/**
 * The files that a pipeline, as written, names as lists; each once.
 *
 * @example listFilesOf({ sources: procedures('erp', 'procedures.yaml') }) // ['procedures.yaml']
 */
export function listFilesOf(raw: unknown): readonly string[] {
  const files = listsOf(raw).flatMap(({ list }) => (typeof list === 'string' ? [list] : []))
  return [...new Set(files)]
}

/**
 * Puts sources in the place of the lists of a pipeline, as written.
 *
 * @example expandLists({ sources: procedures('erp', [{ procedure: 'dbo.usp_customers', columns }]) }, places, new Map()).value
 */
export function expandLists(
  raw: unknown,
  places: Places,
  files: ReadonlyMap<string, ListFile>,
): { readonly value: unknown; readonly places: Places; readonly problems: readonly Problem[] } {
  const lists = listsOf(raw)
  if (lists.length === 0) return { value: raw, places, problems: [] }
  const problems: Problem[] = []
  // Unlike a spread, this leaves the lists out.
  const sources = Object.fromEntries(Object.entries((raw as Entries)['sources'] as Entries))
  const origins = new Map<string, Places['at']>()
  for (const { connection, list } of lists) {
    const file = typeof list === 'string' ? files.get(list) : undefined
    if (typeof list === 'string' && file === undefined) continue
    for (const entry of entriesOf(file?.value ?? list, file?.places ?? places, file === undefined, problems)) {
      const { table, source, at } = entry
      if (Object.hasOwn(sources, table)) {
        const second = `${String((source as Entries)['procedure'])} of ${file?.places.file ?? places.file}`
        const params = { table, first: `a source of ${places.file}`, second }
        problems.push(problem('Definition.DuplicateTable', params, { at: at([]) }))
        continue
      }
      sources[table] = { kind: 'procedure', connection, ...source }
      origins.set(table, at)
    }
  }
  const at: Places['at'] = (path, token) => {
    const origin = path[0] === 'sources' ? origins.get(String(path[1])) : undefined
    return origin === undefined ? places.at(path, token) : origin(path.slice(2), token)
  }
  return { value: { ...(raw as Entries), sources }, places: { ...places, at }, problems }
}

/** Lists stand among the sources under symbols, so that spreading two of them never loses one. */
function listsOf(raw: unknown): readonly List[] {
  const sources = (raw as { sources?: unknown } | undefined | null)?.sources
  if (typeof sources !== 'object' || sources === null) return []
  return Object.getOwnPropertySymbols(sources)
    .map((key) => (sources as Record<symbol, List>)[key])
    .filter((list) => typeof list === 'object' && list !== null)
}

interface Entry {
  readonly table: string
  readonly source: object
  readonly at: Places['at']
}

function entriesOf(list: unknown, places: Places, inCode: boolean, problems: Problem[]): readonly Entry[] {
  const wrong = (where: string, expected: string, found: unknown, path: Path): void => {
    const params = { where, expected, found: found === null ? 'null' : `a ${typeof found}` }
    problems.push(problem('Definition.WrongValue', params, { at: places.at(inCode ? ['sources'] : path) }))
  }
  const whole = inCode ? 'The list of procedures' : `The list of procedures in ${places.file}`
  if (!Array.isArray(list)) {
    wrong(whole, 'a list', list, [])
    return []
  }
  return list.flatMap((entry: unknown, i): Entry[] => {
    if (typeof entry !== 'object' || entry === null) {
      wrong(`Entry ${i + 1} of ${whole.toLowerCase()}`, 'an object', entry, [i])
      return []
    }
    const { table, ...source } = entry as { readonly table?: unknown; readonly procedure?: unknown }
    const procedure = String(source.procedure ?? `entry ${i + 1}`)
    const named = table === undefined ? tableOf(procedure) : String(table)
    if (named === '__proto__') {
      wrong(`The table of entry ${i + 1} of ${whole.toLowerCase()}`, 'another name than __proto__', named, [i])
      return []
    }
    const own = inCode ? (places.around?.('table', named) ?? places.around?.('procedure', procedure)) : undefined
    const at: Places['at'] = (path, token) =>
      inCode ? (own ?? places).at(own === undefined ? ['sources'] : path, token) : places.at([i, ...path], token)
    const foreign = ['kind', 'connection'].find((key) => Object.hasOwn(source, key))
    if (foreign !== undefined) {
      const params = { key: foreign, where: `The entry ${named} of a list of procedures`, known: [] }
      problems.push(problem('Definition.UnknownKey', params, { at: at([foreign]) }))
      return []
    }
    return [{ table: named, source, at }]
  })
}
