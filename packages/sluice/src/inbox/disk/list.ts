/** Finds delivered files below a folder. Links are never followed. */
import { type Dirent, lstatSync, readdirSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import type { Delivery, PassedOver } from '../inbox.ts'
import { isHidden, isTemporary, matches, patternParts } from '../pattern.ts'

/**
 * The files below `root` that match, each once.
 *
 * @example findFiles('/project', 'inbox/sales_*.csv')
 * @param passed is called once with each thing that matches, or nearly does, and is no delivery
 */
export function findFiles(root: string, pattern: string, passed?: (thing: PassedOver) => void): readonly Delivery[] {
  const look: Look = { root, found: new Map(), passed: new Map(), isInside: false }
  walk(look, '', patternParts(pattern))
  for (const [path, why] of look.passed) if (!look.found.has(path)) passed?.({ path, why })
  return [...look.found.values()]
}

interface Look {
  readonly root: string
  readonly found: Map<string, Delivery>
  readonly passed: Map<string, PassedOver['why']>
  /** Whether it looks inside a hidden folder, where nothing else is hidden. */
  readonly isInside: boolean
}

function walk(look: Look, folder: string, parts: readonly string[]): void {
  const [part, ...rest] = parts
  if (part === undefined) return
  for (const entry of entries(join(look.root, folder))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (part === '**') enter(look, entry, path, part, parts)
    else if (matches(entry.name, part)) {
      if (rest.length > 0) enter(look, entry, path, part, rest)
      else meet(look, entry, path, part)
    } else if (rest.length === 0 && entry.isFile() && matches(entry.name.toLowerCase(), part.toLowerCase()))
      look.passed.set(path, 'case')
  }
  if (part === '**') walk(look, folder, rest)
}

/** Goes on below what stands for a folder of the pattern. */
function enter(look: Look, entry: Dirent, path: string, part: string, parts: readonly string[]): void {
  if (entry.isDirectory()) {
    if (isUnnamable(look.root, entry, path)) look.passed.set(path, 'name')
    else if (!isHidden(entry.name, part) || look.isInside) walk(look, path, parts)
    else if (holdsMatch(look, path, parts)) look.passed.set(path, 'hidden')
  } else if (entry.isSymbolicLink() && isFolder(join(look.root, path))) look.passed.set(path, 'link')
}

/** Takes what stands for the last part of the pattern. */
function meet(look: Look, entry: Dirent, path: string, part: string): void {
  const { found, passed, root, isInside } = look
  const hidden = isHidden(entry.name, part)
  if (entry.isDirectory()) {
    // A star alone matches every folder, and means none.
    if (/[^*?]/.test(part) && !hidden) passed.set(path, 'folder')
    return
  }
  // A leading dot is a name of what is being sent, too.
  if (isTemporary(entry.name) || (hidden && entry.name.startsWith('.'))) return
  if (hidden && !isInside) passed.set(path, 'hidden')
  else if (entry.isSymbolicLink()) passed.set(path, 'link')
  else if (!entry.isFile()) passed.set(path, 'special')
  else {
    const file = fileAt(root, path)
    if (file !== undefined) found.set(path, file)
    else if (isUnnamable(root, entry, path)) passed.set(path, 'name')
  }
}

function holdsMatch(look: Look, path: string, parts: readonly string[]): boolean {
  const inside: Look = { ...look, found: new Map(), passed: new Map(), isInside: true }
  walk(inside, path, parts)
  return inside.found.size > 0
}

/** Bytes that are no UTF-8 are read as U+FFFD, and nothing is found under such a name. */
function isUnnamable(root: string, { name }: Dirent, path: string): boolean {
  return name.includes('\ufffd') && lstatSync(join(root, path), { throwIfNoEntry: false }) === undefined
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // It leads nowhere, or in a circle.
    return false
  }
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

/**
 * A file as it is now, or `undefined` where it has gone, is no plain file or is outside the root.
 *
 * @example fileAt('/project', 'inbox/sales.csv')?.bytes
 */
export function fileAt(root: string, path: string): Delivery | undefined {
  const absolute = resolve(root, path)
  if (!absolute.startsWith(root + sep)) return undefined
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return undefined
  return {
    path,
    bytes: Number(stat.size),
    identity: `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`,
    modifiedAt: stat.mtime,
  }
}
