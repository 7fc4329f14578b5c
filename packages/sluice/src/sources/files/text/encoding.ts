/** Declared encodings: units for the splitter, exact text for values. */
import { isUtf8 } from 'node:buffer'

/** The encodings a source may declare. */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252' | 'latin1' | 'windows-1254' | 'iso-8859-9'

/** A unit that stands for every UTF-16 code unit above Latin-1: never part of a delimiter. */
const beyond = 0xff

/** 2 for UTF-16, else 1. */
export function unitBytes(encoding: Encoding): 1 | 2 {
  return encoding === 'utf-16le' || encoding === 'utf-16be' ? 2 : 1
}

/** Windows' upper half where it differs from Latin-1 (WHATWG index); NUL marks what is undefined. */
const windows1252 = '€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ'
const windows1254 = '€\0‚ƒ„…†‡ˆ‰Š‹Œ\0\0\0\0‘’“”•–—˜™š›œ\0\0Ÿ'
const turkish: Readonly<Record<number, string>> = { 208: 'Ğ', 221: 'İ', 222: 'Ş', 240: 'ğ', 253: 'ı', 254: 'ş' }

const tables = new Map<Encoding, readonly (string | undefined)[]>()

function table(encoding: Encoding): readonly (string | undefined)[] {
  const known = tables.get(encoding)
  if (known !== undefined) return known
  const upper = encoding === 'windows-1252' ? windows1252 : encoding === 'windows-1254' ? windows1254 : undefined
  const isTurkish = encoding === 'windows-1254' || encoding === 'iso-8859-9'
  const made = Array.from({ length: 256 }, (_, byte) => {
    if (upper !== undefined && byte >= 0x80 && byte < 0xa0) {
      const character = upper[byte - 0x80]!
      return character === '\0' ? undefined : character
    }
    return (isTurkish ? turkish[byte] : undefined) ?? String.fromCharCode(byte)
  })
  tables.set(encoding, made)
  return made
}

/**
 * The text of bytes, exactly, or `undefined` where they are not valid in the encoding.
 *
 * @example decode(Buffer.from([0xe9]), 'windows-1252') // 'é'
 */
export function decode(bytes: Buffer, encoding: Encoding): string | undefined {
  if (encoding === 'utf-8') return isUtf8(bytes) ? bytes.toString('utf8') : undefined
  if (encoding === 'latin1') return bytes.toString('latin1')
  if (unitBytes(encoding) === 2) {
    if (bytes.length % 2 === 1) return undefined
    const text = (encoding === 'utf-16be' ? Buffer.from(bytes).swap16() : bytes).toString('utf16le')
    return loneSurrogate.test(text) ? undefined : text
  }
  const characters = table(encoding)
  let text = ''
  for (const byte of bytes) {
    const character = characters[byte]
    if (character === undefined) return undefined
    text += character
  }
  return text
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/**
 * A delimiter's units, or `undefined` where the encoding has no such character (in UTF-16: none below U+00FF).
 *
 * @example encode('§', 'windows-1252') // Uint8Array [0xa7]
 */
export function encode(text: string, encoding: Encoding): Uint8Array | undefined {
  if (encoding === 'utf-8') return new Uint8Array(Buffer.from(text, 'utf8'))
  const units: number[] = []
  for (let i = 0; i < text.length; i++) {
    const unit = unitBytes(encoding) === 2 ? text.charCodeAt(i) : table(encoding).indexOf(text[i])
    if (unit < 0 || (unitBytes(encoding) === 2 && unit >= beyond)) return undefined
    units.push(unit)
  }
  return Uint8Array.from(units)
}

/**
 * The units of bytes: themselves, or one a 16-bit code unit.
 *
 * @example toUnits(Buffer.from([0x2c, 0x00]), 'utf-16le') // [0x2c]
 */
export function toUnits(bytes: Buffer, encoding: Encoding): Uint8Array {
  if (unitBytes(encoding) === 1) return bytes
  const high = encoding === 'utf-16be' ? 0 : 1
  const units = new Uint8Array(bytes.length >> 1)
  for (let i = 0; i < units.length; i++) units[i] = bytes[2 * i + high] === 0 ? bytes[2 * i + 1 - high]! : beyond
  return units
}

/** A byte order mark at the start of a file. */
export function byteOrderMark(bytes: Uint8Array): { readonly encoding: Encoding; readonly length: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', length: 3 }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', length: 2 }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', length: 2 }
  return undefined
}
