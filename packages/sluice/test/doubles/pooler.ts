/**
 * A pooler in front of a real PostgreSQL server, as PgBouncer is with `pool_mode = transaction`: many clients over few sessions of the server, each
 * lent for one transaction, in turn, so that no client has the same one twice in a row. https://www.pgbouncer.org/features.html
 *
 * Between two transactions another client works in each session and leaves its settings there: that is what `left` says.
 */
import { randomInt } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import pg from 'pg'
import type { PostgresServer } from '../servers/postgres.ts'

/** How the pooler lends. */
export interface PoolerOptions {
  /** Sessions of the server. @default 2 */
  readonly size?: number
  /** What another client has run in a session before it is lent; several statements, with `;` between them. */
  readonly left?: string
  /** Who the sessions log in as. @default the server's superuser */
  readonly user?: string
  readonly password?: string
}

/** A running pooler; clients are taken without a password. */
export interface Pooler extends AsyncDisposable {
  readonly port: number
  /** How often a session was lent, and by how many sessions the client that was served longest was served. */
  readonly lent: number
  readonly mostSessions: number
}

interface Session {
  readonly socket: Socket
  /** What arrives for whoever has it now. */
  take: (type: string, message: Buffer) => void
}

/** Starts a pooler. @example await using pooler = await startPooler(server, { left: 'SET search_path TO other' }) */
export async function startPooler(server: PostgresServer, options: PoolerOptions = {}): Promise<Pooler> {
  const { size = 2, left = '', user = server.user, password = server.password } = options
  const free: Session[] = []
  const waiting: ((session: Session) => void)[] = []
  const sockets = new Set<Socket>()
  let [lent, mostSessions] = [0, 0]
  const open = async (): Promise<void> => give(await openSession({ ...server, user, password }, sockets))
  const give = (session: Session): void => {
    const next = waiting.shift()
    if (next === undefined) free.push(session)
    else next(session)
  }
  const borrow = async (): Promise<Session> => {
    const session = free.shift() ?? (await new Promise<Session>((done) => waiting.push(done)))
    lent++
    if (left !== '') await runIn(session, left)
    return session
  }
  for (let at = 0; at < size; at++) await open()

  const listening = createServer({ noDelay: true }, (client) => {
    sockets.add(client)
    const used = new Set<Session>()
    let session: Session | undefined
    // Messages that have been sent and are answered by a ReadyForQuery each.
    let unanswered = 0
    let turn: Promise<void> = Promise.resolve()
    const forward = async (type: string, message: Buffer): Promise<void> => {
      if (type === 'X') return void client.end()
      if (session === undefined) {
        session = await borrow()
        used.add(session)
        mostSessions = Math.max(mostSessions, used.size)
        session.take = (answer, bytes) => {
          client.write(bytes)
          if (answer !== 'Z' || --unanswered > 0 || bytes[5] !== 0x49 /* idle */) return
          const done = session!
          session = undefined
          give(done)
        }
      }
      if (type === 'Q' || type === 'S') unanswered++
      session.socket.write(message)
    }
    const logIn = (): void => {
      client.write(
        Buffer.concat([
          packet('R', int(0)),
          ...Object.entries({ server_version: '18.0', client_encoding: 'UTF8' }).map(([name, value]) =>
            packet('S', Buffer.from(`${name}\0${value}\0`)),
          ),
          packet('K', Buffer.concat([int(randomInt(2 ** 30)), int(randomInt(2 ** 30))])),
          packet('Z', Buffer.from('I')),
        ]),
      )
      client.on(
        'data',
        messages((type, message) => {
          turn = turn.then(() => forward(type, message)).catch((error) => void client.destroy(error))
        }),
      )
    }
    client.once('data', (startup) => {
      // No TLS here.
      if (startup.readInt32BE(4) !== 80_877_103) return logIn()
      client.write('N')
      client.once('data', logIn)
    })
    client.on('error', (error) => console.error(error))
    // A session whose transaction its client has left is closed, and another one opened for the next.
    client.on('close', () => {
      sockets.delete(client)
      if (session === undefined) return
      session.socket.destroy()
      void open().catch(() => undefined)
    })
  })
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done))
  return {
    port: (listening.address() as { port: number }).port,
    get lent() {
      return lent
    },
    get mostSessions() {
      return mostSessions
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => listening.close(done))
    },
  }
}

/** Logs in by the driver, and takes its socket away from it. */
async function openSession(
  { host, port, user, password, database }: PostgresServer,
  sockets: Set<Socket>,
): Promise<Session> {
  const driver = new pg.Client({ host, port, user, password, database, ssl: false })
  await driver.connect()
  const socket = driver.connection.stream as Socket
  socket.removeAllListeners()
  socket.setNoDelay(true)
  const session: Session = { socket, take: () => undefined }
  sockets.add(socket)
  socket.on(
    'data',
    messages((type, message) => session.take(type, message)),
  )
  socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  return session
}

/** Another client's transaction. */
async function runIn(session: Session, sql: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    session.take = (type, message) => {
      if (type === 'E') fail(new Error(message.toString()))
      if (type === 'Z') done()
    }
    session.socket.write(packet('Q', Buffer.from(`${sql}\0`)))
  })
}

/** Cuts a stream into messages. */
function messages(take: (type: string, message: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1
      const message = rest.subarray(0, end)
      rest = rest.subarray(end)
      take(String.fromCharCode(message[0]!), message)
    }
  }
}

function packet(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int(body.length + 4), body])
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/**
 * What another client leaves in a session: every setting that gives names, values or statements another meaning, and temporary tables called like
 * ours. Needs {@link hostileSetUp}.
 */
export const hostileSettings = [
  'BEGIN READ WRITE',
  'SET SESSION AUTHORIZATION DEFAULT',
  'CREATE TEMP TABLE IF NOT EXISTS target (nothing text)',
  'CREATE TEMP TABLE IF NOT EXISTS load_ledger (nothing text)',
  'CREATE TEMP TABLE IF NOT EXISTS pg_namespace (nothing text)',
  'CREATE TEMP TABLE IF NOT EXISTS sluice_live (nothing text)',
  'SET search_path TO hostile',
  "SET DateStyle TO 'SQL, DMY'",
  'SET IntervalStyle TO sql_standard',
  "SET TimeZone TO 'Asia/Kathmandu'",
  'SET standard_conforming_strings TO off',
  'SET extra_float_digits TO -15',
  'SET bytea_output TO escape',
  'SET client_encoding TO LATIN1',
  "SET default_transaction_isolation TO 'serializable'",
  'SET default_transaction_read_only TO on',
  'SET statement_timeout TO 2000',
  'SET lock_timeout TO 1',
  'SET idle_in_transaction_session_timeout TO 2000',
  'SET session_replication_role TO replica',
  'SET row_security TO on',
  'SET lc_monetary TO "C.UTF-8"',
  'SET transform_null_equals TO on',
  'SET array_nulls TO off',
  'SET ROLE hostile',
  'COMMIT',
].join('; ')

/** Makes the schema and the role of {@link hostileSettings}: a schema with tables called like ours. */
export async function hostileSetUp(server: PostgresServer): Promise<void> {
  const client = await server.superuserClient()
  await client
    .query(
      `CREATE ROLE hostile; CREATE SCHEMA hostile;
       CREATE TABLE hostile.target (id integer, day date, amount decimal(12,3), note text); INSERT INTO hostile.target VALUES (1, NULL, 0, 'theirs');
       CREATE FUNCTION hostile.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$`,
    )
    .finally(() => client.end())
}
