/** Rows of the log on their way to Parquet: gathered, staged in the engine, and written in parts while the next is staged. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Turn, turns } from '../../base/queue.ts'
import type { Column, Session, WrittenFile } from '../../engines/engine.ts'
import { Utf8Column } from '../../engines/utf8-column.ts'
import { addImage, addKey, type Image } from './wire/image.ts'
import type { Micros } from './wire/pgoutput.ts'

/** What a row of the log is: a change, a row of the initial copy (S), or the shape that a table has from here on (R). */
export type LogOperation = 'I' | 'U' | 'D' | 'T' | 'S' | 'R'

/** Where parts go. */
export interface LogPartsOptions {
  readonly session: Session
  /** An empty local folder on the lake's device. */
  readonly folder: string
  readonly partitionBy: 'hour' | 'day'
  /** The name under which rows are staged in the session. @default 'change_log' */
  readonly staging?: string
  /** For writers that share a session: for the statements beside it. @default its own */
  readonly turn?: Turn
}

/** What all rows of a transaction share: made once, since rows are many. */
export interface Stamp {
  /** 0 for rows of a copy. */
  readonly xid: bigint
  readonly lsn: bigint
  readonly position: string
  readonly committedAt: Micros
  readonly effectiveAt: Micros
}

/** A log's rows, in parts. */
export interface LogParts {
  /** Adds a row; when it answers true, {@link LogParts.drain} comes next. */
  add(table: string, op: LogOperation, stamp: Stamp, seq: number, old?: Image, now?: Image): boolean
  /** Hands rows to the engine. */
  drain(): Promise<void>
  /** Rows so far. */
  readonly rows: number
  /** Bytes of images so far. */
  readonly bytes: number
  finish(): Promise<readonly WrittenFile[]>
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
/** Texts that a column of a part may have and be written as a dictionary: tried on, images would cost as much as all that follows. */
const dictionaryTexts = 1000

/**
 * Begins the parts of a log.
 *
 * @example const parts = await logParts({ session, folder, partitionBy: 'day' })
 */
export async function logParts(options: LogPartsOptions): Promise<LogParts> {
  const { session, staging = 'change_log', turn = turns() } = options
  const files: WrittenFile[] = []
  let batch = emptyBatch()
  let [rows, bytes, pendingBytes] = [0, 0, 0]
  let [partCount, partSize, parts] = [0, 0, 0]

  // One is filled while the other is written.
  let [filling, writing] = [`${staging}_0`, `${staging}_1`]
  let written: Promise<void> = Promise.resolve()
  const beside = await session.beside()
  const create = (table: string): string => `CREATE OR REPLACE TABLE ${table} (${staged.join(', ')})`
  // A part is written in order.
  await turn(async () => {
    await beside.conserve({ threads: 1 })
    await beside.run(`${create(filling)}; ${create(writing)}`)
  })

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

  return {
    add,
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
      return files
    },
  }
}

/** How a log's files are split. @example partitionColumns('hour') // ['_date', '_hour'] */
export function partitionColumns(partitionBy: 'hour' | 'day'): readonly string[] {
  return partitionBy === 'hour' ? ['_date', '_hour'] : ['_date']
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
