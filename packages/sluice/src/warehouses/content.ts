/**
 * What a target held when a load left it: its number of rows and an order-free digest of them, written in the transaction of the load, so that the
 * next load finds what somebody else did to its rows.
 *
 * DuckDB hashes every value. PostgreSQL sums the transactions that wrote the rows: any row that is written by hand gets another one. A digest that
 * cannot be compared (another version of DuckDB hashes otherwise; a database that was restored has new transactions) is not: then the count alone is.
 */
import type { Load } from '../definition/types.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { FoundColumn } from './drift.ts'
import { beginningSql, membersTable } from './scd2/members.ts'
import { countOf } from './statements.ts'
import type { TargetEdits } from './warehouse.ts'

/** The rows of a target at a time. */
export interface TargetContent {
  /** Of a dimension those of its history, without inferred members. */
  readonly rows: number
  /** NULL of no rows. Of a dimension without the rows at the beginning of time: loads of facts infer members there. */
  readonly digest: string | null
}

/** What the last load left. */
export interface LeftContent extends TargetContent {
  /** Whether digests of then and now can be compared. */
  readonly comparable: boolean
  /** What was found since the target was last written whole. */
  readonly edits?: TargetEdits
}

/** A target as the definition names it. */
export interface LoadedTarget {
  readonly target: string
  readonly load: Load
}

interface Place {
  readonly sql: SqlRunner
  readonly dialect: Dialect
}

/** Reads a target's rows: one statement counts them and makes the digest. */
export async function contentOf(
  { sql, dialect }: Place,
  { target, load }: LoadedTarget,
  columns: readonly FoundColumn[],
): Promise<TargetContent> {
  const names = columns.map(({ name }) => quoteIdentifier(name)).sort()
  const [row] = await sql.all<{ row_count: string; digest: string | null }>(
    `SELECT count(*) AS row_count, ${dialect.rowDigest(names, countedRows({ target, load }, dialect, columns))} AS digest FROM ${dialect.table(target)}`,
  )
  const members = load.mode === 'scd2' ? await countOf(sql, `SELECT count(*) FROM ${membersTable(target, dialect)}`) : 0
  return { rows: Number(row?.row_count ?? 0) - members, digest: row?.digest ?? null }
}

/** The number of rows alone. */
export async function rowsOf({ sql, dialect }: Place, { target, load }: LoadedTarget): Promise<number> {
  const rows = await countOf(sql, `SELECT count(*) FROM ${dialect.table(target)}`)
  return load.mode === 'scd2'
    ? rows - (await countOf(sql, `SELECT count(*) FROM ${membersTable(target, dialect)}`))
    : rows
}

function countedRows({ load }: LoadedTarget, dialect: Dialect, columns: readonly FoundColumn[]): string {
  if (load.mode !== 'scd2') return '1 = 1'
  const { effective } = load.columns
  const instant = columns.find(({ name }) => name === effective)?.type
  return instant === undefined ? '1 = 1' : `${quoteIdentifier(effective)} <> ${beginningSql({ dialect, instant })}`
}

/** What the last load left of a target; undefined where no load has written it down. */
export async function leftContent({ sql, dialect }: Place, target: string): Promise<LeftContent | undefined> {
  const [row] = await sql.all<{
    row_count: string
    digest: string | null
    comparable: boolean
    edits: string | null
  }>(
    `SELECT row_count, digest, made_by = ${dialect.digestsOf} AS comparable, edits FROM ${tableOf(dialect)} AS t WHERE target = $1`,
    [target],
  )
  if (row === undefined) return undefined
  return {
    rows: Number(row.row_count),
    digest: row.digest,
    comparable: row.comparable,
    ...(row.edits === null ? {} : { edits: JSON.parse(row.edits) as TargetEdits }),
  }
}

/** Writes down what a load leaves. */
export async function leaveContent(
  { sql, dialect }: Place,
  target: string,
  content: TargetContent,
  edits: TargetEdits | undefined,
): Promise<void> {
  await sql.run(`DELETE FROM ${tableOf(dialect)} WHERE target = $1`, [target])
  await sql.run(
    `INSERT INTO ${tableOf(dialect)} (target, row_count, digest, made_by, edits) VALUES ($1, $2, $3, ${dialect.digestMaker}, $4)`,
    [target, content.rows, content.digest, edits === undefined ? null : JSON.stringify(edits)],
  )
}

/**
 * What somebody else did to the rows; undefined where they are as the load left them, as far as is known.
 *
 * @example editsBetween({ rows: 3, digest: 'a', comparable: true }, { rows: 2, digest: 'b' }, '2026-01-01T00:00:00Z') // { found: 2, left: 3, at: … }
 */
export function editsBetween(left: LeftContent, now: TargetContent, at: string): TargetEdits | undefined {
  const isOther = left.rows !== now.rows || (left.comparable && left.digest !== now.digest)
  return isOther ? { left: left.rows, found: now.rows, at } : undefined
}

const tableOf = ({ ownSchema }: Dialect): string => `${ownSchema}.load_targets`

/** The statement that makes the table where it is missing. */
export const contentTable = (dialect: Dialect): string =>
  `CREATE TABLE IF NOT EXISTS ${tableOf(dialect)} (target VARCHAR NOT NULL, row_count BIGINT NOT NULL, digest VARCHAR, made_by VARCHAR NOT NULL, edits VARCHAR)`
