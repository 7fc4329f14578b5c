/** Takes local files into the lake: each is checked against what is said of it, and is durable afterwards, and of no version yet. */
import { type Clock, newId } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { Storage } from '../../storage/storage.ts'
import { key } from '../fields.ts'
import { digestFile } from '../file-digest.ts'
import { encodePart, partitionFolder, tableFolder } from '../paths.ts'
import { currentVersion } from '../record/records.ts'
import type { CommitRecord, DataFile, Field, QuarantineFile } from '../record.ts'

/** A data file on this machine, to become part of a version. */
export type NewFile = Omit<DataFile, 'path' | 'bytes' | 'sha256' | 'addedIn' | 'types' | 'hasFieldIds'> & {
  readonly localFile: string
}

/** A quarantine file on this machine. */
export type NewQuarantine = Pick<QuarantineFile, 'rows' | 'reasons'> & { readonly localFile: string }

/** Where such a file is, and what its bytes are. */
export interface SetAside {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** Which ids its fields have in it; see `idsOf`. */
  readonly ids?: string
}

/** A new file that is set aside. */
export type SetAsideFile = Omit<NewFile, 'localFile'> & { readonly setAside: SetAside }

/**
 * Counts a local Parquet file's rows by its footer. Of a data file that has these fields and no others, it writes their ids into the footer first,
 * and says so.
 */
export type VerifyFile = (
  localFile: string,
  fields?: readonly Field[],
) => Promise<{ readonly rows: number; readonly hasFieldIds?: boolean }>

/** What files are moved by. */
export interface AdoptInput extends Pick<CommitRecord, 'table' | 'run' | 'attempt'> {
  readonly files: readonly (NewFile | SetAsideFile)[]
  readonly quarantine: readonly NewQuarantine[]
  readonly verifyFile: VerifyFile
  /** The fields of the version to come. */
  readonly fields: readonly Field[]
}

/** Files that are in the lake, and of no version yet. */
export interface Adopted {
  readonly files: readonly Omit<DataFile, 'addedIn'>[]
  readonly quarantine: readonly Omit<QuarantineFile, 'addedIn' | 'definition'>[]
}

/** Where a file is, and what its bytes are. */
type Placed = Pick<DataFile, 'path' | 'bytes' | 'sha256' | 'hasFieldIds'>

/** Checks every local file against what is said of it, and moves it to a folder that only this attempt uses. */
export async function adoptFiles(storage: Storage, clock: Clock, input: AdoptInput): Promise<Adopted> {
  crashPoint('lake.commit.before_adopt')
  const attempt = `${encodePart(input.run)}-${input.attempt}-${newId(clock).slice(-8)}`
  const folder = tableFolder(input.table)
  const files: Omit<DataFile, 'addedIn'>[] = []
  for (const file of input.files) {
    if ('setAside' in file) {
      const { setAside, ...rest } = file
      const placed = await takeInPlace(storage, input, setAside, fieldsOf(file.fields, input.fields))
      files.push({ ...rest, ...placed })
      continue
    }
    const { localFile, ...rest } = file
    const path = `${folder}/data/${attempt}/${partitionFolder(file.partition)}part-${files.length}.parquet`
    const fields = fieldsOf(file.fields, input.fields)
    files.push({ ...rest, ...(await adoptOne(storage, input, { localFile, path, rows: file.rows, fields })) })
  }
  const quarantine: Adopted['quarantine'][number][] = []
  for (const { localFile, rows, reasons } of input.quarantine) {
    const path = `${folder}/quarantine/${attempt}/part-${quarantine.length}.parquet`
    quarantine.push({ rows, reasons, ...(await adoptOne(storage, input, { localFile, path, rows })) })
  }
  crashPoint('lake.commit.after_adopt')
  return { files, quarantine }
}

async function adoptOne(
  storage: Storage,
  input: AdoptInput,
  { localFile, path, rows, fields }: { localFile: string; path: string; rows: number; fields?: readonly Field[] },
): Promise<Placed> {
  const footer = await input.verifyFile(localFile, fields)
  const { bytes, sha256, parquet } = await digestFile(localFile)
  if (!parquet) throw sluiceError('Lake.FileCorrupt', { file: localFile, expected: 'Parquet', found: 'something else' })
  if (footer.rows !== rows)
    throw sluiceError('Lake.FileCorrupt', { file: localFile, expected: `${rows} rows`, found: `${footer.rows} rows` })
  const stored = await storage.adopt(localFile, path)
  assert(stored.bytes === bytes, 'an adopted file keeps its length')
  return { path, bytes, sha256, ...(footer.hasFieldIds === true && { hasFieldIds: true }) }
}

/** A file that was set aside: its bytes were read then, or when it was taken up. */
async function takeInPlace(
  storage: Storage,
  { table }: AdoptInput,
  { ids, ...placed }: SetAside,
  fields: readonly Field[],
): Promise<Placed> {
  const { path, bytes } = placed
  const found = (await storage.stat(path))?.bytes
  if (found !== bytes)
    throw sluiceError('Lake.FileCorrupt', { file: path, expected: `${bytes} bytes`, found: `${found ?? 'no'} bytes` })
  if (ids === undefined) return placed
  // It was written for another version than it is committed to.
  if (ids !== idsOf(fields))
    throw sluiceError('Lake.Conflict', { table, expected: 0, found: await currentVersion(storage, table) })
  return { ...placed, hasFieldIds: true }
}

/** The fields that a file has, by its own names of them. @example fieldsOf(file.fields, record.fields) */
export function fieldsOf(names: readonly string[], fields: readonly Field[]): readonly Field[] {
  const byName = new Map(fields.map((field) => [key(field.name), field]))
  return names.flatMap((name) => byName.get(key(name)) ?? [])
}

/** Which ids fields have, in a few characters. @example idsOf(adopted) === idsOf(assigned.fields) */
export function idsOf(fields: readonly Field[]): string {
  return digest(fields.map(({ id, nested }) => ({ id, nested }))).slice(0, 16)
}
