/**
 * A change log, made of a server's bytes as they may come: a first copy at any commit, connections that are lost at any byte, a slot that steps
 * back, batches of any size, and comparisons where the slot was lost with what it kept.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import type pg from 'pg'
import type { Session } from '../../src/engines/engine.ts'
import { type CopiedTable, copyLog } from '../../src/sources/cdc/copy/copy-log.ts'
import { copyStage, writeMissed } from '../../src/sources/cdc/copy/resnapshot.ts'
import type { CopySink } from '../../src/sources/cdc/copy/snapshot.ts'
import { shapeDigest } from '../../src/sources/cdc/cursor.ts'
import { type ChangeLogWriter, changeLogWriter, type Point } from '../../src/sources/cdc/log-writer.ts'
import type { PublishedTable } from '../../src/sources/cdc/published-tables.ts'
import { type Assembler, type Transaction, transactionAssembler } from '../../src/sources/cdc/transactions.ts'
import { textImage } from '../../src/sources/cdc/wire/image.ts'
import { type Decoder, pgoutputDecoder } from '../../src/sources/cdc/wire/pgoutput.ts'
import type { Relation } from '../../src/sources/cdc/wire/relation.ts'
import { dataHeader, isData } from '../../src/sources/cdc/wire/replication-frames.ts'
import { takeOver } from '../../src/sources/cdc/wire/replication-socket.ts'
import type { Done, ModelServer, ModelTable, State } from '../cdc/model.ts'
import { encode, frame } from '../cdc/pgoutput-encoder.ts'
import { filesSql } from './folding.ts'

/** One connection to the server. */
interface Connection {
  /** The slot is lost before it, with so many transactions: what they changed is found by a comparison. */
  readonly missed: number | undefined
  /** The slot begins so many transactions before the cursor. */
  readonly back: number
  /** So many bytes of what the server would send come, in thousandths; and in pieces of this size. */
  readonly share: number
  readonly piece: number
  /** So many transactions are committed together; the connection takes with it what was not. */
  readonly batch: number
}

/** How a server's changes come. */
export interface Delivery {
  /** The commit at which the first copy is made; none at 0. */
  readonly copyAt: number
  readonly connections: readonly Connection[]
}

/** Any delivery. After its connections a last one brings the rest. */
export const delivery: fc.Arbitrary<Delivery> = fc.record({
  copyAt: fc.oneof(fc.constant(0), fc.nat(20)),
  connections: fc.array(
    fc.record({
      missed: fc.option(fc.nat(3), { freq: 5, nil: undefined }),
      back: fc.nat(3),
      share: fc.nat(1000),
      piece: fc.constantFrom(61, 1000, 70_000),
      batch: fc.constantFrom(1, 2, 4, 40),
    }),
    { maxLength: 4, size: 'max' },
  ),
})

/** What is committed together. */
export interface LogBatch {
  readonly files: readonly string[]
  readonly rows: number
}

/** A moment of the server that the log knows: the end of a transaction, of the first copy, or of a comparison. */
export interface Moment {
  readonly lsn: bigint
  readonly committedAt: bigint
  readonly state: State
}

/** A log. */
export interface DeliveredLog {
  readonly batches: readonly LogBatch[]
  /** In order, and which of them is the last of each batch. */
  readonly moments: readonly Moment[]
  readonly ends: readonly Moment[]
}

interface Cursor {
  readonly position: bigint
  readonly shapes: ReadonlyMap<string, string>
  readonly effectiveAt: bigint
}

/** So many batches are cut as they are declared; what comes after is cut less, since each costs a fold of every table. */
const enough = 7

/** Makes the log. */
export async function deliver(
  session: Session,
  folder: string,
  server: ModelServer,
  { copyAt, connections }: Delivery,
): Promise<DeliveredLog> {
  const commits = server.transactions.filter((one) => one.commits)
  const batches: LogBatch[] = []
  const moments: Moment[] = []
  const ends: Moment[] = []
  let cursor: Cursor = { position: 0n, shapes: new Map(), effectiveAt: 0n }
  /** The slot's first position. */
  let slot = 0n
  let [folders, comparisons] = [0, 0]
  const own = (): string => {
    const path = join(folder, `${folders++}`)
    mkdirSync(path)
    return path
  }
  const momentOf = ({ endLsn: lsn, committedAt, state }: Done): Moment => ({ lsn, committedAt, state })
  const commit = (
    files: readonly { localFile: string }[],
    rows: number,
    next: Cursor,
    brought: readonly Moment[],
  ): void => {
    // What brought nothing is not committed, and comes again.
    if (rows === 0) return
    cursor = next
    moments.push(...brought)
    batches.push({ files: files.map(({ localFile }) => localFile), rows })
    ends.push(moments.at(-1)!)
  }
  const openWriter = (decoder: Decoder): Promise<ChangeLogWriter> =>
    changeLogWriter({
      ...{ session, folder: own(), partitionBy: 'day', types: decoder.types },
      tables: new Set(server.tables.map(({ table }) => table)),
      ...{ shapes: cursor.shapes, effectiveAt: cursor.effectiveAt },
    })
  const commitWritten = async (writer: ChangeLogWriter, position: bigint, brought: readonly Moment[]) => {
    const { files, accounting, shapes, effectiveAt } = await writer.finish()
    commit(files, accounting.accepted, { position, shapes, effectiveAt }, brought)
  }
  /** The server's rows as they are after a commit; each table's after a chunk that was lost on its way. */
  const copyRows = async (writer: CopySink, { lsn, committedAt, state }: Moment): Promise<readonly Relation[]> => {
    const { relations, rows } = copied(server, state)
    const at = { lsn, committedAt }
    for (const relation of relations) writer.addShape(relation, at)
    for (const relation of relations) {
      const { table } = relation
      const some = rows.filter((row) => row.table === table)
      for (const isLost of [true, false]) {
        const chunk = await writer.openChunk(table)
        for (const row of isLost ? some.slice(1) : some) if (chunk.addCopied({ ...row, at })) await chunk.drain()
        await (isLost ? chunk.discard() : chunk.keep())
      }
      await writer.finishTable?.({ relation } as PublishedTable, some.length, at)
    }
    return relations
  }

  const first = commits[Math.min(copyAt, commits.length) - 1]
  if (first !== undefined) {
    const tables: CopiedTable[] = []
    const take = async (table: CopiedTable): Promise<void> => {
      tables.push(table)
    }
    const moment = momentOf(first)
    const options = { session, folder: own(), partitionBy: 'day', types: new Map(), firstNumber: 0 } as const
    await copyRows(copyLog({ ...options, take, progress: () => {} }), moment)
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    const shapes = new Map(tables.map(({ relation, shape }) => [relation.table, shapeDigest(shape)]))
    const { effectiveAt } = tables[0]!
    const files = tables.flatMap((table) => table.files)
    commit(files, rows, { position: first.endLsn, shapes, effectiveAt }, [moment])
    slot = first.endLsn
  }
  const last: Connection = { missed: undefined, back: 2, share: 1000, piece: 70_000, batch: 7 }
  for (const { missed, back, share, piece, batch } of [...connections, last]) {
    let place = commits.findLastIndex(({ endLsn }) => endLsn <= cursor.position)
    if (missed !== undefined && batches.length > 0) {
      place = Math.min(place + missed, commits.length - 1)
      // A new slot begins at a position of its own.
      const there = momentOf(commits[place]!)
      const moment = { ...there, lsn: there.lsn + 4n * BigInt(++comparisons) }
      const found = await compare(session, own(), cursor, moment, batches, copyRows)
      slot = moment.lsn
      commit(found.files, found.rows, { ...found, position: slot, shapes: new Map(Object.entries(found.shapes)) }, [
        moment,
      ])
    }
    const stepped = commits[place - back]?.endLsn ?? 0n
    const decoder = pgoutputDecoder(server.keys)
    const limits = { folder: own(), memoryBytes: 1 << 20, diskBytes: 1 << 30 }
    const assembler = transactionAssembler(decoder, cursor.position, limits)
    const bytes = Buffer.concat(server.connect(stepped > slot ? stepped : slot).map(copyData))
    let writer = await openWriter(decoder)
    let brought: Moment[] = []
    for await (const transaction of transactionsOf(
      bytes.subarray(0, (bytes.length * share) / 1000),
      piece,
      assembler,
    )) {
      brought.push(momentOf(commits.find(({ endLsn }) => endLsn === transaction.endLsn)!))
      await writer.add(transaction)
      if (brought.length < (batches.length < enough ? batch : 40)) continue
      await commitWritten(writer, transaction.endLsn, brought)
      writer = await openWriter(decoder)
      brought = []
    }
    if (share === 1000 && brought.length > 0) await commitWritten(writer, assembler.position, brought)
    assembler.close()
  }
  return { batches, moments, ends }
}

/** A message as the server sends it. */
function copyData(message: Buffer): Buffer {
  const body = frame.data(message, 0n, 0n, 0n)
  const header = Buffer.alloc(5, 'd')
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

/** What a connection that ends after these bytes brings, through the socket's reader. */
async function* transactionsOf(bytes: Buffer, piece: number, assembler: Assembler): AsyncGenerator<Transaction> {
  const stream = new PassThrough()
  const socket = takeOver({ connection: { stream } } as unknown as pg.Client, false)
  for (let at = 0; at < bytes.length; at += piece) stream.write(bytes.subarray(at, at + piece))
  stream.end()
  for (let block = await socket.next(); block !== undefined; block = await socket.next()) {
    for (let at = 0; at < block.length; ) {
      const start = at + 5
      at += 1 + block.readInt32BE(at + 1)
      if (!isData(block, start, at)) continue
      const transaction = assembler.push(block, start + dataHeader, at)
      if (transaction !== undefined) yield transaction
    }
  }
  socket.close()
}

/** All rows of a state, in the decoder's words. */
function copied(server: ModelServer, state: State) {
  const decoder = pgoutputDecoder(server.keys)
  const read = (message: Buffer) => decoder.decode(message, 0, message.length)
  const relations = server.tables.map(({ relation }) => {
    const message = read(encode.relation(relation))
    if (message.kind !== 'relation') throw new Error(message.kind)
    return message.relation
  })
  const rows = server.tables.flatMap(({ table, relation }: ModelTable) =>
    [...state.get(table)!.values()].map((row) => {
      const message = read(
        encode.insert(
          relation.id,
          relation.columns.map(({ name }) => row[name] ?? null),
        ),
      )
      if (message.kind !== 'insert') throw new Error(message.kind)
      return { table, image: textImage(message.after!, message.key) }
    }),
  )
  return { relations, rows }
}

/** What the log has missed until a moment. */
async function compare(
  session: Session,
  folder: string,
  { shapes, effectiveAt }: Cursor,
  moment: Moment,
  batches: readonly LogBatch[],
  copyRows: (writer: CopySink, moment: Moment) => Promise<readonly Relation[]>,
) {
  const stage = await copyStage(session)
  const relations = await copyRows(stage, moment)
  const at: Point = { lsn: moment.lsn, committedAt: moment.committedAt }
  return writeMissed({
    ...{ session, source: { partitionBy: 'day' }, types: new Map(), at, effectiveAt, folder },
    log: filesSql(batches.flatMap(({ files }) => files)),
    tables: relations.map((relation) => ({ relation }) as PublishedTable),
    fresh: new Set<string>(),
    shapes: Object.fromEntries(shapes),
  })
}
