/** The inputs of tables that no version of format 3 knows yet: they are in the records of all versions, and in checkpoints of those that are gone. */
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { tableFolder, versionPath } from '../paths.ts'
import type { CommitRecord, KnownInput } from '../record.ts'
import { readRecord } from './records.ts'
import { isSealed, sealJson } from './sealed-json.ts'

/** What is known as of a version, so that the records up to it need not be there. */
interface InputCheckpoint {
  readonly format: 1
  readonly table: string
  readonly version: number
  /** sha256 to path. */
  readonly inputs: { readonly [sha256: string]: string }
}

/** The files that a version took. @example ownInputs(record).length */
export function ownInputs({ inputs, version }: Pick<CommitRecord, 'inputs' | 'version'>): readonly KnownInput[] {
  return inputs.flatMap((input) => (input.kind === 'file' ? [[input.sha256, input.path, version] as const] : []))
}

/**
 * All inputs as of a version that does not name those before it.
 *
 * @example const inputs = await olderInputs(storage, record)
 * @throws Lake.RecordCorrupt
 */
export async function olderInputs(storage: Storage, record: CommitRecord): Promise<readonly KnownInput[]> {
  try {
    return await collect(storage, record)
  } catch (error) {
    // A checkpoint may have replaced old records between the two looks.
    if (isSluiceError(error, 'Lake.UnknownVersion')) return await collect(storage, record)
    throw error
  }
}

async function collect(storage: Storage, newest: CommitRecord): Promise<readonly KnownInput[]> {
  const { table } = newest
  const base = await readCheckpoint(storage, table, newest.version)
  const after: (readonly KnownInput[])[] = []
  for (let version = newest.version; version > (base?.version ?? 0); version--) {
    const record = version === newest.version ? newest : await readRecord(storage, table, version)
    if (record === undefined) throw sluiceError('Lake.UnknownVersion', { table, version })
    after.push(ownInputs(record))
    if (record.known === undefined) continue
    after.push(record.known.recent)
    return after.reverse().flat()
  }
  const known = Object.entries(base?.inputs ?? {}).map(([sha256, path]) => [sha256, path, 0] as const)
  return [known, ...after.reverse()].flat()
}

/**
 * Keeps what an older version knows when those before it go: in its place alone, durably.
 *
 * @example await writeCheckpoint(storage, newestGone)
 */
export async function writeCheckpoint(storage: Storage, record: CommitRecord): Promise<void> {
  const { table, version } = record
  const inputs: Record<string, string> = {}
  for (const [sha256, path] of await olderInputs(storage, record)) inputs[sha256] ??= path
  const checkpoint: InputCheckpoint = { format: 1, table, version, inputs }
  await storage.write(checkpointPath(table, version), sealJson(checkpoint))
  await removeCheckpoints(storage, table, version)
}

/** Removes the checkpoints of versions before one. @example await removeCheckpoints(storage, 'raw.sales', 12) */
export async function removeCheckpoints(storage: Storage, table: string, before: number): Promise<void> {
  for (const { path } of await storage.list(folder(table)))
    if (path < checkpointPath(table, before)) await storage.remove(path)
}

async function readCheckpoint(storage: Storage, table: string, upTo: number): Promise<InputCheckpoint | undefined> {
  const found = await storage.list(folder(table))
  for (const { path } of [...found].reverse()) {
    const version = Number(/\/(\d{12})\.json$/.exec(path)?.[1] ?? Number.NaN)
    if (!(version <= upTo)) continue
    const bytes = await storage.read(path)
    const checkpoint = bytes === undefined ? undefined : decode(bytes)
    if (checkpoint !== undefined) return checkpoint
    // While the records are there, a checkpoint is only a shortcut.
    if ((await storage.stat(versionPath(table, version))) === undefined && bytes !== undefined)
      throw sluiceError('Lake.RecordCorrupt', { file: path, why: 'its digest does not fit its content' })
  }
  return undefined
}

function decode(bytes: Uint8Array): InputCheckpoint | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  return isSealed(text) ? (JSON.parse(text) as InputCheckpoint) : undefined
}

function folder(table: string): string {
  return `${tableFolder(table)}/_inputs`
}

function checkpointPath(table: string, version: number): string {
  return `${folder(table)}/${String(version).padStart(12, '0')}.json`
}
