/**
 * Folds a change log: from the changes of one table, in their order, to one row a change with its whole image.
 *
 * A change of a key is a delete of the old one and an insert of the new one; a TRUNCATE is a delete of every row that lives; values that stayed as
 * they were come from earlier changes of the row. Everything follows from the log alone, so that a part of it, folded after what came before, is
 * the same as all of it at once.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import type { Session, WrittenFile } from '../engines/engine.ts'
import { carryValues } from './carry.ts'
import { type Judge, own } from './judge.ts'
import { type LogTable, logRowsSql } from './log-rows.ts'
import { findTruncated } from './truncated.ts'

/** Files of a log that were added together, in the order in which they were. */
export interface LogPart {
  /** A SELECT of their rows. */
  readonly sql: string
  /** Rows of all tables. */
  readonly rows: number
}

/** What is folded. */
export interface FoldInput {
  readonly session: Session
  readonly judge: Judge
  readonly table: LogTable
  /** A SELECT of the whole log. */
  readonly log: string
  /** What is new in it. Parts do not overlap in their places, and come after all that is not new. */
  readonly parts: readonly LogPart[]
  /** What is written of a change: expressions over its columns and {@link own}. */
  readonly select: string
  /** An empty local folder. */
  readonly folder: string
  readonly progress: (rows: number) => void
}

/** What came of it. */
export interface Folded {
  /** In order. */
  readonly files: readonly WrittenFile[]
  /** Changes, resolved: those of the files and those that were refused. */
  readonly read: number
}

/** Rows, or bytes of images, that are worked on at once. */
const chunkRows = 204_800
const chunkBytes = 64 << 20

/**
 * Folds what is new.
 *
 * @example await foldChanges({ session, judge, table, log, parts, select, folder, progress })
 * @throws Changes.ValueNotHeld, Changes.KeyMissing, Changes.KeyDiffers
 */
export async function foldChanges(input: FoldInput): Promise<Folded> {
  const files: WrittenFile[] = []
  let read = 0
  let chunks = 0
  for (const part of gathered(input.parts)) {
    for (const span of await spansOf(input, part)) {
      const folder = join(input.folder, `chunk-${chunks++}`)
      mkdirSync(folder, { recursive: true })
      await stageRows(input, part, span)
      read += await resolveRows(input, span)
      files.push(...(await input.judge.write(`FROM ${resolved}`, input.select, folder)))
      input.progress(read)
    }
  }
  for (const name of [staged, resolved]) await input.session.run(`DROP TABLE IF EXISTS ${name}`)
  return { files: files.filter(({ rows }) => rows > 0), read }
}

const [staged, resolved] = ['changes_staged', 'changes_resolved']

/** Small parts together, so that many of them are not many chunks. */
function gathered(parts: readonly LogPart[]): readonly LogPart[] {
  const groups: LogPart[] = []
  for (const part of parts) {
    const last = groups.at(-1)
    if (last === undefined || last.rows + part.rows > chunkRows) groups.push(part)
    else groups[groups.length - 1] = { sql: `${last.sql} UNION ALL ${part.sql}`, rows: last.rows + part.rows }
  }
  return groups
}

/** Where a part is cut: between any two changes. */
interface PartSpan {
  /** Inclusive. */
  readonly first: string
  readonly last: string
}

async function spansOf({ session, table }: FoldInput, part: LogPart): Promise<readonly PartSpan[]> {
  return session.all<{ first: string; last: string } & PartSpan>(`
    SELECT min(s)::VARCHAR AS first, max(s)::VARCHAR AS last
    FROM (SELECT s, row_number() OVER places AS rows, sum(bytes) OVER places AS bytes
      FROM (SELECT s, coalesce(strlen(image), 0) AS bytes FROM (${logRowsSql(part.sql, table)}))
      WINDOW places AS (ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
    GROUP BY greatest((rows - 1) // ${chunkRows}, bytes // ${chunkBytes}) ORDER BY min(s)`)
}

/** Brings the rows of a span, all with keys. */
async function stageRows({ session, table }: FoldInput, part: LogPart, { first, last }: PartSpan): Promise<void> {
  const span = { after: `${BigInt(first) - 1n}`, upTo: last }
  await session.run(`CREATE OR REPLACE TABLE ${staged} AS ${logRowsSql(part.sql, table, span)}`)
  const [bad] = await session.all<{ lsn: string; keyless: string }>(
    `SELECT min(lsn) AS lsn, count(*) AS keyless FROM ${staged} WHERE k IS NULL AND op <> 'T' HAVING count(*) > 0`,
  )
  if (bad !== undefined)
    throw sluiceError('Changes.KeyMissing', {
      table: table.table,
      key: table.key.join(', '),
      changes: Number(bad.keyless),
    })
}

/** Makes the changes of the rows that are staged; answers how many. */
async function resolveRows({ session, table, log }: FoldInput, { first, last }: PartSpan): Promise<number> {
  const [has] = await session.all<{ carries: boolean; truncates: boolean }>(
    `SELECT bool_or(unchanged IS NOT NULL) AS carries, bool_or(op = 'T') AS truncates FROM ${staged}`,
  )
  const before = logRowsSql(log, table, { upTo: `${BigInt(first) - 1n}` })
  const all = logRowsSql(log, table, { upTo: last })
  const patches =
    has?.carries === true ? await carryValues({ session, table: table.table, rows: staged, before, all }) : undefined
  const truncated = has?.truncates === true ? await findTruncated({ session, rows: staged, before }) : undefined
  const place = 'r.lsn, r.seq, r.committed_at, r.effective_at'
  const image =
    patches === undefined
      ? 'r.image'
      : 'CASE WHEN p.patch IS NULL THEN r.image ELSE json_merge_patch(r.image, p.patch)::VARCHAR END'
  await session.run(`
    CREATE OR REPLACE TABLE ${resolved} AS
    SELECT r.s + CASE WHEN r.was IS NULL THEN 0 ELSE 1 END AS s,
      CASE WHEN r.op = 'S' OR r.was IS NOT NULL THEN 'I' ELSE r.op END AS op, ${place}, r.k, ${image} AS image
    FROM ${staged} AS r ${patches === undefined ? '' : `LEFT JOIN ${patches} AS p ON p.s = r.s`} WHERE r.op <> 'T'
    UNION ALL SELECT r.s, 'D', ${place}, r.was, NULL FROM ${staged} AS r WHERE r.was IS NOT NULL
    ${truncated === undefined ? '' : `UNION ALL SELECT r.s, 'D', ${place}, t.k, NULL FROM ${truncated} AS t JOIN ${staged} AS r ON r.s = t.s`}`)
  const [count] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM ${resolved}`)
  return Number(count?.n)
}

/** What a history has of a change, after its own columns; in the order of the definition's `historyColumns`. */
export const historySelect = [
  `${own.op} AS _op`,
  `${own.lsn} AS _lsn`,
  `${own.seq} AS _seq`,
  `${own.s}::DECIMAL(38,0) AS _sequence`,
  `${own.committedAt} AS _committed_at`,
  `${own.effectiveAt} AS _effective_at`,
]

/** What is kept of a change until the last of its key is known. */
export const foldedSelect = [`${own.op}`, `${own.s}::DECIMAL(38,0) AS ${own.s}`]
