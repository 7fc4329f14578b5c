/**
 * The stream of changes: the replication connection, from its slot's position on, as whole transactions.
 *
 * What the server is told as flushed is what was committed, never more: everything else comes again.
 */
import type pg from 'pg'
import type { Clock } from '../../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'
import { compareLsn, type Lsn, parseLsn, printLsn } from '../../../changes/lsn.ts'
import type { ConnectionSettings } from '../../../connections/connection.ts'
import { connectPostgres, dropPostgres } from '../../../connections/postgres/connect.ts'
import { quoteIdentifier, quoteText } from '../../../sql/quote.ts'
import type { Assembler, Transaction } from '../transactions.ts'
import type { Micros } from './pgoutput.ts'
import { dataHeader, isData, readKeepalive, sentAt, statusUpdate } from './replication-frames.ts'
import { readRefusal, takeOver } from './replication-socket.ts'

/** Which server this is, and how far it has written. */
export interface ServerIdentity {
  readonly system: string
  readonly timeline: number
  /** The end of what is durable on the server. */
  readonly position: Lsn
}

/** A new slot. */
export interface CreatedSlot {
  /** Everything that commits after this position will be sent; everything before is in the snapshot. */
  readonly consistentPoint: Lsn
  /** For `SET TRANSACTION SNAPSHOT`, as long as this connection is open and does nothing else. */
  readonly snapshot: string
}

/** How a stream is opened. */
export interface StreamOptions {
  readonly settings: ConnectionSettings
  readonly slot: string
  readonly publication: string
  /** The committed position. */
  readonly from: Lsn
  readonly assembler: Assembler
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How often the server is told, at least. @default 10_000 */
  readonly statusMs?: number
}

/** What a reading takes, and when it ends. */
export interface Reading {
  take(transaction: Transaction): Promise<void>
  /** Asked after each transaction: whether the batch is full. */
  isFull(): boolean
  /** Reads to this position of the server, and ends. */
  readonly until?: Lsn
  /** Ends after so long, at the next boundary. */
  readonly waitMs?: number
}

/** An open stream. */
export interface ChangeStream {
  /**
   * Hands over whole transactions, in order of commit.
   *
   * @returns why it ended: the batch is full, the position is reached, or the time is over
   * @throws Source.StreamLost, Source.StreamRefused, Source.SlotBusy, Source.SlotLost, and what the assembler and `take` throw
   */
  read(reading: Reading): Promise<'full' | 'reached' | 'waited'>
  /** Whatever commits up to here has been handed over; a commit of that may move the cursor here. */
  readonly position: Lsn
  /** How far the server had sent when it last said so, and when that was. */
  readonly server: { readonly position: Lsn; readonly sentAt: Micros }
  /** Says that everything up to here is committed: the server may forget it. */
  acknowledge(committed: Lsn): void
  close(): void
}

/** How often the server is asked how far it is, while a position of it is waited for. */
const askMs = 500

/** Opens a connection for replication; the caller ends it. @example await using client = await replicationClient(settings, signal) */
export function replicationClient(settings: ConnectionSettings, signal: AbortSignal): Promise<pg.Client> {
  return connectPostgres(settings, { signal, replication: true, applicationName: 'sluice' })
}

/** Asks which server this is. @example const { system, position } = await identifyServer(client) */
export async function identifyServer(client: pg.Client): Promise<ServerIdentity> {
  const { rows } = await client.query<{ systemid: string; timeline: string; xlogpos: string }>('IDENTIFY_SYSTEM')
  const { systemid, timeline, xlogpos } = rows[0]!
  return { system: systemid, timeline: Number(timeline), position: parseLsn(xlogpos) }
}

/**
 * Creates a slot, and exports the state of the database at its point. The connection must do nothing else while the snapshot is used.
 *
 * @param given.temporary gone with the connection: for a look at the state at a position
 * @param given.failover whether standbys take it over; from version 17
 * @throws Source.StreamRefused
 */
export async function createSlot(
  client: pg.Client,
  slot: string,
  connection: string,
  { temporary = false, failover = false }: { readonly temporary?: boolean; readonly failover?: boolean } = {},
): Promise<CreatedSlot> {
  // Older servers do not know options in brackets.
  const options = failover ? `(SNAPSHOT 'export', FAILOVER)` : 'EXPORT_SNAPSHOT'
  const command = `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} ${temporary ? 'TEMPORARY ' : ''}LOGICAL pgoutput ${options}`
  try {
    const { rows } = await client.query<{ consistent_point: string; snapshot_name: string }>(command)
    const { consistent_point, snapshot_name } = rows[0]!
    return { consistentPoint: parseLsn(consistent_point), snapshot: snapshot_name }
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    throw sluiceError('Source.StreamRefused', { connection, code, why: message }, { cause: error })
  }
}

/**
 * Opens the stream.
 *
 * @example
 * const stream = await openStream({ settings, slot, publication, from: cursor.position, assembler, clock, signal })
 * await stream.read({ take: (transaction) => writer.add(transaction), isFull: () => writer.rows > 1e6, until: server.position })
 * // … after the commit:
 * stream.acknowledge(stream.position)
 */
export async function openStream(options: StreamOptions): Promise<ChangeStream> {
  const { settings, slot, publication, from, assembler, clock, signal } = options
  const client = await replicationClient(settings, signal)
  const publications = quoteText(quoteIdentifier(publication))
  const socket = takeOver(client, true)
  socket.query(
    `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${printLsn(from)} (proto_version '2', streaming 'on', publication_names ${publications})`,
  )
  let flushed = from
  let position = from
  let server: ChangeStream['server'] = { position: from, sentAt: 0n }
  /** What was read and not yet looked at. */
  let block: Buffer = Buffer.alloc(0)
  let at = 0
  let coming: Promise<Buffer | undefined> | undefined

  function tell(wantsReply = false): void {
    const [, written] = [server.position, position].sort(compareLsn) as [Lsn, Lsn]
    socket.send(statusUpdate({ written, flushed, at: BigInt(clock.now().getTime()) * 1000n, wantsReply }))
  }
  const beat = setInterval(() => tell(), options.statusMs ?? 10_000)
  const abort = (): void => socket.close()
  signal.addEventListener('abort', abort, { once: true })

  function close(): void {
    clearInterval(beat)
    signal.removeEventListener('abort', abort)
    socket.close()
    dropPostgres(client)
    assembler.close()
  }

  /** Looks at the next message of the block; answers the transaction that it completes. */
  function step(): Transaction | undefined {
    const kind = block[at]
    const start = at + 5
    const end = at + 1 + block.readInt32BE(at + 1)
    if (kind === 0x45) throw refused(options, readRefusal(block, at))
    at = end
    if (kind !== 0x64) return undefined
    if (isData(block, start, end)) {
      const transaction = assembler.push(block, start + dataHeader, end)
      if (transaction === undefined) return undefined
      if (transaction.endLsn > server.position) server = { position: transaction.endLsn, sentAt: sentAt(block, start) }
      return transaction
    }
    const alive = readKeepalive(block, start)
    server = { position: alive.walEnd, sentAt: alive.sentAt }
    // Whatever commits before has been sent, and handed over. What is still open is sent again from its beginning to whoever begins here.
    if (alive.walEnd > position) position = alive.walEnd
    if (alive.wantsReply) tell()
    return undefined
  }

  /** Waits for more, and for no longer than so many milliseconds; answers whether more came. */
  async function more(ms: number): Promise<boolean> {
    let came = false
    const done = (): void => {
      came = true
    }
    coming ??= socket.next()
    const settled = coming.then(done, done)
    if (Number.isFinite(ms)) {
      const waiting = new AbortController()
      await Promise.race([settled, clock.sleep(ms, waiting.signal)])
      waiting.abort()
      if (!came) return false
    }
    const next = await coming.catch((error: Error) => {
      throw isSluiceError(error) ? error : lost(settings.name, error.message, error)
    })
    coming = undefined
    if (next === undefined) throw lost(settings.name, 'the server closed it')
    block = next
    at = 0
    return true
  }

  async function read({ take, isFull, until, waitMs }: Reading): Promise<'full' | 'reached' | 'waited'> {
    const deadline = waitMs === undefined ? Number.POSITIVE_INFINITY : clock.now().getTime() + waitMs
    for (;;) {
      while (at < block.length) {
        const transaction = step()
        if (transaction !== undefined) {
          await take(transaction)
          position = transaction.endLsn
          if (isFull()) return 'full'
        }
        if (until !== undefined && position >= until) return 'reached'
      }
      const left = deadline - clock.now().getTime()
      if (left <= 0) return 'waited'
      // The server says how far it is when it is asked.
      if (until !== undefined) tell(true)
      await more(until === undefined ? left : Math.min(left, askMs))
    }
  }

  return {
    async read(reading) {
      try {
        return await read(reading)
      } catch (error) {
        signal.throwIfAborted()
        throw error
      }
    },
    get position() {
      return position
    },
    get server() {
      return server
    },
    acknowledge(committed) {
      flushed = committed
      tell()
    },
    close,
  }
}

function lost(connection: string, why: string, cause?: unknown): Error {
  return sluiceError('Source.StreamLost', { connection, why }, { cause })
}

function refused({ settings, slot, from }: StreamOptions, { code, text }: { code: string; text: string }): Error {
  const pid = /PID (\d+)/.exec(text)?.[1]
  if (code === '55006')
    return sluiceError('Source.SlotBusy', { slot, pid: pid === undefined ? text : `process ${pid}` })
  if (code === '42704' || (code === '55000' && /slot/i.test(text)))
    return sluiceError('Source.SlotLost', { slot, why: text, position: printLsn(from) })
  if (/^(57P0|08)/.test(code)) return lost(settings.name, text)
  return sluiceError('Source.StreamRefused', { connection: settings.name, code, why: text })
}
