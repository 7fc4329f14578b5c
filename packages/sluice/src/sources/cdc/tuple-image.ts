/**
 * Images of rows: the texts of a tuple as a JSON object, written byte by byte from the frame.
 *
 * A row becomes one text without an object or a string per column in between; that is what makes decoding as fast as the server sends.
 */
import { isUtf8 } from 'node:buffer'
import { sluiceError } from '../../base/errors.ts'
import type { Relation } from './relation.ts'

/** Why a tuple cannot be read; the caller knows the message it is in. */
export type TupleFault = (why: string) => never

/** The image of one tuple. */
export interface Image {
  /** `{"id":"1","name":null}`; columns whose value did not come are left out. */
  readonly json: string
  /** The columns that name the row, the same way; null where a value is missing or there is no key. */
  readonly key: string | null
  /** Names of columns whose value is unchanged and was not sent, as a JSON list; null where there are none. */
  readonly unchanged: string | null
  /** Where the tuple ends. */
  readonly end: number
}

/** Which columns of a tuple count: of an old tuple sent as a key, the columns of the key alone. */
export type TupleKind = 'new' | 'old' | 'key'

interface Shape {
  /** `"name":` in bytes, by column. */
  readonly prefixes: readonly Uint8Array[]
  readonly prefixBytes: number
  readonly ascii: boolean
}

const quote = 0x22
const backslash = 0x5c
const hex = Buffer.from('0123456789abcdef')
/** How JSON writes a byte: 0 as it is; 1 as \u00xx; otherwise the letter behind a backslash. */
export const escapes = new Uint8Array(256)
escapes.fill(1, 0, 0x20)
for (const [byte, letter] of [[8, 'b'], [9, 't'], [10, 'n'], [12, 'f'], [13, 'r']] as const) // biome-ignore format: a table
  escapes[byte] = letter.charCodeAt(0)
escapes[quote] = quote
escapes[backslash] = backslash

/** Beyond this many bytes the room for a value is counted instead of assumed to be six times its length. */
const countedFrom = 65_536
/** A larger output buffer is not kept for the next row. */
const keptBytes = 4 << 20

/**
 * Makes a reader of tuples. Its buffers are its own: one reader belongs to one decoder.
 *
 * @example const image = tupleReader().read(frame, start, end, relation, 'new', undefined, fault)
 */
export function tupleReader() {
  const shapes = new WeakMap<Relation, Shape>()
  let out = Buffer.allocUnsafe(1 << 16)
  let at = 0
  // Where each column's entry is in `out`, for keys and for values that the new tuple takes from the old; -1 for none.
  let entries = new Int32Array(128)
  let olds = new Int32Array(128)
  let hasOld = false
  /** The bitwise OR of all bytes of the change's values: below 128, its texts are ASCII. */
  let seen = 0

  function room(bytes: number): void {
    if (out.length - at >= bytes) return
    const grown = Buffer.allocUnsafe(Math.max(out.length * 2, at + bytes))
    out.copy(grown, 0, 0, at)
    out = grown
  }

  function shapeOf(relation: Relation): Shape {
    let shape = shapes.get(relation)
    if (shape === undefined) {
      const prefixes = relation.columns.map(({ name }) => Buffer.from(`${JSON.stringify(name)}:`))
      shape = {
        prefixes,
        prefixBytes: prefixes.reduce((sum, { length }) => sum + length + 6, 0),
        ascii: prefixes.every((prefix) => prefix.every((byte) => byte < 128)),
      }
      shapes.set(relation, shape)
    }
    return shape
  }

  /** Copies a value as the inside of a JSON string; answers the bitwise OR of its bytes. */
  function writeValue(frame: Buffer, start: number, end: number): number {
    let bytes = (end - start) * 6
    if (end - start > countedFrom) {
      bytes = end - start
      for (let i = start; i < end; i++) if (escapes[frame[i]!] !== 0) bytes += 5
    }
    room(bytes + 2)
    const target = out
    let p = at
    let or = 0
    target[p++] = quote
    for (let i = start; i < end; i++) {
      const byte = frame[i]!
      or |= byte
      const written = escapes[byte]!
      if (written === 0) target[p++] = byte
      else {
        target[p++] = backslash
        if (written === 1) {
          target[p] = 0x75
          target[p + 1] = 0x30
          target[p + 2] = 0x30
          target[p + 3] = hex[byte >> 4]!
          target[p + 4] = hex[byte & 15]!
          p += 5
        } else target[p++] = written
      }
    }
    target[p++] = quote
    at = p
    return or
  }

  function slice(start: number, end: number, ascii: boolean): string {
    return out.toString(ascii ? 'latin1' : 'utf8', start, end)
  }

  function keyOf(relation: Relation, ascii: boolean): string | null {
    if (relation.key.length === 0) return null
    let key = ''
    for (const column of relation.key) {
      const start = entries[column * 2]!
      if (start < 0) return null
      key += `${key === '' ? '{' : ','}${slice(start, entries[column * 2 + 1]!, ascii)}`
    }
    return `${key}}`
  }

  /** One value of a tuple; answers where it ends. Sets its entry. */
  function column(frame: Buffer, p: number, end: number, place: number, prefix: Uint8Array, fault: TupleFault): number {
    const kind = frame[p]
    entries[place * 2] = -1
    if (kind === 0x75) {
      if (!hasOld || olds[place * 2]! < 0) return p + 1
      const [from, to] = [olds[place * 2]!, olds[place * 2 + 1]!]
      room(to - from + 1)
      entries[place * 2] = at
      out.copyWithin(at, from, to)
      at += to - from
      entries[place * 2 + 1] = at
      return p + 1
    }
    const begin = at
    room(prefix.length + 8)
    for (let i = 0; i < prefix.length; i++) out[at + i] = prefix[i]!
    at += prefix.length
    let next = p + 1
    if (kind === 0x6e) {
      out[at] = 0x6e
      out[at + 1] = 0x75
      out[at + 2] = out[at + 3] = 0x6c
      at += 4
    } else if (kind === 0x74) {
      if (end - next < 4) fault('it ends within the length of a value')
      const length = frame.readInt32BE(next)
      next += 4
      if (length < 0 || length > end - next) fault('a value is longer than its message')
      seen |= writeValue(frame, next, next + length)
      next += length
    } else if (kind === 0x62) fault('a value is binary, which was not asked for')
    else fault('a value is of no known kind')
    entries[place * 2] = begin
    entries[place * 2 + 1] = at
    return next
  }

  function notText(relation: Relation): Error {
    const bad = relation.columns.find((_, place) => {
      const start = entries[place * 2]!
      return start >= 0 && !isUtf8(out.subarray(start, entries[place * 2 + 1]!))
    })
    return sluiceError('Source.ChangeText', { table: relation.table, column: bad?.name ?? '' })
  }

  /**
   * Reads a tuple.
   *
   * @param old whether an old tuple of the same change was read just before: unchanged values are then taken from it
   * @throws Source.ChangeText, and what `fault` throws
   */
  function read(
    frame: Buffer,
    start: number,
    end: number,
    relation: Relation,
    kind: TupleKind,
    old: boolean,
    fault: TupleFault,
  ): Image {
    const shape = shapeOf(relation)
    const { columns } = relation
    if (end - start < 2) fault('it ends before its values')
    if (frame.readUInt16BE(start) !== columns.length)
      fault(`it has ${frame.readUInt16BE(start)} values, and its table ${columns.length} columns`)
    if (old) [entries, olds] = [olds, entries]
    else at = seen = 0
    hasOld = old
    if (entries.length < columns.length * 2) entries = new Int32Array(columns.length * 2)
    const from = at
    room(shape.prefixBytes)
    let missing: string[] | undefined
    let p = start + 2
    for (let place = 0; place < columns.length; place++) {
      if (p >= end) fault('it ends before its last value')
      if (kind === 'key' && !columns[place]!.isKey) {
        // Sent as NULL, whatever it is.
        if (frame[p] !== 0x6e) fault('a column beside the key comes with the key')
        entries[place * 2] = -1
        p++
        continue
      }
      room(1)
      out[at] = at === from ? 0x7b : 0x2c
      at++
      p = column(frame, p, end, place, shape.prefixes[place]!, fault)
      if (entries[place * 2]! < 0) {
        at--
        missing ??= []
        missing.push(columns[place]!.name)
      }
    }
    room(2)
    if (at === from) out[at++] = 0x7b
    out[at++] = 0x7d
    const ascii = shape.ascii && seen < 128
    if (seen >= 128 && !isUtf8(out.subarray(from, at))) throw notText(relation)
    const json = slice(from, at, ascii)
    const image = {
      json,
      key: keyOf(relation, ascii),
      unchanged: missing === undefined ? null : JSON.stringify(missing),
      end: p,
    }
    if (out.length > keptBytes && kind === 'new') out = Buffer.allocUnsafe(1 << 16)
    return image
  }

  return { read }
}
