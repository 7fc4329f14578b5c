/** What is left of a definition without what is wrong in it, so that one problem hides no other. */
import type { z } from 'zod'
import type { Pipeline } from '../types.ts'
import { wrongPaths } from './issues.ts'
import type { Path, Places } from './places.ts'

/** Tables whose definition cannot be read in full: they are there, and nothing is known of their columns. */
export interface Unread {
  readonly tables: ReadonlySet<string>
  /** Whether a pipeline, or a part of it that can hold any table, could not be read at all. */
  readonly incomplete: boolean
}

/** A definition of which everything was read. */
export const allRead: Unread = { tables: new Set(), incomplete: false }

/** The sound part of what was written, and the paths of what was left out, as they were written. */
export interface SoundPart {
  readonly value: unknown
  readonly lost: readonly Path[]
}

/** More rounds than parts of a definition lie within each other. */
const mostRounds = 20

/**
 * Leaves out what a schema refuses, in the smallest pieces; undefined where nothing would be left.
 *
 * @example soundPart(pipelineSchema, { name: 'retail', sorces: {} })?.lost // [['sorces']]
 */
export function soundPart(schema: z.ZodType, raw: unknown): SoundPart | undefined {
  let value = raw
  const lost: Path[] = []
  for (let round = 0; round < mostRounds; round++) {
    const paths = wrongPaths(schema, value)
    if (paths.length === 0) return { value, lost }
    // From behind, so that no place in a list moves before it is looked at.
    for (const path of [...paths].sort(fromBehind)) {
      const cut = without(value, path)
      if (cut === undefined) return undefined
      value = cut.value
      lost.push(asWritten(cut.path, lost))
    }
  }
  return undefined
}

function fromBehind(a: Path, b: Path): number {
  const at = a.findIndex((step, i) => step !== b[i])
  if (at < 0) return b.length - a.length
  const [x, y] = [a[at]!, b[at] ?? '']
  return typeof x === 'number' && typeof y === 'number' ? y - x : String(y) < String(x) ? -1 : 1
}

/** A value without what is at a path, or without what is around it where there is nothing; undefined where that is the value itself. */
function without(value: unknown, path: Path): { readonly value: unknown; readonly path: Path } | undefined {
  const [step, ...rest] = path
  if (step === undefined) return undefined
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  const inner = rest.length === 0 ? undefined : without((value as Record<string | number, unknown>)[step], rest)
  const made = inner?.value
  const where = inner === undefined ? [step] : [step, ...inner.path]
  if (Array.isArray(value)) {
    const list = [...value]
    if (inner === undefined) list.splice(Number(step), 1)
    else list[Number(step)] = made
    return { value: list, path: where }
  }
  const copy = { ...value } as Record<string | number, unknown>
  if (inner === undefined) delete copy[step]
  else copy[step] = made
  return { value: copy, path: where }
}

/** A path into what is left, as a path into what was written: elements of lists move up where one before them is left out. */
function asWritten(path: Path, lost: readonly Path[]): Path {
  const written: (string | number)[] = []
  for (const step of path) written.push(typeof step === 'number' ? placeInList(step, written, lost) : step)
  return written
}

function placeInList(index: number, list: Path, lost: readonly Path[]): number {
  const gone = new Set(
    lost.flatMap((path) =>
      path.length === list.length + 1 && list.every((step, i) => step === path[i]) ? [path.at(-1)] : [],
    ),
  )
  let place = 0
  for (let left = index; ; place++) if (!gone.has(place) && left-- === 0) return place
}

/**
 * Places in what was written, found by paths into what is left of it.
 *
 * @example placesAround(places, lost).at(['sources', 'sales', 'checks', 0])
 */
export function placesAround(places: Places, lost: readonly Path[]): Places {
  if (lost.length === 0) return places
  return { ...places, at: (path, token) => places.at(asWritten(path, lost), token) }
}

/**
 * The tables of a pipeline that cannot be read in full.
 *
 * @example unreadTables({ layers: ['raw'] }, [['sources', 'sales', 'columns', 'id']]) // { tables: Set { 'raw.sales' }, incomplete: false }
 */
export function unreadTables({ layers }: Pick<Pipeline, 'layers'>, lost: readonly Path[]): Unread {
  const tables = new Set<string>()
  let incomplete = false
  for (const [kind, name, key, column, option] of lost) {
    if (name === undefined) incomplete = true
    else if (kind === 'sources' && hidesColumns(key, column, option)) tables.add(`${layers[0]}.${name}`)
    else if (kind === 'models' && (key === undefined || key === 'columns' || key === 'inputs')) tables.add(`${name}`)
    else if (kind === 'tables' && (key === undefined || key === 'copy' || key === 'changes')) tables.add(`${name}`)
  }
  return { tables, incomplete }
}

/** Whether it shows in a source's columns that a piece of it is left out: a format does not, a type does. */
function hidesColumns(key: unknown, column: unknown, option: unknown): boolean {
  if (key === undefined || key === 'parameters') return true
  return key === 'columns' && (column === undefined || option === undefined || option === 'type')
}
