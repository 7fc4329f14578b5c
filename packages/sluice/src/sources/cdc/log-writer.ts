/**
 * Writes the change log: one row a change of any table, in one log, so that one commit moves all tables to the same transaction boundary.
 */

import { type Lsn, printLsn } from '../../changes/lsn.ts'
import { logColumns } from '../../definition/columns.ts'
import type { WrittenFile } from '../../engines/engine.ts'
import type { NewFile } from '../../lake/lake.ts'
import type { RowAccounting } from '../../lake/record.ts'
import { assertBalanced } from '../../quality/accounting.ts'
import type { Candidate } from '../source.ts'
import { shapeDigest } from './cursor.ts'
import { type LogOperation, type LogPartsOptions, logParts, type Stamp } from './log-parts.ts'
import type { Transaction } from './transactions.ts'
import { waitingName } from './waiting.ts'
import { type Image, textImage } from './wire/image.ts'
import type { Micros } from './wire/pgoutput.ts'
import { type Relation, relationShape } from './wire/relation.ts'

/** What a log is written with. */
export interface ChangeLogOptions extends LogPartsOptions {
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
  /** The next `_seq` of a copied row. @default from 0 on */
  readonly number?: () => number
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
  /** Transactions that have truncated a table, by table. */
  readonly truncatedBy: ReadonlyMap<string, readonly number[]>
}

/** A log that is being written. */
export interface ChangeLogWriter {
  /** Writes a transaction's changes; all of it, before the next. */
  add(transaction: Transaction): Promise<void>
  /** Adds a row of the initial copy, all of one moment; when it answers true, {@link ChangeLogWriter.drain} comes next. */
  addCopied(row: CopiedRow): boolean
  /** The shape of a table that is copied. */
  addShape(relation: Relation, at: Point): void
  /** The shape that the catalog has of a table, where the stream has brought no change since it got it. */
  addUnsaid(relation: Relation, lsn: Lsn): Promise<void>
  /** Hands rows to the engine. */
  drain(): Promise<void>
  /** Digests of the shapes that the log holds so far. */
  readonly shapes: ReadonlyMap<string, string>
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

/**
 * Begins a log.
 *
 * @example
 * const writer = await changeLogWriter(options)
 * await writer.add(transaction)
 * const { files, accounting } = await writer.finish()
 */
export async function changeLogWriter(options: ChangeLogOptions): Promise<ChangeLogWriter> {
  const { tables, types } = options
  const shapes = new Map(options.shapes)
  const waiting = new Set(options.waiting)
  const truncatedBy = new Map<string, readonly number[]>()
  let effectiveAt = options.effectiveAt ?? 0n
  let copiedAt: Micros | undefined
  let [uncaptured, numbered, inCopy] = [0, 0, 0]
  const parts = await logParts(options)
  const number = options.number ?? (() => numbered++)
  let copyStamp: { readonly at: Point; readonly stamp: Stamp } | undefined

  /** Whether a relation differs from what the log holds, and its shape; the log holds it from then on. */
  function newShape(relation: Relation): string | undefined {
    const shape = relationShape(relation, types)
    const digest = shapeDigest(shape)
    if (shapes.get(relation.table) === digest) return undefined
    shapes.set(relation.table, digest)
    return shape
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
    const copied = copiedAfter(options.copied, endLsn)
    const stamp = stampOf(xid, { lsn: endLsn, committedAt }, effectiveAt)
    let seq = 0
    const row = (table: string, op: LogOperation, old?: Image, now?: Image): boolean =>
      parts.add(waiting.has(table) ? waitingName(table) : table, op, stamp, seq++, old, now)
    for (const message of transaction.messages()) {
      let full = false
      if (message.kind === 'type') continue
      if (message.kind === 'truncate') {
        for (const { table } of message.relations)
          if (copied?.has(table)) inCopy++
          else if (tables.has(table)) {
            truncatedBy.set(table, [...(truncatedBy.get(table) ?? []), xid])
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
      if (full) await parts.drain()
    }
    transaction.close()
  }

  function copy({ table, op = 'S', image, old, at }: CopiedRow): boolean {
    copiedAt ??= effectiveAt = later(at.committedAt, effectiveAt)
    if (copyStamp?.at !== at) copyStamp = { at, stamp: stampOf(0, at, copiedAt) }
    return parts.add(table, op, copyStamp.stamp, number(), old, image)
  }

  return {
    add: addTransaction,
    addCopied: copy,
    addShape(relation, at) {
      const shape = newShape(relation)
      if (shape !== undefined) copy({ table: relation.table, op: 'R', image: textImage(shape), at })
    },
    async addUnsaid(relation, lsn) {
      const { table } = relation
      const shape = newShape(relation)
      if (shape === undefined) return
      if (await options.waits?.(table, shape)) waiting.add(table)
      const committedAt = effectiveAt
      effectiveAt = later(committedAt, effectiveAt)
      const stamp = stampOf(0, { lsn, committedAt }, effectiveAt)
      parts.add(waiting.has(table) ? waitingName(table) : table, 'R', stamp, number(), undefined, textImage(shape))
    },
    drain: parts.drain,
    shapes,
    get rows() {
      return parts.rows
    },
    get bytes() {
      return parts.bytes
    },
    async finish() {
      const files = await parts.finish()
      passCopies()
      const accounting = accountingOf(parts.rows, uncaptured, inCopy)
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
        truncatedBy,
      }
    },
  }
}

/** Tables whose copies have what is committed here. */
function copiedAfter(copied: ChangeLogOptions['copied'], endLsn: Lsn): ReadonlySet<string> | undefined {
  if (copied === undefined) return undefined
  const later = [...copied].filter(([, at]) => at.lsn >= endLsn)
  return new Set(later.map(([table]) => table))
}

function accountingOf(rows: number, uncaptured: number, inCopy: number): RowAccounting {
  const dropped: Record<string, number> = {
    ...(uncaptured === 0 ? {} : { 'table is not captured': uncaptured }),
    ...(inCopy === 0 ? {} : { 'in the copy of its table': inCopy }),
  }
  return { read: rows + uncaptured + inCopy, accepted: rows, quarantined: 0, dropped }
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

/** Their least and greatest say nothing, and may be as long as a value. */
const images: ReadonlySet<string> = new Set(['key', 'before', 'after', '_unchanged'])

const operations = { insert: 'I', update: 'U', delete: 'D' } as const

function stampOf(xid: number, { lsn, committedAt }: Point, effectiveAt: Micros): Stamp {
  return { xid: BigInt(xid), lsn, position: printLsn(lsn), committedAt, effectiveAt }
}
