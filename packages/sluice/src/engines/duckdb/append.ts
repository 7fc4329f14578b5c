/**
 * Appends to a table, a column at a time: one native copy of a column's bytes, and one of the entries that point into it, instead of a call for
 * every value. Texts that are UTF-8 already are copied a buffer at a time, whatever columns they are of.
 *
 * The entries are DuckDB's `string_t`, as its C API declares it (`duckdb_string_t`): 16 bytes, a length, then up to 12 bytes of text, or 4 of
 * them and a pointer. The version of DuckDB is pinned, and the layout is tried before it is relied on.
 */
import { createRequire } from 'node:module'
import type { DuckDBConnection } from '@duckdb/node-api'
import { assert, sluiceError } from '../../base/errors.ts'
import type { Column } from '../engine.ts'
import { Utf8Column } from '../utf8-column.ts'

type Columns = readonly Column[]
type Bindings = typeof import('@duckdb/node-bindings')
type Vector = ReturnType<Bindings['data_chunk_get_vector']>
type DuckDb = typeof import('@duckdb/node-api')

/** Writes `texts[from]` up to `texts[to]` into a vector, from its first place on. */
type Fill = (vector: Vector, texts: readonly (string | null)[], from: number, to: number) => void

/** Writes rows of columns into their vectors, from the first place on. */
type FillUtf8 = (targets: readonly Utf8Target[], from: number, to: number) => void

interface Utf8Target {
  readonly vector: Vector
  readonly column: Utf8Column
}

/** DuckDB's vector size. */
const chunkRows = 2048
/** Fewer rows go at once where their text is longer than this: UTF-16 units, or bytes, a column. */
const chunkText = 1 << 23
/** Text up to this many bytes is held in the entry itself. */
const inlined = 12
const entryBytes = 16

/** Appends to one table until it is closed. */
export interface Appender {
  append(columns: Columns, rows: number): void
  /** Makes the rows part of the table; the appender is of no use afterwards. */
  close(): void
  /** Gives its rows up; for a database that is about to be closed. */
  discard(): void
}

/**
 * Opens an appender to a table whose columns are VARCHAR or BIGINT.
 *
 * @example const appender = openAppender(duckdb, connection, 'staged')
 */
export function openAppender(duckdb: DuckDb, connection: DuckDBConnection, table: string): Appender {
  const { bindings, fill, fillUtf8 } = load(duckdb)
  const appender = bindings.appender_create_ext(connection['connection'], null, null, table)
  const types = Array.from({ length: bindings.appender_column_count(appender) }, (_, at) =>
    bindings.get_type_id(bindings.appender_column_type(appender, at)),
  )
  const isNumber = types.map((type) => (type as number) === duckdb.DuckDBTypeId.BIGINT)
  const chunk = duckdb.DuckDBDataChunk.create(isNumber.map((is) => (is ? duckdb.BIGINT : duckdb.VARCHAR)))
  return {
    append(columns, rows) {
      assert(columns.length === types.length, `${columns.length} columns fit the ${types.length} of ${table}`)
      assert(
        columns.every((column, at) => lengthOf(column) >= rows && column instanceof BigInt64Array === isNumber[at]),
        `every column of ${table} has ${rows} rows of its type`,
      )
      for (let from = 0, to = 0; from < rows; from = to) {
        to = chunkEnd(columns, from, Math.min(rows, from + chunkRows))
        chunk.reset()
        chunk.rowCount = to - from
        const targets: Utf8Target[] = []
        for (const [at, column] of columns.entries()) {
          const vector = bindings.data_chunk_get_vector(chunk.chunk, at)
          if (column instanceof Utf8Column) targets.push({ vector, column })
          else if (column instanceof BigInt64Array) fillNumbers(bindings, vector, column, from, to)
          else fill(vector, column, from, to)
        }
        if (targets.length > 0) fillUtf8(targets, from, to)
        bindings.append_data_chunk(appender, chunk.chunk)
      }
    },
    close: () => bindings.appender_close_sync(appender),
    discard() {
      bindings.appender_clear(appender)
      bindings.appender_close_sync(appender)
    },
  }
}

function lengthOf(column: Column): number {
  return column instanceof Utf8Column ? column.rows : column.length
}

/** Long text goes in small pieces: a chunk holds a copy of all of it. */
function chunkEnd(columns: Columns, from: number, to: number): number {
  if (to - from === 1) return to
  for (const column of columns) {
    if (textOf(column, from, to) > chunkText) return chunkEnd(columns, from, from + ((to - from) >> 1))
  }
  return to
}

function textOf(column: Column, from: number, to: number): number {
  let units = 0
  if (column instanceof Utf8Column) {
    const { places } = column
    for (let at = from * 3; at < to * 3; at += 3) if (places[at]! >= 0) units += places[at + 2]! - places[at + 1]!
  } else if (!(column instanceof BigInt64Array)) for (let row = from; row < to; row++) units += column[row]?.length ?? 0
  return units
}

function fillNumbers(bindings: Bindings, vector: Vector, column: BigInt64Array, from: number, to: number): void {
  const { buffer, byteOffset } = column
  bindings.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, byteOffset + from * 8, (to - from) * 8)
}

interface Fills {
  readonly fill: Fill
  readonly fillUtf8: FillUtf8
}

let loaded: ({ readonly bindings: Bindings } & Fills) | undefined

/** The bindings that node-api itself uses, and the way of filling that works with them. */
function load(duckdb: DuckDb): { readonly bindings: Bindings } & Fills {
  if (loaded !== undefined) return loaded
  const api = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))
  const bindings: Bindings = api('@duckdb/node-bindings')
  const fast = fillByColumn(bindings)
  loaded = { bindings, ...(isExact(duckdb, bindings, fast.fill) ? fast : fillByValue(bindings)) }
  return loaded
}

/** Whether texts of every kind of entry come out as they went in. */
function isExact(duckdb: DuckDb, bindings: Bindings, fill: Fill): boolean {
  const texts = ['', 'a', null, '123456789012', '1234567890123', 'é\u0000ß', `${'ü'.repeat(300)}😀`, '\u0000', null]
  try {
    const chunk = duckdb.DuckDBDataChunk.create([duckdb.VARCHAR])
    chunk.rowCount = texts.length
    fill(bindings.data_chunk_get_vector(chunk.chunk, 0), texts, 0, texts.length)
    const back = chunk.getColumnValues(0)
    return texts.every((text, at) => back[at] === text)
  } catch {
    return false
  }
}

/**
 * A call for every value: exact whatever DuckDB's layout. Several times slower.
 *
 * @throws Engine.TextBroken
 */
export function fillByValue(bindings: Bindings): Fills {
  const assign = bindings.vector_assign_string_element_len
  return {
    fill(vector, texts, from, to) {
      const valid = new Validity()
      for (let row = from; row < to; row++) {
        const text = texts[row] as string | null
        if (text === null) valid.setNull(row - from)
        else assign(vector, row - from, Buffer.from(wellFormed(text)))
      }
      valid.flush(bindings, vector, to - from)
    },
    fillUtf8(targets, from, to) {
      for (const { vector, column } of targets) {
        const valid = new Validity()
        for (let row = from; row < to; row++) {
          const [of, start, end] = column.places.subarray(row * 3, row * 3 + 3) as unknown as [number, number, number]
          if (of < 0) valid.setNull(row - from)
          else assign(vector, row - from, (column.buffers[of] as Buffer).subarray(start, end))
        }
        valid.flush(bindings, vector, to - from)
      }
    },
  }
}

/**
 * Two copies for every column; see this file's head.
 *
 * @throws Engine.TextBroken
 */
export function fillByColumn(bindings: Bindings): Fills {
  const entries = Buffer.alloc(chunkRows * entryBytes)
  const words = new Int32Array(entries.buffer, entries.byteOffset, chunkRows * 4)
  const ends = new Int32Array(chunkRows)
  const spare = Buffer.allocUnsafeSlow(1 << 20)

  /** Writes the entry of a text whose bytes are at `start`, and will be `start` bytes behind an address. */
  function enter(row: number, bytes: Buffer, start: number, end: number, low: number, high: number): void {
    const size = end - start
    const word = row * 4
    words[word] = size
    if (size <= inlined) {
      words[word + 1] = words[word + 2] = words[word + 3] = 0
      for (let at = 0; at < size; at++) entries[word * 4 + 4 + at] = bytes[start + at] as number
    } else {
      for (let at = 0; at < 4; at++) entries[word * 4 + 4 + at] = bytes[start + at] as number
      const address = low + start
      words[word + 2] = address | 0
      words[word + 3] = high + Math.floor(address / 2 ** 32)
    }
  }
  function flush(vector: Vector, rows: number, valid: Validity): void {
    bindings.copy_data_to_vector(vector, 0, entries.buffer as ArrayBuffer, entries.byteOffset, rows * entryBytes)
    valid.flush(bindings, vector, rows)
  }

  return {
    fill(vector, texts, from, to) {
      const valid = new Validity()
      const { bytes, length } = encode(texts, from, to, spare, ends, valid)
      const [low, high] = store(bindings, vector, bytes.subarray(0, length))
      for (let row = 0, start = 0; row < to - from; row++) {
        const end = ends[row] as number
        if (end === repeated) for (let at = row * 4; at < row * 4 + 4; at++) words[at] = words[at - 4] as number
        else {
          enter(row, bytes, start, end, low, high)
          start = end
        }
      }
      flush(vector, to - from, valid)
    },
    fillUtf8(targets, from, to) {
      const spans = spansOf(targets, from, to)
      // Appending copies every text, so that it does not matter which of the chunk's vectors holds the bytes.
      for (const span of spans.values())
        [span.low, span.high] = store(bindings, targets[0]!.vector, span.bytes.subarray(span.start, span.end))
      for (const { vector, column } of targets) {
        const { places } = column
        const own = column.buffers.map((bytes) => spans.get(bytes))
        const valid = new Validity()
        for (let row = from, at = from * 3; row < to; row++, at += 3) {
          const of = places[at] as number
          if (of < 0) {
            valid.setNull(row - from)
            for (let at = 0; at < 4; at++) words[(row - from) * 4 + at] = 0
          } else {
            const { bytes, start, low, high } = own[of] as Span
            enter(row - from, bytes, places[at + 1] as number, places[at + 2] as number, low - start, high)
          }
        }
        flush(vector, to - from, valid)
      }
    },
  }
}

/** The part of a buffer that a chunk's texts are in, and the two halves of the address that it gets. */
interface Span {
  readonly bytes: Buffer
  start: number
  end: number
  low: number
  high: number
}

function spansOf(targets: readonly Utf8Target[], from: number, to: number): ReadonlyMap<Buffer, Span> {
  const spans = new Map<Buffer, Span>()
  for (const { column } of targets) {
    const { buffers, places } = column
    let span: Span | undefined
    for (let at = from * 3; at < to * 3; at += 3) {
      const of = places[at] as number
      if (of < 0) continue
      const bytes = buffers[of] as Buffer
      if (span?.bytes !== bytes) {
        span = spans.get(bytes) ?? { bytes, start: bytes.length, end: 0, low: 0, high: 0 }
        spans.set(bytes, span)
      }
      span.start = Math.min(span.start, places[at + 1] as number)
      span.end = Math.max(span.end, places[at + 2] as number)
    }
  }
  return spans
}

/** In place of an end: the text is the one before. */
const repeated = -1

/** The texts' UTF-8, one after the other, in `spare` where it fits; `ends` says where each ends. */
function encode(
  texts: readonly (string | null)[],
  from: number,
  to: number,
  spare: Buffer,
  ends: Int32Array,
  valid: Validity,
): { readonly bytes: Buffer; readonly length: number } {
  let bytes = spare
  let length = 0
  for (let row = from; row < to; row++) {
    const text = texts[row] as string | null
    if (text === null) valid.setNull(row - from)
    else if (row > from && text === texts[row - 1]) {
      ends[row - from] = repeated
      continue
    } else {
      const units = text.length
      if (length + units * 3 + entryBytes > bytes.length) {
        const wider = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, length + units * 3 + entryBytes))
        bytes.copy(wider, 0, 0, length)
        bytes = wider
      }
      let at = 0
      // Short plain text is copied faster from here than by a native call.
      if (units < 40) {
        for (; at < units; at++) {
          const code = text.charCodeAt(at)
          if (code > 127) break
          bytes[length + at] = code
        }
      }
      if (at < units) {
        const written = bytes.write(text, length)
        if (written !== units) wellFormed(text)
        length += written
      } else length += units
    }
    ends[row - from] = length
  }
  return { bytes, length }
}

/** Lets the vector hold the bytes, and gives the two halves of the address they have there. */
function store(bindings: Bindings, vector: Vector, bytes: Buffer): [low: number, high: number] {
  // Then no entry points to them.
  if (bytes.length <= inlined) return [0, 0]
  bindings.vector_assign_string_element_len(vector, 0, bytes)
  const entry = Buffer.from(bindings.vector_get_data(vector, entryBytes))
  // Anything else than valid UTF-8 would be stored as empty text, without a word.
  assert(
    entry.readUInt32LE(0) === bytes.length && entry.readInt32LE(4) === bytes.readInt32LE(0),
    'the vector holds the text that it was given',
  )
  return [entry.readUInt32LE(8), entry.readUInt32LE(12)]
}

/** @throws Engine.TextBroken for half a surrogate pair, which UTF-8 cannot hold */
function wellFormed(text: string): string {
  const at = text.search(/\p{Surrogate}/u)
  if (at >= 0) throw sluiceError('Engine.TextBroken', { unit: text.charCodeAt(at).toString(16).toUpperCase(), at })
  return text
}

/** Which rows of a vector are not NULL; nothing is written where all are. */
class Validity {
  #bits: Uint8Array | undefined

  setNull(row: number): void {
    this.#bits ??= new Uint8Array(chunkRows / 8).fill(255)
    this.#bits[row >> 3] = (this.#bits[row >> 3] as number) & ~(1 << (row & 7))
  }

  flush(bindings: Bindings, vector: Vector, rows: number): void {
    if (this.#bits === undefined) return
    bindings.vector_ensure_validity_writable(vector)
    bindings.copy_data_to_vector_validity(vector, 0, this.#bits.buffer as ArrayBuffer, 0, Math.ceil(rows / 64) * 8)
  }
}
