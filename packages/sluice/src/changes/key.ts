/** Whether the declared key is what names a row: by what the log says of the table, and where it says nothing, by the rows. */
import { sluiceError } from '../base/errors.ts'
import type { Session } from '../engines/engine.ts'
import { quoteText } from '../sql/quote.ts'
import { type LogTable, lightRowsSql } from './log-rows.ts'

/** What is checked. */
export interface KeyInput {
  readonly session: Session
  readonly table: LogTable
  /** A SELECT of the whole log. */
  readonly log: string
  /** A SELECT of what is new in it. */
  readonly fresh: string
}

/** What a log says of a table's rows: the columns that the server names them by. */
interface Described {
  readonly replicaIdentity: string
  readonly key: readonly string[]
  readonly columns: readonly unknown[]
}

/**
 * Checks the key, before anything is made of the changes. The last description counts: a key may have been another one once.
 *
 * @example await assertKey({ session, table: { table: 'public.customers', key: ['id'] }, log, fresh })
 * @throws Changes.KeyDiffers, Changes.KeyTwice
 */
export async function assertKey(input: KeyInput): Promise<void> {
  const { session, table, log, fresh } = input
  const isNew = await describedIn(session, table, fresh)
  if (isNew !== undefined && !isUnnamed(isNew)) return assertSame(table, isNew.key)
  // Such rows are named by all that they have, or by nothing.
  const [row] = await session.all<{ unnamed: boolean }>(
    `SELECT count(*) > 0 AS unnamed FROM (${fresh}) WHERE _table = ${quoteText(table.table)} AND _op IN ('I', 'S', 'U') AND (key IS NULL OR key = after)`,
  )
  if (row?.unnamed !== true) return
  const described = isNew ?? (await describedIn(session, table, log))
  if (described !== undefined && isUnnamed(described)) await assertOnce(input)
}

const isUnnamed = ({ replicaIdentity, key, columns }: Described): boolean =>
  key.length === 0 || (replicaIdentity === 'full' && key.length === columns.length)

async function describedIn(session: Session, { table }: LogTable, log: string): Promise<Described | undefined> {
  const [row] = await session.all<{ shape: string | null }>(
    `SELECT arg_max(after, (_lsn, _xid IS NULL, _seq)) AS shape FROM (${log}) WHERE _table = ${quoteText(table)} AND _op = 'R'`,
  )
  return row?.shape == null ? undefined : (JSON.parse(row.shape) as Described)
}

function assertSame({ table, key }: LogTable, found: readonly string[]): void {
  if (key.length === found.length && found.every((name) => key.includes(name))) return
  throw sluiceError('Changes.KeyDiffers', { table, declared: key.join(', '), found: found.join(', ') })
}

/** Whether a row begins to live under a key where another one lives. A copy begins anew, so that only its own rows count. */
async function assertOnce({ session, table, log, fresh }: KeyInput): Promise<void> {
  const [twice] = await session.all<{ k: string }>(`
    WITH seen AS (SELECT s, lsn, op, k, was FROM (${lightRowsSql(log, table)})),
      moves AS (SELECT s, lsn, op, k, op <> 'D' AS lives, op IN ('I', 'S') OR was IS NOT NULL AS begins FROM seen
        UNION ALL SELECT s, lsn, op, was, false, false FROM seen WHERE was IS NOT NULL)
    SELECT k FROM (SELECT *, lag({ lives: lives, op: op, lsn: lsn }) OVER (PARTITION BY k ORDER BY s) AS last
      FROM moves WHERE op <> 'T' AND s > (SELECT coalesce(max(s), -1) FROM seen WHERE op = 'T'))
    WHERE begins AND last.lives AND (op <> 'S' OR (last.op = 'S' AND last.lsn = lsn))
      AND s >= (SELECT min(s) FROM (${lightRowsSql(fresh, table)})) ORDER BY s LIMIT 1`)
  if (twice !== undefined)
    throw sluiceError('Changes.KeyTwice', { table: table.table, declared: table.key.join(', '), key: twice.k })
}
