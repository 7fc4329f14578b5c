/** Writes small files of tables together, after the tasks of a run: what streams brings a file every few seconds, and every record names them all. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { completeFile } from '../../engines/parquet-footer.ts'
import { contentOf, contentOfRows } from '../../lake/content.ts'
import type { CompactInput, Merge } from '../../lake/lake.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { smallFiles } from '../../lake/small-files.ts'
import type { ProjectContext, TaskContext } from '../context.ts'

/** What of a run a compaction needs. */
export type Compacting = Pick<TaskContext, 'run' | 'fencingToken' | 'fence' | 'signal'>

/** Before they are compressed: what a reader of the table holds of it at once. */
const rowGroupBytes = 16 << 20

/**
 * Makes a version of the same rows in fewer files, where that pays; the project's lease is the caller's.
 *
 * @example const record = await compactTable(context, 'raw.shop', { run, fencingToken, fence, signal })
 * @param choose Which files go together.
 * @returns undefined where it does not pay
 * @throws Lake.FileCorrupt where a file is not what was committed, or what was written of it is not the same
 */
export async function compactTable(
  context: Pick<ProjectContext, 'lake' | 'engine' | 'workspace'>,
  table: string,
  { signal, ...compacting }: Compacting,
  choose: (record: CommitRecord) => readonly (readonly DataFile[])[] = smallFiles,
): Promise<CommitRecord | undefined> {
  const { lake, engine, workspace } = context
  const record = await lake.current(table)
  const groups = record === undefined ? [] : choose(record)
  if (record === undefined || groups.length === 0) return undefined
  await lake.verify({ ...record, files: groups.flat(), quarantine: [] })
  await using work = await workspace.folder(`${compacting.run}-compact`)
  await using session = await openWriter(engine, signal)
  const merges: Merge[] = []
  for (const [at, files] of groups.entries())
    merges.push(
      await merge(session, await rowsOf(session, { ...record, files }), record, files, join(work.folder, `${at}`)),
    )
  const verifyFile: CompactInput['verifyFile'] = (file, fields) => completeFile(session, file, fields)
  return await lake.compact({ ...compacting, table, version: record.version, merges, verifyFile })
}

/** A session that writes files again: one thread keeps the order of the rows, and holds one row group. */
export async function openWriter(engine: ProjectContext['engine'], signal: AbortSignal): Promise<Session> {
  const session = await engine.open({ signal })
  await session.conserve({ threads: 1 })
  return session
}

/** Every row of some files of a version, as a SELECT of a session. */
export const rowsOf = async (session: Session, record: Pick<CommitRecord, 'fields' | 'files'>): Promise<string> =>
  `SELECT * FROM ${await session.from(relationOf(record))}`

/**
 * Writes files as one, and proves that it has their rows.
 *
 * @example await merge(session, await rowsOf(session, { ...record, files }), record, files, '/scratch/0')
 * @throws Lake.FileCorrupt
 */
export async function merge(
  session: Session,
  rows: string,
  { table, fields }: Pick<CommitRecord, 'table' | 'fields'>,
  files: readonly DataFile[],
  folder: string,
): Promise<Merge> {
  await mkdir(folder)
  const [written] = await session.write(rows, { folder, rowGroupBytes })
  const names = fields.map(({ name }) => name)
  const expected = `${files.reduce((sum, file) => sum + file.rows, 0)} rows of content ${await contentOfRows(session, rows, names)}`
  const [content] = written === undefined ? [] : await contentOf(session, [written.file], names)
  const found = `${written?.rows ?? 0} rows of content ${content}`
  if (written === undefined || content === undefined || found !== expected)
    throw sluiceError('Lake.FileCorrupt', { file: `${table}, written together`, expected, found })
  return { files, made: { localFile: written.file, rows: written.rows, stats: statsOf(written, files), content } }
}

/** Least and greatest of the columns that the files have them of: what was left out of those says nothing. */
function statsOf({ stats }: WrittenFile, files: readonly DataFile[]): DataFile['stats'] {
  const isTold = (name: string): boolean => files.some((file) => file.stats[name]?.min !== undefined)
  return Object.fromEntries(
    Object.entries(stats).map(([name, { min, max, ...rest }]) => [
      name,
      isTold(name) && min !== undefined && max !== undefined ? { min, max, ...rest } : rest,
    ]),
  )
}
