/**
 * Appends text to a table, a column at a time: one native copy of a column's bytes, and one of the entries that point into it, instead of a
 * call for every value.
 *
 * The entries are DuckDB's `string_t`, as its C API declares it (`duckdb_string_t`): 16 bytes, a length, then up to 12 bytes of text, or 4 of
 * them and a pointer. The version of DuckDB is pinned, and the layout is tried before it is relied on.
 */
import { createRequire } from 'node:module'
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import { assert, sluiceError } from '../../base/errors.ts'

type Columns = readonly (readonly (string | null)[])[]
type Bindings = typeof import('@duckdb/node-bindings')
type Vector = ReturnType<Bindings['data_chunk_get_vector']>
type DuckDb = typeof import('@duckdb/node-api')

/** Writes `texts[from]` up to `texts[to]` into a vector, from its first place on. */
type Fill = (vector: Vector, texts: readonly (string | null)[], from: number, to: number) => void

/** DuckDB's vector size. */
const chunkRows = 2048
/** Fewer rows go at once where their text is longer than this: UTF-16 units a column. */
const chunkText = 1 << 23
/** Text up to this many bytes is held in the entry itself. */
const inlined = 12
const entryBytes = 16

/** Appends to one table until it is closed. */
export interface TextAppender {
  append(columns: Columns, rows: number): void
  /** Makes the rows part of the table; the appender is of no use afterwards. */
  close(): void
  /** Gives its rows up; for a database that is about to be closed. */
  discard(): void
}

/**
 * Opens an appender to a table whose columns are all VARCHAR.
 *
 * @example const appender = openTextAppender(duckdb, connection, 'staged')
 */
export function openTextAppender(duckdb: DuckDb, connection: DuckDBConnection, table: string): TextAppender {
  const { bindings, fill } = load(duckdb)
  const appender = bindings.appender_create_ext(connection['connection'], null, null, table)
  const width = bindings.appender_column_count(appender)
  const chunk = textChunk(duckdb, width)
  return {
    append(columns, rows) {
      assert(columns.length === width, `${columns.length} columns of text fit the ${width} of ${table}`)
      assert(
        columns.every((texts) => texts.length >= rows),
        `every column of ${table} has ${rows} rows`,
      )
      for (let from = 0, to = 0; from < rows; from = to) {
        to = chunkEnd(columns, from, Math.min(rows, from + chunkRows))
        chunk.reset()
        chunk.rowCount = to - from
        for (const [at, texts] of columns.entries())
          fill(bindings.data_chunk_get_vector(chunk.chunk, at), texts, from, to)
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

/** Long text goes in small pieces: a chunk holds a copy of all of it. */
function chunkEnd(columns: Columns, from: number, to: number): number {
  if (to - from === 1) return to
  for (const texts of columns) {
    let units = 0
    for (let row = from; row < to; row++) units += texts[row]?.length ?? 0
    if (units > chunkText) return chunkEnd(columns, from, from + ((to - from) >> 1))
  }
  return to
}

function textChunk(duckdb: DuckDb, width: number): DuckDBDataChunk {
  return duckdb.DuckDBDataChunk.create(Array.from({ length: width }, () => duckdb.VARCHAR))
}

let loaded: { readonly bindings: Bindings; readonly fill: Fill } | undefined

/** The bindings that node-api itself uses, and the way of filling that works with them. */
function load(duckdb: DuckDb): { readonly bindings: Bindings; readonly fill: Fill } {
  if (loaded !== undefined) return loaded
  const api = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))
  const bindings: Bindings = api('@duckdb/node-bindings')
  const fast = fillByColumn(bindings)
  loaded = { bindings, fill: isExact(duckdb, bindings, fast) ? fast : fillByValue(bindings) }
  return loaded
}

/** Whether texts of every kind of entry come out as they went in. */
function isExact(duckdb: DuckDb, bindings: Bindings, fill: Fill): boolean {
  const texts = ['', 'a', null, '123456789012', '1234567890123', 'é\u0000ß', `${'ü'.repeat(300)}😀`, '\u0000', null]
  try {
    const chunk = textChunk(duckdb, 1)
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
export function fillByValue(bindings: Bindings): Fill {
  return (vector, texts, from, to) => {
    const valid = new Validity()
    for (let row = from; row < to; row++) {
      const text = texts[row] as string | null
      if (text === null) valid.setNull(row - from)
      else bindings.vector_assign_string_element_len(vector, row - from, Buffer.from(wellFormed(text)))
    }
    valid.flush(bindings, vector, to - from)
  }
}

/**
 * Two copies for every column; see this file's head.
 *
 * @throws Engine.TextBroken
 */
export function fillByColumn(bindings: Bindings): Fill {
  const entries = Buffer.alloc(chunkRows * entryBytes)
  const words = new Int32Array(entries.buffer, entries.byteOffset, chunkRows * 4)
  const ends = new Int32Array(chunkRows)
  const spare = Buffer.allocUnsafeSlow(1 << 20)
  return (vector, texts, from, to) => {
    const valid = new Validity()
    const { bytes, length } = encode(texts, from, to, spare, ends, valid)
    const [low, high] = length === 0 ? [0, 0] : store(bindings, vector, bytes, length)
    const rows = to - from
    for (let row = 0, start = 0; row < rows; row++) {
      const end = ends[row] as number
      const size = end - start
      const word = row * 4
      if (end === repeated) {
        for (let at = word; at < word + 4; at++) words[at] = words[at - 4] as number
        continue
      }
      words[word] = size
      if (size <= inlined) {
        words[word + 1] = words[word + 2] = words[word + 3] = 0
        for (let at = 0; at < size; at++) entries[word * 4 + 4 + at] = bytes[start + at] as number
      } else {
        words[word + 1] = bytes.readInt32LE(start)
        const address = low + start
        words[word + 2] = address | 0
        words[word + 3] = address >= 2 ** 32 ? high + 1 : high
      }
      start = end
    }
    bindings.copy_data_to_vector(vector, 0, entries.buffer as ArrayBuffer, entries.byteOffset, rows * entryBytes)
    valid.flush(bindings, vector, rows)
  }
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
function store(bindings: Bindings, vector: Vector, bytes: Buffer, length: number): [low: number, high: number] {
  // Longer than what an entry holds itself.
  const stored = Math.max(length, entryBytes)
  if (stored > length) bytes.fill(0, length, stored)
  bindings.vector_assign_string_element_len(vector, 0, bytes.subarray(0, stored))
  const entry = Buffer.from(bindings.vector_get_data(vector, entryBytes))
  // Anything else than valid UTF-8 would be stored as empty text, without a word.
  assert(
    entry.readUInt32LE(0) === stored && entry.readInt32LE(4) === bytes.readInt32LE(0),
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
