/**
 * Tuples of the stream: their texts as the image of a row, written byte by byte from the frame.
 *
 * A row becomes one text without an object or a string per column in between; that is what makes decoding as fast as the server sends.
 */
import { isUtf8 } from 'node:buffer'
import { sluiceError } from '../../../base/errors.ts'
import { endImage, escapes, type Image, makeArena, reserve } from './image.ts'
import type { Relation } from './relation.ts'

/** Why a tuple cannot be read; the caller knows the message it is in. */
export type TupleFault = (why: string) => never

/** Which columns of a tuple count: of an old tuple sent as a key, the columns of the key alone. */
export type TupleKind = 'new' | 'old' | 'key'

interface Shape {
  /** `"name":` in bytes, by column. */
  readonly prefixes: readonly Uint8Array[]
  /** Room for them, and for what else is written around a value. */
  readonly prefixBytes: number
}

const hex = Buffer.from('0123456789abcdef')
const quote = 0x22
const backslash = 0x5c

/** A reader of tuples. Its entries are its own: one reader belongs to one decoder. */
export interface TupleReader {
  /**
   * Reads a tuple.
   *
   * @param old the image that was read just before, of the same change: unchanged values are then taken from it
   * @throws Source.ChangeText, and what `fault` throws
   */
  read(
    frame: Buffer,
    start: number,
    end: number,
    relation: Relation,
    kind: TupleKind,
    old: Image | undefined,
    fault: TupleFault,
  ): Image
  /** Where the tuple ends that was read last. */
  readonly end: number
}

/**
 * Makes a reader of tuples.
 *
 * @example const image = tupleReader().read(frame, start, end, relation, 'new', undefined, fault)
 */
export function tupleReader(): TupleReader {
  const shapes = new WeakMap<Relation, Shape>()
  const arena = makeArena()
  // Where each column's entry is in the image, for keys and for values that the new tuple takes from the old; -1 for none.
  let entries = new Int32Array(128)
  let olds = new Int32Array(128)
  let tupleEnd = 0

  function shapeOf(relation: Relation): Shape {
    let shape = shapes.get(relation)
    if (shape === undefined) {
      const prefixes = relation.columns.map(({ name }) => Buffer.from(`${JSON.stringify(name)}:`))
      shape = { prefixes, prefixBytes: prefixes.reduce((sum, { length }) => sum + length + 6, 4) }
      shapes.set(relation, shape)
    }
    return shape
  }

  function notText(bytes: Buffer, { table, columns }: Relation): Error {
    const bad = columns.find((_, place) => {
      const start = entries[place * 2]!
      return start >= 0 && !isUtf8(bytes.subarray(start, entries[place * 2 + 1]!))
    })
    return sluiceError('Source.ChangeText', { table, column: bad?.name ?? '' })
  }

  const read: TupleReader['read'] = (frame, start, end, relation, kind, old, fault) => {
    const { columns, key } = relation
    const width = columns.length
    if (end - start < 2) fault('it ends before its values')
    if (frame.readUInt16BE(start) !== width)
      fault(`it has ${frame.readUInt16BE(start)} values, and its table ${width} columns`)
    const { prefixes, prefixBytes } = shapeOf(relation)
    if (old !== undefined) [entries, olds] = [olds, entries]
    if (entries.length < width * 2) entries = new Int32Array(width * 2)
    reserve(arena, frame, start, end, prefixBytes + (old === undefined ? 0 : old.end - old.start))
    const out = arena.bytes
    const from = arena.at
    let missing: string[] | undefined
    /** The bitwise OR of all bytes of the values: below 128, they are ASCII. */
    let seen = 0
    let at = from
    let p = start + 2
    for (let place = 0; place < width; place++) {
      if (p >= end) fault('it ends before its last value')
      const sent = frame[p++]!
      entries[place * 2] = -1
      if (kind === 'key' && !columns[place]!.isKey) {
        // Sent as NULL, whatever it is.
        if (sent !== 0x6e) fault('a column beside the key comes with the key')
        continue
      }
      if (sent === 0x75 && (old === undefined || olds[place * 2]! < 0)) {
        missing ??= []
        missing.push(columns[place]!.name)
        continue
      }
      out[at] = at === from ? 0x7b : 0x2c
      const entry = ++at
      if (sent === 0x75) {
        old!.bytes.copy(out, at, olds[place * 2]!, olds[place * 2 + 1]!)
        at += olds[place * 2 + 1]! - olds[place * 2]!
        seen = 128
      } else {
        const prefix = prefixes[place]!
        for (let i = 0; i < prefix.length; i++) out[at++] = prefix[i]!
        if (sent === 0x74) {
          if (end - p < 4) fault('it ends within the length of a value')
          const length = (frame[p]! << 24) | (frame[p + 1]! << 16) | (frame[p + 2]! << 8) | frame[p + 3]!
          p += 4
          if (length < 0 || length > end - p) fault('a value is longer than its message')
          const stop = p + length
          out[at++] = quote
          for (; p < stop; p++) {
            const byte = frame[p]!
            seen |= byte
            const written = escapes[byte]!
            if (written === 0) out[at++] = byte
            else {
              out[at++] = backslash
              if (written === 1) {
                out[at++] = 0x75
                out[at++] = 0x30
                out[at++] = 0x30
                out[at++] = hex[byte >> 4]!
                out[at++] = hex[byte & 15]!
              } else out[at++] = written
            }
          }
          out[at++] = quote
        } else if (sent === 0x6e) {
          out[at++] = 0x6e
          out[at++] = 0x75
          out[at++] = 0x6c
          out[at++] = 0x6c
        } else if (sent === 0x62) fault('a value is binary, which was not asked for')
        else fault('a value is of no known kind')
      }
      entries[place * 2] = entry
      entries[place * 2 + 1] = at
    }
    if (at === from) out[at++] = 0x7b
    out[at++] = 0x7d
    if (seen >= 128 && !isUtf8(out.subarray(from, at))) throw notText(out, relation)
    tupleEnd = p
    return endImage(arena, from, at, key, entries, missing === undefined ? null : JSON.stringify(missing))
  }

  return {
    read,
    get end() {
      return tupleEnd
    },
  }
}
