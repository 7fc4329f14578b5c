/** What a user writes of database servers and their procedures, in full; a part of `types.ts`. */
import type {
  Check,
  Column,
  ColumnType,
  EnvReference,
  QuarantineLimits,
  SecretReference,
  TextOrReference,
} from '../contract-types.ts'
import type { FilesSource } from '../file-types.ts'

/** How a SQL Server knows who calls, other than by a login of its own. `entra-…` are those of Microsoft Entra ID (Azure Active Directory). */
export type SqlServerLogin<Text = TextOrReference, Secret = SecretReference | EnvReference> =
  /** A user of a Windows domain, with its password (NTLM). */
  | { readonly kind: 'ntlm'; readonly domain: Text }
  /** A user with its password; the client is the registered application. */
  | { readonly kind: 'entra-password'; readonly clientId: Text; readonly tenantId?: Text }
  /** A token that somebody else asked for. It is not renewed. */
  | { readonly kind: 'entra-token'; readonly token: Secret }
  | {
      readonly kind: 'entra-service-principal'
      readonly tenantId: Text
      readonly clientId: Text
      readonly clientSecret: Secret
    }
  /** The identity of the machine, where Azure gives it one. */
  | { readonly kind: 'entra-managed-identity'; readonly clientId?: Text }
  /** What the chain of `@azure/identity` finds: variables, the machine's identity, the Azure command line. */
  | { readonly kind: 'entra-default'; readonly clientId?: Text }

/** How a database server is reached. One connection may serve any number of procedures. */
export interface ConnectionConfig {
  readonly kind: 'sqlserver' | 'postgres' | 'mysql'
  /** For SQL Server also `server\\instance`, whose port its SQL Browser is asked for, and `server,port`. */
  readonly host: TextOrReference
  /** @default the server's usual one: 1433, 5432, 3306 */
  readonly port?: number | SecretReference | EnvReference
  readonly database: TextOrReference
  /** Needed, but for a `login` that has none. */
  readonly user?: TextOrReference
  readonly password?: SecretReference | EnvReference
  /** SQL Server only. @default a login of the server, with `user` and `password` */
  readonly login?: SqlServerLogin
  /**
   * `verified`: TLS whose certificate must be valid for the host. `strict`: the same before anything else is sent (TDS 8, from SQL Server 2022 on).
   * `unverified`: TLS whose certificate nobody checks, so that anybody between may read and change everything. `off`: no TLS; for loopback.
   * @default 'verified'
   */
  readonly tls: 'verified' | 'strict' | 'unverified' | 'off'
  /** A file below the project with the certificates (PEM) of those that may sign the server's. @default the system's */
  readonly ca?: string
  /** The name in the server's certificate, where it differs from the host. */
  readonly serverName?: string
  /** Connections at a time. @default 4 */
  readonly maxConnections: number
  /** Seconds to connect and log in. @default 15 */
  readonly connectTimeoutSeconds: number
  /** SQL Server only: says that the session only reads (ApplicationIntent=ReadOnly), so that a listener sends it to a readable secondary. @default false */
  readonly readOnlyIntent?: boolean
  /** SQL Server only: tries all addresses of the host at once (MultiSubnetFailover=True). @default false */
  readonly multiSubnetFailover?: boolean
}

/** A constant, or a value that is known when the call is made. */
export type ParameterValue =
  | string
  | number
  | boolean
  | null
  /** A constant of a declared type: `{ value: '12.3456', type: 'decimal(18,4)' }`. */
  | { readonly value: string | number | boolean | null; readonly type: ColumnType }
  /** The day that the run started, in a zone. */
  | { readonly $runDate: { readonly zone: string } }
  /** The window's lower (inclusive) or upper (exclusive) bound; see {@link ProcedureWindow}. */
  | { readonly $window: 'from' | 'to' }
  /** One call for each distinct value of a column of another table. */
  | { readonly $each: EachValue }
  /** A parameter of the pipeline, which each run gives a value. */
  | { readonly $parameter: string }

/** The values of a column of another table, of the same layer or an earlier one; NULL is left out. */
export interface EachValue {
  readonly table: string
  readonly column: string
  /** The type that the value is bound as. @default the column's, where a source of the pipeline declares it; 'text' */
  readonly type: ColumnType
  /** The rows of the call keep the value in a column of this name, after the declared ones. */
  readonly as?: string
}

/** A window of time over changes. Its upper bound is frozen before the call, and becomes the watermark with the commit. */
export interface ProcedureWindow {
  /** The first window's lower bound, ISO 8601: a date, or a local time of `zone`. */
  readonly start: string
  /** The zone that the server's times are in. @default 'UTC' */
  readonly zone: string
  /** Seconds that a window reaches back into the one before, for rows that were committed late. Needs a key. @default 0 */
  readonly overlapSeconds: number
  /** Seconds that the upper bound stays behind the clock: at least the longest transaction. @default 0 */
  readonly lagSeconds: number
}

/** A stored procedure (or function) as a source: each run calls it, and its rows become a version. */
export interface ProcedureSource {
  readonly kind: 'procedure'
  /** The connection's name in `sluice.config`. */
  readonly connection: string
  /** As the server knows it: `dbo.usp_customers`. */
  readonly procedure: string
  /** By the parameter's name, without `@`; in the procedure's order, for servers that know positions only. */
  readonly parameters: { readonly [name: string]: ParameterValue }
  /** The result contract, in the order of arrival. */
  readonly columns: { readonly [column: string]: Column }
  /**
   * Which result set is taken; counts from 1. Sources of a pipeline that make the same call take their sets from one. A set that no source takes
   * is refused. @default 1
   */
  readonly resultSet: number
  /** Which differences from the contract are taken: none; columns added or reordered; types that widened, too. @default 'none' */
  readonly evolve: 'none' | 'additive' | 'widening'
  /**
   * `replace`: the table is what the last call returned. `append`: rows are added. `merge`: rows are added, and the newest of each key stays.
   * @default 'replace'; with a window `merge` where there is a key, and `append` where there is none
   */
  readonly mode: 'replace' | 'append' | 'merge'
  /** The columns that identify a row: rows that share them within one call are refused. */
  readonly key?: readonly string[]
  readonly window?: ProcedureWindow
  /** Output parameters, with their types: kept in the execution log; with `equals` checked, where `rows` means the number of rows. */
  readonly output: {
    readonly [name: string]: { readonly type: ColumnType; readonly equals?: string | number | boolean | 'rows' }
  }
  /** Return codes that mean success. @default [0] */
  readonly returnCodes: readonly number[] | 'any'
  /** What informational messages (PRINT, NOTICE, warnings) do: they are kept in the execution log, or fail the call. @default 'record' */
  readonly messages: 'record' | 'fail'
  /** Guards the number of rows: outside of these, nothing is published. Shares are of the rows that the calls of the current version returned. */
  readonly rowCount?: FilesSource['rowCount']
  readonly checks: readonly Check[]
  readonly quarantine: QuarantineLimits
  /** Seconds for one call, from its start to its last row. @default 600 */
  readonly timeoutSeconds: number
  readonly description?: string
}
