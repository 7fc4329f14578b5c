/** What there is to call, for the crawler: the catalog's functions and procedures that this role may execute. */
import type pg from 'pg'
import type { ProcedureDescription } from '../connection.ts'
import { resultColumns, returnsCursors, returnsRows } from './call.ts'
import { guarded, type Session } from './guard.ts'
import { parseName } from './names.ts'
import { describeStatement } from './portal.ts'
import { callableRoutines, callStatement, type Routine } from './routine.ts'
import { columnType } from './types.ts'

/**
 * Describes routines; nothing is called: a statement is parsed, and the server says which columns it would have.
 *
 * @param name one procedure alone, with all its overloads
 * @example await describeRoutines({ client, settings }, 'erp.usp_customers')
 * @throws Connection.InvalidName
 */
export async function describeRoutines(session: Session, name?: string): Promise<readonly ProcedureDescription[]> {
  const { client } = session
  const parts = name === undefined ? undefined : parseName(name)
  const asked = { procedure: name ?? 'the catalog', timeoutMs: 60_000 }
  return guarded(session, asked, { message: () => undefined }, new AbortController().signal, async () => {
    const described: ProcedureDescription[] = []
    for (const routine of await callableRoutines(client, parts)) described.push(await describe(client, routine))
    return described
  })
}

async function describe(client: pg.Client, routine: Routine): Promise<ProcedureDescription> {
  return {
    procedure: [routine.schema, routine.name].map(namePart).join('.'),
    parameters: routine.arguments
      .filter(({ mode }) => mode !== 't' && !(mode === 'o' && routine.returnsSet))
      .map(({ name, serverType, mode, hasDefault }) => ({
        name,
        serverType,
        type: columnType(serverType),
        output: mode === 'o' || mode === 'b',
        hasDefault,
      })),
    ...(await columnsOf(client, routine)),
  }
}

async function columnsOf(client: pg.Client, routine: Routine): Promise<Pick<ProcedureDescription, 'columns' | 'note'>> {
  if (returnsCursors(routine)) return { note: 'it returns cursors, whose columns are known only after a call' }
  if (!returnsRows(routine)) return { note: 'it returns no rows' }
  try {
    const inputs = routine.arguments.filter(({ mode }) => /[ibv]/.test(mode))
    const bound = inputs.map((argument) => ({ argument, value: null }))
    return { columns: await resultColumns(client, await describeStatement(client, callStatement(routine, bound))) }
  } catch (error) {
    return { note: `the server cannot tell its columns (${(error as Error).message})` }
  }
}

/** A part as `parseName` reads it. */
function namePart(name: string): string {
  return /[".]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}
