/** What a dimension from snapshots has to know beside the rows: which keys were refused at which instants, and which files had no row. */
import { basename } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Load } from '../../definition/types.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quarantineRelation } from '../../quality/quarantine.ts'
import { fileDateOf } from '../../sources/files/file-date.ts'
import type { LoadInput } from '../../warehouses/warehouse.ts'
import type { TaskContext } from '../context.ts'
import { acceptedInstants } from '../ledger/accepted.ts'

type Snapshots = NonNullable<LoadInput['snapshots']>

/**
 * Looks at the table that is loaded and at those it was made from. Rows that a source refused have the instant of their file, where its table has a
 * `_file_date`; rows that a model's checks refused have it among their values. Keys are known by their names: a model that renames them hides them.
 *
 * @throws Warehouse.SnapshotInstants where the instants are no dates, and files have refused rows or none
 */
export async function snapshotsOf(
  context: Pick<TaskContext, 'project' | 'lake' | 'task' | 'state'>,
  load: Load,
  record: CommitRecord,
): Promise<Snapshots | undefined> {
  if (load.mode !== 'scd2' || load.snapshot === undefined) return undefined
  const { snapshot, allowEmpty = false } = load
  const refused: Snapshots['refused'][number][] = []
  const deliveries: NonNullable<Snapshots['deliveries']>[number][] = []
  for (const made of await madeFrom(context, record)) {
    const names = made.fields.map(({ name }) => name)
    const files = await context.lake.refused(made)
    if (names.includes(snapshot) && snapshot !== '_file_date') {
      if (files.length > 0) refused.push({ relation: quarantineRelation(files) })
      continue
    }
    const source = projectIndex(context.project).source(made.table)?.source
    if (source?.kind !== 'files' || source.fileDate === undefined || !names.includes('_file_date')) continue
    if (files.length === 0 && !allowEmpty) continue
    if (record.fields.find(({ name }) => name === snapshot)?.type !== 'DATE')
      throw sluiceError('Warehouse.SnapshotInstants', {
        target: context.task.table,
        column: snapshot,
        table: made.table,
      })
    const instants: { [file: string]: string } = {}
    for (const path of (await context.lake.knownInputs(made.table)).values()) {
      const date = fileDateOf(basename(path), source.fileDate)
      if (date !== undefined) instants[path] = date
    }
    if (files.length > 0) refused.push({ relation: quarantineRelation(files), instants })
    if (allowEmpty) deliveries.push({ relation: relationOf(made), instants })
  }
  const accepted = await acceptedInstants(context.state, context.task.table)
  return { empty: [], refused, deliveries, accepted, whole: context.task.reason === 'forced' }
}

/** The version, and those of other tables that it was made from, each once. */
async function madeFrom({ lake }: Pick<TaskContext, 'lake'>, record: CommitRecord): Promise<readonly CommitRecord[]> {
  const found = new Map([[record.table, record]])
  const open = [record]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    for (const input of one.inputs) {
      if (input.kind !== 'table' || found.has(input.table)) continue
      // A version that has aged out is known by the newest, which answers for its refused rows.
      const made = (await lake.record(input.table, input.version)) ?? (await lake.current(input.table))
      if (made === undefined) continue
      found.set(made.table, made)
      open.push(made)
    }
  }
  return [...found.values()]
}
