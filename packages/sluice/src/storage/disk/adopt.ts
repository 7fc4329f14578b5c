/** Takes over a local file: its bytes are durable, then named; by a rename where it is on the same device, by a copy where it is not. */
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import type { StoredObject } from '../storage.ts'
import { errorCode } from './classify-error.ts'
import type { FileOperations } from './file-operations.ts'
import { objectOf } from './list.ts'
import type { DiskPlaces } from './places.ts'

/**
 * The object that a local file becomes; the file is gone from where it was.
 *
 * @example await adopt(places, operations, '/tmp/part-0.parquet', 'raw/sales/data/part-0.parquet')
 * @throws Storage.UnsafePath for what is no regular file
 */
export async function adopt(
  { local, fileAt, inFolder, copyOf, sync, discard }: DiskPlaces,
  operations: FileOperations,
  localFile: string,
  path: string,
): Promise<StoredObject> {
  fileAt(path)
  const source = operations.status(localFile)
  if (source?.kind !== 'file')
    throw sluiceError('Storage.UnsafePath', { path: localFile, why: 'it is not a regular file' })
  // A second name of the same file could still change what was committed.
  let moving = source.links === 1 ? localFile : await copyOf(localFile)
  await sync(moving)
  await inFolder(path, async (folder) => {
    crashPoint('storage.adopt.before_rename')
    try {
      await operations.rename(moving, local(path))
    } catch (error) {
      if (errorCode(error) !== 'EXDEV') throw error
      moving = await copyOf(localFile)
      await sync(moving)
      await operations.rename(moving, local(path))
    }
    crashPoint('storage.adopt.before_folder_sync')
    await operations.syncFolder(folder)
  })
  if (moving !== localFile) await discard(localFile)
  const adopted = operations.status(local(path))
  return objectOf(path, adopted ?? source)
}
