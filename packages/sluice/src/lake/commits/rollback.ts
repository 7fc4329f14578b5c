/** Goes back to an earlier version by making a new one: history is added to, never rewritten. */
import type { Clock } from '../../base/clock.ts'
import { sluiceError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { withNested } from '../nested.ts'
import { carryInputs } from '../record/inputs.ts'
import { highestNumber, listVersions, readVersions, writeHint } from '../record/records.ts'
import { carryRefused } from '../record/refused.ts'
import type { CommitRecord, DismissedFile } from '../record.ts'
import { createRecord, recordOf, uuidOf } from './commit.ts'

/** Who rolls back, and to what. */
export interface RollbackInput extends Pick<CommitRecord, 'table' | 'run' | 'attempt' | 'fencingToken'> {
  /** The version whose content becomes current. */
  readonly version: number
  /** A number that was given, as others know, though its record may be lost: the new version comes after it. */
  readonly after?: number
  readonly fence: () => Promise<void>
}

/**
 * Commits version N+1 with an earlier version's content, columns and known inputs; the files are the same, nothing is copied or counted again. Where
 * the newest record is lost, N is its number all the same: no number is given twice.
 *
 * @throws Lake.UnknownVersion, Lake.Conflict, Run.Fenced
 */
export async function rollback(storage: Storage, clock: Clock, input: RollbackInput): Promise<CommitRecord> {
  const { table, run, attempt, fencingToken } = input
  const left = (await listVersions(storage, table)).at(-1) ?? 0
  const current = Math.max(await highestNumber(storage, table), input.after ?? 0)
  const target = await recordOf(storage, table, input.version)
  const parent = await recordOf(storage, table, left)
  if (parent.fencingToken > fencingToken)
    throw sluiceError('Run.Fenced', { token: fencingToken, newer: parent.fencingToken })
  const { compacted: _, dismissed: __, ...content } = target
  // Those from before format 3 have no ids for the parts of nested columns.
  const ids = { next: parent.nextFieldId }
  const fields = target.fields.map((field) => withNested(field, field.nested, ids))
  const record: CommitRecord = {
    ...content,
    version: current + 1,
    parent: current,
    committedAt: clock.now().toISOString(),
    operation: 'rollback',
    rollbackOf: input.version,
    run,
    attempt,
    fencingToken,
    uuid: parent.uuid ?? uuidOf({ table, run, attempt, version: current }),
    fields,
    nextFieldId: ids.next,
    // Nothing is read again: what the earlier version read and refused stays in its own record, and is not counted twice.
    accounting: { read: 0, accepted: 0, quarantined: 0, dropped: {} },
    quarantine: [],
    known: await carryInputs(storage, clock, target, []),
    refused: await carryRefused(storage, clock, target, await dismissedSince(storage, target)),
  }
  await input.fence()
  if (!(await createRecord(storage, record, left)))
    throw sluiceError('Lake.Conflict', { table, expected: current, found: await highestNumber(storage, table) })
  await writeHint(storage, table, record.version)
  return record
}

/** What was dismissed after a version was made: going back to its rows takes back no decision about what it refused. */
async function dismissedSince(storage: Storage, { table, version }: CommitRecord): Promise<readonly DismissedFile[]> {
  // A rollback is a way out of damage.
  const records = await readVersions(storage, table, () => undefined)
  return records.filter((record) => record.version > version).flatMap(({ dismissed = [] }) => dismissed)
}
