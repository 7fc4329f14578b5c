/**
 * Images of copied rows: a row of COPY's text format as the same JSON object that a change of it would have.
 *
 * COPY writes values by the same functions as pgoutput does, so that a row copied and a row streamed are equal. Its escapes are, but for one, JSON's.
 * Source: PostgreSQL, "COPY", text format.
 */
import { isUtf8 } from 'node:buffer'
import { sluiceError } from '../../../base/errors.ts'
import { endImage, escapes, type Image, makeArena, reserve } from '../wire/image.ts'
import type { Relation } from '../wire/relation.ts'

const tab = 0x09
const backslash = 0x5c
const quote = 0x22
const nothing = Buffer.from('null')
/** COPY's escapes that JSON spells the same way. */
const same = new Set([...'bfnrt\\'].map((letter) => letter.charCodeAt(0)))

/**
 * Makes a reader of copied rows of one table.
 *
 * @example const { json, key } = copyReader(relation)(block, start, end)
 * @throws (the reader) Source.ChangeProtocol, Source.ChangeText
 */
export function copyReader(relation: Relation): (block: Buffer, start: number, end: number) => Image {
  const { columns, key, table } = relation
  const prefixes = columns.map(({ name }, place) => Buffer.from(`${place === 0 ? '{' : ','}${JSON.stringify(name)}:`))
  const fixed = prefixes.reduce((sum, { length }) => sum + length + 6, 2)
  const entries = new Int32Array(columns.length * 2)
  const arena = makeArena()

  return (block, start, end) => {
    const fault = (why: string): Error =>
      sluiceError('Source.ChangeProtocol', { why, message: `row of ${table}`, bytes: end - start })
    if (block[end - 1] !== 0x0a) throw fault('it does not end with its line')
    reserve(arena, block, start, end, fixed)
    const out = arena.bytes
    const from = arena.at
    let at = from
    let p = start
    let seen = 0
    for (let place = 0; place < columns.length; place++) {
      if (p >= end) throw fault('it has too few values')
      const prefix = prefixes[place]!
      for (let i = 0; i < prefix.length; i++) out[at + i] = prefix[i]!
      entries[place * 2] = at + 1
      at += prefix.length
      let i = p
      if (block[p] === backslash && block[p + 1] === 0x4e) {
        for (let n = 0; n < 4; n++) out[at++] = nothing[n]!
        i += 2
        if (i < end - 1 && block[i] !== tab) throw fault('a value has an unknown escape')
      } else {
        out[at++] = quote
        // A tab or a line's end inside of a value is escaped.
        for (let byte = block[i]!; i < end - 1 && byte !== tab; byte = block[++i]!) {
          seen |= byte
          const written = escapes[byte]!
          if (written === 0) out[at++] = byte
          else if (byte === backslash) {
            const letter = block[++i]!
            if (same.has(letter)) {
              out[at++] = backslash
              out[at++] = letter
            } else if (letter === 0x76) at += out.write('\\u000b', at, 'latin1')
            else throw fault('a value has an unknown escape')
          } else if (byte === quote) {
            out[at++] = backslash
            out[at++] = quote
          } else at += out.write(`\\u${byte.toString(16).padStart(4, '0')}`, at, 'latin1')
        }
        out[at++] = quote
      }
      entries[place * 2 + 1] = at
      p = i + 1
    }
    if (p !== end) throw fault('it has too many values')
    if (columns.length === 0) out[at++] = 0x7b
    out[at++] = 0x7d
    if (seen >= 128 && !isUtf8(out.subarray(from, at))) throw sluiceError('Source.ChangeText', { table, column: '' })
    return endImage(arena, from, at, key, entries, null)
  }
}
