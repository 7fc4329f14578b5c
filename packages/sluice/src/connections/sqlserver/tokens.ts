/**
 * The answer to a call, token by token (MS-TDS 2.2.7), with rows as columns of exact text.
 *
 * It stands in for the driver's own token parser on our connections, which gives decimals and money as doubles, drops offsets, and makes an
 * object of every cell. The driver keeps what it does well: the socket, TLS, the login, packets and messages.
 */
import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import { sluiceError } from '../../base/errors.ts'
import type { Cell, ResultColumn } from '../connection.ts'
import { Bytes, incomplete } from './cells.ts'
import { readType, type ServerType, type TypeContext } from './types.ts'

/** A message or an error of the server. */
export interface ServerWord {
  readonly number: number
  readonly class: number
  readonly text: string
}

/** Where the parts of an answer go, in the order in which the server sent them. */
export interface AnswerSink {
  /** A result set begins; whether its rows are wanted. */
  columns(columns: readonly ResultColumn[]): boolean
  /** Up to 2,048 rows; nothing else follows while the promise is pending. */
  rows(cells: readonly (readonly Cell[])[], rows: number): void | Promise<void>
  word(word: ServerWord, isError: boolean): void
  /** A statement ended; with the number of its rows, where the server counts. */
  done(count: number | null): void
  returnCode(code: number): void
  output(name: string, value: Cell): void
  /** A transaction began, or ended. */
  transaction(isOpen: boolean): void
  /** The procedure's last word: nothing follows. */
  lastWord(failed: boolean): void
  /** The answer makes no sense, or the sink has thrown: nothing more is read. */
  failed(error: unknown): void
}

const rowsPerBatch = 2_048
/** Bytes of rows after which a batch is handed on, however few they are. */
const bytesPerBatch = 4_194_304

const token = {
  order: 0xa9,
  tableName: 0xa4,
  columnInfo: 0xa5,
  error: 0xaa,
  info: 0xab,
  environment: 0xe3,
  columns: 0x81,
  row: 0xd1,
  compressedRow: 0xd2,
  returnStatus: 0x79,
  output: 0xac,
  done: 0xfd,
  doneProcedure: 0xfe,
  doneStatement: 0xff,
} as const

const doneFlags = { more: 1, error: 2, count: 0x10 } as const

/** What the driver expects of a parser: it waits for `end`. */
export class TokenStream extends EventEmitter {
  private readonly bytes = new Bytes()
  private pending: Buffer[] = []
  private pendingLength = 0
  private waiting = false
  private ended = false
  private stopped = false
  private set: readonly ServerType[] = []
  private wanted = false
  private cells: Cell[][] = []
  private rowCount = 0
  private rowBytes = 0
  private readonly message: Readable
  private readonly sink: AnswerSink
  private readonly context: TypeContext

  constructor(message: Readable, sink: AnswerSink, context: TypeContext) {
    super()
    this.message = message
    this.sink = sink
    this.context = context
    message.on('data', (chunk: Buffer) => {
      if (this.stopped) return
      this.pending.push(chunk)
      this.pendingLength += chunk.length
      if (!this.waiting) this.read()
    })
    message.on('end', () => {
      this.ended = true
      this.bytes.needed = 0
      if (!this.waiting) this.read()
    })
  }

  /** Rows that have come and were not handed on yet. */
  get heldRows(): number {
    return this.rowCount
  }

  /** Reads nothing more. */
  stop(): void {
    this.stopped = true
    this.pending = []
    this.cells = []
    this.rowCount = 0
  }

  pause(): void {
    this.message.pause()
  }

  resume(): void {
    if (!this.waiting) this.message.resume()
  }

  /** Reads all tokens that are there in full. */
  private read(): void {
    if (this.stopped || !this.gather()) return
    const { bytes } = this
    while (!this.stopped && !this.waiting && bytes.at < bytes.buffer.length) {
      const start = bytes.at
      try {
        this.readToken(bytes.buffer[start]!)
      } catch (error) {
        bytes.at = start
        if (error !== incomplete) this.fail(error)
        else bytes.needed = nextTry(bytes, start)
        break
      }
    }
    if (!this.ended || this.waiting || this.stopped) return
    if (bytes.at < bytes.buffer.length) this.fail(this.protocol('its answer ends in the middle of a token'))
    else this.emit('end')
  }

  /** Joins what has come, where it is enough to go on; answers whether it is. */
  private gather(): boolean {
    const { bytes } = this
    if (this.pending.length === 0) return true
    const rest = bytes.buffer.subarray(bytes.at)
    if (rest.length + this.pendingLength < bytes.needed) return false
    bytes.buffer =
      rest.length === 0 && this.pending.length === 1 ? this.pending[0]! : Buffer.concat([rest, ...this.pending])
    bytes.at = 0
    bytes.needed = 0
    this.pending = []
    this.pendingLength = 0
    return true
  }

  private readToken(kind: number): void {
    const isCompressed = kind === token.compressedRow
    if (isCompressed || kind === token.row) this.readRow(isCompressed)
    else if (this.rowCount > 0) this.flush()
    else this.readOther(kind)
  }

  private readOther(kind: number): void {
    this.bytes.at++
    switch (kind) {
      case token.columns:
        this.readColumns()
        break
      case token.done:
      case token.doneProcedure:
      case token.doneStatement:
        this.readDone(kind)
        break
      case token.error:
      case token.info:
        this.readWord(kind === token.error)
        break
      case token.returnStatus:
        this.sink.returnCode(this.bytes.i32())
        break
      case token.output:
        this.readOutput()
        break
      case token.order:
      case token.tableName:
      case token.columnInfo:
        this.bytes.take(this.bytes.u16())
        break
      case token.environment: {
        const kind = this.bytes.buffer[this.bytes.take(this.bytes.u16())]!
        if (kind >= 8 && kind <= 10) this.sink.transaction(kind === 8)
        break
      }
      default:
        throw this.protocol(`its token 0x${kind.toString(16)} is not known`)
    }
  }

  private readRow(isCompressed: boolean): void {
    const { bytes, set, cells, rowCount } = this
    const start = bytes.at++
    if (set.length === 0) throw this.protocol('a row came before its columns')
    const nulls = isCompressed ? bytes.take((set.length + 7) >> 3) : -1
    for (let i = 0; i < set.length; i++) {
      const isNull = nulls >= 0 && (bytes.buffer[nulls + (i >> 3)]! & (1 << (i & 7))) !== 0
      cells[i]![rowCount] = isNull ? null : set[i]!.read(bytes)
    }
    if (!this.wanted) return
    this.rowCount++
    this.rowBytes += bytes.at - start
    if (this.rowCount === rowsPerBatch || this.rowBytes > bytesPerBatch) this.flush()
  }

  /** Hands the rows on; the message waits while they are taken. */
  private flush(): void {
    const [cells, rows] = [this.cells, this.rowCount]
    if (rows < cells[0]!.length) for (const column of cells) column.length = rows
    this.cells = this.set.map(() => [])
    this.rowCount = 0
    this.rowBytes = 0
    const taken = this.sink.rows(cells, rows)
    if (taken === undefined) return
    this.waiting = true
    this.message.pause()
    taken.then(
      () => {
        this.waiting = false
        if (this.stopped) return
        this.read()
        if (!this.waiting) this.message.resume()
      },
      (error: unknown) => this.fail(error),
    )
  }

  private readColumns(): void {
    const { bytes } = this
    const count = bytes.u16()
    if (count === 0xffff || count === 0) throw this.protocol('a result set came without columns')
    const set: ServerType[] = []
    const columns: ResultColumn[] = []
    for (let i = 0; i < count; i++) {
      bytes.take(4)
      const nullable = (bytes.u16() & 1) === 1
      const type = readType(bytes, this.context)
      const name = bytes.text(bytes.u8())
      set.push(type)
      columns.push({ name, serverType: type.name, type: type.type, nullable })
    }
    this.set = set
    this.cells = set.map(() => [])
    this.wanted = this.sink.columns(columns)
  }

  private readDone(kind: number): void {
    const { bytes } = this
    const status = bytes.u16()
    bytes.take(2)
    const at = bytes.take(8)
    const count = (status & doneFlags.count) === 0 ? null : Number(bytes.buffer.readBigUInt64LE(at))
    const failed = (status & doneFlags.error) !== 0
    const isLast = kind !== token.doneStatement && (status & doneFlags.more) === 0
    if (isLast) this.sink.lastWord(failed)
    else this.sink.done(count)
  }

  private readWord(isError: boolean): void {
    const { bytes } = this
    const length = bytes.u16()
    const start = bytes.take(length)
    bytes.at = start
    const number = bytes.i32()
    bytes.u8()
    const severity = bytes.u8()
    const text = bytes.text(bytes.u16())
    bytes.at = start + length
    this.sink.word({ number, class: severity, text }, isError)
  }

  private readOutput(): void {
    const { bytes } = this
    bytes.take(2)
    const name = bytes.text(bytes.u8()).replace(/^@/, '')
    bytes.take(7)
    this.sink.output(name, readType(bytes, this.context, false).read(bytes))
  }

  private protocol(why: string) {
    return sluiceError('Connection.Protocol', { connection: this.context.connection, why })
  }

  private fail(error: unknown): void {
    if (this.stopped) return
    this.stop()
    this.sink.failed(error)
  }
}

/** How many bytes a token must have before it is tried again: a long one twice as many, so that it is not begun anew for every packet. */
function nextTry(bytes: Bytes, start: number): number {
  const there = bytes.buffer.length - start
  return Math.max(bytes.needed - start, there > 65_536 ? 2 * there : 0)
}
