/**
 * The initial copy: all rows of the published tables as they were at the slot's point, with no gap and no overlap to the stream.
 *
 * The state is exported by the connection that created the slot, and seen by any number of others while that one is open: one that is lost is
 * made again, and its chunk with it. Once the exporting one is gone, only tables that are whole are of use; see `first-copy.ts`.
 */
import { type Clock, systemClock } from '../../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'
import { workThrough } from '../../../base/queue.ts'
import type { ConnectionSettings } from '../../../connections/connection.ts'
import { dropPostgres } from '../../../connections/postgres/connect.ts'
import { quoteIdentifier, quoteText } from '../../../sql/quote.ts'
import type { ChangeLogWriter, Point } from '../log-writer.ts'
import type { PublishedTable } from '../published-tables.ts'
import { readingClient } from '../reading.ts'
import { type ReplicationSocket, readRefusal, takeOver } from '../wire/replication-socket.ts'
import type { CreatedSlot } from '../wire/stream.ts'
import { copyReader } from './copy-image.ts'

/** Where copied rows go. */
export interface CopySink extends Pick<ChangeLogWriter, 'addShape'> {
  /** Begins a chunk of a table, which counts only once it is kept. */
  openChunk(table: string): Promise<ChunkSink>
  /** All chunks of a table are kept; called once for each table. */
  finishTable?(table: PublishedTable, rows: number, at: Point): Promise<void>
}

/** Where the rows of a chunk go. */
export interface ChunkSink extends Pick<ChangeLogWriter, 'addCopied' | 'drain'> {
  keep(): Promise<void>
  discard(): Promise<void>
}

/** What is copied. */
export interface SnapshotOptions {
  readonly settings: ConnectionSettings
  readonly slot: CreatedSlot
  readonly tables: readonly PublishedTable[]
  readonly writer: CopySink
  /** Connections at once. @default 2 */
  readonly connections?: number
  /** Pages of a chunk. @default 8192, which is 64 MiB */
  readonly chunkPages?: number
  readonly signal: AbortSignal
  /** Called when a connection was lost, and its chunk is copied again. */
  readonly onLost?: (table: string) => void
  readonly clock?: Clock
}

/** A part of a table. */
interface Chunk {
  readonly table: PublishedTable
  readonly sql: string
}

/**
 * Copies the tables into the log, as rows of operation S at the slot's point.
 *
 * @example await copySnapshot({ settings, slot, tables, writer, signal }) // rows by table
 * @returns how many rows of each table were copied, as the server counted them
 * @throws Source.SnapshotLost (transient)
 */
export async function copySnapshot(options: SnapshotOptions): Promise<ReadonlyMap<string, number>> {
  const { tables, writer, connections = 2, chunkPages = 8192, slot } = options
  const chunks = tables.flatMap((table) => chunksOf(table, chunkPages))
  const left = new Map(tables.map((table) => [table, chunks.filter((chunk) => chunk.table === table).length]))
  const counts = new Map(tables.map(({ relation }) => [relation.table, 0]))
  let point: Point | undefined
  const finish = async ({ table }: Chunk, rows: number): Promise<void> => {
    const name = table.relation.table
    const [count, chunksLeft] = [counts.get(name)! + rows, left.get(table)! - 1]
    counts.set(name, count)
    left.set(table, chunksLeft)
    if (chunksLeft === 0) await writer.finishTable?.(table, count, point!)
  }
  const work = async (chunksLeft: Iterable<Chunk>, signal: AbortSignal): Promise<void> => {
    let copying = 'the tables'
    let worker: Worker | undefined
    try {
      worker = await patiently(options, signal, () => openWorker(options.settings, slot, signal))
      // The first connection says when the copy was taken; shapes come before rows.
      if (point === undefined) for (const { relation } of tables) writer.addShape(relation, worker.point)
      point ??= worker.point
      for (const chunk of chunksLeft) {
        copying = chunk.table.relation.table
        const rows = await patiently(options, signal, async (tries) => {
          if (tries > 0) {
            options.onLost?.(copying)
            worker?.close()
            worker = await openWorker(options.settings, slot, signal)
          }
          return copyWhole(worker!.socket, chunk, point!, writer, options.settings.name)
        })
        await finish(chunk, rows)
      }
    } catch (error) {
      options.signal.throwIfAborted()
      if (isSluiceError(error)) throw error
      throw sluiceError('Source.SnapshotLost', { table: copying, why: (error as Error).message }, { cause: error })
    } finally {
      worker?.close()
    }
  }
  await workThrough(chunks, { workers: connections, signal: options.signal }, work)
  return counts
}

/** Times that something is tried again which a lost connection has ended, and the first wait, which doubles. */
const [retries, retryMs] = [5, 250]

async function patiently<T>(
  { clock = systemClock }: SnapshotOptions,
  signal: AbortSignal,
  work: (tries: number) => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work(tries)
    } catch (error) {
      if (signal.aborted || tries === retries || !isLost(error)) throw error
      await clock.sleep(retryMs * 2 ** tries, signal)
    }
  }
}

/** Whether a connection was lost, and another one may do better: not where the server has answered no. */
function isLost(error: unknown): boolean {
  if (isSluiceError(error, 'Connection.Unreachable')) return true
  const { message, code = '' } = ((error as Error).cause ?? error) as {
    readonly message?: string
    readonly code?: string
  }
  return (
    /^(08|57P|25P0[34]|E(CONN[A-Z]+|PIPE|TIMEDOUT|[A-Z]+UNREACH)$)/.test(code) ||
    /^Connection terminated/.test(message ?? '')
  )
}

/** Copies a chunk, all of it or nothing. */
async function copyWhole(
  socket: ReplicationSocket,
  chunk: Chunk,
  at: Point,
  writer: CopySink,
  connection: string,
): Promise<number> {
  const sink = await writer.openChunk(chunk.table.relation.table)
  try {
    const rows = await copyChunk(socket, chunk, at, sink, connection)
    await sink.keep()
    return rows
  } catch (error) {
    await sink.discard()
    throw error
  }
}

/** By ranges of pages; the last has no end, so that no row is beyond it. */
function chunksOf(table: PublishedTable, chunkPages: number): readonly Chunk[] {
  const { relation, schema, name, isPartitioned, pages, rowFilter } = table
  const columns = relation.columns.map((column) => quoteIdentifier(column.name)).join(', ')
  const from = `${isPartitioned ? '' : 'ONLY '}${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
  const count = Math.max(1, Math.ceil(pages / chunkPages))
  return Array.from({ length: count }, (_, i) => {
    const conditions = [
      ...(i === 0 ? [] : [`ctid >= '(${i * chunkPages},0)'::tid`]),
      ...(i === count - 1 ? [] : [`ctid < '(${(i + 1) * chunkPages},0)'::tid`]),
      ...(rowFilter === undefined ? [] : [`(${rowFilter})`]),
    ]
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
    return { table, sql: `COPY (SELECT ${columns} FROM ${from}${where}) TO STDOUT` }
  })
}

interface Worker {
  readonly socket: ReplicationSocket
  readonly point: Point
  close(): void
}

/** A connection that sees the exported state. */
async function openWorker(settings: ConnectionSettings, slot: CreatedSlot, signal: AbortSignal): Promise<Worker> {
  const client = await readingClient(settings, signal)
  const drop = (): void => dropPostgres(client)
  signal.addEventListener('abort', drop, { once: true })
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    await client.query(`SET TRANSACTION SNAPSHOT ${quoteText(slot.snapshot)}`)
    const { rows } = await client.query<{ at: string }>(
      'SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at',
    )
    const socket = takeOver(client, false)
    return {
      socket,
      point: { lsn: slot.consistentPoint, committedAt: BigInt(rows[0]!.at) },
      close() {
        signal.removeEventListener('abort', drop)
        socket.close()
      },
    }
  } catch (error) {
    drop()
    throw error
  }
}

/** Copies a chunk; answers its rows, which the server must have counted as many. */
async function copyChunk(
  socket: ReplicationSocket,
  chunk: Chunk,
  at: Point,
  writer: ChunkSink,
  connection: string,
): Promise<number> {
  const { relation } = chunk.table
  const { table } = relation
  const read = copyReader(relation)
  const lost = (why: string, code?: string): Error =>
    sluiceError('Source.SnapshotLost', { table, why }, code === undefined ? {} : { cause: { code } })
  let rows = 0
  let counted: number | undefined
  socket.query(chunk.sql)
  for (;;) {
    const block = await socket.next()
    if (block === undefined) throw lost('the connection was lost', 'ECONNRESET')
    for (let p = 0; p < block.length; ) {
      const start = p + 5
      const end = p + 1 + block.readInt32BE(p + 1)
      switch (block[p]) {
        case 0x64: {
          rows++
          if (writer.addCopied({ table, image: read(block, start, end), at })) await writer.drain()
          break
        }
        case 0x45: {
          const { text, code } = readRefusal(block, p)
          // insufficient_privilege: the server's words say which.
          if (code === '42501')
            throw /row-level security/.test(text)
              ? sluiceError('Source.RowsHidden', { table, connection })
              : sluiceError('Source.TableDenied', { table, connection, why: text })
          throw lost(text, code)
        }
        case 0x43:
          counted = Number(/^COPY (\d+)\0$/.exec(block.toString('latin1', start, end))?.[1])
          break
        case 0x5a:
          if (rows !== counted) throw lost(`${rows} rows came, and the server counted ${counted}`)
          return rows
      }
      p = end
    }
  }
}
