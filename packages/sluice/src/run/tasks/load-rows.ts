/** Which rows and columns a load brings: of a table that has only grown, those that it has not brought before, where that comes to the same. */
import { digest } from '../../base/json.ts'
import { historyColumns } from '../../definition/cdc-rules.ts'
import type { Load } from '../../definition/types.ts'
import { type Growth, onlyGrew, rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import type { LoadColumn, LoadLedgerRow } from '../../warehouses/warehouse.ts'
import type { TaskContext } from '../context.ts'

/**
 * The identity of the load of a version.
 *
 * @example loadIdOf(task, load, record, columns) === ledgerRow.loadId // this very version was loaded by this very definition
 */
export function loadIdOf(
  { definition, table: target }: TaskContext['task'],
  record: CommitRecord,
  columns: readonly LoadColumn[],
): string {
  const { table, run, committedAt } = record
  // A lake that was made anew counts from 1 again, and its versions are others.
  return digest({ load: definition, target, table, version: rowsVersion(record), made: [run, committedAt], columns })
}

/**
 * The columns that are loaded: all; but of what a history adds to a change, a dimension takes what its load names. Its place in the log is no
 * attribute of a customer, and would be another one with each change.
 */
export function loadColumns({ project }: TaskContext, load: Load, record: CommitRecord): readonly LoadColumn[] {
  const columns = record.fields.map(({ name, type, nullable }) => ({ name, type, nullable }))
  const model = project.pipelines.map(({ models }) => models[load.from]).find((one) => one !== undefined)
  if (load.mode !== 'scd2' || model?.kind !== 'changes' || model.as !== 'history') return columns
  const flag = typeof load.deletes === 'object' ? load.deletes.column : undefined
  const named = new Set([...load.key, ...(load.track ?? []), load.effective, load.sequence, flag])
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
  const { task, lake } = context
  const isOfChanges = load.mode === 'scd2' && load.effective !== undefined && load.deletes !== 'absence'
  if (!isOfChanges || last === undefined || task.reason === 'forced' || last.version >= rowsVersion(record))
    return record.files
  for (let version = record.version; version > last.version; version--) {
    const made = version === record.version ? record : await lake.record(record.table, version)
    if (made === undefined || !onlyGrew(made)) return record.files
  }
  const loaded = await lake.record(record.table, last.version)
  // The same definition, columns and lake: then what that load brought is what the table held.
  if (loaded === undefined || loadIdOf(task, loaded, loadColumns(context, load, loaded)) !== last.loadId)
    return record.files
  const columns = (of: CommitRecord): string => digest(loadColumns(context, load, of))
  return columns(loaded) === columns(record) ? growth.fresh : record.files
}
