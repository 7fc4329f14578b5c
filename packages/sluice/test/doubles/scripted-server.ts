/** A database server that says what a test tells it to say, behind the connection contract. */
import type {
  CallEnd,
  Cell,
  Connection,
  Connector,
  ProcedureCall,
  ProcedureDescription,
  ResultColumn,
  ServerMessage,
} from '../../src/connections/connection.ts'
import type { ColumnType } from '../../src/definition/types.ts'

/** What a procedure does, in order. */
export type Step =
  | { readonly columns: readonly ResultColumn[]; readonly rows: readonly (readonly Cell[])[] }
  /** More rows of the set before. */
  | { readonly more: readonly (readonly Cell[])[] }
  | { readonly message: ServerMessage }
  /** Ends the call; the connection is of no use any more. */
  | { readonly fails: Error }
  | { readonly end: Partial<CallEnd> }

/** A scripted server, and what was asked of it. */
export interface ScriptedServer {
  readonly connector: Connector
  readonly connectorOf: () => Promise<Connector>
  /** By name: what the call does. Missing ones fail the test. */
  procedures: { [name: string]: (call: ProcedureCall) => readonly Step[] | Promise<readonly Step[]> }
  /** What its catalog says. */
  described: readonly ProcedureDescription[]
  /** Fails the next logins, in order. */
  readonly logins: Error[]
  readonly calls: ProcedureCall[]
  /** Logins that were tried. */
  tried: number
  /** Connections that are open now, and the most that were. */
  open: number
  mostOpen: number
}

/** A column as a server announces it. */
export const arriving = (name: string, type: ColumnType, serverType: string = type): ResultColumn => ({
  name,
  type,
  serverType,
})

const batch = 2048

/** Makes a server. */
export function scriptedServer(procedures: ScriptedServer['procedures'] = {}): ScriptedServer {
  const server: ScriptedServer = {
    connector: {
      kind: 'sqlserver',
      packages: {},
      defaultPort: 1,
      maxNameLength: 128,
      async connect() {
        server.tried++
        const error = server.logins.shift()
        if (error !== undefined) throw error
        server.mostOpen = Math.max(server.mostOpen, ++server.open)
        return connection(server)
      },
    },
    connectorOf: async () => server.connector,
    procedures,
    described: [],
    logins: [],
    calls: [],
    tried: 0,
    open: 0,
    mostOpen: 0,
  }
  return server
}

function connection(server: ScriptedServer): Connection {
  let isUsable = true
  const close = async (): Promise<void> => {
    if (isUsable) server.open--
    isUsable = false
  }
  return {
    server: 'scripted',
    get isUsable() {
      return isUsable
    },
    close,
    [Symbol.asyncDispose]: close,
    describe: async (name) => server.described.filter(({ procedure }) => name === undefined || procedure === name),
    async call(call, sink, signal) {
      server.calls.push(call)
      const script = server.procedures[call.procedure]
      if (script === undefined) throw new TypeError(`no script for ${call.procedure}`)
      try {
        return await play(await script(call), sink, signal)
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

async function play(
  steps: readonly Step[],
  sink: Parameters<Connection['call']>[1],
  signal: AbortSignal,
): Promise<CallEnd> {
  const counts: number[] = []
  let isWanted = false
  let end: Partial<CallEnd> = {}
  const send = async (rows: readonly (readonly Cell[])[]): Promise<void> => {
    counts.push((counts.pop() ?? 0) + rows.length)
    for (let from = 0; isWanted && from < rows.length; from += batch) {
      signal.throwIfAborted()
      const some = rows.slice(from, from + batch)
      const cells = some[0]?.map((_, column) => some.map((row) => row[column] as Cell)) ?? []
      await sink.rows(counts.length, cells, some.length)
    }
  }
  for (const step of steps) {
    if ('fails' in step) throw step.fails
    if ('message' in step) sink.message(step.message)
    else if ('end' in step) end = step.end
    else if ('more' in step) await send(step.more)
    else {
      counts.push(0)
      isWanted = sink.columns(counts.length, step.columns)
      await send(step.rows)
    }
  }
  return { rows: counts, output: {}, ...end }
}
