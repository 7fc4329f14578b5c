/**
 * Calls a function or procedure: names from the catalog, values bound, rows by a portal.
 *
 * A function is called in one transaction, which is committed when the last row has been taken: it may write a log, and an error anywhere undoes all.
 * A procedure without cursors is called outside of a transaction block, since it may end transactions itself; the server commits it, or rolls it back.
 * Behind a pooler there is no other way than a block, and a procedure that ends transactions is refused there.
 */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import type { CallEnd, CallSink, Cell, ProcedureCall, ResultColumn } from '../connection.ts'
import { guarded, type Progress, type Session, transaction } from './guard.ts'
import { describePortal, type Field, openPortal, readPortal, runStatement } from './portal.ts'
import { bindArguments, callStatement, chooseRoutine, findRoutines, parseName, type Routine } from './routine.ts'
import { canonical, columnType } from './types.ts'

/** The type of cursors, in every server. */
const refcursor = 1790
const portal = 'sluice_call'

/**
 * Calls a routine; see `Connection.call`. Each cursor that it returns, or gives out in a parameter, is a result set, in their order.
 *
 * @example const end = await callRoutine({ client, settings }, call, sink, signal)
 */
export async function callRoutine(
  session: Session,
  call: ProcedureCall,
  sink: CallSink,
  signal: AbortSignal,
): Promise<CallEnd> {
  const { client, settings } = session
  const name = parseName(call.procedure)
  return guarded(session, call, sink, signal, async (progress) => {
    const routine = chooseRoutine(await findRoutines(client, name), call, settings)
    const statement = callStatement(routine, bindArguments(routine, call))
    const cursors = returnsCursors(routine)
    const inBlock = cursors || routine.kind === 'function'
    const taking: Taking = { session, sink, progress, counts: [] }
    let output: CallEnd['output'] = {}
    if (inBlock) await transaction(client, 'BEGIN')
    if (returnsRows(routine) && !cursors && call.output.length === 0) {
      await take(taking, portal, await openPortal(client, portal, statement))
    } else {
      const result = await runStatement(client, statement)
      output = await outputOf(client, result, call)
      for (const cursor of cursorsOf(result)) await take(taking, cursor, await describePortal(client, cursor))
    }
    if (inBlock) await transaction(client, 'COMMIT')
    return { rows: taking.counts, output }
  })
}

/**
 * Whether a routine gives out cursors.
 *
 * @example returnsCursors(routine)
 */
export function returnsCursors(routine: Routine): boolean {
  return (
    routine.returns === 'refcursor' ||
    routine.arguments.some(({ oid, mode }) => oid === refcursor && /[obt]/.test(mode))
  )
}

/**
 * Whether a routine returns rows by itself.
 *
 * @example returnsRows(routine)
 */
export function returnsRows(routine: Routine): boolean {
  return routine.kind === 'function' && routine.returns !== 'void'
}

/**
 * Columns as the server spells their types; it is asked, because only it knows the names of users' types.
 *
 * @example await resultColumns(client, fields)
 */
export async function resultColumns(client: pg.Client, fields: readonly Field[]): Promise<readonly ResultColumn[]> {
  const list = (key: 'dataTypeID' | 'dataTypeModifier'): string => `{${fields.map((field) => field[key]).join()}}`
  const { rows } = await runStatement(client, {
    text: 'SELECT format_type(t::oid, m) FROM unnest($1, $2) WITH ORDINALITY AS a(t, m, i) ORDER BY i',
    types: [1016, 1007],
    values: [list('dataTypeID'), list('dataTypeModifier')],
  })
  return fields.map(({ name }, index) => {
    const serverType = rows[index]?.[0] as string
    return { name, serverType, type: columnType(serverType) }
  })
}

/** A call whose result sets are being taken. */
interface Taking {
  readonly session: Session
  readonly sink: CallSink
  readonly progress: Progress
  /** Rows of each set so far. */
  readonly counts: number[]
}

/** One result set. An unwanted one is read to its end, too: an error may be in it. */
async function take(
  { session, sink, progress, counts }: Taking,
  name: string,
  fields: readonly Field[],
): Promise<void> {
  const { client, settings } = session
  const columns = await resultColumns(client, fields)
  const set = counts.length + 1
  const wanted = progress.sink(() => sink.columns(set, columns))
  const conversions = columns.map(({ serverType }) => canonical(serverType))
  const before = progress.rows
  const announced = await readPortal(
    client,
    name,
    wanted ? fields.length : 0,
    (cells, size) => {
      if (!wanted) return
      const texts = cells.map((column, index) => convert(column, conversions[index]))
      return progress.sink(() => sink.rows(set, texts, size))
    },
    (size) => {
      progress.rows += size
    },
  )
  const why = `it counted ${announced} rows, and ${progress.rows - before} arrived`
  if (announced !== progress.rows - before) throw sluiceError('Connection.Protocol', { connection: settings.name, why })
  counts.push(announced)
}

function convert(cells: readonly Cell[], conversion: ((text: string) => string) | undefined): readonly Cell[] {
  return conversion ? cells.map((cell) => (cell === null ? null : conversion(cell))) : cells
}

type Result = Awaited<ReturnType<typeof runStatement>>

/** The output parameters that were asked for. */
async function outputOf(client: pg.Client, { fields, rows }: Result, call: ProcedureCall): Promise<CallEnd['output']> {
  if (call.output.length === 0) return {}
  const columns = await resultColumns(client, fields)
  const cells = columns.map(({ name, serverType }, index) => {
    const [cell] = convert([rows[0]?.[index] ?? null], canonical(serverType))
    return [name, cell ?? null] as const
  })
  const asked = new Set(call.output.map(({ name }) => name))
  return Object.fromEntries(cells.filter(([name]) => asked.has(name)))
}

/** The names of the cursors in a result. */
function cursorsOf({ fields, rows }: Result): readonly string[] {
  return rows.flatMap(
    (row) => row.filter((cell, index) => cell !== null && fields[index]?.dataTypeID === refcursor) as string[],
  )
}
