/** Helpers of the SQL Server suites: a connection to the double, and a sink that keeps everything. */
import type {
  CallEnd,
  CallSink,
  Cell,
  Connection,
  ConnectionSettings,
  ProcedureCall,
  ResultColumn,
  ServerMessage,
} from '../../src/connections/connection.ts'
import { sqlServerConnector } from '../../src/connections/sqlserver/connector.ts'

export const never = new AbortController().signal

/** Settings for a double without TLS. */
export const settingsOf = (port: number, more: Partial<ConnectionSettings> = {}): ConnectionSettings => ({
  name: 'erp',
  kind: 'sqlserver',
  host: '127.0.0.1',
  port,
  database: 'erp',
  user: 'reader',
  password: 'secret',
  tls: 'off',
  connectTimeoutSeconds: 5,
  ...more,
})

/** Opens a connection to a double. */
export const connect = (port: number, more: Partial<ConnectionSettings> = {}): Promise<Connection> =>
  sqlServerConnector.connect(settingsOf(port, more), never)

/** What a call brought. */
export interface Collected {
  readonly columns: ResultColumn[][]
  readonly rows: Cell[][][]
  readonly messages: ServerMessage[]
}

/** A sink that keeps everything, row by row. */
export function collector(): Collected & { readonly sink: CallSink } {
  const all: Collected = { columns: [], rows: [], messages: [] }
  const sink: CallSink = {
    columns(set, columns) {
      all.columns[set - 1] = [...columns]
      all.rows[set - 1] = []
      return true
    },
    rows(set, cells, rows) {
      for (let i = 0; i < rows; i++) all.rows[set - 1]!.push(cells.map((column) => column[i]!))
    },
    message: (message) => void all.messages.push(message),
  }
  return { ...all, sink }
}

export const callOf = (procedure: string, more: Partial<ProcedureCall> = {}): ProcedureCall => ({
  procedure,
  parameters: [],
  output: [],
  timeoutMs: 10_000,
  ...more,
})

/** Calls, and keeps everything. */
export async function collect(
  connection: Connection,
  procedure: string,
  more: Partial<ProcedureCall> = {},
): Promise<Collected & { readonly end: CallEnd }> {
  const { sink, ...all } = collector()
  const end = await connection.call(callOf(procedure, more), sink, never)
  return { ...all, end }
}
