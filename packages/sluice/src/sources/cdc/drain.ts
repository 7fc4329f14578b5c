/** Reads the stream of a log in batches, from a cursor to the server's position; and what every reading of a log works with. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { crashPoint } from '../../base/crash.ts'
import { type SluiceError, sluiceError } from '../../base/errors.ts'
import { type Lsn, printLsn } from '../../changes/lsn.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Candidate, RefusedInput, SourceAdapter, TakeContext } from '../source.ts'
import type { CdcContext } from './context.ts'
import { readSlot } from './continuity.ts'
import { type Cursor, writeCursor } from './cursor.ts'
import { idleBytes } from './lag.ts'
import { type ChangeLogWriter, type CopyPoint, changeLogWriter, type WrittenLog } from './log-writer.ts'
import { type Captured, relationNames } from './preflight.ts'
import { missedByLayout } from './server/layout.ts'
import { cursorLeaves, type Leaf, missedByLeaves } from './server/leaves.ts'
import { shapeJudge } from './shape-change.ts'
import { type Assembler, transactionAssembler } from './transactions.ts'
import { refusedTable, waitingTables } from './waiting.ts'
import { pgoutputDecoder } from './wire/pgoutput.ts'
import { type ChangeStream, openStream, type ServerIdentity } from './wire/stream.ts'

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
export interface Opened {
  readonly table: string
  readonly source: CdcSource
  readonly context: CdcContext
  readonly settings: ConnectionSettings
  /** For questions. */
  readonly client: pg.Client
  /** For the slot. */
  readonly walsender: pg.Client
  readonly server: ServerIdentity
  /** Without those that are refused. */
  readonly captured: Captured
  /** Tables that are not read, each with its reason; the others go on. */
  readonly refused: ReadonlyMap<string, SluiceError>
  /** Partitions of partitioned tables, as they were before the server was asked how far it is. */
  readonly leaves: ReadonlyMap<string, readonly Leaf[]>
  readonly until?: Until
  /** Measures how far behind the log was, once it is known since when. @default it was measured before */
  readonly measure?: (behindSince?: Date) => Promise<void>
  /** Tables that were copied and are in no version yet. */
  readonly copied?: ReadonlyMap<string, CopyPoint & { readonly shape: string }>
}

/** Where a reading ends that does not end where the server is: exactly there. */
export interface Until {
  readonly position: Lsn
  /** Tables that are not read. */
  readonly except?: ReadonlySet<string>
  /** No batch ends before. @default where it began */
  readonly whole?: Lsn
}

/**
 * Opens the stream after a cursor.
 *
 * @example const capture = await drain(opened, cursor, take.scratch, take.signal)
 */
export async function drain(opened: Opened, from: Cursor, folder: string, signal: AbortSignal): Promise<Capture> {
  const { source, context, settings, client, walsender, server, captured } = opened
  const { memoryBytes, spillBytes: diskBytes, slot, publication } = source
  await walsender.end()
  const spool = join(folder, 'spool')
  mkdirSync(spool)
  const assembler = transactionAssembler(pgoutputDecoder(captured.keys, relationNames(captured)), from.position, {
    folder: spool,
    memoryBytes,
    diskBytes,
  })
  const { clock } = context
  const stream = await openStream({ settings, slot, publication, from: from.position, assembler, clock, signal })
  const { until } = opened
  const whole = until?.whole ?? from.position
  let cursor = from
  let next = from
  let isMore = false
  const truncatedBy = new Map<string, readonly number[]>()
  const lag = lagOnce(opened)
  return {
    async take(take) {
      const writer = await openWriter(opened, take, cursor)
      let transactions = 0
      let isBeyond = false
      const isFull = (): boolean =>
        isBeyond ||
        (stream.position >= whole && (writer.rows >= source.maxBatchRows || writer.bytes >= source.maxBatchBytes))
      const ended = await readOn(opened, stream, assembler, {
        async take(transaction) {
          // It comes again.
          if (until !== undefined && transaction.endLsn > until.position) {
            isBeyond = true
            return transaction.close()
          }
          lag.saw(transaction.committedAt)
          await writer.add(transaction)
          transactions++
          take.progress({ rows: writer.rows, bytes: writer.bytes })
        },
        isFull,
        until: until?.position ?? server.position,
      }).catch((error: unknown) => lag.failed(error))
      await lag.read()
      isMore = ended === 'full' && !isBeyond
      const position = isMore ? stream.position : (until?.position ?? stream.position)
      // What the catalog was asked before the stream is in the stream by now, or no row has changed since.
      if (!isMore && until === undefined)
        for (const { relation } of captured.tables)
          if (writer.shapes.get(relation.table) === from.shapes[relation.table])
            await writer.addUnsaid(relation, position)
      const log = await writer.finish()
      crashPoint('sources.cdc.after_read')
      const { effectiveAt, accounting } = log
      const waiting = [...log.waiting].sort()
      for (const [name, xids] of log.truncatedBy) truncatedBy.set(name, [...(truncatedBy.get(name) ?? []), ...xids])
      const known = knownOf(opened, cursor, isMore ? undefined : truncatedBy)
      const refused = [...refusedOf(opened, known.stale), ...waitingTables(source.connection, waiting)]
      const isStale = Object.keys(known.stale).length > Object.keys(cursor.stale ?? {}).length
      if (
        !isStale &&
        accounting.accepted === 0 &&
        Number(position - cursor.position) < idleBytes &&
        !isMore &&
        until === undefined
      )
        return { candidate: undefined, refused }
      next = {
        ...cursor,
        ...{ slot: source.slot, publication: source.publication, timeline: server.timeline },
        position,
        shapes: Object.fromEntries(log.shapes),
        effectiveAt,
        waiting,
        ...known,
      }
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

/**
 * What a cursor knows of the tables from here on: their numbers, their partitions, and which of them have missed something.
 *
 * @param truncatedBy undefined where the batch ends before the partitions were looked at
 */
function knownOf(
  { captured, refused, leaves }: Opened,
  cursor: Cursor,
  truncatedBy: ReadonlyMap<string, readonly number[]> | undefined,
): Required<Pick<Cursor, 'relations' | 'layouts' | 'leaves' | 'stale'>> {
  const relations = Object.fromEntries(captured.tables.map(({ relation }) => [relation.table, relation.id]))
  const stale: Record<string, string> = { ...cursor.stale }
  const known: Record<string, NonNullable<Cursor['leaves']>[string]> = { ...cursor.leaves }
  // The stream passes by what is not read, and does not send it again.
  for (const table of Object.keys(cursor.published))
    if (!captured.digests.has(table))
      stale[table] ??= refused.get(table)?.message.replace(/\.$/, '') ?? 'it was not captured for a while'
  const layouts: Record<string, NonNullable<Cursor['layouts']>[string]> = { ...cursor.layouts }
  for (const { relation } of captured.tables) {
    const { table } = relation
    const [before, now] = [layouts[table], captured.layouts.get(table)]
    if (now === undefined) continue
    const missed = before === undefined ? [] : missedByLayout(before, now)
    if (missed.length > 0) stale[table] ??= missed.join('; ')
    layouts[table] = now
  }
  if (truncatedBy !== undefined)
    for (const [table, now] of leaves) {
      if (!captured.digests.has(table)) continue
      const xids = truncatedBy.get(table) ?? []
      const missed = known[table] === undefined ? [] : missedByLeaves(known[table], now, xids)
      if (missed.length > 0) stale[table] ??= missed.join('; ')
      known[table] = cursorLeaves(now, xids)
    }
  return { relations: { ...cursor.relations, ...relations }, layouts, leaves: known, stale }
}

/** Tables that are not read, and those that are, but have missed something. @example refusedOf(opened, cursor.stale ?? {}) */
export function refusedOf(
  { source, refused }: Pick<Opened, 'source' | 'refused'>,
  stale: NonNullable<Cursor['stale']>,
): readonly RefusedInput[] {
  const all = new Map(refused)
  for (const [table, why] of Object.entries(stale))
    if (!all.has(table) && source.tables.includes(table))
      all.set(table, sluiceError('Source.TableStale', { table, why }))
  return [...all].map(([table, error]) => refusedTable(source.connection, table, error))
}

const renamedTables = ({ renamed }: Captured): readonly string[] =>
  [...renamed].map(
    ([table, now]) =>
      `${table} is called ${now} on the server now: its changes are taken under the name that the source has for it`,
  )

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

/** Measures the lag once, by the first change that was read. */
function lagOnce({ measure, context }: Pick<Opened, 'measure' | 'context'>): {
  saw(committedAt: bigint): void
  read(): Promise<void>
  failed(error: unknown): Promise<never>
} {
  let oldest: Date | undefined
  let isDone = measure === undefined
  const once = async (behindSince: Date | undefined): Promise<void> => {
    if (isDone) return
    isDone = true
    await measure?.(behindSince)
  }
  return {
    saw(committedAt) {
      oldest ??= new Date(Number(committedAt / 1000n))
    },
    read: () => once(oldest ?? context.clock.now()),
    async failed(error) {
      await once(oldest)
      throw error
    },
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

async function openWriter(opened: Opened, take: TakeContext, cursor: Cursor): Promise<ChangeLogWriter> {
  const { source, captured, copied } = opened
  const shapes = copied && new Map([...copied].map(([table, { shape }]) => [table, shape]))
  return changeLogWriter({
    session: take.session,
    folder: take.scratch,
    partitionBy: source.partitionBy,
    tables: new Set([...captured.digests.keys()].filter((one) => opened.until?.except?.has(one) !== true)),
    shapes: new Map(Object.entries(cursor.shapes)),
    types: captured.types,
    effectiveAt: cursor.effectiveAt,
    waiting: new Set(cursor.waiting),
    waits: shapeJudge({
      ...{ client: opened.client, take, ...(shapes && { copied: shapes }) },
      relations: new Map(captured.tables.map(({ relation }) => [relation.table, relation.id])),
    }),
    truncate: source.truncate,
    ...(copied && { copied }),
  })
}

/** What was written, as a version to come. @example candidateOf(opened, await writer.finish(), cursor, from, transactions) */
export function candidateOf(
  { source, settings, captured }: Pick<Opened, 'source' | 'settings' | 'captured'>,
  log: Pick<WrittenLog, 'fields' | 'accounting'> & Pick<Candidate, 'files'>,
  cursor: Cursor,
  from: Lsn | undefined,
  transactions: number,
): Candidate {
  const { fields, files, accounting } = log
  return {
    ...{ fields, files, accounting, quarantine: [], checks: [], warnings: renamedTables(captured) },
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
