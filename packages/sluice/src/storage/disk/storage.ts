/**
 * Storage on a local disk. A file is written under a temporary name, synced, then renamed or linked into place, and its folder synced:
 * after a power loss there is the old or the new file, never a part of one.
 */
import { resolve } from 'node:path'
import { crashPoint } from '../../base/crash.ts'
import { pathParts } from '../path.ts'
import type { Storage } from '../storage.ts'
import { adopt } from './adopt.ts'
import { classifyError, errorCode } from './classify-error.ts'
import { type FileOperations, nodeFileOperations } from './file-operations.ts'
import { diskFolders } from './folders.ts'
import { removeLeftovers } from './leftovers.ts'
import { listFiles, listFolders, objectOf } from './list.ts'
import { ownFolders } from './path.ts'
import { diskPlaces } from './places.ts'

/**
 * Opens storage below a folder, which is made (0700) by the first write.
 *
 * @example const storage = diskStorage('/data/lake')
 * @param operations The file system; tests give one that fails.
 * @throws `Storage.UnsafePath`, `Storage.Full`, `Storage.Denied`, `Storage.Failed` from every operation.
 */
export function diskStorage(root: string, operations: FileOperations = nodeFileOperations): Storage {
  const base = resolve(root)
  const folders = diskFolders(base, operations)
  const places = diskPlaces(base, folders, operations)
  const { local, fileAt, inFolder, writeTemporary, discard } = places

  const attempt = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw classifyError(error, path)
    }
  }

  return {
    read: (path) =>
      attempt(path, async () => {
        if (fileAt(path) === undefined) return undefined
        try {
          const file = await operations.open(local(path), 'read')
          try {
            return await file.readAll()
          } finally {
            await file.close()
          }
        } catch (error) {
          if (errorCode(error) === 'ENOENT') return undefined
          throw error
        }
      }),

    write: (path, bytes) =>
      attempt(path, async () => {
        fileAt(path)
        const temporary = await writeTemporary(bytes)
        try {
          await inFolder(path, async (folder) => {
            crashPoint('storage.write.before_rename')
            await operations.rename(temporary, local(path))
            crashPoint('storage.write.before_folder_sync')
            await operations.syncFolder(folder)
          })
        } catch (error) {
          await discard(temporary)
          throw error
        }
      }),

    create: (path, bytes) =>
      attempt(path, async () => {
        if (fileAt(path) !== undefined) {
          // Whoever made it may have died before this.
          await operations.syncFolder(await folders.make(path))
          return false
        }
        const temporary = await writeTemporary(bytes)
        let created = true
        try {
          await inFolder(path, async (folder) => {
            crashPoint('storage.create.before_link')
            await operations.link(temporary, local(path)).catch((error: unknown) => {
              if (errorCode(error) !== 'EEXIST') throw error
              created = false
            })
            crashPoint('storage.create.before_folder_sync')
            await operations.syncFolder(folder)
          })
        } finally {
          await discard(temporary)
        }
        return created
      }),

    adopt: (localFile, path) => attempt(path, () => adopt(places, operations, localFile, path)),

    materialise: (path) =>
      attempt(path, async () => ({ file: local(path), [Symbol.asyncDispose]: async () => undefined })),

    stat: (path) =>
      attempt(path, async () => {
        const found = fileAt(path)
        return found === undefined ? undefined : objectOf(path, found)
      }),

    list: (prefix) => attempt(prefix, async () => listFiles(base, pathParts(prefix), operations)),

    folders: (prefix) => attempt(prefix, async () => listFolders(base, pathParts(prefix), operations)),

    remove: (path) =>
      attempt(path, async () => {
        if (fileAt(path) === undefined) return
        await operations.unlink(local(path)).catch((error: unknown) => {
          if (errorCode(error) !== 'ENOENT') throw error
        })
        await operations.syncFolder(await folders.prune(path)).catch((error: unknown) => {
          // Another process has pruned further, and syncs.
          if (errorCode(error) !== 'ENOENT') throw error
        })
      }),

    removeLeftovers: (options) => attempt('', () => removeLeftovers(base, ownFolders.temporary, operations, options)),
  }
}
