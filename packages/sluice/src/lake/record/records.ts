/** Reads commit records. A table's current version is found from them; the hint saves looking, and knows of one that is lost. */
import { isSluiceError, type SluiceError, sluiceError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { decodePart, tableFolder, versionOf, versionPath } from '../paths.ts'
import type { CommitRecord } from '../record.ts'
import { decodeRecord } from './encode.ts'

/** How many records are read at a time. */
const readsAtATime = 16

/** One version's record; undefined where it does not exist (any more). */
export async function readRecord(storage: Storage, table: string, version: number): Promise<CommitRecord | undefined> {
  const path = versionPath(table, version)
  const bytes = await storage.read(path)
  if (bytes === undefined) return undefined
  const record = decodeRecord(bytes, path)
  if (record.version !== version)
    throw sluiceError('Lake.RecordCorrupt', { file: path, why: `it says that it is version ${record.version}` })
  return record
}

/**
 * The newest version's number; 0 for a table that has none.
 *
 * @throws Lake.VersionMissing where the hint names a newer one, which is written after its record
 */
export async function currentVersion(storage: Storage, table: string): Promise<number> {
  for (;;) {
    const hint = await readHint(storage, table)
    const start = hint ?? (await newestListed(storage, table))
    let version = (await exists(storage, table, start)) ? start : await newestListed(storage, table)
    if (hint !== undefined && version < hint)
      throw sluiceError('Lake.VersionMissing', { table, missing: hint, newest: version, who: hintPath(table) })
    if (version === 0) return 0
    while (await exists(storage, table, version + 1)) version++
    // Old records are removed in ascending order: while this one is there, none above it can have been removed.
    if (await exists(storage, table, version)) return version
  }
}

/** The highest number that was given, as far as the table's own folder knows: whether or not its record is there. */
export async function highestNumber(storage: Storage, table: string): Promise<number> {
  return Math.max((await readHint(storage, table)) ?? 0, await newestListed(storage, table))
}

/**
 * The records of all kept versions, newest first.
 *
 * @param damaged Told of each that cannot be read, which is then left out; without it, the first one is thrown.
 */
export async function readVersions(
  storage: Storage,
  table: string,
  damaged?: (error: SluiceError) => void,
): Promise<readonly CommitRecord[]> {
  const records: CommitRecord[] = []
  for await (const record of streamVersions(storage, table, damaged)) records.push(record)
  return records
}

/**
 * The same, a few at a time: a record lists every data file, so many records are much.
 *
 * @example for await (const { run } of streamVersions(storage, 'raw.sales')) runs.add(run)
 */
export async function* streamVersions(
  storage: Storage,
  table: string,
  damaged?: (error: SluiceError) => void,
): AsyncIterable<CommitRecord> {
  const read = (version: number): Promise<CommitRecord | undefined> =>
    readRecord(storage, table, version).catch((error: unknown) => {
      if (damaged === undefined || !isSluiceError(error, 'Lake.RecordCorrupt')) throw error
      damaged(error)
      return undefined
    })
  const versions = (await listVersions(storage, table)).reverse()
  for (let start = 0; start < versions.length; start += readsAtATime)
    for (const record of await Promise.all(versions.slice(start, start + readsAtATime).map(read)))
      if (record !== undefined) yield record
}

/** The numbers of all kept versions, ascending. */
export async function listVersions(storage: Storage, table: string): Promise<number[]> {
  const found = await storage.list(`${tableFolder(table)}/_versions`)
  return found.map((object) => versionOf(object.path)).filter((version) => version !== undefined)
}

/** All tables that have a version, or whose hint says that they had one, sorted. */
export async function listTables(storage: Storage): Promise<readonly string[]> {
  const tables: string[] = []
  for (const table of await listTableFolders(storage)) if ((await highestNumber(storage, table)) > 0) tables.push(table)
  return tables
}

/** All tables that have a folder, sorted: of some, only an extraction that failed may be known. */
export async function listTableFolders(storage: Storage): Promise<readonly string[]> {
  const tables: string[] = []
  for (const layer of (await storage.folders('')).filter((name) => !name.startsWith('_')))
    for (const name of await storage.folders(layer)) tables.push(`${decodePart(layer)}.${decodePart(name)}`)
  return tables.sort()
}

/**
 * Tells later readers where to start looking, and that the version was there. Best effort: a missing, old or broken hint costs time only.
 */
export async function writeHint(storage: Storage, table: string, version: number): Promise<void> {
  await storage.write(hintPath(table), `${JSON.stringify({ version })}\n`).catch(() => undefined)
}

async function readHint(storage: Storage, table: string): Promise<number | undefined> {
  try {
    const bytes = await storage.read(hintPath(table))
    const { version } = JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as { version: unknown }
    return typeof version === 'number' && Number.isSafeInteger(version) && version > 0 ? version : undefined
  } catch {
    return undefined
  }
}

async function newestListed(storage: Storage, table: string): Promise<number> {
  return (await listVersions(storage, table)).at(-1) ?? 0
}

async function exists(storage: Storage, table: string, version: number): Promise<boolean> {
  return version > 0 && (await storage.stat(versionPath(table, version))) !== undefined
}

function hintPath(table: string): string {
  return `${tableFolder(table)}/_latest.json`
}
