/** The versions of a table, and whether they are still what was committed. */
import { sluiceError } from '../base/errors.ts'
import { operationOf } from '../lake/record/refused.ts'
import type { CommitRecord } from '../lake/record.ts'
import type { ReadContext } from '../run/api.ts'
import { inputInWords } from './catalog.ts'
import { newestRecord, resolveTable } from './tables.ts'

/** One version of a table, as a reader is shown it. */
export interface TableVersion {
  readonly table: string
  readonly version: number
  readonly committedAt: string
  readonly operation: string
  /** The version whose content it has again. */
  readonly rollbackOf?: number
  readonly rows: number
  readonly bytes: number
  readonly files: number
  readonly run: string
  /** What it was made from, with versions. */
  readonly from: readonly string[]
}

/**
 * The versions of a table that are kept, the newest first; none of a table of the warehouse.
 *
 * @example const [newest, before] = await versionsOf(project, 'stage.sales')
 * @throws Definition.UnknownTable
 */
export async function versionsOf(project: ReadContext, table: string): Promise<readonly TableVersion[]> {
  const { kind, name } = await resolveTable(project, table)
  const records = kind === 'lake' ? await project.versions(name) : []
  return records.map(shown).sort((a, b) => b.version - a.version)
}

/** A compaction is told of as what it is: files written together by a later run. */
function shown(record: CommitRecord): TableVersion {
  const { table, version, rollbackOf, rows, bytes, files, inputs, compacted } = record
  return {
    table,
    version,
    committedAt: compacted?.at ?? record.committedAt,
    operation: operationOf(record),
    ...(rollbackOf === undefined ? {} : { rollbackOf }),
    rows,
    bytes,
    files: files.length,
    run: compacted?.run ?? record.run,
    from: inputs.map(inputInWords),
  }
}

/**
 * Reads every data file of a version, and compares it with what was committed.
 *
 * @example await verifyVersion(project, 'stage.sales')
 * @throws Lake.FileCorrupt, Query.NothingYet, Query.UnknownVersion, Definition.UnknownTable
 */
export async function verifyVersion(project: ReadContext, table: string, version?: number): Promise<void> {
  const { name } = await resolveTable(project, table)
  if (version === undefined) return project.verify(await newestRecord(project, name))
  const records = await project.versions(name)
  const record = records.find((candidate) => candidate.version === version)
  if (record === undefined) {
    const known = records.map((candidate) => candidate.version)
    throw sluiceError('Query.UnknownVersion', { table: name, version, known })
  }
  return project.verify(record)
}
