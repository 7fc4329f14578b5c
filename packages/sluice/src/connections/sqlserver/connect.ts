/**
 * Opens connections: the only file that knows the driver's options.
 *
 * Two things are ours and not the driver's: the socket, so that nothing is sent in the clear to a server that does not encrypt, and a call can be cut
 * at once; and the parser of answers to calls ({@link TokenStream}), because the driver's alters decimals, money and offsets.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { ConnectionConfiguration, Connection as Driver } from 'tedious'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'
import { connectError } from './errors.ts'
import { authentication } from './login.ts'
import { testDecoder } from './self-test.ts'
import { openSocket } from './socket.ts'
import { type AnswerSink, type ServerWord, TokenStream } from './tokens.ts'
import type { TypeContext } from './types.ts'

/** The npm package that is needed, with the version that this code is tested with. */
export const packages = { tedious: '19.2.2' } as const

/** The driver, as far as it is used. */
export type Tedious = typeof import('tedious')

/** An open connection. */
export interface OpenConnection {
  readonly settings: ConnectionSettings
  readonly tedious: Tedious
  readonly driver: Driver
  readonly context: TypeContext
  /** The server's product and version. */
  readonly server: string
  readonly isUsable: boolean
  /** Reads the answers of the next call. */
  answerTo(sink: AnswerSink): { stop(): void /** Rows that have come and were not handed on. */; heldRows(): number }
  /** Cuts the connection at once, whatever it is doing. */
  drop(): void
}

/** The driver's insides that are used; the test at start sees to it that they are there. */
interface Insides {
  createTokenStreamParser: (message: Readable, handler: Handler) => unknown
  /** Where a gateway sent the login on to. */
  readonly routingData?: { readonly server: string; readonly port: number }
}

interface Handler {
  onLoginAck(token: LoginAnswer): void
}

interface LoginAnswer {
  readonly progName: string
  readonly progVersion: {
    readonly major: number
    readonly minor: number
    readonly buildNumHi: number
    readonly buildNumLow: number
  }
}

/**
 * Opens a connection and logs in.
 *
 * @throws Connection.DriverMissing, Connection.DriverChanged, Connection.LoginFailed, Connection.Tls, Connection.Unreachable (transient)
 */
export async function openConnection(settings: ConnectionSettings, signal: AbortSignal): Promise<OpenConnection> {
  const { tedious, context } = await loadDriver(settings.name)
  const end = AbortSignal.any([signal, AbortSignal.timeout(settings.connectTimeoutSeconds * 1000)])
  let socket: Socket | undefined
  const driver: Driver = new tedious.Connection(
    configuration(settings, async () => {
      socket = await openSocket(settings, insides.routingData, end)
      guardSocket(socket, { ...settings, host: insides.routingData?.server ?? settings.host })
      return socket
    }),
  )
  const insides = driver as unknown as Insides
  const refusals: ServerWord[] = []
  const onRefusal = (word: { number: number; class: number; message: string }) =>
    refusals.push({ number: word.number, class: word.class, text: word.message })
  driver.on('error', () => {})
  driver.on('errorMessage', onRefusal as never)
  const server = readServer(insides, (error) => socket?.destroy(error))
  try {
    await login(driver, end)
  } catch (error) {
    socket?.destroy(error as Error)
    throw connectError(error, settings, refusals)
  }
  let isUsable = true
  let isDropped = false
  driver.on('end', () => {
    isUsable = false
  })
  return {
    settings,
    tedious,
    driver,
    context,
    server: server(),
    get isUsable() {
      return isUsable
    },
    answerTo(sink) {
      let stream: TokenStream | undefined
      insides.createTokenStreamParser = (message) => {
        stream = new TokenStream(message, sink, context)
        return stream
      }
      return { stop: () => stream?.stop(), heldRows: () => stream?.heldRows ?? 0 }
    },
    drop() {
      // The driver's close calls the request back, which drops.
      if (isDropped) return
      isDropped = true
      isUsable = false
      socket?.destroy()
      driver.close()
    },
  }
}

/** Loads the driver and tests what is ours in it, once. */
async function loadDriver(connection: string): Promise<{ readonly tedious: Tedious; readonly context: TypeContext }> {
  const { tedious: expected } = packages
  let tedious: Tedious
  try {
    tedious = await import('tedious')
  } catch (cause) {
    throw sluiceError('Connection.DriverMissing', { connection, packages: [`tedious@${expected}`] }, { cause })
  }
  const { version: found } = createRequire(import.meta.url)('tedious/package.json') as { version: string }
  try {
    const { Collation } = await import('tedious/lib/collation.js')
    const context = { connection, codePage: (collation: Buffer) => Collation.fromBuffer(collation).codepage }
    await testDecoder(context, tedious.Connection.prototype, { found, expected })
    return { tedious, context }
  } catch (cause) {
    if (isSluiceError(cause)) throw cause
    const why = 'its collations are not where they were'
    throw sluiceError('Connection.DriverChanged', { package: 'tedious', found, expected, why }, { cause })
  }
}

/** The driver's settings: everything that has a default is said. */
function configuration(settings: ConnectionSettings, connector: () => Promise<Socket>): ConnectionConfiguration {
  const { host, port, database, tls, ca, serverName } = settings
  return {
    server: host,
    authentication: authentication(settings),
    options: {
      // The socket is ours, and so is the way to a named instance.
      port,
      database,
      connector,
      encrypt: tls === 'strict' ? 'strict' : tls !== 'off',
      readOnlyIntent: settings.readOnlyIntent === true,
      trustServerCertificate: tls === 'unverified',
      cryptoCredentialsDetails: ca === undefined ? {} : { ca },
      ...(serverName === undefined ? {} : { serverName }),
      appName: 'sluice',
      connectTimeout: settings.connectTimeoutSeconds * 1000,
      // Calls have their own clock, and are cut instead of being asked to stop.
      requestTimeout: 0,
      // A refused login is reported, not repeated.
      maxRetriesOnTransientErrors: 0,
      // Fixed for each session, so that a procedure's answer depends on nothing but its parameters (SR-14). The language comes last and brings its own
      // date format with it, in which ISO dates mean what they say.
      language: 'us_english',
      dateFormat: 'mdy',
      datefirst: 7,
      textsize: 2_147_483_647,
      enableAnsiNull: true,
      enableAnsiNullDefault: true,
      enableAnsiPadding: true,
      enableAnsiWarnings: true,
      enableArithAbort: true,
      enableConcatNullYieldsNull: true,
      enableNumericRoundabort: false,
      enableQuotedIdentifier: true,
      enableImplicitTransactions: false,
      useUTC: true,
      useColumnNames: false,
      rowCollectionOnDone: false,
      rowCollectionOnRequestCompletion: false,
    },
  }
}

/** Destroys the socket as soon as the server says that it does not encrypt, where it must: the driver would send the password all the same. */
function guardSocket(socket: Socket, settings: ConnectionSettings): void {
  // Whoever waits for it hears of it; when nobody does any more, it is no reason to end the process.
  socket.on('error', () => {})
  // With `strict`, nothing is sent before TLS.
  if (settings.tls === 'off' || settings.tls === 'strict') return
  let answer: Buffer = Buffer.alloc(0)
  const inspect = (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk])
    if (answer.length < 8 || answer.length < answer.readUInt16BE(2)) return
    socket.off('data', inspect)
    if (encrypts(answer.subarray(8))) return
    const why = 'it does not encrypt, and everything would be sent in the clear'
    socket.destroy(sluiceError('Connection.Tls', { connection: settings.name, host: settings.host, why }))
  }
  socket.on('data', inspect)
}

/** Whether an answer to PRELOGIN (MS-TDS 2.2.6.5) turns encryption on: a list of token, offset and length, ended by 0xFF. */
function encrypts(answer: Buffer): boolean {
  for (let at = 0; at + 5 <= answer.length && answer[at] !== 0xff; at += 5)
    if (answer[at] === 1) return [1, 3].includes(answer[answer.readUInt16BE(at + 1)] ?? 0)
  return false
}

/** Notes what the server calls itself; nothing that it says instead may end the process. */
function readServer(insides: Insides, onError: (error: Error) => void): () => string {
  let server = ''
  const make = insides.createTokenStreamParser
  insides.createTokenStreamParser = (message, handler) => {
    const onLoginAck = handler.onLoginAck
    handler.onLoginAck = (token) => {
      const { major, minor, buildNumHi, buildNumLow } = token.progVersion
      server = `${token.progName.replace(/\0+$/, '')} ${major}.${minor}.${buildNumHi * 256 + buildNumLow}`
      onLoginAck.call(handler, token)
    }
    const parser = make.call(insides, message, handler) as Emitter & { readonly parser?: Emitter }
    const source = parser.parser ?? parser
    source.on('error', onError)
    return parser
  }
  return () => server
}

interface Emitter {
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Waits for the login, within the time and while the signal allows. */
async function login(driver: Driver, end: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => reject(end.reason as Error)
    if (end.aborted) return onAbort()
    end.addEventListener('abort', onAbort, { once: true })
    driver.connect((error) => {
      end.removeEventListener('abort', onAbort)
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
  })
}
