/**
 * Retention and garbage: first the records of versions nobody keeps, then, a grace later, the files that no kept record names.
 *
 * Nothing is removed by prefix. A file goes only if its name is one that a commit gives, no kept record names it, and it has been so for the
 * whole grace, which must be longer than any run and any reader.
 */
import type { Clock } from '../base/clock.ts'
import { crashPoint } from '../base/crash.ts'
import { isSluiceError, type SluiceError } from '../base/errors.ts'
import { canonicalJson } from '../base/json.ts'
import type { Storage, StoredObject } from '../storage/storage.ts'
import { recordOf } from './commits/commit.ts'
import { listExtractions } from './extractions.ts'
import { icebergVersionOf, listMetadata } from './iceberg/publish.ts'
import { extractionPath, tableFolder, versionPath } from './paths.ts'
import { type PartCache, partsOf } from './record/chain.ts'
import { removeCheckpoints, writeCheckpoint } from './record/older-inputs.ts'
import { currentVersion, listTableFolders, readRecord, streamVersions, writeHint } from './record/records.ts'
import { refusedFiles } from './record/refused.ts'
import type { CommitRecord } from './record.ts'

/** Versions kept: the newest so many, and those younger than so many days, whichever keeps more. Without either, all. */
export interface TableRetention {
  readonly versions?: number
  readonly days?: number
}

/** How garbage is collected. */
export interface GarbageOptions {
  readonly retention: (table: string) => TableRetention
  /** Milliseconds. @default 24 hours */
  readonly graceMs?: number
  /** Only says what would go. */
  readonly dryRun?: boolean
  /** Tables that are left as they are: what their lost records name looks like garbage. */
  readonly skip?: ReadonlySet<string>
  /** Told of each table that is left as it is because its records cannot be read; without it, the first one is thrown. */
  readonly damaged?: (error: SluiceError) => void
  /** Called for each table that has lost versions, with the number of the oldest that is left. */
  readonly retired?: (table: string, oldest: number) => Promise<void>
}

/** What went, or would go. */
export interface Garbage {
  /** Paths relative to the lake, sorted. */
  readonly removed: readonly string[]
  readonly bytes: number
  /** Files in table folders that no commit made; they are left alone. */
  readonly foreign: readonly string[]
}

/** Data files whose last record was removed, with the instant: readers of that version may still be at work. */
type Dropped = { [path: string]: string }

const dayMs = 86_400_000

/**
 * Removes what no kept version needs. Safe beside writers and readers, and after a crash at any point; run again, it goes on.
 *
 * @example await lake.collectGarbage({ retention: () => ({ versions: 7, days: 30 }) })
 */
export async function collectGarbage(storage: Storage, clock: Clock, options: GarbageOptions): Promise<Garbage> {
  const graceMs = options.graceMs ?? dayMs
  const dryRun = options.dryRun === true
  const now = clock.now().getTime()
  const removed: StoredObject[] = []
  const foreign: string[] = []
  for (const table of await listTableFolders(storage)) {
    if (options.skip?.has(table) === true) continue
    const retention = options.retention(table)
    try {
      // What a lost record names is not garbage.
      await currentVersion(storage, table)
      const retired = await retire(storage, table, retention, now, dryRun)
      removed.push(
        ...retired.records,
        ...(await retireExtractions(storage, table, retired.kept, retention, now, dryRun)),
      )
      // Until its first commit, a folder may be anybody's.
      if (retired.kept.length === 0) continue
      if (!dryRun && retired.records.length > 0) await options.retired?.(table, retired.kept.at(-1)?.version ?? 0)
      const swept = await sweep(storage, table, retired, now - graceMs, dryRun)
      removed.push(...swept.removed)
      foreign.push(...swept.foreign)
    } catch (error) {
      const isDamage = isSluiceError(error, 'Lake.RecordCorrupt') || isSluiceError(error, 'Lake.VersionMissing')
      if (!isDamage || options.damaged === undefined) throw error
      options.damaged(error)
    }
  }
  removed.push(...(await storage.removeLeftovers({ before: new Date(now - graceMs), dryRun })))
  return {
    removed: removed.map((object) => object.path).sort(),
    bytes: removed.reduce((total, object) => total + object.bytes, 0),
    foreign: foreign.sort(),
  }
}

/** What of a record decides whether it stays, and what it keeps. */
type Fact = Pick<CommitRecord, 'version' | 'committedAt' | 'run'> & { readonly hasKnown: boolean }

/** The versions of a table, newest first, and by which one each file was named last. */
interface Facts {
  readonly records: readonly Fact[]
  readonly newestNaming: ReadonlyMap<string, number>
}

interface Retired {
  readonly kept: readonly Fact[]
  /** Whether a kept record names a file. */
  readonly isNamed: (path: string) => boolean
  readonly records: readonly StoredObject[]
  readonly dropped: Dropped
}

/** A record lists every data file of its version, so no more than a few are held at a time. */
async function readFacts(storage: Storage, table: string): Promise<Facts> {
  const records: Fact[] = []
  const newestNaming = new Map<string, number>()
  const parts: PartCache = new Map()
  for await (const record of streamVersions(storage, table)) {
    const { version, committedAt, run, known } = record
    records.push({ version, committedAt, run, hasKnown: known !== undefined })
    for (const path of await namedFiles(storage, record, parts))
      if (!newestNaming.has(path)) newestNaming.set(path, version)
  }
  return { records, newestNaming }
}

/** Removes the records of versions that are not kept, oldest first, after what they knew is durable elsewhere. */
async function retire(
  storage: Storage,
  table: string,
  retention: TableRetention,
  now: number,
  dryRun: boolean,
): Promise<Retired> {
  const { records, newestNaming } = await readFacts(storage, table)
  const keep = Math.max(keptVersions(records, retention, now), await answeredFor(storage, table, records))
  const kept = records.slice(0, keep)
  const gone = records.slice(keep)
  const oldest = kept.at(-1)
  const isNamed = (path: string): boolean => (newestNaming.get(path) ?? 0) >= (oldest?.version ?? Infinity)
  const dropped = await readDropped(storage, table)
  for (const path of newestNaming.keys()) if (!isNamed(path)) dropped[path] ??= new Date(now).toISOString()
  for (const { path, version } of gone.length === 0 ? [] : await listMetadata(storage, table))
    if (version < (oldest?.version ?? 0)) dropped[path] ??= new Date(now).toISOString()
  const newestGone = gone[0]
  const objects: StoredObject[] = []
  for (const record of [...gone].reverse()) {
    const found = await storage.stat(versionPath(table, record.version))
    if (found !== undefined) objects.push(found)
  }
  const retired = { kept, isNamed, records: objects, dropped }
  if (newestGone === undefined || dryRun) return retired
  await storage.write(droppedPath(table), `${canonicalJson(dropped)}\n`)
  // From format 3 on, a record names its inputs and refused rows by itself.
  if (oldest?.hasKnown === true) await removeCheckpoints(storage, table, oldest.version)
  else await writeCheckpoint(storage, await recordOf(storage, table, newestGone.version))
  await writeHint(storage, table, records[0]?.version ?? 0)
  for (const object of objects) {
    crashPoint('lake.retention.before_record_removal')
    await storage.remove(object.path)
  }
  return retired
}

/** How many of the newest records stay: an unbroken row of versions, so that a clock that jumped back leaves no hole. */
function keptVersions(records: readonly Fact[], retention: TableRetention, now: number): number {
  if (retention.versions === undefined && retention.days === undefined) return records.length
  const byCount = Math.max(1, retention.versions ?? 1)
  const oldest = now - (retention.days ?? 0) * dayMs
  const byAge = records.findLastIndex((record) => Date.parse(record.committedAt) > oldest) + 1
  return Math.min(records.length, Math.max(byCount, byAge))
}

/** How many of the newest records have to stay for rows that they refused: before format 3, only they say so. */
async function answeredFor(storage: Storage, table: string, records: readonly Fact[]): Promise<number> {
  const current = records[0] && (await readRecord(storage, table, records[0].version))
  if (current === undefined || current.refused !== undefined) return 0
  const refused = new Set((await refusedFiles(storage, current)).map(({ addedIn }) => addedIn))
  return records.findLastIndex(({ version }) => refused.has(version)) + 1
}

/** Removes the logs of extractions that are older than every kept version and than the days kept; never the latest, nor one that made a kept version. */
async function retireExtractions(
  storage: Storage,
  table: string,
  kept: readonly Fact[],
  { versions, days }: TableRetention,
  now: number,
  dryRun: boolean,
): Promise<readonly StoredObject[]> {
  if (versions === undefined && days === undefined) return []
  const [, ...logs] = await listExtractions(storage, table)
  const oldest = Math.min(now - (days ?? 0) * dayMs, ...kept.map(({ committedAt }) => Date.parse(committedAt)))
  const removed: StoredObject[] = []
  for (const log of logs) {
    if (Date.parse(log.startedAt) > oldest || kept.some(({ run }) => run === log.run)) continue
    const found = await storage.stat(extractionPath(table, log.run))
    if (found === undefined) continue
    removed.push(found)
    if (dryRun) continue
    crashPoint('lake.retention.before_extraction_removal')
    await storage.remove(found.path)
  }
  return removed
}

/** Removes the files that nothing names and whose grace is over. */
async function sweep(
  storage: Storage,
  table: string,
  { kept, isNamed, dropped }: Retired,
  before: number,
  dryRun: boolean,
): Promise<{ readonly removed: readonly StoredObject[]; readonly foreign: readonly string[] }> {
  const folder = tableFolder(table)
  const listed = await storage.list(folder)
  // A commit may have come in while the folder was listed; its files are young, and still they are looked at again.
  const newest = kept[0]?.version ?? 0
  const since = (await currentVersion(storage, table)) === newest ? undefined : await readFacts(storage, table)
  const inUse = (path: string): boolean => isNamed(path) || (since?.newestNaming.get(path) ?? 0) > newest
  const oldest = kept.at(-1)?.version ?? 0
  const describesKept = (name: string): boolean => (icebergVersionOf(name) ?? -1) >= oldest
  const removed: StoredObject[] = []
  const foreign: string[] = []
  for (const object of listed) {
    const name = object.path.slice(folder.length + 1)
    if (isBookkeeping(name)) continue
    if (!isCommitted(name)) foreign.push(object.path)
    else if (!inUse(object.path) && !describesKept(name) && unusedSince(object, dropped) <= before) removed.push(object)
  }
  if (dryRun) return { removed, foreign }
  for (const object of removed) {
    crashPoint('lake.retention.before_file_removal')
    await storage.remove(object.path)
  }
  const left = Object.entries(dropped).filter(([path]) => !removed.some((object) => object.path === path))
  if (removed.length > 0 && left.length < Object.keys(dropped).length)
    await storage.write(droppedPath(table), `${canonicalJson(Object.fromEntries(left))}\n`)
  return { removed, foreign }
}

function unusedSince(object: StoredObject, dropped: Dropped): number {
  return Math.max(object.modifiedAt.getTime(), Date.parse(dropped[object.path] ?? '1970-01-01'))
}

/** Everything that a record names: data files, files of refused rows, and parts of chains. */
async function namedFiles(storage: Storage, record: CommitRecord, parts: PartCache): Promise<readonly string[]> {
  const refused = record.refused === undefined ? record.quarantine : await refusedFiles(storage, record, parts)
  const files = [...record.files, ...refused].map(({ path }) => path)
  return [...files, ...partsOf(record.known), ...partsOf(record.refused)]
}

/** The names that commits give. */
function isCommitted(name: string): boolean {
  if (icebergVersionOf(name) !== undefined) return true
  return /^((data|quarantine)\/[^/]+-\d+-[0-9a-f]{8}\/([^/]+=[^/]*\/)*part-\d+\.parquet|_parts\/[0-9a-f]{64}-[0-9a-f]{8}\.json)$/.test(
    name,
  )
}

function isBookkeeping(name: string): boolean {
  return /^(_versions\/\d{12}\.json|_inputs\/\d{12}\.json|_extractions\/[^/]+\.json|_latest\.json|_dropped\.json)$/.test(
    name,
  )
}

async function readDropped(storage: Storage, table: string): Promise<Dropped> {
  const bytes = await storage.read(droppedPath(table))
  if (bytes === undefined) return {}
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Dropped
  } catch {
    // Forgetting it would cost readers their grace: start it again for everything that nothing names.
    const files = await storage.list(tableFolder(table))
    return Object.fromEntries(files.map((file) => [file.path, file.modifiedAt.toISOString()]))
  }
}

function droppedPath(table: string): string {
  return `${tableFolder(table)}/_dropped.json`
}
