/**
 * The files of refused rows that a table still answers for: what a version refused, and what those before it refused whose accepted rows it still has.
 * Versions age out; a row that was refused stays until it was replayed, dismissed by name, or is older than a declared rule allows.
 */
import type { Clock } from '../../base/clock.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Chain, CommitRecord, DismissedFile, QuarantineFile, RowAccounting } from '../record.ts'
import { type ChainKind, emptyChain, extendChain, type PartCache, readChain } from './chain.ts'
import { readRecord } from './records.ts'

/**
 * Whether a version keeps its parent's rows, so that it answers for what was refused with those, too: it appends, or has merged into them.
 *
 * @example keepsRefused({ operation: 'append', accounting }) // true
 */
export function keepsRefused({
  operation,
  accounting,
}: Pick<CommitRecord, 'operation'> & {
  readonly accounting: Pick<RowAccounting, 'carried'>
}): boolean {
  return operation === 'append' || operation === 'compact' || accounting.carried !== undefined
}

/**
 * What a version that keeps the rows of this one answers for, apart from its own and from what is dismissed.
 *
 * @example const refused = await carryRefused(storage, clock, parent)
 */
export async function carryRefused(
  storage: Storage,
  clock: Clock,
  record: CommitRecord,
  dismissed: readonly Pick<DismissedFile, 'path'>[] = [],
): Promise<Chain<QuarantineFile>> {
  const kind: ChainKind<QuarantineFile> = { table: record.table, keyOf: ({ path }) => path }
  if (record.refused !== undefined && dismissed.length === 0)
    return extendChain(storage, clock, kind, record.refused, record.quarantine)
  const left = withoutDismissed(await refusedFiles(storage, record), dismissed)
  return extendChain(storage, clock, kind, emptyChain(), [...left].reverse())
}

/**
 * When rows were refused: the start of the run that did, which its id begins with and the file's folder is named by.
 *
 * @example refusedAt(file) // a Date; undefined where the folder does not say
 */
export function refusedAt({ path }: Pick<QuarantineFile, 'path'>): Date | undefined {
  const [, day, time] = /\/quarantine\/(\d{8})T(\d{6})Z-[^/]*\/[^/]+$/.exec(path) ?? []
  if (day === undefined || time === undefined) return undefined
  return new Date(`${day.replace(/(....)(..)(..)/, '$1-$2-$3')}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`)
}

/** What a version is called where it is shown. @example operationOf(record) // 'dismiss' */
export function operationOf({
  operation,
  dismissed,
}: Pick<CommitRecord, 'operation' | 'dismissed'>): CommitRecord['operation'] | 'dismiss' {
  return operation === 'compact' && dismissed !== undefined ? 'dismiss' : operation
}

/** @example withoutDismissed(files, records.flatMap(({ dismissed = [] }) => dismissed)) */
export function withoutDismissed<T extends Pick<QuarantineFile, 'path'>>(
  files: readonly T[],
  dismissed: readonly Pick<DismissedFile, 'path'>[],
): readonly T[] {
  const gone = new Set(dismissed.map(({ path }) => path))
  return files.filter(({ path }) => !gone.has(path))
}

/**
 * All files of refused rows that a version answers for, newest first.
 *
 * @example const files = await refusedFiles(storage, current)
 * @throws Lake.RecordCorrupt
 */
export async function refusedFiles(
  storage: Storage,
  record: CommitRecord,
  cache?: PartCache,
): Promise<readonly QuarantineFile[]> {
  const files = [...record.quarantine]
  if (record.refused === undefined) files.push(...(await olderRefused(storage, record)))
  else files.push(...(await readChain(storage, record.refused, cache)))
  return files.sort((a, b) => b.addedIn - a.addedIn)
}

/** Of a version from before format 3: what is in the records of versions whose rows it has, as far as those are there. */
async function olderRefused(storage: Storage, newest: CommitRecord): Promise<readonly QuarantineFile[]> {
  const files: QuarantineFile[] = []
  let record: CommitRecord | undefined = newest
  for (;;) {
    const before: number | undefined = record.rollbackOf ?? (keepsRefused(record) ? record.parent : undefined)
    record = before === undefined ? undefined : await readRecord(storage, newest.table, before)
    if (record === undefined) return files
    files.push(...record.quarantine)
  }
}
