/** What the suite asks of each server: the same procedures under the same names, and what is particular to it as data. */
import type {
  CallEnd,
  CallParameter,
  CallSink,
  Cell,
  Connection,
  ConnectionSettings,
  Connector,
  ProcedureCall,
  ResultColumn,
  ServerMessage,
} from '../../../src/connections/connection.ts'
import type { ColumnType } from '../../../src/definition/types.ts'
import type { KeyAndCertificate } from '../../doubles/certificates.ts'

/** A type with its edge values, as exact text; NULL is tried for each, too. */
export interface TypeCase {
  /** As the server declares it. */
  readonly declared: string
  /** As the adapter must report it. @default declared */
  readonly serverType?: string
  readonly type: ColumnType
  readonly values: readonly string[]
}

/** A running server with the suite's procedures, all of them callable by `settings.user`, except `forbidden`. */
export interface ServerUnderTest {
  readonly settings: ConnectionSettings
  /** `types_<n>` returns the n-th case's values in their order, then NULL, in the column `value`; `echo_<n>` returns its parameter `value`. */
  readonly types: readonly TypeCase[]
  /** The name of a parameter, as the server declares it. */
  parameter(name: string): string
  /** Names that are hard to quote, as a user writes them, of procedures that return one row with the text `found`. */
  readonly oddNames: readonly string[]
  /** What a session must say, whatever the server's own settings are, as `session_settings` returns it. */
  readonly session: { readonly [setting: string]: string }
  /** The codes that `error_<moment>` raises. */
  readonly errorCodes: { readonly [moment in 'before' | 'between' | 'after' | 'within']: string }
  /** What `outputs` returns, where the server has return codes. */
  readonly returnCode?: number
  /** Whether `short_text` has a parameter of ten characters that its server would cut. */
  readonly cutsLongValues: boolean
  /** Whether a login to a database that is not there is refused. */
  readonly knowsDatabases: boolean
  /** Why a test, by its title, can prove nothing on this server: it is skipped with this reason. */
  unproven?(title: string): string | undefined
  /** The texts of the statements (or names of the procedures) in what a client sent without TLS, each whole. */
  statements(sent: Buffer): readonly string[]
  /** Every statement of the adapter's own, whole: another one on the wire fails the suite. */
  readonly ownStatements: readonly RegExp[]
  stop(): Promise<void>
}

/** A kind of server. */
export interface ServerKind {
  readonly name: string
  readonly connector: Connector
  /** Why its tests are skipped, where they must be. */
  missing(): Promise<string | undefined>
  start(): Promise<ServerUnderTest>
  /** A server that shows this certificate, with settings that trust nothing yet. */
  startTls(certificate: KeyAndCertificate): Promise<{ readonly settings: ConnectionSettings; stop(): Promise<void> }>
}

/** Everything that a sink was given, and how the call ended. */
export interface Heard {
  readonly sets: { readonly columns: readonly ResultColumn[]; readonly rows: Cell[][] }[]
  readonly messages: ServerMessage[]
  readonly end: CallEnd
}

/** A sink that keeps everything. */
export function keeping(): CallSink & Omit<Heard, 'end'> {
  const sets: Heard['sets'] = []
  const messages: ServerMessage[] = []
  return {
    sets,
    messages,
    columns: (set, columns) => {
      sets[set - 1] = { columns, rows: [] }
      return true
    },
    rows: (set, cells, rows) => {
      for (let row = 0; row < rows; row++) sets[set - 1]?.rows.push(cells.map((column) => column[row] as Cell))
    },
    message: (message) => void messages.push(message),
  }
}

/** A call with defaults: no parameters, ten seconds. */
export function callOf(procedure: string, rest: Partial<ProcedureCall> = {}): ProcedureCall {
  return { procedure, parameters: [], output: [], timeoutMs: 10_000, ...rest }
}

/** Calls, and keeps everything. */
export async function hear(connection: Connection, call: ProcedureCall): Promise<Heard> {
  const sink = keeping()
  const end = await connection.call(call, sink, new AbortController().signal)
  return { sets: sink.sets, messages: sink.messages, end }
}

/** A text parameter, or one of any type. */
export function given(name: string, value: string | null, type: ColumnType = 'text'): CallParameter {
  return { name, type, value }
}
