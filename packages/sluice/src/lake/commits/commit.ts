/**
 * Makes version N+1 of a table: files first, durably; then the one record that makes them visible, created exclusively.
 */
import type { Clock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { Storage } from '../../storage/storage.ts'
import { type AssignedFields, assignFields, carryFiles } from '../fields.ts'
import { onlyGrew } from '../growth.ts'
import { type Merge, madeFiles, placeMade } from '../merge.ts'
import { versionPath } from '../paths.ts'
import { emptyChain } from '../record/chain.ts'
import { encodeRecord } from '../record/encode.ts'
import { carryInputs } from '../record/inputs.ts'
import { ownInputs } from '../record/older-inputs.ts'
import { currentVersion, readRecord, writeHint } from '../record/records.ts'
import { carryRefused, keepsRefused } from '../record/refused.ts'
import type { CommitRecord, DataFile, Field } from '../record.ts'
import {
  type Adopted,
  adoptFiles,
  fieldsOf,
  idsOf,
  type NewFile,
  type NewQuarantine,
  type SetAsideFile,
  type VerifyFile,
} from './adopt.ts'

/** What a commit is made from; the rest of the record follows from the parent. */
export interface CommitInput
  extends Pick<
    CommitRecord,
    | 'table'
    | 'taskKey'
    | 'definition'
    | 'run'
    | 'attempt'
    | 'fencingToken'
    | 'inputs'
    | 'accounting'
    | 'checks'
    | 'watermark'
    | 'dismissed'
    | 'sql'
    | 'warnings'
  > {
  /** `append`: the parent's files stay. `replace`: only the new files, and those that are `kept`. */
  readonly operation: 'append' | 'replace'
  readonly fields: readonly Omit<Field, 'id'>[]
  readonly files: readonly (NewFile | SetAsideFile)[]
  /** Paths of the parent's files that a replacement keeps; `expectedParent` says which parent. */
  readonly kept?: readonly string[]
  /** Files of the parent that stay, written again in the types of this version; those that another writer has replaced since are not looked at. */
  readonly rewritten?: readonly Merge[]
  readonly quarantine: readonly NewQuarantine[]
  /** The version the work was planned on. A replacement of any other version is refused; commits after it are searched for `taskKey`. */
  readonly expectedParent?: number
  /** Throws when the writer no longer holds its lease; asked last, right before the record is created. */
  readonly fence: () => Promise<void>
  /** The column whose year and month split the files, where these are partitions. */
  readonly monthOf?: string
  readonly verifyFile: VerifyFile
}

/** What a commit came to. `already-committed`: the same task key (or, for an append, the same input files) is in the table. */
export interface CommitResult {
  readonly status: 'committed' | 'already-committed'
  readonly record: CommitRecord
}

/**
 * Commits; see {@link CommitInput}. Safe to call again after any failure, with files made again.
 *
 * @throws Quality.RowsUnaccounted, Lake.FileCorrupt, Lake.Conflict, Lake.SchemaConflict, Lake.FormatNewer, Run.Fenced
 */
export async function commit(storage: Storage, clock: Clock, input: CommitInput): Promise<CommitResult> {
  const kept = await keptFiles(storage, input)
  assertAccounted(input, sum(kept.map((file) => file.rows)))
  const { table } = input
  let version = await currentVersion(storage, table)
  const planned = input.expectedParent ?? version
  const before = await findCommitted(storage, input, version, input.expectedParent)
  if (before !== undefined) return alreadyCommitted(storage, before)
  const again = madeFiles(
    input.rewritten ?? [],
    input.fields.map(({ name }) => name),
  )
  const adopting = { ...input, files: [...input.files, ...again] }
  let adopted: { readonly files: Adopted; readonly fields: readonly Field[] } | undefined
  for (;;) {
    const parent = version === 0 ? undefined : await recordOf(storage, table, version)
    assertParent(input, parent)
    const assigned = assignFields(table, parent, input.fields, staysOf(input, parent).size > 0)
    adopted ??= { files: await adoptFiles(storage, clock, { ...adopting, ...assigned }), fields: assigned.fields }
    // Another writer has given ids meanwhile that are in these files, too, for other columns.
    if (idsOf(adopted.fields) !== idsOf(assigned.fields))
      throw sluiceError('Lake.Conflict', { table, expected: planned, found: version })
    const record = await buildRecord(storage, clock, input, { parent, assigned, adopted: adopted.files })
    crashPoint('lake.commit.before_fence')
    await input.fence()
    crashPoint('lake.commit.before_create')
    if (await createRecord(storage, record)) {
      await writeHint(storage, table, record.version)
      return { status: 'committed', record }
    }
    version = await currentVersion(storage, table)
    const after = await findCommitted(storage, input, version, planned)
    if (after !== undefined) return alreadyCommitted(storage, after)
  }
}

/**
 * Creates a record exclusively. False where another writer has that version, or had it before it was retired.
 *
 * A writer that slept for very long may find its version's place free because the version came and was removed by retention. Records go in
 * ascending order, so its parent is then gone too.
 *
 * @param before The newest record that is there, where that is not the parent's.
 */
export async function createRecord(
  storage: Storage,
  record: CommitRecord,
  before: number = record.parent,
): Promise<boolean> {
  const path = versionPath(record.table, record.version)
  if (!(await storage.create(path, encodeRecord(record)))) return false
  crashPoint('lake.commit.after_create')
  if (before === 0 || (await storage.stat(versionPath(record.table, before))) !== undefined) return true
  await storage.remove(path)
  return false
}

/** The parent's files that stay. */
async function keptFiles(storage: Storage, input: CommitInput): Promise<readonly DataFile[]> {
  const kept = new Set(input.kept)
  if (kept.size === 0) return []
  assert(
    input.operation === 'replace' && input.expectedParent !== undefined,
    'who keeps files replaces a known version',
  )
  const parent = await readRecord(storage, input.table, input.expectedParent)
  // Retired since: the commit will find that another version is current.
  if (parent === undefined)
    throw sluiceError('Lake.Conflict', {
      table: input.table,
      expected: input.expectedParent,
      found: await currentVersion(storage, input.table),
    })
  const files = parent.files.filter((file) => kept.has(file.path))
  assert(files.length === kept.size, `every file that ${input.table} keeps is one of version ${parent.version}`)
  return files
}

/**
 * @throws Quality.RowsUnaccounted unless rows read = accepted + quarantined + dropped, by the counts, and the files hold what was accepted and
 * carried over
 */
function assertAccounted({ table, accounting, files, quarantine }: CommitInput, keptRows: number): void {
  const { read, accepted, quarantined, carried = 0 } = accounting
  const dropped = sum(Object.values(accounting.dropped))
  const inFiles = keptRows + sum(files.map((file) => file.rows)) - carried
  const refused = sum(quarantine.map((file) => file.rows))
  if (read !== accepted + quarantined + dropped)
    throw sluiceError('Quality.RowsUnaccounted', { what: table, read, accepted, quarantined, dropped })
  if (accepted !== inFiles || quarantined !== refused)
    throw sluiceError('Quality.RowsUnaccounted', {
      what: `${table} (rows in its files)`,
      read,
      accepted: inFiles,
      quarantined: refused,
      dropped,
    })
}

/** The commit that already holds this work, among the versions after `since`, and the current one. */
async function findCommitted(
  storage: Storage,
  input: CommitInput,
  current: number,
  since: number | undefined,
): Promise<CommitRecord | undefined> {
  const inputs = new Set(input.inputs.flatMap((from) => (from.kind === 'file' ? [from.sha256] : [])))
  for (let version = current; version > 0; version--) {
    const record = await readRecord(storage, input.table, version)
    if (record === undefined) return undefined
    if (record.taskKey === input.taskKey) return record
    if (since === undefined ? input.operation === 'replace' || !onlyGrew(record) : version <= since) return undefined
    if (input.operation === 'replace' || since === undefined) continue
    // Another writer may have taken the same files under another key.
    const shared = record.inputs.filter((from) => from.kind === 'file' && inputs.has(from.sha256)).length
    if (shared > 0 && shared === inputs.size) return record
    if (shared > 0) throw sluiceError('Lake.Conflict', { table: input.table, expected: since, found: current })
  }
  return undefined
}

async function alreadyCommitted(storage: Storage, record: CommitRecord): Promise<CommitResult> {
  // Creates nothing: its writer may have died before the record's name was durable, and this makes it so.
  await storage.create(versionPath(record.table, record.version), encodeRecord(record))
  return { status: 'already-committed', record }
}

function assertParent(input: CommitInput, parent: CommitRecord | undefined): void {
  const found = parent?.version ?? 0
  if (parent !== undefined && parent.fencingToken > input.fencingToken)
    throw sluiceError('Run.Fenced', { token: input.fencingToken, newer: parent.fencingToken })
  if (input.operation === 'replace' && input.expectedParent !== undefined && input.expectedParent !== found)
    throw sluiceError('Lake.Conflict', { table: input.table, expected: input.expectedParent, found })
}

/** The parent's files that are in the new version, too. */
function staysOf(input: CommitInput, parent: CommitRecord | undefined): ReadonlySet<string> {
  return new Set(input.operation === 'append' ? parent?.files.map(({ path }) => path) : input.kept)
}

interface Building {
  readonly parent: CommitRecord | undefined
  readonly assigned: AssignedFields
  readonly adopted: Adopted
}

async function buildRecord(
  storage: Storage,
  clock: Clock,
  input: CommitInput,
  { parent, assigned, adopted }: Building,
): Promise<CommitRecord> {
  const stays = staysOf(input, parent)
  const version = (parent?.version ?? 0) + 1
  const placed = adopted.files.map((file) => {
    const stats = Object.entries(file.stats).filter(([name]) => file.fields.includes(name))
    return { ...file, stats: Object.fromEntries(stats) }
  })
  const added = placed.slice(0, input.files.length).map((file) => ({ ...file, addedIn: version }))
  const carried = parent === undefined ? [] : carryFiles(parent, assigned.fields).filter(({ path }) => stays.has(path))
  const files = [...placeMade(carried, input.rewritten ?? [], placed.slice(input.files.length)), ...added]
  const { table, definition, run, attempt, operation, accounting } = input
  const named = input.monthOf === undefined ? undefined : fieldsOf([input.monthOf], assigned.fields)[0]?.id
  const month = named ?? (stays.size > 0 ? parent?.monthOf : undefined)
  return {
    format: 3,
    table,
    uuid: parent?.uuid ?? uuidOf({ table, run, attempt, version }),
    version,
    parent: version - 1,
    committedAt: clock.now().toISOString(),
    operation,
    taskKey: input.taskKey,
    definition,
    run,
    attempt,
    fencingToken: input.fencingToken,
    ...assigned,
    ...(month === undefined ? {} : { monthOf: month }),
    files,
    rows: sum(files.map((file) => file.rows)),
    bytes: sum(files.map((file) => file.bytes)),
    inputs: input.inputs,
    known: parent === undefined ? emptyChain() : await carryInputs(storage, clock, parent, ownInputs(parent)),
    ...(input.watermark === undefined ? {} : { watermark: input.watermark }),
    accounting,
    checks: input.checks,
    quarantine: adopted.quarantine.map((file) => ({ ...file, addedIn: version, definition })),
    refused:
      parent !== undefined && keepsRefused(input)
        ? await carryRefused(storage, clock, parent, input.dismissed)
        : emptyChain(),
    ...(input.dismissed === undefined ? {} : { dismissed: input.dismissed }),
    ...(input.sql === undefined ? {} : { sql: input.sql }),
    ...(input.warnings === undefined ? {} : { warnings: input.warnings }),
  }
}

/** The identity of a table that has none yet: the same first version has the same. @example uuidOf({ table, run, attempt, version }) */
export function uuidOf({
  table,
  run,
  attempt,
  version,
}: Pick<CommitRecord, 'table' | 'run' | 'attempt' | 'version'>): string {
  // Version 8 of RFC 9562, which leaves its bits to the maker.
  const hex = digest({ table, run, attempt, version })
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-8$4-$5')
}

/** A record that must be there. */
export async function recordOf(storage: Storage, table: string, version: number): Promise<CommitRecord> {
  const record = await readRecord(storage, table, version)
  if (record === undefined) throw sluiceError('Lake.UnknownVersion', { table, version })
  return record
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
