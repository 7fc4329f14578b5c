/**
 * Files of a version to come: durable, where a commit would put them, and named by no record yet. So work that takes hours need not be done again
 * by whoever takes it up. Retention knows them as what they are until then: files that no version needs.
 */
import type { Clock } from '../../base/clock.ts'
import type { Storage } from '../../storage/storage.ts'
import { digestFile } from '../file-digest.ts'
import { type AdoptInput, adoptFiles, type NewFile } from './commit.ts'

/** Where such a file is, and what its bytes are. */
export interface SetAside {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** A new file that is set aside. */
export type SetAsideFile = Omit<NewFile, 'localFile'> & { readonly setAside: SetAside }

/**
 * Sets files aside: they are durable afterwards, and gone from where they were.
 *
 * @example const files = await setAside(storage, clock, { table: 'raw.shop', run, attempt: 1, files: written, verifyFile })
 * @throws Lake.FileCorrupt for a file that is not what is said of it
 */
export async function setAside(
  storage: Storage,
  clock: Clock,
  input: Omit<AdoptInput, 'quarantine' | 'files'> & { readonly files: readonly NewFile[] },
): Promise<readonly SetAsideFile[]> {
  const { files } = await adoptFiles(storage, clock, { ...input, quarantine: [] })
  return files.map(({ path, bytes, sha256, ...file }) => ({ ...file, setAside: { path, bytes, sha256 } }))
}

/**
 * Whether files that were set aside are what they were: every byte of them is read.
 *
 * @example if (await canTakeUp(storage, kept.files)) …
 */
export async function canTakeUp(storage: Storage, files: readonly SetAsideFile[]): Promise<boolean> {
  for (const { setAside } of files) {
    const { path, bytes, sha256 } = setAside
    if ((await storage.stat(path))?.bytes !== bytes) return false
    await using local = await storage.materialise(path)
    if ((await digestFile(local.file)).sha256 !== sha256) return false
  }
  return true
}
