/**
 * Opens a connection with `mysql2`, and runs prepared statements over it. The only file that knows the driver.
 *
 * Everything goes through the binary protocol. Its text counterpart writes FLOAT with six digits, whatever was stored, and takes no bound values;
 * rows are read from the packets themselves (`types.ts`), because the driver's own decoder turns FLOAT into another number.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings, ServerMessage } from '../connection.ts'
import { connectError } from './errors.ts'

/** The npm packages that are needed, with the versions that this code is tested with. */
export const packages = { mysql2: '3.24.5' } as const

/** A column as the protocol defines it (Protocol::ColumnDefinition41), with MariaDB's extended metadata. */
export interface Field {
  readonly name: string
  readonly columnType: number
  readonly columnLength: number
  readonly characterSet: number
  readonly decimals: number
  readonly flags: number
  /** MariaDB: `uuid`, `inet6`, `point`. */
  readonly extendedTypeName?: string
  /** MariaDB: `json`. */
  readonly extendedFormat?: string
}

/** A packet of the driver's: its content is `buffer` from `offset` to `end`. */
export interface Packet {
  readonly buffer: Buffer
  readonly offset: number
  readonly end: number
}

/** A value to bind: a text, bytes, or NULL. */
export type Bound = string | Buffer | null

/** Where the results of a statement go. What it throws ends the statement, and the connection with it. */
export interface ResultReader {
  /** A result set begins; `output` where it is the values of the OUT parameters. Answers what takes its rows. */
  fields(fields: readonly Field[], output: boolean): (row: Packet) => void
}

/** An open connection of the driver's. */
export interface Wire {
  readonly server: string
  readonly isOpen: boolean
  /** Prepares, binds and executes; resolves with the number of warnings after the server's last word. Rejects with the driver's error. */
  execute(statement: string, values: readonly Bound[], reader: ResultReader): Promise<number>
  /** What `SHOW WARNINGS` says of the statement before. */
  warnings(): Promise<readonly ServerMessage[]>
  /** Ends transactions, frees locks, drops temporary tables, and forgets the session's settings. */
  reset(): Promise<void>
  /** The socket is not read while it is paused: the server waits. */
  pause(): void
  resume(): void
  /** Closes the socket at once. The server ends the procedure when it next writes to it. */
  destroy(): void
  close(): Promise<void>
}

/** What is used of the driver, most of it unofficial: that is why its version is exact, and why each connection starts with a test. */
interface Driver {
  createConnection(options: Record<string, unknown>): DriverConnection
}
interface DriverConnection {
  stream: Socket | TLSSocket
  readonly packetParser: { execute(data: Buffer): void }
  startTLS(onSecure: (error?: Error) => void): void
  _handleNetworkError(error: Error): void
  _handshakePacket: { readonly serverVersion: string }
  execute(options: { sql: string; values: readonly Bound[] }): DriverCommand
  query(
    options: object,
    done: (error: Error | null, rows: readonly (readonly [string, number, string])[]) => void,
  ): void
  on(event: 'error' | 'end', listener: (error: Error) => void): void
  once(event: 'connect' | 'error', listener: (error: Error) => void): void
  reset(done: (error: Error | null) => void): void
  pause(): void
  resume(): void
  destroy(): void
  end(done: () => void): void
}
interface DriverCommand {
  execute(packet: DriverPacket | undefined, connection: DriverConnection): boolean
  buildParserFromFields(fields: readonly Field[]): new () => { next(packet: Packet): undefined }
  on(event: 'error' | 'end', listener: (error: Error) => void): void
  on(event: 'result', listener: (result: { readonly warningStatus: number } | undefined) => void): void
}
interface DriverPacket extends Packet {
  eofStatusFlags(): number
}

/** SERVER_PS_OUT_PARAMS: https://mariadb.com/kb/en/result-set-packets/#server-status-flags */
const outputParameters = 4096

/**
 * Loads the driver, connects and logs in.
 *
 * @throws Connection.DriverMissing, Connection.LoginFailed, Connection.Tls, Connection.Unreachable
 */
export async function openWire(settings: ConnectionSettings, signal: AbortSignal): Promise<Wire> {
  const { createConnection } = await loadDriver(settings.name)
  const socket = connectTcp({ host: settings.host, port: settings.port, noDelay: true, keepAlive: true })
  const connection = createConnection({
    stream: socket,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    charset: 'utf8mb4',
    connectTimeout: settings.connectTimeoutSeconds * 1000,
    // A server must not be able to ask for a local file; PS_MULTI_RESULTS brings result sets and OUT parameters of a prepared CALL.
    flags: ['-LOCAL_FILES', '-IGNORE_SPACE', '-ODBC', '-FOUND_ROWS', 'PS_MULTI_RESULTS'],
    disableEval: true,
    connectAttributes: { program_name: 'sluice' },
    ...(settings.tls === 'off' ? {} : { ssl: {} }),
  })
  connection.startTLS = (onSecure) => startTls(connection, settings, onSecure)
  let failure: Error | undefined
  const failed = new Promise<never>((_resolve, reject) => {
    connection.on('error', (error) => {
      failure ??= error
      reject(failure)
    })
  })
  failed.catch(() => undefined)
  const onAbort = (): void => {
    connection.destroy()
    socket.destroy(new DOMException('it was cancelled', 'AbortError'))
  }
  signal.addEventListener('abort', onAbort)
  try {
    signal.throwIfAborted()
    await Promise.race([new Promise<void>((resolve) => connection.once('connect', () => resolve())), failed])
  } catch (error) {
    connection.destroy()
    throw connectError(settings, error)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return wire(connection, failed)
}

async function loadDriver(connection: string): Promise<Driver> {
  try {
    const module = (await import('mysql2')) as unknown as Driver & { default?: Driver }
    return module.default ?? module
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    const needed = Object.entries(packages).map(([name, version]) => `${name}@${version}`)
    throw sluiceError('Connection.DriverMissing', { connection, packages: needed }, { cause })
  }
}

/**
 * The driver's own check takes `localhost` for the name of every server that is reached by its address, and knows no other name than the host: so
 * the upgrade is made here, with the name that was asked for.
 */
function startTls(connection: DriverConnection, settings: ConnectionSettings, onSecure: (error?: Error) => void): void {
  const name = settings.serverName ?? settings.host
  const plain = connection.stream
  plain.removeAllListeners('data')
  let isSecure = false
  const secure = connectTls(
    {
      socket: plain,
      host: name,
      ...(isIP(name) ? {} : { servername: name }),
      rejectUnauthorized: settings.tls === 'verified',
      minVersion: 'TLSv1.2',
      ...(settings.ca === undefined ? {} : { ca: settings.ca }),
    },
    () => {
      isSecure = true
      onSecure()
    },
  )
  secure.on('error', (error) => (isSecure ? connection._handleNetworkError(error) : onSecure(error)))
  secure.on('data', (data: Buffer) => connection.packetParser.execute(data))
  connection.stream = secure
}

function wire(connection: DriverConnection, failed: Promise<never>): Wire {
  let isOpen = true
  const closed = (): void => {
    isOpen = false
  }
  failed.catch(closed)
  connection.on('end', closed)
  return {
    server: connection._handshakePacket.serverVersion,
    get isOpen() {
      return isOpen
    },
    execute: (statement, values, reader) => Promise.race([execute(connection, statement, values, reader), failed]),
    warnings: () => Promise.race([warnings(connection), failed]),
    reset: () =>
      Promise.race([
        new Promise<void>((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve()))),
        failed,
      ]),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    destroy: () => {
      closed()
      connection.destroy()
      connection.stream.destroy()
    },
    close: () => {
      closed()
      const ended = new Promise<void>((resolve) => connection.end(() => resolve()))
      return Promise.race([ended, failed.catch(() => undefined)])
    },
  }
}

function execute(
  connection: DriverConnection,
  statement: string,
  values: readonly Bound[],
  reader: ResultReader,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const command = connection.execute({ sql: statement, values })
    let warnings = 0
    let status = 0
    const next = command.execute
    command.execute = function (packet, from) {
      // The end of the column definitions says what the set is; the driver does not pass it on.
      if (packet?.buffer[packet.offset] === 0xfe) status = packet.eofStatusFlags()
      return next.call(this, packet, from)
    }
    command.buildParserFromFields = (fields) => {
      let take: ((row: Packet) => void) | undefined
      const attempt = (work: () => void): void => {
        try {
          work()
        } catch (error) {
          // The driver would go on with the next packet as if the statement had ended.
          take = undefined
          reject(error)
        }
      }
      attempt(() => {
        take = reader.fields(fields, (status & outputParameters) !== 0)
      })
      return class {
        next(row: Packet): undefined {
          attempt(() => take?.(row))
        }
      }
    }
    command.on('result', (result) => {
      if (result !== undefined) warnings = result.warningStatus
    })
    command.on('error', reject)
    command.on('end', () => resolve(warnings))
  })
}

/** By a plain query: preparing one would forget the warnings. */
function warnings(connection: DriverConnection): Promise<readonly ServerMessage[]> {
  return new Promise((resolve, reject) => {
    connection.query({ sql: 'SHOW WARNINGS', rowsAsArray: true }, (error, rows) => {
      if (error !== null) return reject(error)
      resolve(rows.map(([level, code, text]) => ({ text, code: String(code), severity: level === 'Note' ? 0 : 10 })))
    })
  })
}
