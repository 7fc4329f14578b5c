/** What a dimension from snapshots has to know beside the rows: which keys were refused at which instants, and which files had no row. */
import { basename } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { FilesSource, Load } from '../../definition/types.ts'
import type { CommitRecord, QuarantineFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quarantineRelation } from '../../quality/quarantine.ts'
import { fileDateOf } from '../../sources/files/file-date.ts'
import { quoteText } from '../../sql/quote.ts'
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
    const source = projectIndex(context.project).source(made.table)?.source
    if (source?.kind !== 'files') {
      if (names.includes(snapshot) && files.length > 0) refused.push({ relation: quarantineRelation(files) })
      continue
    }
    const { columns, fileDate } = source
    const hasOwn = names.includes(snapshot) && snapshot !== '_file_date'
    if (!hasOwn && (fileDate === undefined || !names.includes('_file_date'))) continue
    if (files.length === 0 && (hasOwn || !allowEmpty)) continue
    const delivered = await deliveredIn(context, made, fileDate ?? '')
    if (hasOwn) {
      for (const { some, of } of stillRefused(source, files, delivered)) {
        const filter =
          of === undefined
            ? {}
            : { filter: `_file IN (${['', ...of.map(({ path }) => path)].map(quoteText).join(', ')})` }
        refused.push({ relation: { ...quarantineRelation(some), ...filter }, columns, accepted: relationOf(made) })
      }
      continue
    }
    if (record.fields.find(({ name }) => name === snapshot)?.type !== 'DATE')
      throw sluiceError('Warehouse.SnapshotInstants', {
        target: context.task.table,
        column: snapshot,
        table: made.table,
      })
    const instantsOf = (some: readonly Delivered[]): { readonly [file: string]: string } =>
      Object.fromEntries(some.map(({ path, date }) => [path, date]))
    for (const { some, of = delivered } of stillRefused(source, files, delivered))
      refused.push({ relation: quarantineRelation(some), instants: instantsOf(of), columns })
    if (allowEmpty) deliveries.push({ relation: relationOf(made), instants: instantsOf(delivered) })
  }
  const accepted = await acceptedInstants(context.state, context.task.table)
  return { empty: [], refused, deliveries, accepted, whole: context.task.forced === true }
}

/**
 * Files of refused rows, each with the delivered files whose rows in it still count: what was refused of a file is of no account once another one has
 * taken its place. All of them where `of` is undefined.
 */
function stillRefused(
  { changedContent }: Pick<FilesSource, 'changedContent'>,
  files: readonly QuarantineFile[],
  delivered: readonly Delivered[],
): readonly { readonly some: readonly QuarantineFile[]; readonly of?: readonly Delivered[] }[] {
  if (files.length === 0) return []
  if (changedContent !== 'replace') return [{ some: files }]
  return [...new Set(files.map(({ addedIn }) => addedIn))].map((version) => ({
    some: files.filter(({ addedIn }) => addedIn === version),
    of: delivered.filter((one) => one.version <= version),
  }))
}

/** A file of a version. */
interface Delivered {
  readonly path: string
  readonly date: string
  /** The version that took what came under this name last. */
  readonly version: number
}

/** The files that a version was made of, with the dates of their names. What came after it is not in it. */
async function deliveredIn(
  { lake }: Pick<TaskContext, 'lake'>,
  { table, version }: CommitRecord,
  pattern: string,
): Promise<readonly Delivered[]> {
  const found = new Map<string, Delivered>()
  for (const [, path, taken] of await lake.takenInputs(table)) {
    const date = fileDateOf(basename(path), pattern)
    if (date !== undefined && taken <= version) found.set(path, { path, date, version: taken })
  }
  return [...found.values()]
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
