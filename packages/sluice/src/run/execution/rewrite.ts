/** Writes the older files of a table again, where its columns have types now that Iceberg v2 does not read those files by. */
import { join } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import type { Session } from '../../engines/engine.ts'
import { contentOfRows } from '../../lake/content.ts'
import { key } from '../../lake/fields.ts'
import type { Merge } from '../../lake/lake.ts'
import type { CommitRecord, DataFile, Field } from '../../lake/record.ts'
import { rewritingOf } from '../../lake/rewrite.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'
import { holds } from '../../sql/types/lattice.ts'
import type { TaskContext } from '../context.ts'
import { merge, openWriter, rowsOf } from './compact.ts'

/** What of a task a rewriting needs. */
export type Rewriter = Pick<TaskContext, 'lake' | 'engine' | 'scratch' | 'signal'>

/**
 * The files that have to be written again, each as one with the same rows; the commit puts them in their places.
 *
 * @example const rewritten = await rewriteOlder(context, current, { fields })
 * @param current The version whose files stay.
 * @throws Lake.FileCorrupt where a file is not what was committed, or what was written of it is not the same
 */
export async function rewriteOlder(
  { lake, engine, scratch, signal }: Rewriter,
  current: CommitRecord,
  { fields: wanted, kept }: { readonly fields: readonly Omit<Field, 'id'>[]; readonly kept?: readonly string[] },
): Promise<readonly Merge[]> {
  const { fields, files } = rewritingOf(current, wanted)
  const stays = kept === undefined ? undefined : new Set(kept)
  const older = files.filter(({ path }) => stays?.has(path) ?? true)
  if (older.length === 0) return []
  await lake.verify({ ...current, files: older, quarantine: [] })
  const folder = await scratch('rewritten')
  await using session = await openWriter(engine, signal)
  const merges: Merge[] = []
  for (const [at, file] of older.entries()) {
    const to = join(folder, `${at}`)
    const rows = await rowsOf(session, { fields, files: [file] })
    const made = await merge(session, rows, { table: current.table, fields }, [file], to)
    await assertHeld(session, { file, fields, localFile: made.made.localFile })
    merges.push(made)
  }
  return merges
}

/** The new file's values in the older one's types are the older one's: nothing was lost by the cast. Of what is text now, the texts were compared. */
async function assertHeld(
  session: Session,
  {
    file,
    fields,
    localFile,
  }: { readonly file: DataFile; readonly fields: readonly Field[]; readonly localFile: string },
): Promise<void> {
  const inFile = new Map(file.fields.map((name) => [key(name), name]))
  const older = fields.flatMap((field): readonly Field[] => {
    const name = inFile.get(key(field.name))
    if (name === undefined) return []
    const type = file.types?.[name] ?? field.type
    return holds(field.type, type) ? [{ ...field, type }] : []
  })
  if (older.length === 0) return
  const names = older.map(({ name }) => name)
  const back = older.map(({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${type}) AS ${quoteIdentifier(name)}`)
  const expected = await contentOfRows(session, await rowsOf(session, { fields: older, files: [file] }), names)
  const found = await contentOfRows(session, `SELECT ${back.join(', ')} FROM ${readParquetSql([localFile])}`, names)
  if (found !== expected)
    throw sluiceError('Lake.FileCorrupt', { file: file.path, expected: `content ${expected}`, found })
}
