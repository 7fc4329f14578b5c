/** Whether the files of a version are, byte for byte, what was committed. */
import { sluiceError } from '../base/errors.ts'
import type { Storage } from '../storage/storage.ts'
import { digestFile } from './file-digest.ts'
import type { CommitRecord } from './record.ts'

/** Files already found to be intact by this process: path to what the storage said of them then. */
export type VerifiedFiles = Map<string, string>

const stateOf = (identity: string, sha256: string): string => `${identity}:${sha256}`

/**
 * Runs a commit, and remembers the files that it adopts: their bytes were hashed on the way in, and are not read again to find the same.
 *
 * @example const { record } = await rememberAdopted(storage, seen, (through) => commit(through, clock, input))
 */
export async function rememberAdopted<T extends { readonly record: CommitRecord }>(
  storage: Storage,
  seen: VerifiedFiles,
  work: (through: Storage) => Promise<T>,
): Promise<T> {
  const identities = new Map<string, string>()
  const result = await work({
    ...storage,
    async adopt(localFile, path) {
      const adopted = await storage.adopt(localFile, path)
      identities.set(path, adopted.identity)
      return adopted
    },
  })
  for (const { path, sha256 } of [...result.record.files, ...result.record.quarantine]) {
    const identity = identities.get(path)
    if (identity !== undefined) seen.set(path, stateOf(identity, sha256))
  }
  return result
}

/**
 * Verifies length and SHA-256 of every file (data and quarantine), reading each once a process.
 *
 * @throws Lake.FileCorrupt for the first file that is missing or different
 */
export async function verify(storage: Storage, record: CommitRecord, seen: VerifiedFiles): Promise<void> {
  for (const file of [...record.files, ...record.quarantine]) {
    const found = await storage.stat(file.path)
    const corrupt = (expected: string, actual: string): Error =>
      sluiceError('Lake.FileCorrupt', { file: file.path, expected, found: actual })
    if (found === undefined) throw corrupt(`${file.bytes} bytes`, 'no file')
    if (found.bytes !== file.bytes) throw corrupt(`${file.bytes} bytes`, `${found.bytes} bytes`)
    const state = stateOf(found.identity, file.sha256)
    if (seen.get(file.path) === state) continue
    await using local = await storage.materialise(file.path)
    const { sha256 } = await digestFile(local.file)
    if (sha256 !== file.sha256) throw corrupt(`sha256 ${file.sha256}`, `sha256 ${sha256}`)
    seen.set(file.path, state)
  }
}
