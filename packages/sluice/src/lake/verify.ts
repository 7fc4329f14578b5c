/** Whether the files of a version are, byte for byte, what was committed. */
import { sluiceError } from '../base/errors.ts'
import type { Storage } from '../storage/storage.ts'
import { digestFile } from './file-digest.ts'
import type { CommitRecord } from './record.ts'

/** Files already found to be intact by this process: path to what the storage said of them then. */
export type VerifiedFiles = Map<string, string>

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
    const state = `${found.identity}:${file.sha256}`
    if (seen.get(file.path) === state) continue
    await using local = await storage.materialise(file.path)
    const { sha256 } = await digestFile(local.file)
    if (sha256 !== file.sha256) throw corrupt(`sha256 ${file.sha256}`, `sha256 ${sha256}`)
    seen.set(file.path, state)
  }
}
