/** Which inputs a table holds, over all its versions: from the newest checkpoint and the records after it. */
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { tableFolder, versionPath } from '../paths.ts'
import type { CommitRecord } from '../record.ts'
import { currentVersion, readRecord } from './records.ts'
import { isSealed, sealJson } from './sealed-json.ts'

/** What is known as of a version, so that the records up to it need not be read, or even be there. */
interface InputCheckpoint {
  readonly format: 1
  readonly table: string
  readonly version: number
  /** sha256 to path. */
  readonly inputs: { readonly [sha256: string]: string }
}

/** A commit whose version is a multiple of this leaves a checkpoint, so that nobody ever reads thousands of records. */
export const checkpointEvery = 64

/**
 * Identity (sha256) to path of every committed input, as of a version.
 *
 * @param upTo The version. @default the current one
 * @throws Lake.RecordCorrupt
 */
export async function knownInputs(storage: Storage, table: string, upTo?: number): Promise<Map<string, string>> {
  const newest = upTo ?? (await currentVersion(storage, table))
  try {
    return await collect(storage, table, newest)
  } catch (error) {
    // A checkpoint may have replaced old records between the two looks.
    if (isSluiceError(error, 'Lake.UnknownVersion')) return await collect(storage, table, newest)
    throw error
  }
}

async function collect(storage: Storage, table: string, newest: number): Promise<Map<string, string>> {
  const base = await readCheckpoint(storage, table, newest)
  const after: CommitRecord[] = []
  let known: { readonly [sha256: string]: string } = base?.inputs ?? {}
  for (let version = newest; version > (base?.version ?? 0); version--) {
    const record = await readRecord(storage, table, version)
    if (record === undefined) throw sluiceError('Lake.UnknownVersion', { table, version })
    after.push(record)
    if (record.knownInputs !== undefined) {
      known = record.knownInputs
      break
    }
  }
  const result = new Map(Object.entries(known))
  for (const record of after.reverse())
    for (const input of record.inputs)
      if (input.kind === 'file' && !result.has(input.sha256)) result.set(input.sha256, input.path)
  return result
}

/** Writes what is known at a version, durably; with `alone`, removes the checkpoints before it. */
export async function writeCheckpoint(
  storage: Storage,
  table: string,
  version: number,
  options: { readonly alone?: boolean } = {},
): Promise<void> {
  const inputs = Object.fromEntries(await knownInputs(storage, table, version))
  const checkpoint: InputCheckpoint = { format: 1, table, version, inputs }
  const path = checkpointPath(table, version)
  await storage.write(path, sealJson(checkpoint))
  if (options.alone !== true) return
  for (const older of await storage.list(folder(table))) if (older.path < path) await storage.remove(older.path)
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
