/**
 * The server's own bulk path: the rows of a set-returning function as CSV, without passing through JavaScript values.
 *
 * `COPY` takes no parameters. So the values are bound as settings of the transaction (`sluice.p1`, …), and the statement reads those: what is written
 * in it is made of the catalog's names and numbers, as everywhere.
 */
import { open } from 'node:fs/promises'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { CallEnd, CallSink, ProcedureCall, ResultColumn } from '../connection.ts'
import { resultColumns, returnsCursors, returnsRows } from './call.ts'
import { loadCopyStreams } from './connect.ts'
import { guarded, type Session, transaction } from './guard.ts'
import { describeStatement, runStatement } from './portal.ts'
import {
  type Bound,
  bindArguments,
  callSql,
  callStatement,
  chooseRoutine,
  findRoutines,
  parseName,
  type Routine,
} from './routine.ts'
import { canonicalSql } from './types.ts'

const setParameter = { text: 'SELECT set_config($1, $2, true)', types: [25, 25] }

/**
 * Writes a function's rows to a local CSV file; see `Connection.copy`.
 *
 * @returns undefined for what is no set-returning function, or where the sink does not want the rows
 * @example const end = await copyRoutine({ client, settings }, call, '/tmp/rows.csv', sink, signal)
 */
export async function copyRoutine(
  session: Session,
  call: ProcedureCall,
  localFile: string,
  sink: Pick<CallSink, 'columns' | 'message'>,
  signal: AbortSignal,
): Promise<CallEnd | undefined> {
  const { client, settings } = session
  const name = parseName(call.procedure)
  return guarded(session, call, sink, signal, async (progress) => {
    const routine = chooseRoutine(await findRoutines(client, name), call, settings)
    if (!routine.returnsSet || !returnsRows(routine) || returnsCursors(routine)) return undefined
    const bound = bindArguments(routine, call)
    const { to } = await loadCopyStreams(settings.name)
    await transaction(client, 'BEGIN')
    const columns = await resultColumns(client, await describeStatement(client, callStatement(routine, bound)))
    if (columns.length > 0 && progress.sink(() => sink.columns(1, columns))) {
      for (const [index, { value }] of bound.entries())
        if (value !== null) await runStatement(client, { ...setParameter, values: [`sluice.p${index + 1}`, value] })
      const file = await progress.sink(() => open(localFile, 'w'))
      const rows = client.query(to(copySql(routine, bound, columns)))
      // When a write fails nobody reads on, and then nobody would hear how the dropped connection ends.
      rows.on('error', () => undefined)
      try {
        for await (const chunk of rows) await progress.sink(() => file.writeFile(chunk))
      } finally {
        await file.close()
      }
      await transaction(client, 'COMMIT')
      progress.rows = rows.rowCount
      return { rows: [rows.rowCount], output: {} }
    }
    await transaction(client, 'ROLLBACK')
    return undefined
  })
}

/**
 * The statement, with its columns in their canonical form.
 *
 * @example copySql(routine, bound, columns) // COPY (SELECT "c1" FROM "erp"."f"("p" => current_setting('sluice.p1')::integer) AS r("c1")) TO …
 */
export function copySql(routine: Routine, bound: readonly Bound[], columns: readonly ResultColumn[]): string {
  const call = callSql(routine, bound, ({ argument, value }, place) => {
    const type = /^any/.test(argument.serverType) ? 'text' : argument.serverType
    return `${value === null ? 'NULL' : `current_setting('sluice.p${place}')`}::${type}`
  })
  const names = columns.map((_, index) => quoteIdentifier(`c${index + 1}`))
  const list = columns.map(({ serverType }, index) => canonicalSql(serverType, names[index] as string))
  return `COPY (SELECT ${list.join(', ')} FROM ${call} AS r(${names.join(', ')})) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`
}
