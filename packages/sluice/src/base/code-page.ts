/**
 * Text of a code page, exactly: what is not a character of the page is refused, never replaced. The tables are iconv-lite's, which are those of
 * the vendors; Node's `TextDecoder` has others, and they differ between its versions.
 */
import { createRequire } from 'node:module'

/** The characters of a code page. */
export interface CodePage {
  /** The text of bytes; undefined where a byte, or a pair of bytes, is no character of the page. */
  decode(bytes: Uint8Array): string | undefined
  /** The byte of a character; undefined where the page has none, or it takes two bytes. */
  byteOf(character: string): number | undefined
}

const replacement = '\ufffd'
const known = new Map<string, CodePage | undefined>()

/**
 * A code page by its name: `windows-1252`, `CP437`, `iso-8859-9`, `latin1`; with two bytes a character `CP932`, `CP936`, `CP949`, `CP950`.
 *
 * @example codePage('CP850')?.decode(Buffer.from([0x80])) // 'Ç'
 * @returns undefined for a name that is not known
 * @see https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/
 */
export function codePage(name: string): CodePage | undefined {
  if (!known.has(name)) known.set(name, makePage(name))
  return known.get(name)
}

function makePage(name: string): CodePage | undefined {
  const iconv = createRequire(import.meta.url)('iconv-lite') as typeof import('iconv-lite')
  // Latin-1 as ISO 8859-1 has it: WHATWG, and so iconv-lite for some of its names, means Windows' page.
  const label = name.toLowerCase() === 'latin1' ? 'iso-8859-1' : name
  if (!iconv.encodingExists(label)) return undefined
  const decode = (bytes: Buffer): string => iconv.decode(bytes, label, { stripBOM: false })
  const isDouble = /^cp9(32|36|49|50)$/i.test(name)
  const single = Array.from({ length: 256 }, (_, byte) => {
    const character = decode(Buffer.from([byte]))
    return character === replacement || character.length === 0 ? undefined : character
  })
  const byteOf = (character: string): number | undefined => {
    const byte = single.indexOf(character)
    return byte < 0 ? undefined : byte
  }
  if (isDouble)
    return {
      byteOf,
      decode(bytes) {
        const text = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
        return text.includes(replacement) ? undefined : text
      },
    }
  return {
    byteOf,
    decode(bytes) {
      let text = ''
      for (let at = 0; at < bytes.length; at++) {
        const character = single[bytes[at] as number]
        if (character === undefined) return undefined
        text += character
      }
      return text
    },
  }
}
