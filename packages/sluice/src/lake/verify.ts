/** Whether the files of a version are, byte for byte, what was committed. */
import { stat } from 'node:fs/promises'
import { sluiceError } from '../base/errors.ts'
import type { Storage } from '../storage/storage.ts'
import { digestFile } from './file-digest.ts'
import type { CommitRecord } from './record.ts'

/** Files already found to be intact by this process: path to what the disk said of them then. */
export type VerifiedFiles = Map<string, string>

/**
 * Verifies length and SHA-256 of every file (data and quarantine), reading each once a process.
 *
 * @throws Lake.FileCorrupt for the first file that is missing or different
 */
export async function verify(storage: Storage, record: CommitRecord, seen: VerifiedFiles): Promise<void> {
  for (const file of [...record.files, ...record.quarantine]) {
    const local = await storage.localPath(file.path)
    const found = await stat(local, { bigint: true }).catch(() => undefined)
    const corrupt = (expected: string, actual: string): Error =>
      sluiceError('Lake.FileCorrupt', { file: file.path, expected, found: actual })
    if (found === undefined) throw corrupt(`${file.bytes} bytes`, 'no file')
    if (found.size !== BigInt(file.bytes)) throw corrupt(`${file.bytes} bytes`, `${found.size} bytes`)
    const state = `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}:${file.sha256}`
    if (seen.get(local) === state) continue
    const { sha256 } = await digestFile(local)
    if (sha256 !== file.sha256) throw corrupt(`sha256 ${file.sha256}`, `sha256 ${sha256}`)
    seen.set(local, state)
  }
}
