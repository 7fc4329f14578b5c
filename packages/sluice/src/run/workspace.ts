/** Local folders to work in. They belong to this process: what it leaves behind when it dies is found by its name, and removed by another one. */
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { newId, systemClock } from '../base/clock.ts'
import { nodeFileOperations } from '../storage/disk/file-operations.ts'
import { diskFolders } from '../storage/disk/folders.ts'
import { leftoverName, removeLeftovers } from '../storage/disk/leftovers.ts'
import { ownFolders } from '../storage/disk/path.ts'
import type { Storage } from '../storage/storage.ts'

/** A folder that is gone when it is disposed of. */
export interface WorkFolder extends AsyncDisposable {
  /** Absolute. */
  readonly folder: string
}

/** Where a process works. */
export interface Workspace {
  /** A new, empty folder. */
  folder(name: string): Promise<WorkFolder>
  /** Folders of processes that have ended; of other machines those that were last written before `before`. */
  removeLeftovers: Storage['removeLeftovers']
}

/**
 * A workspace below a local folder: the lake's, where that is local, so that what is written for it is adopted by a rename.
 *
 * @example await using work = await openWorkspace('/data/lake').folder('compact')
 */
export function openWorkspace(base: string): Workspace {
  const root = resolve(base)
  const folders = diskFolders(root, nodeFileOperations)
  return {
    async folder(name) {
      const safe = name.replace(/[^\w-]+/g, '-').slice(0, 60)
      const folder = await folders.make(`${ownFolders.scratch}/${leftoverName(newId(systemClock))}-${safe}/file`)
      return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
    },
    removeLeftovers: (options) => removeLeftovers(root, ownFolders.scratch, nodeFileOperations, options),
  }
}
