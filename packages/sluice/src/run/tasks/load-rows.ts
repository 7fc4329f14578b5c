/** Which rows and columns a load brings: of a table that has only grown, those that it has not brought before, where that comes to the same. */

import { digest } from '../../base/json.ts'
import { historyColumns } from '../../definition/cdc/rules.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Load } from '../../definition/types.ts'
import { type Growth, onlyGrew, rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import type { LoadColumn, LoadInput, LoadLedgerRow } from '../../warehouses/warehouse.ts'
import type { TaskContext } from '../context.ts'

/**
 * The identity of the load of a version.
 *
 * @param accepted Of snapshots: the instants that were accepted by hand.
 * @example loadIdOf(task, load, record, columns) === ledgerRow.loadId // this very version was loaded by this very definition
 */
export function loadIdOf(
  { definition, table: target }: TaskContext['task'],
  record: CommitRecord,
  columns: readonly LoadColumn[],
  accepted: readonly string[] = [],
): string {
  const { table, run, committedAt } = record
  // A lake that was made anew counts from 1 again, and its versions are others.
  const made = [run, committedAt]
  const taken = accepted.length === 0 ? {} : { accepted }
  return digest({ load: definition, target, table, version: rowsVersion(record), made, columns, ...taken })
}

/**
 * The columns that are loaded: all; but of what a history adds to a change, a dimension takes what its load names. Its place in the log is no
 * attribute of a customer, and would be another one with each change.
 */
export function loadColumns({ project }: TaskContext, load: Load, record: CommitRecord): readonly LoadColumn[] {
  const columns = record.fields.map(({ name, type, nullable }) => ({ name, type, nullable }))
  const model = projectIndex(project).model(load.from)?.model
  if (load.mode !== 'scd2' || model?.kind !== 'changes' || model.as !== 'history') return columns
  const flag = typeof load.deletes === 'object' ? load.deletes.column : undefined
  const named = new Set([...load.key, ...(load.track ?? []), load.effective, load.snapshot, load.sequence, flag])
  return columns.filter(({ name }) => !Object.hasOwn(historyColumns, name) || named.has(name))
}

/**
 * The files that a load brings. A dimension from changes with their own times is a function of all changes, whatever the batches: of a table that
 * has only been appended to since this definition loaded it last, the new files are enough.
 */
export async function loadFiles(
  context: TaskContext,
  load: Load,
  record: CommitRecord,
  growth: Growth,
  last: LoadLedgerRow | undefined,
): Promise<readonly DataFile[]> {
  const { lake } = context
  const isOfChanges = load.mode === 'scd2' && load.effective !== undefined && load.deletes !== 'absence'
  if (!isOfChanges || last === undefined || last.version >= rowsVersion(record)) return record.files
  for (let version = record.version; version > last.version; version--) {
    const made = version === record.version ? record : await lake.record(record.table, version)
    if (made === undefined || !onlyGrew(made)) return record.files
  }
  return (await loadedRecord(context, load, record, last)) === undefined ? record.files : growth.fresh
}

/**
 * Where the version of an `incremental` load, or of one from snapshots, differs from the one loaded last, by their files: those that both have hold
 * the same rows. Undefined where that is not known, and all keys have to be compared.
 *
 * @param accepted Of snapshots: the instants that were accepted by hand; after another one was, every row is read once.
 */
export async function movedFiles(
  context: TaskContext,
  load: Load,
  record: CommitRecord,
  last: LoadLedgerRow | undefined,
  accepted: readonly string[] = [],
): Promise<LoadInput['moved']> {
  const by = movesBy(load, record)
  if (by === undefined || last === undefined) return undefined
  const loaded = await loadedRecord(context, load, record, last, accepted)
  if (loaded === undefined) return undefined
  const lacks = (of: CommitRecord): ((file: DataFile) => boolean) => {
    const held = new Set(of.files.map(({ path, sha256 }) => `${sha256} ${path}`))
    return ({ path, sha256 }) => !held.has(`${sha256} ${path}`)
  }
  const came = record.files.filter(lacks(loaded))
  const bounds = loaded.files.filter(lacks(record)).map(({ stats }) => stats[by])
  const went = bounds.flatMap((of) =>
    of?.min === undefined || of.max === undefined ? [] : [{ min: of.min, max: of.max }],
  )
  if (went.length < bounds.length) return undefined
  const rows = came.reduce((sum, file) => sum + file.rows, 0)
  return { came: relationOf({ ...record, files: came }), rows, went }
}

/** The column by which rows are compared; of instants with a zone the texts of statistics may be written otherwise than the engine's. */
function movesBy(load: Load, { fields }: CommitRecord): string | undefined {
  if (load.mode === 'incremental') return load.by
  const snapshot = load.mode === 'scd2' ? load.snapshot : undefined
  const type = fields.find(({ name }) => name === snapshot)?.type
  return type === 'DATE' || type === 'TIMESTAMP' ? snapshot : undefined
}

/** The version loaded last, where the same definition brought the same columns of the same lake: then what that load brought is what the table held. */
async function loadedRecord(
  context: TaskContext,
  load: Load,
  record: CommitRecord,
  last: LoadLedgerRow,
  accepted: readonly string[] = [],
): Promise<CommitRecord | undefined> {
  const { task, lake } = context
  if (task.forced === true) return undefined
  const loaded = await lake.record(record.table, last.version)
  if (loaded === undefined) return undefined
  const columns = loadColumns(context, load, loaded)
  const same = digest(columns) === digest(loadColumns(context, load, record))
  return same && loadIdOf(task, loaded, columns, accepted) === last.loadId ? loaded : undefined
}
