/** The lake: tables as sequences of immutable versions, over any storage. */
import type { Clock } from '../base/clock.ts'
import type { SluiceError } from '../base/errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { SetAside, SetAsideFile } from './commits/adopt.ts'
import type { CommitInput, CommitResult } from './commits/commit.ts'
import type { CompactInput, DismissInput } from './commits/compact.ts'
import type { RollbackInput } from './commits/rollback.ts'
import type { setAside } from './commits/set-aside.ts'
import {
  type ExtractionLog,
  latestExtraction,
  listExtractions,
  readExtraction,
  writeExtraction,
} from './extractions.ts'
import { type Growth, growthSince } from './growth.ts'
import type { IcebergPlace, IcebergState } from './iceberg/publish.ts'
import { knownInputs, takenInputs } from './record/inputs.ts'
import {
  currentVersion,
  listTableFolders,
  listTables,
  readRecord,
  readVersions,
  streamVersions,
} from './record/records.ts'
import { refusedFiles } from './record/refused.ts'
import type { CommitRecord, KnownInput, QuarantineFile } from './record.ts'
import type { Garbage, GarbageOptions } from './retention.ts'
import type { VerifiedFiles } from './verify.ts'

export type { NewFile, NewQuarantine, SetAside, SetAsideFile } from './commits/adopt.ts'
export type { CommitInput, CommitResult } from './commits/commit.ts'
export type { CompactInput, DismissInput } from './commits/compact.ts'
export type { RollbackInput } from './commits/rollback.ts'
export type { IcebergState } from './iceberg/publish.ts'
export type { Merge } from './merge.ts'
export type { Garbage, GarbageOptions, TableRetention } from './retention.ts'

/** What can be done with a lake. Every method reads what is there now; nothing but verified files is remembered. */
export interface Lake {
  /** The newest version's record. @throws Lake.VersionMissing, Lake.RecordCorrupt, Lake.FormatNewer */
  current(table: string): Promise<CommitRecord | undefined>
  record(table: string, version: number): Promise<CommitRecord | undefined>
  /** @see readVersions */
  versions(table: string, damaged?: (error: SluiceError) => void): Promise<readonly CommitRecord[]>
  /** The same, a few at a time. @see streamVersions */
  streamVersions(table: string): AsyncIterable<CommitRecord>
  /** @see listTables */
  tables(): Promise<readonly string[]>
  /** @see commit */
  commit(input: CommitInput): Promise<CommitResult>
  /** @see compact */
  compact(input: CompactInput): Promise<CommitRecord>
  /** @see dismiss */
  dismiss(input: DismissInput): Promise<CommitRecord>
  /** @see growthSince */
  growthSince(record: CommitRecord, version: number): Promise<Growth | undefined>
  /** @see setAside */
  setAside(input: Parameters<typeof setAside>[2]): Promise<readonly SetAsideFile[]>
  /** @see canTakeUp */
  canTakeUp(files: readonly SetAsideFile[]): Promise<boolean>
  /** Removes files that were set aside and that no commit will name. */
  removeSetAside(files: readonly { readonly setAside: SetAside }[]): Promise<void>
  /** @see rollback */
  rollback(input: RollbackInput): Promise<CommitRecord>
  /** @throws Lake.FileCorrupt unless every file is what was committed */
  verify(record: CommitRecord): Promise<void>
  /** sha256 to path of every input that the table holds; of these identities alone, few parts of that are read. */
  knownInputs(table: string, among?: readonly string[]): Promise<Map<string, string>>
  /** @see takenInputs */
  takenInputs(table: string): Promise<readonly KnownInput[]>
  /** @see refusedFiles */
  refused(record: CommitRecord): Promise<readonly QuarantineFile[]>
  /** Writes the log of a run's extraction of a table durably, in place of what it said before. */
  writeExtraction(log: ExtractionLog): Promise<void>
  /** The log of a run's extraction; without a run, the latest. */
  extraction(table: string, run?: string): Promise<ExtractionLog | undefined>
  /** Kept logs of a table's extractions, newest first; without a table, of all tables, with those that have no version yet. At most `limit` a table. */
  extractions(table?: string, limit?: number): Promise<readonly ExtractionLog[]>
  /** @see collectGarbage */
  collectGarbage(options: GarbageOptions): Promise<Garbage>
  /** How far the Iceberg metadata of a table is; undefined of a table without a version, and of a lake that has no address. */
  iceberg(table: string): Promise<IcebergState | undefined>
  /** Writes the Iceberg metadata of a table again, from its records. */
  syncIceberg(table: string): Promise<IcebergState | undefined>
}

/** How a lake is opened. */
export interface LakeOptions {
  /** Where the lake is to other readers: `file:///data/lake`. Without it, tables have no Iceberg metadata. */
  readonly address?: string
  /** Takes why the Iceberg metadata of a version could not be written; the version is there all the same. */
  readonly lagging?: (table: string, why: string) => void
}

/**
 * Opens a lake; nothing is read or written yet.
 *
 * @example const lake = openLake(diskStorage('/data/lake'), systemClock)
 */
export function openLake(storage: Storage, clock: Clock, { address, lagging }: LakeOptions = {}): Lake {
  const seen: VerifiedFiles = new Map()
  const place: IcebergPlace | undefined = address === undefined ? undefined : { storage, address }
  const current = async (table: string): Promise<CommitRecord | undefined> => {
    for (;;) {
      const version = await currentVersion(storage, table)
      if (version === 0) return undefined
      const record = await readRecord(storage, table, version)
      // Retired between the two looks: there is a newer one.
      if (record !== undefined) return record
    }
  }
  /** After a record was created: nothing here undoes it. */
  const published = async (record: CommitRecord): Promise<CommitRecord> => {
    if (place === undefined) return record
    try {
      const { status, why } = await (await publishing()).publishIceberg(place, record)
      if (status !== 'current') lagging?.(record.table, why ?? status)
    } catch (error) {
      lagging?.(record.table, error instanceof Error ? error.message : String(error))
    }
    return record
  }
  return {
    current,
    record: (table, version) => readRecord(storage, table, version),
    versions: (table, damaged) => readVersions(storage, table, damaged),
    streamVersions: (table) => streamVersions(storage, table),
    tables: () => listTables(storage),
    // Imported when they are needed: a run that finds nothing to do only reads.
    async commit(input) {
      const [{ commit }, { rememberAdopted }] = await Promise.all([
        import('./commits/commit.ts'),
        import('./verify.ts'),
      ])
      const result = await rememberAdopted(storage, seen, (through) => commit(through, clock, input))
      if (result.status === 'committed') await published(result.record)
      return result
    },
    async compact(input) {
      const [{ compact }, { rememberAdopted }] = await Promise.all([
        import('./commits/compact.ts'),
        import('./verify.ts'),
      ])
      const work = async (through: Storage) => ({ record: await compact(through, clock, input) })
      return published((await rememberAdopted(storage, seen, work)).record)
    },
    dismiss: async (input) => published(await (await import('./commits/compact.ts')).dismiss(storage, clock, input)),
    growthSince: (record, version) => growthSince(storage, record, version),
    setAside: async (input) => (await import('./commits/set-aside.ts')).setAside(storage, clock, input),
    canTakeUp: async (files) => (await import('./commits/set-aside.ts')).canTakeUp(storage, files),
    async removeSetAside(files) {
      for (const { setAside } of files) await storage.remove(setAside.path)
    },
    rollback: async (input) => published(await (await import('./commits/rollback.ts')).rollback(storage, clock, input)),
    verify: async (record) => (await import('./verify.ts')).verify(storage, record, seen),
    knownInputs: (table, among) => knownInputs(storage, table, among),
    takenInputs: (table) => takenInputs(storage, table),
    refused: (record) => refusedFiles(storage, record),
    writeExtraction: (log) => writeExtraction(storage, log),
    extraction: (table, run) =>
      run === undefined ? latestExtraction(storage, table) : readExtraction(storage, table, run),
    async extractions(table, limit) {
      const tables = table === undefined ? await listTableFolders(storage) : [table]
      return (await Promise.all(tables.map((one) => listExtractions(storage, one, limit)))).flat()
    },
    async collectGarbage(options) {
      const retired = async (table: string, oldest: number): Promise<void> => {
        const newest = place && (await current(table))
        if (newest !== undefined) await (await publishing()).pruneIceberg(place!, newest, oldest)
      }
      return (await import('./retention.ts')).collectGarbage(storage, clock, { ...options, retired })
    },
    async iceberg(table) {
      const record = place && (await current(table))
      return record && (await publishing()).icebergState(place!, record)
    },
    async syncIceberg(table) {
      const record = place && (await current(table))
      return record && (await publishing()).syncIceberg(place!, record)
    },
  }
}

const publishing = (): Promise<typeof import('./iceberg/publish.ts')> => import('./iceberg/publish.ts')
