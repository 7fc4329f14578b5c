/**
 * Images of copied rows: a row of COPY's text format as the same JSON object that a change of it would have.
 *
 * COPY writes values by the same functions as pgoutput does, so that a row copied and a row streamed are equal. Its escapes are, but for one, JSON's.
 * Source: PostgreSQL, "COPY", text format.
 */
import { isUtf8 } from 'node:buffer'
import { sluiceError } from '../../base/errors.ts'
import type { Relation } from './relation.ts'
import { escapes } from './tuple-image.ts'

/** The image of a copied row. */
export interface CopiedImage {
  readonly json: string
  readonly key: string | null
}

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
export function copyReader(relation: Relation): (block: Buffer, start: number, end: number) => CopiedImage {
  const { columns, key, table } = relation
  const prefixes = columns.map(({ name }, place) => Buffer.from(`${place === 0 ? '{' : ','}${JSON.stringify(name)}:`))
  const fixed = prefixes.reduce((sum, { length }) => sum + length + 6, 2)
  const isAscii = prefixes.every((prefix) => prefix.every((byte) => byte < 128))
  const ends = new Int32Array(columns.length)
  let out = Buffer.allocUnsafe(1 << 16)

  return (block, start, end) => {
    const fault = (why: string): Error =>
      sluiceError('Source.ChangeProtocol', { why, message: `row of ${table}`, bytes: end - start })
    if (block[end - 1] !== 0x0a) throw fault('it does not end with its line')
    const room = fixed + 6 * (end - start)
    if (out.length < room) out = Buffer.allocUnsafe(room * 2)
    let at = 0
    let p = start
    let seen = 0
    for (let place = 0; place < columns.length; place++) {
      if (p >= end) throw fault('it has too few values')
      const prefix = prefixes[place]!
      for (let i = 0; i < prefix.length; i++) out[at++] = prefix[i]!
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
      ends[place] = at
      p = i + 1
    }
    if (p !== end) throw fault('it has too many values')
    if (columns.length === 0) out[at++] = 0x7b
    out[at++] = 0x7d
    if (seen >= 128 && !isUtf8(out.subarray(0, at))) throw sluiceError('Source.ChangeText', { table, column: '' })
    const ascii = isAscii && seen < 128
    const text = (from: number, to: number): string => out.toString(ascii ? 'latin1' : 'utf8', from, to)
    return {
      json: text(0, at),
      key:
        key.length === 0
          ? null
          : `{${key.map((place) => text((place === 0 ? 0 : ends[place - 1]!) + 1, ends[place]!)).join(',')}}`,
    }
  }
}
