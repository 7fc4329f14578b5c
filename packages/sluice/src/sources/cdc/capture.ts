/** One reading of a log of changes: opened where the last commit ended, or with the first copy; taken in batches until the server's position is reached. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { connectPostgres, dropPostgres } from '../../connections/postgres/connect.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Candidate, SourceAdapter, TakeContext } from '../source.ts'
import { assertContinuous, readSlot } from './continuity.ts'
import { type Cursor, readCursor, writeCursor } from './cursor.ts'
import { idleBytes, lagOf, sourceLag } from './lag.ts'
import { type ChangeLogWriter, changeLogWriter } from './log-writer.ts'
import { type Lsn, printLsn } from './lsn.ts'
import { pgoutputDecoder } from './pgoutput.ts'
import { assertPublished, type Captured, capturedTables } from './preflight.ts'
import { shapeJudge } from './shape-change.ts'
import { copySnapshot } from './snapshot.ts'
import type { CdcContext } from './source.ts'
import {
  type ChangeStream,
  createSlot,
  identifyServer,
  openStream,
  replicationClient,
  type ServerIdentity,
} from './stream.ts'
import { type Assembler, transactionAssembler } from './transactions.ts'
import { waitingTables } from './waiting.ts'

/** What a take came to; see `SourceAdapter`. */
export type Taken = Awaited<ReturnType<SourceAdapter['take']>>

/** A log that is being read. */
export interface Capture {
  /** Takes the next batch. The one before is committed. */
  take(context: TakeContext): Promise<Taken>
  /** Tells the server that the batch is committed; answers whether there is more. */
  committed(): Promise<boolean>
  close(): Promise<void>
}

/** What is open, or known, for all batches. */
interface Opened {
  readonly table: string
  readonly source: CdcSource
  readonly context: CdcContext
  readonly settings: ConnectionSettings
  /** For questions. */
  readonly client: pg.Client
  /** For the slot. */
  readonly walsender: pg.Client
  readonly server: ServerIdentity
  readonly captured: Captured
  readonly until?: Until
}

/** Where a reading ends that is not one of a run: exactly there, and without some tables. */
export interface Until {
  readonly position: Lsn
  readonly except: ReadonlySet<string>
}

/**
 * Connects, and looks whether the log can be read from where it was committed.
 *
 * @throws Connection.*, Source.Publication*, Source.ReplicaIdentity, Source.ServerChanged, Source.Slot*
 */
export async function openCapture(
  table: string,
  source: CdcSource,
  context: CdcContext,
  { signal, current, scratch, measured }: TakeContext,
  until?: Until,
): Promise<Capture> {
  const settings = await context.settings()
  const client = await connectPostgres(settings, { signal, applicationName: 'sluice' })
  let walsender: pg.Client | undefined
  try {
    walsender = await replicationClient(settings, signal)
    const server = await identifyServer(walsender)
    const cursor = current?.watermark === undefined ? undefined : readCursor(current.watermark)
    if (cursor !== undefined) {
      const slot = await readSlot(client, source.slot)
      assertContinuous(source.connection, { ...cursor, slot: source.slot }, server, slot)
      const lag = lagOf({
        ...{ position: cursor.position, server: server.position, slot, limits: source.lag },
        ...{ committedAt: new Date(current!.committedAt), now: context.clock.now() },
      })
      await measured?.(sourceLag(source, lag))
    }
    const captured = await capturedTables(client, source)
    assertPublished(source, captured, cursor, until?.except)
    const opened: Opened = { table, source, context, settings, client, walsender, server, captured }
    if (cursor === undefined) return firstCopy(opened)
    return await streaming({ ...opened, ...(until && { until }) }, cursor, scratch, signal)
  } catch (error) {
    dropPostgres(client)
    if (walsender !== undefined) dropPostgres(walsender)
    throw error
  }
}

/** The first copy: one batch, at the point of a new slot. */
function firstCopy(opened: Opened): Capture {
  const { source, settings, client, walsender, server, captured } = opened
  return {
    async take(take) {
      await removeOwnSlot(opened)
      crashPoint('sources.cdc.before_slot')
      const slot = await createSlot(walsender, source.slot, settings.name)
      crashPoint('sources.cdc.after_slot')
      const writer = await openWriter(opened, take)
      const { connections, chunkPages } = source.snapshot
      const { tables } = captured
      await copySnapshot({ settings, slot, tables, writer, connections, chunkPages, signal: take.signal })
      const log = await writer.finish()
      crashPoint('sources.cdc.after_copy')
      const cursor: Cursor = {
        position: slot.consistentPoint,
        system: server.system,
        timeline: server.timeline,
        slot: source.slot,
        published: Object.fromEntries(captured.digests),
        shapes: Object.fromEntries(log.shapes),
        effectiveAt: log.effectiveAt,
        waiting: [],
      }
      return { candidate: candidateOf(opened, log, cursor, undefined, 0), refused: [] }
    },
    // The slot begins where the copy was made.
    committed: async () => false,
    async close() {
      dropPostgres(client)
      dropPostgres(walsender)
    },
  }
}

/** Where the project keeps which slots it has made. */
const markOf = (table: string): string => `cdc/${table}.json`

/** A slot without a cursor is what an interrupted first copy has left, if it was this project that made it (CD-25). */
async function removeOwnSlot({ client, source, context, table }: Opened): Promise<void> {
  const { slot } = source
  const state = await readSlot(client, slot)
  if (state !== undefined) {
    const mark = await context.state.read(markOf(table))
    const own = mark !== undefined && (JSON.parse(Buffer.from(mark).toString()) as { slot: string }).slot === slot
    if (!own) throw sluiceError('Source.SlotForeign', { slot, connection: source.connection })
    if (state.activePid !== undefined) throw sluiceError('Source.SlotBusy', { slot, pid: `process ${state.activePid}` })
    await client.query('SELECT pg_drop_replication_slot($1)', [slot])
  }
  // Before the slot, so that a slot without a mark is never ours.
  await context.state.write(markOf(table), Buffer.from(JSON.stringify({ slot })))
}

/** Changes after a cursor. */
async function streaming(opened: Opened, from: Cursor, folder: string, signal: AbortSignal): Promise<Capture> {
  const { source, context, settings, client, walsender, server, captured } = opened
  const { memoryBytes, spillBytes: diskBytes, slot, publication } = source
  await walsender.end()
  const spool = join(folder, 'spool')
  mkdirSync(spool)
  const assembler = transactionAssembler(pgoutputDecoder(captured.keys), from.position, {
    folder: spool,
    memoryBytes,
    diskBytes,
  })
  const { clock } = context
  const stream = await openStream({ settings, slot, publication, from: from.position, assembler, clock, signal })
  const { until } = opened
  let cursor = from
  let next = from
  let isMore = false
  return {
    async take(take) {
      const writer = await openWriter(opened, take, cursor)
      let transactions = 0
      let isBeyond = false
      const isFull = (): boolean =>
        isBeyond || writer.rows >= source.maxBatchRows || writer.bytes >= source.maxBatchBytes
      const ended = await readOn(opened, stream, assembler, {
        async take(transaction) {
          // It comes again.
          if (until !== undefined && transaction.endLsn > until.position) {
            isBeyond = true
            return transaction.close()
          }
          await writer.add(transaction)
          transactions++
          take.progress({ rows: writer.rows, bytes: writer.bytes })
        },
        isFull,
        until: until?.position ?? server.position,
      })
      const log = await writer.finish()
      crashPoint('sources.cdc.after_read')
      isMore = ended === 'full' && !isBeyond
      const position = isMore ? stream.position : (until?.position ?? stream.position)
      const { effectiveAt, accounting } = log
      const waiting = [...log.waiting].sort()
      const refused = waitingTables(source.connection, waiting)
      if (accounting.accepted === 0 && Number(position - cursor.position) < idleBytes && !isMore && until === undefined)
        return { candidate: undefined, refused }
      next = { ...cursor, slot: source.slot, position, shapes: Object.fromEntries(log.shapes), effectiveAt, waiting }
      return { candidate: candidateOf(opened, log, next, cursor.position, transactions), refused, more: isMore }
    },
    async committed() {
      cursor = next
      crashPoint('sources.cdc.before_acknowledge')
      stream.acknowledge(cursor.position)
      if (!isMore) await confirmed(opened, cursor)
      crashPoint('sources.cdc.after_acknowledge')
      return isMore
    },
    async close() {
      stream.close()
      dropPostgres(client)
    },
  }
}

type Reading = Parameters<ChangeStream['read']>[0]

/** Reads on as long as anything moves: nothing new from a server that has something is an error, and not "no rows" (CD-30). */
async function readOn(
  { source, server }: Opened,
  stream: ChangeStream,
  assembler: Assembler,
  reading: Reading,
): Promise<'full' | 'reached'> {
  const waitMs = 2000 * Math.max(source.heartbeatSeconds, 30)
  const progress = (): string => {
    const { memoryBytes, diskBytes } = assembler.waiting
    return [stream.position, stream.server.position, memoryBytes, diskBytes].join(' ')
  }
  for (;;) {
    const before = progress()
    const ended = await stream.read({ ...reading, waitMs })
    if (ended !== 'waited') return ended
    if (progress() === before)
      throw sluiceError('Source.ChangeStall', {
        ...{ slot: source.slot, position: printLsn(stream.position), server: printLsn(server.position) },
        seconds: waitMs / 1000,
      })
  }
}

/** Waits a moment for the server to have heard: after that the slot is where the cursor is, for whoever looks. What it did not hear it hears from the next run. */
async function confirmed({ client, context, source }: Opened, cursor: Cursor): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const state = await readSlot(client, source.slot)
    if (state?.confirmed === undefined || state.confirmed >= cursor.position) return
    await context.clock.sleep(20)
  }
}

async function openWriter(opened: Opened, take: TakeContext, cursor?: Cursor): Promise<ChangeLogWriter> {
  const { source, captured, context } = opened
  return changeLogWriter({
    session: take.session,
    folder: take.scratch,
    partitionBy: source.partitionBy,
    tables: new Set(source.tables.filter((one) => opened.until?.except.has(one) !== true)),
    shapes: new Map(Object.entries(cursor?.shapes ?? {})),
    types: captured.types,
    effectiveAt: cursor?.effectiveAt ?? 0n,
    waiting: new Set(cursor?.waiting),
    waits: shapeJudge({ client: opened.client, lake: context.lake, take }),
    truncate: source.truncate,
  })
}

function candidateOf(
  { source, settings }: Opened,
  log: Awaited<ReturnType<ChangeLogWriter['finish']>>,
  cursor: Cursor,
  from: Lsn | undefined,
  transactions: number,
): Candidate {
  const { fields, files, accounting } = log
  return {
    ...{ fields, files, accounting, quarantine: [], checks: [], warnings: [] },
    inputs: [
      {
        ...{ kind: 'changes', connection: settings.name, slot: source.slot },
        ...(from === undefined ? {} : { from: printLsn(from) }),
        ...{ to: printLsn(cursor.position), transactions, rows: accounting.accepted },
      },
    ],
    watermark: writeCursor(cursor),
  }
}
