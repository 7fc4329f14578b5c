/**
 * The connection contract: what sources ask of a database server, whatever its kind.
 *
 * A connection calls procedures and describes them. There is no way through it for a text of SQL: a call is a name and values, and each adapter
 * makes its own statement (or, for SQL Server, a remote procedure call) from the checked and quoted name.
 */
import type { ColumnType, SqlServerLogin } from '../definition/types.ts'

/** A connection's settings with every reference resolved; held in memory only, and never written. */
export interface ConnectionSettings {
  /** The name in `sluice.config`; what messages call it. */
  readonly name: string
  readonly kind: 'sqlserver' | 'postgres' | 'mysql'
  readonly host: string
  /** With an {@link instance}, the one where the SQL Browser answers (UDP). */
  readonly port: number
  /** A named instance of a SQL Server, whose port its SQL Browser knows. */
  readonly instance?: string
  readonly database: string
  /** Empty where the login has none. */
  readonly user: string
  readonly password: string
  /** SQL Server only; without it, user and password are a login of the server. */
  readonly login?: SqlServerLogin<string, string>
  readonly tls: 'verified' | 'strict' | 'unverified' | 'off'
  /** Certificates in PEM. */
  readonly ca?: string
  readonly serverName?: string
  readonly connectTimeoutSeconds: number
  readonly readOnlyIntent?: boolean
  readonly multiSubnetFailover?: boolean
}

/**
 * What nothing that is written or shown may hold.
 *
 * @example redactor(secretsOf(settings))
 */
export function secretsOf({ password, login }: ConnectionSettings): readonly string[] {
  const more = login?.kind === 'entra-token' ? [login.token] : []
  return [password, ...(login?.kind === 'entra-service-principal' ? [login.clientSecret] : more)]
}

/** A value to bind: its text in the type's canonical form (ISO 8601 times, plain digits, hex), or NULL. */
export interface CallParameter {
  readonly name: string
  readonly type: ColumnType
  readonly value: string | null
}

/** One call, frozen: the same whenever it is tried again. */
export interface ProcedureCall {
  readonly procedure: string
  /** In the order in which they were declared. */
  readonly parameters: readonly CallParameter[]
  readonly output: readonly { readonly name: string; readonly type: ColumnType }[]
  readonly timeoutMs: number
}

/** A column as it arrives, before any row. */
export interface ResultColumn {
  readonly name: string
  /** As the server spells it: `decimal(18,4)`, `datetime2(7)`, `numeric`, `bigint unsigned`. */
  readonly serverType: string
  /** The narrowest type that holds each of its values exactly, as the adapter writes them as text. */
  readonly type: ColumnType
  /** Where the server says. */
  readonly nullable?: boolean
}

/** A value as exact text, in the canonical form that `quality/` reads for the column's `type`; NULL as null. */
export type Cell = string | null

/**
 * A cell that cannot be read as text: no type of a contract takes NUL, so its row is refused, and quarantine shows the bytes.
 *
 * @example unreadable('UTF-16', Buffer.from('3dd8', 'hex')) // '\0not UTF-16: 3dd8'
 */
export const unreadable = (encoding: string, bytes: Buffer): Cell & string =>
  `\0not ${encoding}: ${bytes.toString('hex')}`

/** What a server said beside rows. */
export interface ServerMessage {
  readonly text: string
  /** The server's number or SQLSTATE. */
  readonly code: string
  /** SQL Server's class; elsewhere 0 for notices and 10 for warnings. */
  readonly severity: number
}

/** Where a call's results go. Anything thrown here ends the call, and the connection is dropped. */
export interface CallSink {
  /** A result set begins; sets count from 1. Answers whether its rows are wanted. */
  columns(set: number, columns: readonly ResultColumn[]): boolean
  /**
   * Up to 2,048 rows of a wanted set, column by column: `cells[column][row]`. The driver waits while a promise is pending. The arrays are the
   * sink's from then on.
   */
  rows(set: number, cells: readonly (readonly Cell[])[], rows: number): void | Promise<void>
  message(message: ServerMessage): void
}

/** How a call ended, when it ended well: the server said its last word, and no error was in it. */
export interface CallEnd {
  /** Rows of each result set as the server counted them; null where it did not say. */
  readonly rows: readonly (number | null)[]
  readonly returnCode?: number
  readonly output: { readonly [name: string]: Cell }
}

/** A described procedure, for the crawler. */
export interface ProcedureDescription {
  readonly procedure: string
  readonly parameters: readonly {
    readonly name: string
    readonly serverType: string
    readonly type: ColumnType
    readonly output: boolean
    readonly hasDefault?: boolean
  }[]
  /** Of the first result set; undefined where the server cannot tell without a call. */
  readonly columns?: readonly ResultColumn[]
  /** Why `columns` is missing. */
  readonly note?: string
}

/** An open connection: one call at a time. */
export interface Connection extends AsyncDisposable {
  /** The server's product and version, as it says. */
  readonly server: string
  /**
   * Calls a procedure. Resolves only after the server's last word, without an error of severity 11 or more anywhere; rejects otherwise, and then
   * nothing that the sink was given counts. When the signal aborts or the time is over, the connection is dropped.
   *
   * @throws Connection.Lost, Connection.Deadlock, Connection.Timeout (transient), Connection.CallFailed, Connection.Forbidden,
   * Connection.NoProcedure, Connection.InvalidName, Connection.ValueTooLong
   */
  call(call: ProcedureCall, sink: CallSink, signal: AbortSignal): Promise<CallEnd>
  /**
   * The same, with the rows of the only result set written by the server's own bulk path to a local CSV file without a header, NULL as an empty
   * unquoted field and every text quoted; or undefined where the procedure does not allow it. Only where the server has such a path.
   */
  copy?(
    call: ProcedureCall,
    localFile: string,
    sink: Pick<CallSink, 'columns' | 'message'>,
    signal: AbortSignal,
  ): Promise<CallEnd | undefined>
  /** Procedures that this login may call, by name; with a name, that one alone. */
  describe(name?: string): Promise<readonly ProcedureDescription[]>
  /** Whether it can still be used. */
  readonly isUsable: boolean
  close(): Promise<void>
}

/** What a kind of server can do, as data: who needs it asks here, and never for the kind. */
export interface Connector {
  readonly kind: ConnectionSettings['kind']
  /** The npm packages it needs, each with its exact version. */
  readonly packages: { readonly [name: string]: string }
  readonly defaultPort: number
  /** Longest name of a procedure or parameter, in the server's own unit. */
  readonly maxNameLength: number
  /**
   * Opens a connection, with the driver loaded and its decoder tested by itself.
   *
   * @throws Connection.DriverMissing, Connection.DriverChanged, Connection.LoginFailed, Connection.Tls, Connection.Unreachable (transient)
   */
  connect(settings: ConnectionSettings, signal: AbortSignal): Promise<Connection>
}
