/** Takes what waited of a table as it is: into the log, under the table's own name, at its own positions. */
import type { CdcSource } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { quoteText } from '../../sql/quote.ts'
import type { Candidate } from '../source.ts'
import { partitionColumns } from './log-parts.ts'
import { logFiles } from './log-writer.ts'
import { compareShapes } from './shape-change.ts'
import { waitingName } from './waiting.ts'

/** The rows of a table that wait, as a SELECT in the columns of the log: those after the last one that did not, or that was accepted. */
function waitingSql(log: string, table: string): string {
  const place = '{l: _lsn, c: _xid IS NULL, s: _seq}'
  const last = `(SELECT max(${place}) FROM (${log}) WHERE _table = ${quoteText(table)})`
  return `SELECT * FROM (${log}) WHERE _table = ${quoteText(waitingName(table))} AND coalesce(${place} > ${last}, true)`
}

const order = 'ORDER BY _lsn, _xid IS NULL, _seq'

/**
 * What happened to a table that made it wait, in words.
 *
 * @example await whyWaiting(session, log, 'public.orders') // ['column "note" was dropped or renamed']
 * @param log a SELECT of the log
 */
export async function whyWaiting(session: Session, log: string, table: string): Promise<readonly string[]> {
  const [before] = await session.all<{ after: string }>(
    `SELECT after FROM (${log}) WHERE _table = ${quoteText(table)} AND _op = 'R' ORDER BY _lsn DESC, _xid IS NULL DESC, _seq DESC LIMIT 1`,
  )
  const rows = await session.all<{ op: string; after: string | null; at: string }>(
    `SELECT _op AS op, after, _committed_at::VARCHAR AS at FROM (${waitingSql(log, table)}) WHERE _op IN ('R', 'T') ${order}`,
  )
  let shape = before?.after
  return rows.flatMap(({ op, after, at }, place) => {
    if (op === 'T') return [`its rows were truncated at ${at}`]
    const change = shape === undefined ? undefined : compareShapes(shape, after!)
    // A shape that only adds makes its table wait where what it adds has a value for the rows that were there.
    const isFilled = shape === before?.after && place === 0 && change?.kind === 'additive'
    const reasons = isFilled ? compareShapes(shape!, after!, columnsOf(after!)).reasons : (change?.reasons ?? [])
    shape = after!
    return reasons
  })
}

function columnsOf(shape: string): ReadonlySet<string> {
  const { columns } = JSON.parse(shape) as { readonly columns: readonly { readonly name: string }[] }
  return new Set(columns.map(({ name }) => name))
}

/**
 * Writes what waited of some tables.
 *
 * @example const { files, rows } = await writeAccepted(session, { log, tables: ['public.orders'], folder, source })
 */
export async function writeAccepted(
  session: Session,
  given: {
    /** A SELECT of the log. */
    readonly log: string
    readonly tables: readonly string[]
    /** An empty local folder on the lake's device. */
    readonly folder: string
    readonly source: Pick<CdcSource, 'partitionBy'>
  },
): Promise<{ readonly files: Candidate['files']; readonly rows: number }> {
  const { log, tables, folder, source } = given
  const selects = tables.map(
    (table) => `SELECT * REPLACE (${quoteText(table)} AS _table) FROM (${waitingSql(log, table)})`,
  )
  const partitionBy = partitionColumns(source.partitionBy)
  const sql = `SELECT * FROM (${selects.join(' UNION ALL ')}) ${order}`
  const written = await session.write(sql, { folder, partitionBy, ordered: true })
  const full = written.filter(({ rows }) => rows > 0)
  return { files: logFiles(full, source.partitionBy), rows: full.reduce((sum, { rows }) => sum + rows, 0) }
}
