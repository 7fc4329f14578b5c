/** Keeps the files of partitions whose rows a model made again as they were: a version then brings only what changed. */
import { isSluiceError } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import type { Session } from '../../engines/engine.ts'
import { contentOf, sameContent } from '../../lake/content.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import type { TaskContext } from '../context.ts'
import type { ModelCandidate } from './check.ts'

/** A candidate that keeps files, and how many of its partitions are written. */
export interface Kept {
  readonly candidate: ModelCandidate
  readonly partitions: { readonly rewritten: number; readonly total: number }
}

/**
 * The candidate with the content of each of its files; those whose partition holds the same rows in the current version give way to its files.
 *
 * What is kept is verified first: a damaged file is written anew. A forced task keeps nothing.
 */
export async function keepUnchanged(
  context: TaskContext,
  session: Session,
  candidate: ModelCandidate,
  current: CommitRecord | undefined,
): Promise<Kept> {
  const contents = await contentOf(
    session,
    candidate.files.map(({ localFile }) => localFile),
    candidate.fields.map(({ name }) => name),
  )
  const files = candidate.files.map((file, at) => ({ ...file, content: contents[at] as string }))
  const made = byPartition(files)
  const partitions = { rewritten: made.size, total: made.size }
  const written = { candidate: { ...candidate, files }, partitions }
  if (current === undefined || context.task.reason === 'forced' || !sameFields(candidate, current)) return written
  const before = byPartition(current.files)
  const same = [...made].filter(([partition, rows]) => sameContent(before.get(partition) ?? [], rows))
  const kept = same.flatMap(([partition]) => before.get(partition) ?? [])
  if (!(await isIntact(context, { ...current, files: kept, quarantine: [] }))) return written
  const unchanged = new Set(same.flatMap(([, rows]) => rows))
  return {
    candidate: {
      ...candidate,
      files: files.filter((file) => !unchanged.has(file)),
      kept: kept.map(({ path }) => path),
    },
    partitions: { ...partitions, rewritten: made.size - same.length },
  }
}

function byPartition<T extends Pick<DataFile, 'partition'>>(files: readonly T[]): Map<string, T[]> {
  const partitions = new Map<string, T[]>()
  for (const file of files) {
    const partition = canonicalJson(file.partition ?? {})
    partitions.set(partition, [...(partitions.get(partition) ?? []), file])
  }
  return partitions
}

/** Contents know neither names nor types. */
function sameFields({ fields }: ModelCandidate, current: CommitRecord): boolean {
  const shape = (columns: ModelCandidate['fields']): string =>
    canonicalJson(columns.map(({ name, type, nullable }) => ({ name, type, nullable })))
  return shape(fields) === shape(current.fields)
}

/** Whether every file of a version is what was committed. */
export async function isIntact({ lake }: Pick<TaskContext, 'lake'>, record: CommitRecord): Promise<boolean> {
  try {
    await lake.verify(record)
    return true
  } catch (error) {
    if (isSluiceError(error, 'Lake.FileCorrupt')) return false
    throw error
  }
}
