/** Finds delivered files below a folder. Links are never followed. */
import { lstatSync, readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import type { Delivery } from '../inbox.ts'
import { isTemporary, matches, patternParts } from '../pattern.ts'

/**
 * The files below `root` that match, each once.
 *
 * @example findFiles('/project', 'inbox/sales_*.csv')
 */
export function findFiles(root: string, pattern: string): readonly Delivery[] {
  const found = new Map<string, Delivery>()
  walk(root, '', patternParts(pattern), found)
  return [...found.values()]
}

function walk(root: string, folder: string, parts: readonly string[], found: Map<string, Delivery>): void {
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
      const file = fileAt(root, path)
      if (file !== undefined) found.set(path, file)
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
