/**
 * A TDS 7.4 server for tests: it logs clients in, with TLS where it has a certificate, answers calls of procedures by scripts, and keeps every message
 * that it received. It is written from the protocol's description and from the client's behaviour, so it proves what our side does, not what a
 * real server does; `SLUICE_TEST_SQLSERVER_URL` points the conformance suite at one.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { KeyAndCertificate } from '../certificates.ts'
import { answerScript } from './answer.ts'
import { fedAuthAck, fedAuthInfo, ntlmAnswer, ntlmChallenge, type ReceivedLogin, readLogin, routing } from './logins.ts'
import { MessageReader, MessageWriter, packet, packetType } from './packets.ts'
import { batchText, preloginAnswer, type ReceivedCall, readCall } from './requests.ts'
import type { Script } from './script.ts'
import { startTls } from './tls.ts'
import { done, doneError, tokens } from './tokens.ts'

/** A message of a client, read and raw. */
export type ReceivedMessage = { readonly raw: Buffer } & (
  | { readonly kind: 'prelogin' | 'attention' | 'other' }
  | ({ readonly kind: 'login' } & ReceivedLogin)
  | { readonly kind: 'ntlm'; readonly user: string }
  | { readonly kind: 'batch'; readonly text: string; readonly resets: boolean }
  | ({ readonly kind: 'rpc' } & ReceivedCall)
)

export interface TdsServerOptions {
  /** By name, in lower case and without brackets: `dbo.usp_x`. */
  readonly procedures: { readonly [name: string]: (call: ReceivedCall) => Script }
  /** With a certificate, the server encrypts; without one, it answers that it cannot. */
  readonly tls?: KeyAndCertificate
  /** TLS comes before everything else (TDS 8). */
  readonly strict?: boolean
  /** Passwords by user; of users of a domain as `CORP\\reader`. @default { reader: 'secret' } */
  readonly users?: { readonly [user: string]: string }
  /** The tokens of Microsoft Entra ID that it takes. */
  readonly tokens?: readonly string[]
  /** Where it sends logins on to, as a listener does with those that only read. */
  readonly readOnlyRoute?: { readonly host: string; readonly port: number }
  /** Refuses every login with this error. */
  readonly loginError?: { readonly number: number; readonly text: string }
  /** Accepts connections, and never says anything. */
  readonly mute?: boolean
}

export interface TdsServer extends AsyncDisposable {
  readonly port: number
  /** All that was received so far, in order. */
  readonly messages: readonly ReceivedMessage[]
  /** Calls in order, without those of the catalog (`sp_sproc_columns` and others), which are among the messages. */
  calls(): readonly ReceivedCall[]
  /** Connections that are open now. */
  readonly connections: number
}

/**
 * Starts a server on a free port of the loopback.
 *
 * @example await using server = await startTdsServer({ procedures: { 'dbo.usp_x': () => resultSet([['id', types.int]], [['1']]) } })
 */
export async function startTdsServer(options: TdsServerOptions): Promise<TdsServer> {
  const messages: ReceivedMessage[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (options.mute === true) return
    const receive = (message: ReceivedMessage) => messages.push(message)
    if (options.strict !== true) serve(socket, options, receive)
    else {
      const { key, cert } = options.tls!
      const secure = new TLSSocket(socket, { isServer: true, key, cert, ALPNProtocols: ['tds/8.0'] })
      secure.on('error', () => socket.destroy())
      serve(secure, { ...options, tls: undefined as never }, receive)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    calls: () => messages.filter((m) => m.kind === 'rpc').filter(({ procedure }) => !isCatalog.test(procedure)),
    get connections() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

const isCatalog = /(^|\.)sp_(sproc_columns|stored_procedures|describe_first_result_set)$/

interface Client {
  readonly options: TdsServerOptions
  readonly receive: (message: ReceivedMessage) => void
  stream: Duplex
  packetSize: number
  attention: boolean
  asked?: ReceivedLogin & { readonly packetSize: number }
}

function serve(
  socket: Socket | TLSSocket,
  options: TdsServerOptions,
  receive: (message: ReceivedMessage) => void,
): void {
  const client: Client = { options, receive, stream: socket, packetSize: 4096, attention: false }
  let turn = Promise.resolve()
  const listen = (stream: Duplex) => {
    client.stream = stream
    const reader = new MessageReader((type, raw, resets) => {
      if (type === packetType.attention) {
        client.attention = true
        receive({ kind: 'attention', raw })
      } else if (type === packetType.prelogin) {
        receive({ kind: 'prelogin', raw })
        socket.write(packet(packetType.answer, preloginAnswer(options.tls === undefined ? 2 : 1), true))
        if (options.tls === undefined) return
        socket.removeAllListeners('data')
        listen(startTls(socket, options.tls))
      } else turn = turn.then(() => handle(client, type, raw, resets)).catch(() => void socket.destroy())
    })
    stream.on('data', (chunk: Buffer) => reader.push(chunk))
  }
  listen(socket)
}

async function handle(client: Client, type: number, raw: Buffer, resets: boolean): Promise<void> {
  const writer = new MessageWriter(client.stream, client.packetSize)
  if (type === packetType.login) await login(client, raw, writer)
  else if (type === packetType.ntlm) await ntlm(client, raw, writer)
  else if (type === packetType.rpc) return await call(client, raw, writer)
  else if (type === packetType.batch) {
    const text = batchText(raw)
    client.receive({ kind: 'batch', raw, text, resets })
    if (resets) await writer.write(tokens.change(18, '', ''))
    // The driver sets its session with one batch of SETs; any other text is somebody's SQL.
    const isSettings = text.split('\n').every((line) => /^set [a-z_ ]+ [a-z0-9_]+$/.test(line))
    if (!isSettings)
      await writer.write(tokens.message({ number: 50_000, class: 16, text: 'No SQL is taken here.' }, true))
    await writer.write(tokens.done(done.batch, isSettings ? 0 : doneError, 0))
  } else {
    client.receive({ kind: 'other', raw })
    await writer.write(tokens.done(done.batch, 0, 0))
  }
  await writer.end()
}

async function login(client: Client, raw: Buffer, writer: MessageWriter): Promise<void> {
  const asked = readLogin(raw)
  client.receive({ kind: 'login', raw, ...asked })
  client.asked = { ...asked, packetSize: raw.readUInt32LE(8) || 4096 }
  if (asked.ntlm) return await writer.write(ntlmChallenge())
  if (asked.wantsToken)
    return await writer.write(fedAuthInfo('https://login.example.com/', 'https://database.example.com/'))
  const { users = { reader: 'secret' }, tokens: known = [] } = client.options
  const isRight = asked.token === undefined ? users[asked.user] === asked.password : known.includes(asked.token)
  await admit(client, writer, isRight, asked.token === undefined ? asked.user : '<token-identified principal>')
}

async function ntlm(client: Client, raw: Buffer, writer: MessageWriter): Promise<void> {
  const { user, isRight } = ntlmAnswer(raw, client.options.users ?? {})
  client.receive({ kind: 'ntlm', raw, user })
  await admit(client, writer, isRight, user)
}

/** Lets a login in, sends it on, or refuses it. */
async function admit(client: Client, writer: MessageWriter, isRight: boolean, user: string): Promise<void> {
  const { options, asked } = client
  const refusal =
    options.loginError ?? (isRight ? undefined : { number: 18_456, text: `Login failed for user '${user}'.` })
  if (refusal !== undefined) {
    await writer.write(tokens.message({ ...refusal, class: 14 }, true))
    await writer.write(tokens.done(done.batch, doneError, 0))
    return
  }
  const { database, language, packetSize, readOnlyIntent, token } = asked!
  await writer.write(tokens.change(1, database, 'master'))
  await writer.write(tokens.collation())
  await writer.write(tokens.change(2, language, ''))
  await writer.write(tokens.loginAck())
  if (token !== undefined) await writer.write(fedAuthAck())
  if (readOnlyIntent && options.readOnlyRoute !== undefined) await writer.write(routing(options.readOnlyRoute))
  await writer.write(tokens.change(4, String(packetSize), '4096'))
  await writer.write(tokens.done(done.batch, 0, 0))
  client.packetSize = packetSize
}

async function call(client: Client, raw: Buffer, writer: MessageWriter): Promise<void> {
  const received = readCall(raw)
  client.receive({ kind: 'rpc', raw, ...received })
  const procedure = client.options.procedures[received.procedure]
  if (procedure === undefined) {
    const text = `Could not find stored procedure '${received.sentName}'.`
    await writer.write(tokens.message({ number: 2_812, class: 16, text }, true))
    await writer.write(tokens.done(done.procedure, doneError, 0))
    return await writer.end()
  }
  const end = await answerScript(procedure(received), writer, () => client.stream.destroyed || client.attention)
  if (end === 'answered') await writer.end()
  else if (end === 'cut') client.stream.destroy()
}
