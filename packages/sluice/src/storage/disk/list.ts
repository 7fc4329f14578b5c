/** What is below a folder. Symbolic links and other special files are not followed and not shown. */
import { join } from 'node:path'
import type { StoredObject } from '../storage.ts'
import { errorCode } from './classify-error.ts'
import type { FileOperations, FileStatus } from './file-operations.ts'
import { ownFolders } from './path.ts'

/** All files below, sorted by path. */
export async function listFiles(
  root: string,
  parts: readonly string[],
  operations: FileOperations,
): Promise<readonly StoredObject[]> {
  const found: StoredObject[] = []
  const pending = [parts]
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const name of await names(root, folder, operations)) {
      const path = [...folder, name]
      const status = operations.status(join(root, ...path))
      if (status?.kind === 'folder') pending.push(path)
      if (status?.kind === 'file') found.push(objectOf(path.join('/'), status))
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** A file as storage speaks of it. @example objectOf('raw/sales/_latest.json', status) */
export function objectOf(path: string, { bytes, identity, modifiedAt }: FileStatus): StoredObject {
  return { path, bytes, identity, modifiedAt }
}

/** Names of the folders directly below, sorted. */
export async function listFolders(
  root: string,
  parts: readonly string[],
  operations: FileOperations,
): Promise<readonly string[]> {
  const found = await names(root, parts, operations)
  return found.filter((name) => operations.status(join(root, ...parts, name))?.kind === 'folder').sort()
}

async function names(root: string, parts: readonly string[], operations: FileOperations): Promise<readonly string[]> {
  const own: readonly string[] = Object.values(ownFolders)
  try {
    const found = await operations.readFolder(join(root, ...parts))
    return parts.length === 0 ? found.filter((name) => !own.includes(name)) : found
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return []
    throw error
  }
}
