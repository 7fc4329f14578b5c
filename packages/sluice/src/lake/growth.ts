/**
 * What a table that only grows holds since a version: known by the versions that brought the rows, whatever files a compaction has put them in.
 */
import { canonicalJson } from '../base/json.ts'
import type { Storage } from '../storage/storage.ts'
import { addDigests } from './content.ts'
import { carryFiles } from './fields.ts'
import { readRecord } from './record/records.ts'
import type { CommitRecord, DataFile } from './record.ts'

/** The files of a version, by whether an earlier one had their rows. */
export interface Growth {
  readonly known: readonly DataFile[]
  readonly fresh: readonly DataFile[]
}

/**
 * The version that brought a version's rows: its own number, or for a compaction that of the version that was compacted. What is made from a table
 * is made from this one, so that a compaction is no news.
 *
 * @example rowsVersion(record) // 17, of a version 18 that is version 17 in fewer files
 */
export function rowsVersion({ version, compacted }: Pick<CommitRecord, 'version' | 'compacted'>): number {
  return compacted?.of ?? version
}

/** Whether a version is its parent with rows added, or is that in fewer files. @example onlyGrew(record) */
export function onlyGrew({ operation }: Pick<CommitRecord, 'operation'>): boolean {
  return operation === 'append' || operation === 'compact'
}

/**
 * Which files these are, whatever their order: a sum, so that a file that was made of several has the identity of all of them.
 *
 * @example identityOf(growth.known) === mark.files // the table has the same rows in its first versions as it had then
 */
export function identityOf(files: readonly Pick<DataFile, 'sha256' | 'merged'>[]): string {
  return addDigests(files.map(({ sha256, merged }) => merged?.identity ?? sha256.slice(0, 32))) ?? ''
}

/** @example firstVersionOf(file) <= 5 // it has rows that version 5 or an earlier one brought */
export function firstVersionOf({ merged, addedIn }: Pick<DataFile, 'merged' | 'addedIn'>): number {
  return merged?.from ?? addedIn
}

/** @example partitionKey(a) === partitionKey(b) */
export function partitionKey({ partition }: Pick<DataFile, 'partition'>): string {
  return canonicalJson(partition ?? {})
}

/**
 * Parts a version's files at an earlier version. Where a compaction has put rows of both sides into one file, the files that it was made of stand in
 * for it; undefined where they are gone, with the records that named them.
 *
 * @example const growth = await growthSince(storage, record, 5)
 * @throws Lake.RecordCorrupt
 */
export async function growthSince(
  storage: Storage,
  record: CommitRecord,
  version: number,
): Promise<Growth | undefined> {
  const [known, fresh]: [DataFile[], DataFile[]] = [[], []]
  const records = new Map<number, CommitRecord | undefined>()
  const waiting = [...record.files].reverse()
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (file.addedIn <= version) known.push(file)
    else if (firstVersionOf(file) > version) fresh.push(file)
    else {
      const { table } = record
      if (!records.has(file.addedIn)) records.set(file.addedIn, await readRecord(storage, table, file.addedIn))
      const parts = partsOf(file, records.get(file.addedIn), record)
      if (parts === undefined) return undefined
      waiting.push(...parts.reverse())
    }
  }
  return { known, fresh }
}

/** The files that one was made of, from the version that brought its newest rows: that is before they were compacted. */
function partsOf(file: DataFile, before: CommitRecord | undefined, now: CommitRecord): DataFile[] | undefined {
  if (before === undefined) return undefined
  const parts = carryFiles(before, now.fields).filter(
    (one) =>
      partitionKey(one) === partitionKey(file) &&
      firstVersionOf(one) >= firstVersionOf(file) &&
      one.addedIn <= file.addedIn,
  )
  return identityOf(parts) === identityOf([file]) ? parts : undefined
}
