/** Takes the rows of earlier files out of a table, where a file has come again in their place. */
import type { Session } from '../../engines/engine.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { acceptedFiles } from '../../quality/rows/scan.ts'
import type { Candidate, DiscoveredInput } from '../../sources/source.ts'
import { quoteText } from '../../sql/quote.ts'
import type { TaskContext } from '../context.ts'

/**
 * A candidate of an appending source that keeps the table's files but for those with rows of earlier files: these are written again without them.
 * Unchanged where none of its inputs takes another's place.
 *
 * @example const candidate = await withoutEarlier(context, session, taken, { inputs, current })
 * @param inputs What the source was to take; what of them the candidate is made of is in it.
 * @throws Lake.FileCorrupt
 */
export async function withoutEarlier(
  { lake, scratch }: Pick<TaskContext, 'lake' | 'scratch'>,
  session: Session,
  candidate: Candidate,
  { inputs, current }: { readonly inputs: readonly DiscoveredInput[]; readonly current: CommitRecord | undefined },
): Promise<Candidate> {
  const taken = new Set(candidate.inputs.flatMap((input) => (input.kind === 'file' ? [input.sha256] : [])))
  const gone = inputs.flatMap(({ id, replaces = [] }) => (taken.has(id) ? replaces : []))
  if (gone.length === 0 || current === undefined) return candidate
  const names = gone.map(quoteText).join(', ')
  const touched: DataFile[] = []
  for (const file of current.files.filter((one) => mayHold(one, gone))) {
    const rows = await session.from(relationOf({ fields: current.fields, files: [file] }))
    const [found] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM ${rows} WHERE _file IN (${names})`)
    if (Number(found?.n) > 0) touched.push(file)
  }
  await lake.verify({ ...current, files: touched, quarantine: [] })
  const { fields } = candidate
  const columns = fields.map(({ name }) => name)
  const folder = await scratch('kept')
  const rest =
    touched.length === 0
      ? []
      : acceptedFiles(
          await session.write(
            `SELECT * FROM ${await session.from(relationOf({ fields, files: touched }))} WHERE _file NOT IN (${names})`,
            { folder },
          ),
          columns,
        )
  const kept = current.files.filter((file) => !touched.includes(file))
  const carried = [...kept, ...rest].reduce((sum, { rows }) => sum + rows, 0)
  return {
    ...candidate,
    files: [...candidate.files, ...rest],
    kept: kept.map(({ path }) => path),
    accounting: { ...candidate.accounting, carried },
  }
}

/** Whether a data file may have rows of one of these delivered files. */
function mayHold({ stats }: DataFile, paths: readonly string[]): boolean {
  const { min, max } = stats['_file'] ?? {}
  return min === undefined || max === undefined || paths.some((path) => min <= path && path <= max)
}
