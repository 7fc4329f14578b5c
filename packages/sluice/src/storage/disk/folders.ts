/** Folders below a root: made durably, checked for symbolic links on every use, removed when empty. */
import { dirname, join } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { pathParts } from '../path.ts'
import { errorCode } from './classify-error.ts'
import type { FileOperations } from './file-operations.ts'

/** The folders of one storage. */
export interface DiskFolders {
  /** Makes the folder that holds `path`, durably, and returns it. */
  make(path: string): Promise<string>
  /** @throws `Storage.UnsafePath` where a folder on the way to `path` is a symbolic link or a file. */
  check(path: string): void
  /** Removes the folders above `path` that are empty, and returns the first that is not. */
  prune(path: string): Promise<string>
}

/** @example const folders = diskFolders('/data/lake', nodeFileOperations) */
export function diskFolders(root: string, operations: FileOperations): DiskFolders {
  /** Folders whose name in their parent this process has synced, by inode: another one under the same name is another folder. */
  const durable = new Map<string, number>()

  const makeOne = async (folder: string, path: string): Promise<void> => {
    let found = operations.status(folder)
    if (found === undefined) {
      await operations.makeFolder(folder).catch((error: unknown) => {
        if (errorCode(error) !== 'EEXIST') throw error
      })
      found = operations.status(folder)
    }
    if (found !== undefined && found.kind !== 'folder') throw notAFolder(path, folder)
    if (found === undefined || durable.get(folder) === found.inode) return
    await operations.syncFolder(dirname(folder))
    durable.set(folder, found.inode)
  }

  /** The root itself may be reached through links: it is the user's choice. */
  const makeRoot = async (): Promise<void> => {
    if (operations.status(root) !== undefined) return
    const missing: string[] = []
    for (let folder = root; operations.status(folder) === undefined; folder = dirname(folder)) missing.unshift(folder)
    for (const folder of missing) await makeOne(folder, '')
  }

  return {
    async make(path) {
      await makeRoot()
      let folder = root
      for (const part of pathParts(path).slice(0, -1)) {
        folder = join(folder, part)
        await makeOne(folder, path)
      }
      return folder
    },
    check(path) {
      let folder = root
      for (const part of pathParts(path).slice(0, -1)) {
        folder = join(folder, part)
        const found = operations.status(folder)
        if (found === undefined) return
        if (found.kind !== 'folder') throw notAFolder(path, folder)
      }
    },
    async prune(path) {
      let parts = pathParts(path).slice(0, -1)
      for (; parts.length > 0; parts = parts.slice(0, -1)) {
        try {
          await operations.removeFolder(join(root, ...parts))
        } catch (error) {
          if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'].includes(errorCode(error) ?? '')) throw error
          break
        }
      }
      return join(root, ...parts)
    },
  }
}

function notAFolder(path: string, folder: string): Error {
  return sluiceError('Storage.UnsafePath', { path, why: `"${folder}" is not a folder, but a link or a file` })
}
