/**
 * Writes the change log: one row a change of any table, in one log, so that one commit moves all tables to the same transaction boundary.
 *
 * Rows are staged in the engine and leave it as Parquet in parts, so that a transaction of any size takes the same memory; a part is written while
 * the next is staged.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { logColumns } from '../../definition/columns.ts'
import type { Column, Session, WrittenFile } from '../../engines/engine.ts'
import { Utf8Column } from '../../engines/utf8-column.ts'
import type { NewFile } from '../../lake/lake.ts'
import type { RowAccounting } from '../../lake/record.ts'
import { assertBalanced } from '../../quality/accounting.ts'
import type { Candidate } from '../source.ts'
import { shapeDigest } from './cursor.ts'
import type { Transaction } from './transactions.ts'
import { waitingName } from './waiting.ts'
import { addImage, addKey, type Image, textImage } from './wire/image.ts'
import { type Lsn, printLsn } from './wire/lsn.ts'
import type { Micros } from './wire/pgoutput.ts'
import { type Relation, relationShape } from './wire/relation.ts'

/** What a row of the log is: a change, a row of the initial copy (S), or the shape that a table has from here on (R). */
export type LogOperation = 'I' | 'U' | 'D' | 'T' | 'S' | 'R'

/** What a log is written with. */
export interface ChangeLogOptions {
  readonly session: Session
  /** An empty local folder on the lake's device. */
  readonly folder: string
  readonly partitionBy: 'hour' | 'day'
  /** The tables that are captured. */
  readonly tables: ReadonlySet<string>
  /** Digests of the shapes that the log holds already, by table. */
  readonly shapes: ReadonlyMap<string, string>
  /** Names of types that are not built in, by oid; those of the decoder. */
  readonly types: ReadonlyMap<number, string>
  /** The `_effective_at` of what was committed last. @default 0n */
  readonly effectiveAt?: Micros
  /** Tables whose changes wait. @default none */
  readonly waiting?: ReadonlySet<string>
  /** Whether a table waits from here on, since its shape is another one. @default none does */
  readonly waits?: (table: string, shape: string) => Promise<boolean>
  /** Whether a TRUNCATE makes its table wait. @default 'apply' */
  readonly truncate?: 'apply' | 'pause'
  /** Tables that were copied, and where: what was committed there or before is in the copy. @default none */
  readonly copied?: ReadonlyMap<string, CopyPoint>
  /** The name under which rows are staged in the session. @default 'change_log' */
  readonly staging?: string
  /** The next `_seq` of a copied row. @default from 0 on */
  readonly number?: () => number
  /** For writers that share a session: for the statements beside it. @default its own */
  readonly turn?: Turn
}

/** Does work when all that was asked for before it has ended: an engine's session is not for two statements at once. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>

/** Makes turns. @example const turn = turns() */
export function turns(): Turn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
}

/** What was written. */
export interface WrittenLog {
  readonly fields: Candidate['fields']
  readonly files: readonly NewFile[]
  readonly accounting: RowAccounting
  /** Digests of the shapes that the log holds now. */
  readonly shapes: ReadonlyMap<string, string>
  readonly effectiveAt: Micros
  readonly waiting: ReadonlySet<string>
}

/** A log that is being written. */
export interface ChangeLogWriter {
  /** Writes a transaction's changes; all of it, before the next. */
  add(transaction: Transaction): Promise<void>
  /** Adds a row of the initial copy, all of one moment; when it answers true, {@link ChangeLogWriter.drain} comes next. */
  addCopied(row: CopiedRow): boolean
  /** The shape of a table that is copied. */
  addShape(relation: Relation, at: Point): void
  /** Hands rows to the engine. */
  drain(): Promise<void>
  /** Rows so far. */
  readonly rows: number
  /** Bytes of images so far. */
  readonly bytes: number
  finish(): Promise<WrittenLog>
}

/** When and where changes were committed. */
export interface Point {
  readonly lsn: Lsn
  readonly committedAt: Micros
}

/** Where a copy was made, and the `_effective_at` of its rows. */
export interface CopyPoint {
  readonly lsn: Lsn
  readonly effectiveAt: Micros
}

/** A row of the initial copy. */
export interface CopiedRow {
  readonly table: string
  /** @default 'S' */
  readonly op?: LogOperation
  readonly image?: Image
  /** @default none */
  readonly old?: Image
  readonly at: Point
}

/** What all rows of a transaction share: made once, since rows are many. */
interface Stamp {
  /** 0 for rows of a copy. */
  readonly xid: bigint
  readonly lsn: bigint
  readonly position: string
  readonly committedAt: Micros
  readonly effectiveAt: Micros
}

/** In the order of `logColumns`. */
function logSql(partitionBy: 'hour' | 'day', staging: string): string {
  return `
    SELECT _table, _op, nullif(_xid, 0) AS _xid, _lsn, _position, _seq, make_timestamptz(_committed_at) AS _committed_at,
      make_timestamptz(_effective_at) AS _effective_at, key, before, after, _unchanged,
      make_timestamp(_committed_at)::DATE AS _date
      ${partitionBy === 'hour' ? ', hour(make_timestamp(_committed_at))::INTEGER AS _hour' : ''}
    FROM ${staging}`
}

/** Rows handed to the engine at once, or bytes of images, whichever comes first. */
const batchRows = 2048
const batchBytes = 4 << 20
/** Rows, or bytes, of one Parquet file: a row group. Beyond it, large values would take more memory than a task may. */
const partRows = 61_440
const partBytes = 16 << 20
/**
 * What a part took is given back before the next: kept, it would come to more memory than a task may have. A part is written in order, which is
 * one thread's work: another would spin beside it.
 */
const settings =
  "SET allocator_flush_threshold = '16MB'; SET allocator_bulk_deallocation_flush_threshold = '16MB'; SET threads = 1"
/** Texts that a column of a part may have and be written as a dictionary: tried on, images would cost as much as all that follows. */
const dictionaryTexts = 1000

/**
 * Begins a log.
 *
 * @example
 * const writer = await changeLogWriter(options)
 * await writer.add(transaction)
 * const { files, accounting } = await writer.finish()
 */
export async function changeLogWriter(options: ChangeLogOptions): Promise<ChangeLogWriter> {
  const { session, tables, types, staging = 'change_log', turn = turns() } = options
  const shapes = new Map(options.shapes)
  const waiting = new Set(options.waiting)
  let effectiveAt = options.effectiveAt ?? 0n
  let copiedAt: Micros | undefined
  const files: WrittenFile[] = []
  let batch = emptyBatch()
  let [rows, bytes, pendingBytes, uncaptured] = [0, 0, 0, 0]
  let [partCount, partSize, parts, numbered, inCopy] = [0, 0, 0, 0, 0]
  const number = options.number ?? (() => numbered++)
  let copyStamp: { readonly at: Point; readonly stamp: Stamp } | undefined

  // One is filled while the other is written.
  let [filling, writing] = [`${staging}_0`, `${staging}_1`]
  let written: Promise<void> = Promise.resolve()
  const beside = await session.beside()
  const create = (table: string): string => `CREATE OR REPLACE TABLE ${table} (${staged.join(', ')})`
  await turn(() => beside.run(`${settings}; ${create(filling)}; ${create(writing)}`))

  function add(table: string, op: LogOperation, stamp: Stamp, seq: number, old?: Image, now?: Image): boolean {
    batch.tables.push(table)
    batch.operations.push(op)
    batch.stamps.push(stamp)
    batch.sequences.push(seq)
    addKey(batch.keys, now ?? old)
    const size = addImage(batch.before, old) + addImage(batch.after, now)
    batch.unchanged.push(now === undefined ? null : now.unchanged)
    rows++
    bytes += size
    pendingBytes += size
    return batch.stamps.length >= batchRows || pendingBytes >= batchBytes
  }

  /** Whether a relation differs from what the log holds, and its shape; the log holds it from then on. */
  function newShape(relation: Relation): string | undefined {
    const shape = relationShape(relation, types)
    const digest = shapeDigest(shape)
    if (shapes.get(relation.table) === digest) return undefined
    shapes.set(relation.table, digest)
    return shape
  }

  async function drain(): Promise<void> {
    const handed = batch
    const count = handed.stamps.length
    partSize += pendingBytes
    partCount += count
    batch = emptyBatch()
    pendingBytes = 0
    if (count > 0) session.append(filling, columnsOf(handed), count)
    if (partCount >= partRows || partSize >= partBytes) await writePart()
  }

  /** Begins to write what is staged, as soon as the part before it is written. */
  async function writePart(): Promise<void> {
    if (partCount === 0) return
    partCount = partSize = 0
    await written
    ;[filling, writing] = [writing, filling]
    const full = writing
    written = turn(async () => {
      const folder = join(options.folder, `log-${parts++}`)
      mkdirSync(folder)
      const partitionBy = partitionColumns(options.partitionBy)
      const into = { folder, partitionBy, ordered: true, dictionary: dictionaryTexts }
      files.push(...(await beside.write(logSql(options.partitionBy, full), into)))
      await beside.run(create(full))
    })
    // Whoever waits for it next is told.
    written.catch(() => {})
  }

  /** Tables whose copies have what is committed here. */
  function copiedAfter(endLsn: Lsn): ReadonlySet<string> | undefined {
    if (options.copied === undefined) return undefined
    const later = [...options.copied].filter(([, at]) => at.lsn >= endLsn)
    return new Set(later.map(([table]) => table))
  }

  /** Time has come as far as the copies that were made before: all of them, at the end. */
  function passCopies(endLsn?: Lsn): void {
    for (const at of options.copied?.values() ?? [])
      if ((endLsn === undefined || at.lsn < endLsn) && at.effectiveAt > effectiveAt) effectiveAt = at.effectiveAt
  }

  async function addTransaction(transaction: Transaction): Promise<void> {
    const { xid, endLsn, committedAt } = transaction
    passCopies(endLsn)
    effectiveAt = later(committedAt, effectiveAt)
    const copied = copiedAfter(endLsn)
    const stamp = stampOf(xid, { lsn: endLsn, committedAt }, effectiveAt)
    let seq = 0
    const row = (table: string, op: LogOperation, old?: Image, now?: Image): boolean =>
      add(waiting.has(table) ? waitingName(table) : table, op, stamp, seq++, old, now)
    for (const message of transaction.messages()) {
      let full = false
      if (message.kind === 'type') continue
      if (message.kind === 'truncate') {
        for (const { table } of message.relations)
          if (copied?.has(table)) inCopy++
          else if (tables.has(table)) {
            if (options.truncate === 'pause') waiting.add(table)
            full = row(table, 'T')
          } else uncaptured++
      } else {
        const { table } = message.relation
        if (!tables.has(table)) {
          if (message.kind !== 'relation') uncaptured++
        } else if (copied?.has(table)) {
          if (message.kind !== 'relation') inCopy++
        } else if (message.kind === 'relation') {
          const shape = newShape(message.relation)
          if (shape === undefined) continue
          if (await options.waits?.(table, shape)) waiting.add(table)
          full = row(table, 'R', undefined, textImage(shape))
        } else full = row(table, operations[message.kind], message.old, message.now)
      }
      if (full) await drain()
    }
    transaction.close()
  }

  function copy({ table, op = 'S', image, old, at }: CopiedRow): boolean {
    copiedAt ??= effectiveAt = later(at.committedAt, effectiveAt)
    if (copyStamp?.at !== at) copyStamp = { at, stamp: stampOf(0, at, copiedAt) }
    return add(table, op, copyStamp.stamp, number(), old, image)
  }

  return {
    add: addTransaction,
    addCopied: copy,
    addShape(relation, at) {
      const shape = newShape(relation)
      if (shape !== undefined) copy({ table: relation.table, op: 'R', image: textImage(shape), at })
    },
    drain,
    get rows() {
      return rows
    },
    get bytes() {
      return bytes
    },
    async finish() {
      await drain()
      await writePart()
      await written
      passCopies()
      const dropped: Record<string, number> = {
        ...(uncaptured === 0 ? {} : { 'table is not captured': uncaptured }),
        ...(inCopy === 0 ? {} : { 'in the copy of its table': inCopy }),
      }
      const accounting = { read: rows + uncaptured + inCopy, accepted: rows, quarantined: 0, dropped }
      assertBalanced(
        'the change log',
        accounting,
        files.reduce((sum, file) => sum + file.rows, 0),
      )
      const fields = logColumns(options.partitionBy)
      return {
        fields,
        files: logFiles(files, options.partitionBy),
        accounting,
        shapes,
        effectiveAt,
        waiting,
      }
    },
  }
}

/** So that no two transactions share an instant, whatever the server's clock does. @example later(committedAt, effectiveAt) */
export function later(committedAt: Micros, last: Micros): Micros {
  return committedAt > last ? committedAt : last + 1n
}

/** Written files, as a candidate has them. @example logFiles(await session.write(select, into), 'day') */
export function logFiles(written: readonly WrittenFile[], partitionBy: 'hour' | 'day'): readonly NewFile[] {
  const fields = logColumns(partitionBy).map(({ name }) => name)
  return written.map(({ file, rows, partition, stats }) => ({
    ...{ localFile: file, rows, fields },
    stats: Object.fromEntries(
      Object.entries(stats).map(([name, of]) => [name, images.has(name) ? { nulls: of.nulls } : of]),
    ),
    ...(partition === undefined ? {} : { partition }),
  }))
}

/** How a log's files are split. @example partitionColumns('hour') // ['_date', '_hour'] */
export function partitionColumns(partitionBy: 'hour' | 'day'): readonly string[] {
  return partitionBy === 'hour' ? ['_date', '_hour'] : ['_date']
}

/** Their least and greatest say nothing, and may be as long as a value. */
const images: ReadonlySet<string> = new Set(['key', 'before', 'after', '_unchanged'])

const operations = { insert: 'I', update: 'U', delete: 'D' } as const

function stampOf(xid: number, { lsn, committedAt }: Point, effectiveAt: Micros): Stamp {
  return { xid: BigInt(xid), lsn, position: printLsn(lsn), committedAt, effectiveAt }
}

/** Rows that are not with the engine yet. */
function emptyBatch() {
  return {
    tables: [] as string[],
    operations: [] as string[],
    stamps: [] as Stamp[],
    sequences: [] as number[],
    keys: new Utf8Column(),
    before: new Utf8Column(),
    after: new Utf8Column(),
    unchanged: [] as (string | null)[],
  }
}

/** What is staged, in the order of {@link columnsOf}; times are microseconds. */
const staged = [
  ...['_table VARCHAR', '_op VARCHAR', '_xid BIGINT', '_lsn BIGINT', '_position VARCHAR', '_seq BIGINT'],
  ...['_committed_at BIGINT', '_effective_at BIGINT'],
  ...['key VARCHAR', 'before VARCHAR', 'after VARCHAR', '_unchanged VARCHAR'],
]

function columnsOf(batch: ReturnType<typeof emptyBatch>): readonly Column[] {
  const { tables, stamps, sequences, keys, before, after, unchanged } = batch
  const numbers = (of: (stamp: Stamp) => bigint): BigInt64Array => {
    const column = new BigInt64Array(stamps.length)
    for (let row = 0; row < column.length; row++) column[row] = of(stamps[row]!)
    return column
  }
  return [
    ...[tables, batch.operations, numbers(({ xid }) => xid), numbers(({ lsn }) => lsn)],
    ...[stamps.map(({ position }) => position), BigInt64Array.from(sequences, BigInt)],
    ...[numbers(({ committedAt }) => committedAt), numbers(({ effectiveAt: at }) => at)],
    ...[keys, before, after, unchanged],
  ]
}
