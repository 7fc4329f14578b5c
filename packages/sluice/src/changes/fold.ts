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
import { findCarried, superseded } from './carry.ts'
import { type Judge, own } from './judge.ts'
import { assertKey } from './key.ts'
import { type LogTable, lightRowsSql, logRowsSql, type Span, weightSql } from './log-rows.ts'
import { assertPublishedColumns } from './published.ts'
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
  /** The columns that are taken, by their names in the table. */
  readonly columns: readonly string[]
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
  /** Changes, resolved: those of the files, those that were refused, and those that were left out. */
  readonly read: number
  /** Changes that were left out, since a value of theirs is not held, and a later change says what became of the row. */
  readonly superseded: number
}

/** Rows, or weighted bytes of images, that are worked on at once. */
const chunkRows = 204_800
const chunkBytes = 16 << 20

/**
 * Folds what is new.
 *
 * @example await foldChanges({ session, judge, table, log, parts, select, folder, progress })
 * @throws Changes.ValueNotHeld, Changes.KeyMissing, Changes.KeyDiffers, Changes.KeyTwice, Changes.ColumnUnpublished
 */
export async function foldChanges(input: FoldInput): Promise<Folded> {
  const { session, judge, table } = input
  const files: WrittenFile[] = []
  let [read, chunks, leftOut] = [0, 0, 0]
  const fresh = input.parts.map(({ sql }) => sql).join(' UNION ALL ')
  if (fresh !== '') {
    await assertKey({ session, table, log: input.log, fresh })
    await assertPublishedColumns({ session, table: table.table, columns: input.columns, log: input.log, fresh })
  }
  for (const part of gathered(input.parts)) {
    for (const span of await spansOf(input, part)) {
      const rows = logRowsSql(part.sql, table, { after: before(span.first), upTo: span.last })
      let piece = 0
      for await (const changes of span.isPlain ? [plainSql(rows)] : resolved(input, span, rows)) {
        const folder = join(input.folder, `chunk-${chunks}`, `${piece++}`)
        mkdirSync(folder, { recursive: true })
        files.push(...(await judge.write(changes, { select: input.select, folder, carries: span.carries })))
      }
      chunks++
      read += span.rows - span.truncates + span.moves
      if (span.carries) leftOut += await countOf(session, superseded)
      if (span.truncates > 0) read += await countOf(session, truncatedRows)
      input.progress(read)
    }
  }
  await session.run(`DROP TABLE IF EXISTS ${staged}`)
  return { files: files.filter(({ rows }) => rows > 0), read, superseded: leftOut }
}

const staged = 'changes_staged'
const truncatedRows = 'changes_truncated'

async function countOf(session: Session, table: string): Promise<number> {
  const [count] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM ${table}`)
  return Number(count?.n)
}

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

/** A chunk of a part, cut between any two changes. */
interface Chunk {
  /** Places, inclusive. */
  readonly first: string
  readonly last: string
  readonly rows: number
  /** Rows that changed the key. */
  readonly moves: number
  readonly truncates: number
  readonly carries: boolean
  /** Whether each of its rows is a change as it is. */
  readonly isPlain: boolean
}

/** @throws Changes.KeyMissing */
async function spansOf({ session, table }: FoldInput, part: LogPart): Promise<readonly Chunk[]> {
  const light = `SELECT s, k, was, op, unchanged, ${weightSql('image')} AS bytes FROM (${logRowsSql(part.sql, table)})`
  const whole = await chunksOf(session, `SELECT *, 0 AS chunk FROM (${light})`)
  const keyless = whole.reduce((sum, chunk) => sum + chunk.keyless, 0)
  if (keyless > 0)
    throw sluiceError('Changes.KeyMissing', { table: table.table, key: table.key.join(', '), changes: keyless })
  if (whole.every(({ rows, bytes }) => rows <= chunkRows && bytes <= chunkBytes)) return whole
  return chunksOf(
    session,
    `SELECT *, greatest((row_number() OVER places - 1) // ${chunkRows}, sum(bytes) OVER places // ${chunkBytes}) AS chunk
     FROM (${light}) WINDOW places AS (ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`,
  )
}

async function chunksOf(
  session: Session,
  rows: string,
): Promise<readonly (Chunk & { readonly bytes: number; readonly keyless: number })[]> {
  const found = await session.all<Record<string, string>>(`
    SELECT min(s)::VARCHAR AS first, max(s)::VARCHAR AS last, count(*) AS rows, sum(bytes) AS bytes, count(was) AS moves,
      count(*) FILTER (op = 'T') AS truncates, count(unchanged) AS carries, count(*) FILTER (k IS NULL AND op <> 'T') AS keyless
    FROM (${rows}) GROUP BY chunk ORDER BY min(s)`)
  return found.map(({ first, last, ...counts }) => {
    const [rows, bytes, moves, truncates, carries, keyless] = [
      'rows',
      'bytes',
      'moves',
      'truncates',
      'carries',
      'keyless',
    ].map((name) => Number(counts[name])) as [number, number, number, number, number, number]
    const isPlain = moves + truncates + carries === 0
    return { first: first!, last: last!, rows, bytes, moves, truncates, carries: carries > 0, keyless, isPlain }
  })
}

const place = 'r.lsn, r.seq, r.committed_at, r.effective_at'

const plainSql = (rows: string): string =>
  `SELECT r.s, CASE WHEN r.op = 'S' THEN 'I' ELSE r.op END AS op, ${place}, r.k, r.image FROM (${rows}) AS r`

const before = (s: string): string => `${BigInt(s) - 1n}`

/** The changes of a chunk's rows, as SELECTs of as much as is worked on at once. */
async function* resolved(
  { session, table, log, ...input }: FoldInput,
  chunk: Chunk,
  rows: string,
): AsyncGenerator<string> {
  await session.run(`CREATE OR REPLACE TABLE ${staged} AS ${rows}`)
  const light = (span: Span): string => lightRowsSql(log, table, span)
  let after = before(chunk.first)
  if (chunk.truncates > 0)
    await findTruncated({ session, rows: staged, before: light({ upTo: after }), into: truncatedRows })
  if (!chunk.carries) {
    yield changesSql(chunk, `${staged} AS r`)
    return
  }
  const { last } = chunk
  const rowsOf = (span: Span): string => logRowsSql(log, table, span)
  const { cuts, values } = await findCarried(
    { session, table: table.table, rows: staged, log: rowsOf, light, columns: new Set(input.columns), after, last },
    chunkBytes,
  )
  for (const upTo of cuts) {
    const from = `(FROM ${staged} WHERE s > ${after}::HUGEINT AND s <= ${upTo}::HUGEINT) AS r LEFT JOIN ${await values(after, upTo)} AS v ON v.s = r.s`
    yield changesSql(chunk, from, 'v.carried')
    after = upTo
  }
}

function changesSql({ truncates, moves }: Chunk, from: string, carried = 'NULL'): string {
  const gone = `UNION ALL SELECT r.s, 'D', ${place}, r.was, NULL, NULL FROM ${from} WHERE r.was IS NOT NULL`
  const truncated = `UNION ALL SELECT r.s, 'D', ${place}, t.k, NULL, NULL FROM ${from} JOIN ${truncatedRows} AS t ON t.s = r.s`
  return `
    SELECT r.s + CASE WHEN r.was IS NULL THEN 0 ELSE 1 END AS s,
      CASE WHEN r.op = 'S' OR r.was IS NOT NULL THEN 'I' ELSE r.op END AS op, ${place}, r.k, r.image, ${carried} AS carried
    FROM ${from} WHERE r.op <> 'T' ${carried === 'NULL' ? '' : `AND r.s NOT IN (FROM ${superseded})`} ${moves === 0 ? '' : gone} ${truncates === 0 ? '' : truncated}`
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
