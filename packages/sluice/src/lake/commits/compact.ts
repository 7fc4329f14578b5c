/** Makes a version of the same rows in fewer files. History is added to, never rewritten: the files of earlier versions stay while those do. */
import type { Clock } from '../../base/clock.ts'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import type { Storage } from '../../storage/storage.ts'
import { type AssignedFields, assignFields } from '../fields.ts'
import { onlyGrew, rowsVersion } from '../growth.ts'
import { type Merge, madeFiles, placeMade } from '../merge.ts'
import { carryInputs } from '../record/inputs.ts'
import { currentVersion, writeHint } from '../record/records.ts'
import { carryRefused } from '../record/refused.ts'
import type { CommitRecord, DataFile, DismissedFile } from '../record.ts'
import { type AdoptInput, adoptFiles } from './adopt.ts'
import { type CommitInput, createRecord, recordOf, uuidOf } from './commit.ts'

/** What is compacted, by whom. */
export interface CompactInput
  extends Pick<CommitRecord, 'table' | 'run' | 'fencingToken'>,
    Pick<CommitInput, 'fence' | 'verifyFile'> {
  /** The version whose files these are. */
  readonly version: number
  readonly merges: readonly Merge[]
}

/** Which refused rows are dismissed, by whom. */
export interface DismissInput extends Omit<CompactInput, 'merges' | 'verifyFile'> {
  readonly dismissed: readonly DismissedFile[]
}

/**
 * Commits. What others have appended in the meantime stays; whoever replaced or rolled back the table was first.
 *
 * @example await compact(storage, clock, { table, version, merges, run, fencingToken, fence, verifyFile })
 * @throws Lake.Conflict where a file is not in the table any more
 * @throws Lake.FileCorrupt, Run.Fenced
 */
export async function compact(
  storage: Storage,
  clock: Clock,
  input: CompactInput & Partial<DismissInput>,
): Promise<CommitRecord> {
  const { table, merges, fencingToken, fence } = input
  const planned = await recordOf(storage, table, input.version)
  const names = planned.fields.map(({ name }) => name)
  // Those that it had before format 3 have no ids for the parts of nested columns.
  const assigned = assignFields(table, planned, planned.fields, true)
  const adopting: AdoptInput = {
    ...{ ...input, fields: assigned.fields, attempt: 1 },
    ...{ files: madeFiles(merges, names), quarantine: [] },
  }
  let adopted: Awaited<ReturnType<typeof adoptFiles>>['files'] | undefined
  for (;;) {
    const parent = await recordOf(storage, table, await currentVersion(storage, table))
    if (parent.fencingToken > fencingToken)
      throw sluiceError('Run.Fenced', { token: fencingToken, newer: parent.fencingToken })
    assertHeld(input, planned, parent)
    adopted ??= (await adoptFiles(storage, clock, adopting)).files
    const record = await buildRecord(storage, clock, input, { parent, assigned, adopted })
    crashPoint('lake.compact.before_fence')
    await fence()
    crashPoint('lake.compact.before_create')
    if (await createRecord(storage, record)) {
      await writeHint(storage, table, record.version)
      return record
    }
  }
}

/**
 * Commits the rows of the current version without refused rows that nobody has to deal with any more. Their files go when no kept version names them.
 *
 * @example await dismiss(storage, clock, { table, version, dismissed, run, fencingToken, fence })
 * @throws Lake.Conflict, Run.Fenced
 */
export function dismiss(storage: Storage, clock: Clock, input: DismissInput): Promise<CommitRecord> {
  return compact(storage, clock, { ...input, merges: [], verifyFile: async () => ({ rows: 0 }) })
}

/** @throws Lake.Conflict unless the table only grew: it has every file, in the same columns */
function assertHeld({ table, merges }: CompactInput, planned: CommitRecord, parent: CommitRecord): void {
  const held = new Set(parent.files.map(({ path }) => path))
  const isHeld = merges.every(({ files }) => files.every(({ path }) => held.has(path)))
  // No file is written again, so it matters little how the table came to these.
  if (merges.length === 0 && parent.version === planned.version) return
  if (!onlyGrew(parent) || !isHeld || canonicalJson(parent.fields) !== canonicalJson(planned.fields))
    throw sluiceError('Lake.Conflict', { table, expected: planned.version, found: parent.version })
}

interface Building {
  readonly parent: CommitRecord
  readonly assigned: AssignedFields
  readonly adopted: readonly Omit<DataFile, 'addedIn'>[]
}

async function buildRecord(
  storage: Storage,
  clock: Clock,
  { merges, run, fencingToken, dismissed }: CompactInput & Partial<DismissInput>,
  { parent: { dismissed: _, ...parent }, assigned, adopted }: Building,
): Promise<CommitRecord> {
  const files = placeMade(parent.files, merges, adopted)
  return {
    ...parent,
    ...assigned,
    uuid: parent.uuid ?? uuidOf({ ...parent, run }),
    version: parent.version + 1,
    parent: parent.version,
    operation: 'compact',
    compacted: { of: rowsVersion(parent), run, at: clock.now().toISOString() },
    fencingToken,
    known: await carryInputs(storage, clock, parent, []),
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    // Nothing is read again: what the compacted version read and refused stays in its own record, and is not counted twice.
    accounting: { read: 0, accepted: 0, quarantined: 0, dropped: {} },
    quarantine: [],
    refused: await carryRefused(storage, clock, parent, dismissed),
    ...(dismissed === undefined ? {} : { dismissed }),
  }
}
