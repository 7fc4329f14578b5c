/** Where objects are on a disk, and how a file comes to its place: written or copied under a temporary name, synced, then named. */
import { join } from 'node:path'
import { newId, systemClock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { pathParts } from '../path.ts'
import { errorCode } from './classify-error.ts'
import type { FileOperations, FileStatus } from './file-operations.ts'
import type { DiskFolders } from './folders.ts'
import { leftoverName } from './leftovers.ts'
import { ownFolders } from './path.ts'

/** The places of objects below a folder. */
export interface DiskPlaces {
  /** Where an object is, or would be. */
  local(path: string): string
  /** The file at `path`; undefined where nothing is. Every folder on the way is a real one. */
  fileAt(path: string): FileStatus | undefined
  /** Runs `place` with the file in its folder; makes the folder again where another process has just removed it as empty. */
  inFolder(path: string, place: (folder: string) => Promise<void>): Promise<void>
  /** A synced file with these bytes, under a name that nobody looks for. */
  writeTemporary(bytes: string | Uint8Array): Promise<string>
  /** A copy of a local file, under such a name. */
  copyOf(localFile: string): Promise<string>
  /** Makes a local file private and durable. */
  sync(localFile: string): Promise<void>
  /** Best effort: what stays is a leftover, and is removed as one. */
  discard(file: string): Promise<void>
}

/** @example diskPlaces('/data/lake', diskFolders('/data/lake', operations), operations).local('raw/sales/_versions/1.json') */
export function diskPlaces(base: string, folders: DiskFolders, operations: FileOperations): DiskPlaces {
  const local = (path: string): string => join(base, ...pathParts(path))

  const fileAt = (path: string): FileStatus | undefined => {
    folders.check(path)
    const found = operations.status(local(path))
    if (found?.kind === 'other') throw sluiceError('Storage.UnsafePath', { path, why: 'it is not a regular file' })
    return found?.kind === 'file' ? found : undefined
  }

  const inFolder = async (path: string, place: (folder: string) => Promise<void>): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const folder = await folders.make(path)
      try {
        return await place(folder)
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' || attempt === 3) throw error
      }
    }
  }

  const writeTemporary = async (bytes: string | Uint8Array): Promise<string> => {
    const name = `${ownFolders.temporary}/${leftoverName(newId(systemClock))}`
    let file = ''
    await inFolder(name, async () => {
      const opened = await operations.open(local(name), 'create')
      file = local(name)
      try {
        await opened.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
        crashPoint('storage.write.before_sync')
        await opened.sync()
      } finally {
        await opened.close()
      }
    }).catch(async (error: unknown) => {
      if (file !== '') await discard(file)
      throw error
    })
    return file
  }

  const discard = (file: string): Promise<void> => operations.unlink(file).catch(() => undefined)

  async function copyOf(localFile: string): Promise<string> {
    const name = `${ownFolders.temporary}/${leftoverName(newId(systemClock))}`
    await folders.make(name)
    await operations.copy(localFile, local(name))
    return local(name)
  }

  async function sync(localFile: string): Promise<void> {
    const file = await operations.open(localFile, 'adopt')
    try {
      crashPoint('storage.adopt.before_sync')
      await file.sync()
    } finally {
      await file.close()
    }
  }

  return { local, fileAt, inFolder, writeTemporary, copyOf, sync, discard }
}
