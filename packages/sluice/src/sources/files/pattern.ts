/** The pattern of a source's path: `*` and `?` within a name, `**` for folders; nothing else is special. */
import { lstatSync, readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { sluiceError } from '../../base/errors.ts'

/** A file that a pattern found. */
export interface FoundFile {
  /** Relative to the root, with `/`. */
  readonly path: string
  readonly absolute: string
  readonly bytes: number
  readonly modifiedMs: number
  /** Changes whenever the file does: size, times and inode. */
  readonly stamp: string
}

/**
 * The files below `root` that match; sorted by path. Links are never followed, and temporary names (`.part`, `.tmp`, a leading dot) are left.
 *
 * @example findFiles('/project', 'inbox/sales_*.csv')
 * @throws Source.Path where the pattern would leave the root
 */
export function findFiles(root: string, pattern: string): readonly FoundFile[] {
  const parts = patternParts(pattern)
  const found: FoundFile[] = []
  walk(resolve(root), '', parts, found)
  const byPath = new Map(found.map((file) => [file.path, file]))
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

function patternParts(pattern: string): readonly string[] {
  const parts = pattern.split(/[/\\]/).filter((part) => part !== '' && part !== '.')
  const isAbsolute = pattern.startsWith('/') || /^[A-Za-z]:/.test(pattern)
  if (isAbsolute || parts.includes('..') || pattern.includes('\0') || parts.length === 0) {
    throw sluiceError('Source.Path', { path: pattern, why: 'it must stay below the project' })
  }
  return parts
}

function walk(root: string, folder: string, parts: readonly string[], found: FoundFile[]): void {
  const [part, ...rest] = parts
  if (part === undefined) return
  for (const entry of entries(join(root, folder))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (part === '**') {
      if (entry.isDirectory()) walk(root, path, parts, found)
      continue
    }
    if (!matches(entry.name, part)) continue
    if (rest.length > 0) {
      if (entry.isDirectory()) walk(root, path, rest, found)
    } else if (entry.isFile() && !isTemporary(entry.name)) {
      const file = describe(root, path)
      if (file !== undefined) found.push(file)
    }
  }
  if (part === '**') walk(root, folder, rest, found)
}

function entries(folder: string): ReturnType<typeof listFolder> {
  try {
    return listFolder(folder)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

const listFolder = (folder: string) => readdirSync(folder, { withFileTypes: true })

/** A file as it is now, or `undefined` where it has gone or is no plain file. */
export function describe(root: string, path: string): FoundFile | undefined {
  const absolute = resolve(root, path)
  if (!absolute.startsWith(resolve(root) + sep)) return undefined
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return undefined
  return {
    path,
    absolute,
    bytes: Number(stat.size),
    modifiedMs: Number(stat.mtimeMs),
    stamp: `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`,
  }
}

/** Names that a sender uses until a file is complete. */
function isTemporary(name: string): boolean {
  return name.startsWith('.') || /\.(part|tmp|partial|crdownload|filepart)$/i.test(name)
}

/**
 * Whether a name matches one part of a pattern.
 *
 * @example matches('sales_1.csv', 'sales_*.csv') // true
 */
export function matches(name: string, part: string): boolean {
  // The classic two-pointer match: linear for one star, never exponential.
  let [at, place, star, mark] = [0, 0, -1, 0]
  while (at < name.length) {
    if (place < part.length && part[place] === '*') {
      star = place++
      mark = at
    } else if (place < part.length && (part[place] === '?' || part[place] === name[at])) {
      place++
      at++
    } else if (star >= 0) {
      place = star + 1
      at = ++mark
    } else return false
  }
  while (part[place] === '*') place++
  return place === part.length
}
