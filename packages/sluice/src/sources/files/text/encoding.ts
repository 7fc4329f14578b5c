/** Declared encodings: units for the splitter, exact text for values. */
import { isUtf8 } from 'node:buffer'
import { type CodePage, codePage } from '../../../base/code-page.ts'
import { assert } from '../../../base/errors.ts'
import type { Encoding } from '../../../definition/encodings.ts'

export type { Encoding }

/** A unit that stands for every UTF-16 code unit above Latin-1: never part of a delimiter. */
const beyond = 0xff

/** 2 for UTF-16, else 1. */
export function unitBytes(encoding: Encoding): 1 | 2 {
  return encoding === 'utf-16le' || encoding === 'utf-16be' ? 2 : 1
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
  return pageOf(encoding).decode(bytes)
}

/** Every encoding of one byte a character is a code page. */
function pageOf(encoding: Encoding): CodePage {
  const page = codePage(encoding)
  assert(page !== undefined, `${encoding} is a code page`)
  return page
}

/** Half of a pair of UTF-16 units: no character, and nothing that UTF-8 can hold. */
export const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/**
 * A delimiter's units, or `undefined` where the encoding has no such character (in UTF-16: none below U+00FF).
 *
 * @example encode('§', 'windows-1252') // Uint8Array [0xa7]
 */
export function encode(text: string, encoding: Encoding): Uint8Array | undefined {
  if (encoding === 'utf-8') return new Uint8Array(Buffer.from(text, 'utf8'))
  const units: number[] = []
  for (let i = 0; i < text.length; i++) {
    const unit = unitBytes(encoding) === 2 ? text.charCodeAt(i) : pageOf(encoding).byteOf(text[i] as string)
    if (unit === undefined || (unitBytes(encoding) === 2 && unit >= beyond)) return undefined
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
