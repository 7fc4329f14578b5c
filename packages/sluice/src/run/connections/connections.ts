/** Connections by the names that a project gives them: settings are resolved when one is opened, and its pool is shared by all tasks. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { type Connection, type ConnectionSettings, type Connector, secretsOf } from '../../connections/connection.ts'
import { connectGuarded } from '../../connections/login-guard.ts'
import { defaultPorts } from '../../definition/defaults.ts'
import { isReference } from '../../definition/problems/references.ts'
import { callKey } from '../../definition/procedures/rules.ts'
import { serverAddress } from '../../definition/procedures/server-address.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type {
  ConnectionConfig,
  ProcedureSource,
  Project,
  SqlServerLogin,
  TextOrReference,
} from '../../definition/types.ts'
import type { Lake } from '../../lake/lake.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { type ConnectionPool, connectionPool } from '../../sources/procedures/pool.ts'
import { procedureSource } from '../../sources/procedures/source.ts'
import type { SourceAdapter } from '../../sources/source.ts'
import type { Storage } from '../../storage/storage.ts'
import { type Environment, readEnvironment, redactor, resolveText } from '../definition/secrets.ts'
import { maskedConnection } from './masked-connection.ts'

/** Finds the adapter of a kind of server. */
export type ConnectorOf = (kind: ConnectionConfig['kind']) => Promise<Connector>

/** The servers that Sluice knows; a driver is loaded with the first connection. */
const knownConnectors: ConnectorOf = async (kind) => {
  switch (kind) {
    case 'sqlserver':
      return (await import('../../connections/sqlserver/connector.ts')).sqlServerConnector
    case 'postgres':
      return (await import('../../connections/postgres/connector.ts')).postgresConnector
    case 'mysql':
      return (await import('../../connections/mysql/connector.ts')).mysqlConnector
  }
}

/** What a project's connections are made of. */
export interface ConnectionsContext {
  readonly root: string
  readonly project: Project
  readonly state: Storage
  readonly clock: Clock
  /** @default those that Sluice knows */
  readonly connectorOf?: ConnectorOf
}

/** A project's connections. */
export interface Connections extends AsyncDisposable {
  /** The bounded pool that tasks share. */
  pool(name: string): ConnectionPool
  /** A connection of one's own, to be closed: for the crawler and the doctor. */
  open(name: string, signal: AbortSignal): Promise<Connection>
}

/**
 * The connections of a project; nothing is connected yet.
 *
 * @example
 * await using connections = projectConnections(context)
 * await connections.pool('erp').use(signal, (connection) => connection.describe())
 */
export function projectConnections(context: ConnectionsContext): Connections {
  const pools = new Map<string, ConnectionPool>()
  const open = async (name: string, signal: AbortSignal): Promise<Connection> => {
    const config = configOf(context.project, name)
    const [connector, settings] = await Promise.all([
      (context.connectorOf ?? knownConnectors)(config.kind),
      connectionSettings(context, name, config),
    ])
    return maskedConnection(() => connectGuarded(connector, settings, signal, context), redactor(secretsOf(settings)))
  }
  return {
    open,
    pool(name) {
      const known = pools.get(name)
      if (known !== undefined) return known
      const { maxConnections } = configOf(context.project, name)
      const pool = connectionPool((signal) => open(name, signal), maxConnections)
      pools.set(name, pool)
      return pool
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...pools.values()].map((pool) => pool[Symbol.asyncDispose]()))
    },
  }
}

function configOf({ config }: Project, name: string): ConnectionConfig {
  const found = Object.hasOwn(config.connections, name) ? config.connections[name] : undefined
  assert(found !== undefined, `the connection "${name}" is declared: the definition was checked`)
  return found
}

/**
 * Settings with every reference resolved; for the moment of use only.
 *
 * @throws Definition.SecretMissing, Definition.WrongValue where a port or a host that is kept elsewhere is none, or `ca` cannot be read
 */
export async function connectionSettings(
  { root, project }: { readonly root: string; readonly project: Pick<Project, 'config'> },
  name: string,
  config: ConnectionConfig,
): Promise<ConnectionSettings> {
  const environment = await readEnvironment(root, project.config)
  const { kind, tls, ca, serverName, connectTimeoutSeconds, readOnlyIntent, multiSubnetFailover } = config
  const { user, password, login } = config
  return {
    name,
    kind,
    ...addressOf(name, config, environment),
    database: resolveText(config.database, environment),
    user: user === undefined ? '' : resolveText(user, environment),
    password: password === undefined ? '' : resolveText(password, environment),
    ...(login === undefined ? {} : { login: resolveLogin(login, environment) }),
    tls,
    ...(ca === undefined ? {} : { ca: await certificates(root, name, ca) }),
    ...(serverName === undefined ? {} : { serverName }),
    connectTimeoutSeconds,
    ...(readOnlyIntent === undefined ? {} : { readOnlyIntent }),
    ...(multiSubnetFailover === undefined ? {} : { multiSubnetFailover }),
  }
}

function resolveLogin(login: SqlServerLogin, environment: Environment): NonNullable<ConnectionSettings['login']> {
  const resolved = Object.entries(login).map(([key, value]) => [
    key,
    resolveText(value as TextOrReference, environment),
  ])
  return Object.fromEntries(resolved) as NonNullable<ConnectionSettings['login']>
}

/** The port where the SQL Browser of a server answers. */
const browserPort = 1434

/** A host may bring its port or instance along, also where it is kept elsewhere: there, nothing has looked at it yet. */
function addressOf(
  name: string,
  config: ConnectionConfig,
  environment: Environment,
): Pick<ConnectionSettings, 'host' | 'port' | 'instance'> {
  const text = resolveText(config.host, environment)
  const declared = config.port === undefined ? undefined : portOf(name, config.port, environment)
  const usual = defaultPorts[config.kind]
  if (config.kind !== 'sqlserver') return { host: text, port: declared ?? usual }
  const address = serverAddress(text)
  const where = `connections.${name}`
  if ('expected' in address) {
    const found = isReference(config.host) && '$secret' in config.host ? 'another text' : `"${text}"`
    throw sluiceError('Definition.WrongValue', { where: `${where}.host`, expected: address.expected, found })
  }
  const { host, port, instance } = address
  if (declared !== undefined && (port !== undefined || instance !== undefined)) {
    const expected = 'left out, as its host brings its port or instance along'
    throw sluiceError('Definition.WrongValue', { where: `${where}.port`, expected, found: String(declared) })
  }
  return instance === undefined ? { host, port: port ?? declared ?? usual } : { host, port: browserPort, instance }
}

async function certificates(root: string, name: string, ca: string): Promise<string> {
  try {
    return await readFile(resolve(root, ca), 'utf8')
  } catch (cause) {
    const params = { where: `connections.${name}.ca`, expected: 'a file that can be read', found: `"${ca}"` }
    throw sluiceError('Definition.WrongValue', params, { cause })
  }
}

function portOf(name: string, port: NonNullable<ConnectionConfig['port']>, environment: Environment): number {
  if (!isReference(port)) return port
  const text = resolveText(port, environment)
  if (/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536) return Number(text)
  const expected = 'a whole number from 1 to 65535'
  const found = '$env' in port ? `"${text}"` : 'another text'
  throw sluiceError('Definition.WrongValue', { where: `connections.${name}.port`, expected, found })
}

/**
 * Opens a procedure as a source, over the pool of its connection.
 *
 * @example const adapter = await openProcedure('raw.customers', source, { project, clock, lake, connections })
 */
export async function openProcedure(
  table: string,
  source: ProcedureSource,
  context: Pick<ConnectionsContext, 'project' | 'clock' | 'state'> & {
    readonly lake: Lake
    readonly connections: Connections
  },
): Promise<SourceAdapter> {
  const { project, clock, state, lake, connections } = context
  const current = await lake.current(table)
  const { sources } = projectIndex(project)
  const procedures = sources.flatMap((one) => (one.source.kind === 'procedure' ? [{ ...one, source: one.source }] : []))
  const siblings = procedures.filter((other) => callKey(other.source) === callKey(source))
  const own = procedures.find((other) => other.table === table)?.pipeline
  return procedureSource(table, source, {
    clock,
    state,
    lake,
    pool: connections.pool(source.connection),
    otherSets: new Set(siblings.map((other) => other.source.resultSet)),
    sameCall: siblings
      .filter(({ pipeline }) => pipeline === own)
      .map((other) => ({ table: other.table, resultSet: other.source.resultSet })),
    previousRows: rowsOfCalls(current),
  })
}

/** The rows of a version's calls, for the guard of the next. */
function rowsOfCalls(record: CommitRecord | undefined): readonly number[] {
  const rows = record?.inputs.flatMap((input) => (input.kind === 'call' ? [input.rows] : [])) ?? []
  return rows.length === 0 ? [] : [rows.reduce((sum, one) => sum + one, 0)]
}
