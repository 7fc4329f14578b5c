/**
 * Writes the change log: one row a change of any table, in one log, so that one commit moves all tables to the same transaction boundary.
 *
 * Rows are staged as text in the engine and leave it as Parquet in parts, so that a transaction of any size takes the same memory.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import type { RowAccounting } from '../../lake/record.ts'
import { assertBalanced } from '../../quality/accounting.ts'
import type { Candidate } from '../source.ts'
import { shapeDigest } from './cursor.ts'
import type { Lsn } from './lsn.ts'
import type { Micros } from './pgoutput.ts'
import { type Relation, relationShape } from './relation.ts'
import type { Transaction } from './transactions.ts'

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
}

/** What was written. */
export interface WrittenLog {
  readonly fields: Candidate['fields']
  readonly files: Candidate['files']
  readonly accounting: RowAccounting
  /** Digests of the shapes that the log holds now. */
  readonly shapes: ReadonlyMap<string, string>
}

/** A log that is being written. */
export interface ChangeLogWriter {
  /** Writes a transaction's changes; all of it, before the next. */
  add(transaction: Transaction): Promise<void>
  /** Adds a row of the initial copy; when it answers true, {@link ChangeLogWriter.drain} comes next. */
  addCopied(row: CopiedRow): boolean
  /** The shape of a table that is copied. */
  addShape(relation: Relation, at: Point): void
  /** Hands rows to the engine. May be called by several at once. */
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

/** A row of the initial copy. */
export interface CopiedRow {
  readonly table: string
  readonly key: string | null
  readonly image: string
  readonly at: Point
}

/** The columns of a log; `_date` and `_hour` are of the commit, in UTC. */
export function logFields(partitionBy: 'hour' | 'day'): Candidate['fields'] {
  return [
    { name: '_table', type: 'VARCHAR', nullable: false },
    { name: '_op', type: 'VARCHAR', nullable: false },
    { name: '_xid', type: 'BIGINT', nullable: true },
    { name: '_lsn', type: 'BIGINT', nullable: false },
    { name: '_position', type: 'VARCHAR', nullable: false },
    { name: '_seq', type: 'BIGINT', nullable: false },
    { name: '_committed_at', type: 'TIMESTAMP WITH TIME ZONE', nullable: false },
    { name: 'key', type: 'VARCHAR', nullable: true },
    { name: 'before', type: 'VARCHAR', nullable: true },
    { name: 'after', type: 'VARCHAR', nullable: true },
    { name: '_unchanged', type: 'VARCHAR', nullable: true },
    { name: '_date', type: 'DATE', nullable: false },
    ...(partitionBy === 'hour' ? [{ name: '_hour', type: 'INTEGER', nullable: false }] : []),
  ]
}

const staged = [
  '_table',
  '_op',
  '_xid',
  '_lsn',
  '_seq',
  '_committed_at',
  'key',
  'before',
  'after',
  '_unchanged',
] as const

/** In the order of {@link logFields}. */
function logSql(partitionBy: 'hour' | 'day'): string {
  return `
    SELECT _table, _op, _xid::BIGINT AS _xid, _lsn::BIGINT AS _lsn,
      printf('%X/%X', _lsn::BIGINT >> 32, _lsn::BIGINT & 4294967295) AS _position,
      _seq::BIGINT AS _seq, make_timestamptz(_committed_at::BIGINT) AS _committed_at, key, before, after, _unchanged,
      make_timestamp(_committed_at::BIGINT)::DATE AS _date
      ${partitionBy === 'hour' ? ', hour(make_timestamp(_committed_at::BIGINT))::INTEGER AS _hour' : ''}
    FROM change_log`
}

/** Rows handed to the engine at once, or characters of images, whichever comes first. */
const batchRows = 2048
const batchBytes = 4 << 20
/** Rows, or characters, of one Parquet file: a row group. Beyond it, large values would take more memory than a task may. */
const partRows = 122_880
const partBytes = 16 << 20

/**
 * Begins a log.
 *
 * @example
 * const writer = await changeLogWriter(options)
 * await writer.add(transaction)
 * const { files, accounting } = await writer.finish()
 */
export async function changeLogWriter(options: ChangeLogOptions): Promise<ChangeLogWriter> {
  const { session, tables, types } = options
  const shapes = new Map(options.shapes)
  const files: WrittenFile[] = []
  let columns = emptyColumns()
  let [rows, bytes, pendingBytes, uncaptured] = [0, 0, 0, 0]
  let [partCount, partSize, parts, copied] = [0, 0, 0, 0]
  let draining: Promise<void> = Promise.resolve()

  const create = `CREATE OR REPLACE TABLE change_log (${staged.map((name) => `${name} VARCHAR`).join(', ')})`
  await session.run(create)

  function add(cells: readonly (string | null)[]): boolean {
    for (let i = 0; i < cells.length; i++) columns[i]!.push(cells[i]!)
    const size = (cells[7]?.length ?? 0) + (cells[8]?.length ?? 0)
    rows++
    bytes += size
    pendingBytes += size
    return columns[0]!.length >= batchRows || pendingBytes >= batchBytes
  }

  /** Whether a relation differs from what the log holds, and its shape; the log holds it from then on. */
  function newShape(relation: Relation): string | undefined {
    const shape = relationShape(relation, types)
    const digest = shapeDigest(shape)
    if (shapes.get(relation.table) === digest) return undefined
    shapes.set(relation.table, digest)
    return shape
  }

  async function hand(): Promise<void> {
    const batch = columns
    const count = batch[0]!.length
    partSize += pendingBytes
    partCount += count
    columns = emptyColumns()
    pendingBytes = 0
    if (count > 0) session.append('change_log', batch, count)
    if (partCount >= partRows || partSize >= partBytes) await writePart()
  }

  async function writePart(): Promise<void> {
    if (partCount === 0) return
    const folder = join(options.folder, `log-${parts++}`)
    mkdirSync(folder)
    const partitionBy = options.partitionBy === 'hour' ? ['_date', '_hour'] : ['_date']
    files.push(...(await session.write(logSql(options.partitionBy), { folder, partitionBy, ordered: true })))
    partCount = partSize = 0
    await session.run(create)
  }

  /** One at a time: the engine's session is not for two statements at once. */
  function drain(): Promise<void> {
    draining = draining.then(hand)
    return draining
  }

  async function addTransaction(transaction: Transaction): Promise<void> {
    const [xid, lsn, at] = [`${transaction.xid}`, `${transaction.endLsn}`, `${transaction.committedAt}`]
    let seq = 0
    for (const message of transaction.messages()) {
      let full = false
      if (message.kind === 'type') continue
      if (message.kind === 'truncate') {
        for (const { table } of message.relations)
          if (tables.has(table)) full = add([table, 'T', xid, lsn, `${seq++}`, at, null, null, null, null])
          else uncaptured++
      } else {
        const { table } = message.relation
        if (!tables.has(table)) {
          if (message.kind !== 'relation') uncaptured++
        } else if (message.kind === 'relation') {
          const shape = newShape(message.relation)
          if (shape !== undefined) full = add([table, 'R', xid, lsn, `${seq++}`, at, null, null, shape, null])
        } else {
          const { kind, key, before, after, unchanged } = message
          full = add([table, operations[kind], xid, lsn, `${seq++}`, at, key, before, after, unchanged])
        }
      }
      if (full) await drain()
    }
    transaction.close()
  }

  return {
    add: addTransaction,
    addCopied: ({ table, key, image, at }) =>
      add([table, 'S', null, `${at.lsn}`, `${copied++}`, `${at.committedAt}`, key, null, image, null]),
    addShape(relation, at) {
      const shape = newShape(relation)
      if (shape !== undefined)
        add([relation.table, 'R', null, `${at.lsn}`, `${copied++}`, `${at.committedAt}`, null, null, shape, null])
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
      const dropped: Record<string, number> = uncaptured === 0 ? {} : { 'table is not captured': uncaptured }
      const accounting = { read: rows + uncaptured, accepted: rows, quarantined: 0, dropped }
      assertBalanced(
        'the change log',
        accounting,
        files.reduce((sum, file) => sum + file.rows, 0),
      )
      const fields = logFields(options.partitionBy)
      return {
        fields,
        files: files.map(({ file, rows: written, partition, stats }) => ({
          localFile: file,
          rows: written,
          stats: Object.fromEntries(
            Object.entries(stats).map(([name, of]) => [name, images.has(name) ? { nulls: of.nulls } : of]),
          ),
          ...(partition === undefined ? {} : { partition }),
          fields: fields.map(({ name }) => name),
        })),
        accounting,
        shapes,
      }
    },
  }
}

/** Their least and greatest say nothing, and may be as long as a value. */
const images: ReadonlySet<string> = new Set(['key', 'before', 'after', '_unchanged'])

const operations = { insert: 'I', update: 'U', delete: 'D' } as const

function emptyColumns(): (string | null)[][] {
  return staged.map(() => [])
}
