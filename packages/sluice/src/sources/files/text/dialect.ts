/** How the bytes of a delimited file are written: every choice is explicit, none is guessed from data. */
import { sluiceError } from '../../../base/errors.ts'
import type { CsvFormat, JsonLinesFormat } from '../../../definition/types.ts'
import { type Encoding, encode, unitBytes } from './encoding.ts'

/**
 * What ends a record: `newline` is LF or CRLF, each as it comes; `cr` is CR alone; otherwise exactly these units.
 */
export type RecordEnd = 'newline' | 'cr' | Uint8Array

/** Lines that are declared to be no records, in units. */
export interface AsideLines {
  /** How many lines stand before the header, or before the first record. */
  readonly skip: number
  /** What a line begins with that is a comment; empty for none. */
  readonly comment: Uint8Array
  /** How many lines end the file, and what each of them begins with. */
  readonly footer: { readonly lines: number; readonly start: Uint8Array }
}

/** A dialect in units: bytes, or 16-bit code units for UTF-16. */
export interface Dialect {
  readonly kind: 'csv' | 'jsonl'
  readonly encoding: Encoding
  readonly header: boolean
  readonly ragged: 'reject' | 'pad'
  /** Empty for JSON Lines. */
  readonly delimiter: Uint8Array
  /** A unit, or -1 for none. */
  readonly quote: number
  /** Equal to the quote where quotes are doubled; -1 for none. */
  readonly escape: number
  /** `undefined`: as the first line shows. */
  readonly recordEnd: RecordEnd | undefined
  /** Lines that are declared to be no records. */
  readonly aside?: AsideLines | undefined
}

/**
 * The dialect that a source declares.
 *
 * @example dialectOf({ kind: 'csv', delimiter: '+|', recordEnd: '&|\n', header: false })
 * @throws Source.Dialect where a declared character cannot be written in the declared encoding
 */
export function dialectOf(format: CsvFormat | JsonLinesFormat): Dialect {
  if (format.kind === 'jsonl') {
    return {
      kind: 'jsonl',
      encoding: 'utf-8',
      header: false,
      ragged: 'reject',
      delimiter: new Uint8Array(),
      quote: -1,
      escape: -1,
      recordEnd: 'newline',
    }
  }
  const encoding = format.encoding ?? 'utf-8'
  const units = (what: string, text: string, exactly?: number): Uint8Array => {
    const found = encode(text, encoding)
    const usable = found !== undefined && found.length > 0 && (exactly === undefined || found.length === exactly)
    if (!usable) throw sluiceError('Source.Dialect', { what, text, encoding })
    return found
  }
  const quoteText = format.quote ?? '"'
  const quote = quoteText === '' ? -1 : units('quote', quoteText, 1)[0]!
  const escapeText = format.escape ?? quoteText
  return {
    kind: 'csv',
    encoding,
    header: format.header ?? true,
    ragged: format.ragged ?? 'reject',
    delimiter: units('delimiter', format.delimiter ?? ','),
    quote,
    escape: quote === -1 || escapeText === '' ? -1 : units('escape', escapeText, 1)[0]!,
    recordEnd: format.recordEnd === undefined ? undefined : declaredEnd(units('recordEnd', format.recordEnd)),
    aside: asideLines(format, units),
  }
}

/** `\n` and `\r\n`, declared, mean the same as found: either ends a record. */
function declaredEnd(units: Uint8Array): RecordEnd {
  const text = String.fromCharCode(...units)
  if (text === '\n' || text === '\r\n') return 'newline'
  return text === '\r' ? 'cr' : units
}

/** Bytes a unit of the dialect. */
export function bytesPerUnit(dialect: Dialect): 1 | 2 {
  return unitBytes(dialect.encoding)
}

/**
 * What a format declares of such lines; undefined where it declares none.
 */
function asideLines(
  { skip = 0, comment, footer = 0 }: CsvFormat,
  units: (what: string, text: string) => Uint8Array,
): AsideLines | undefined {
  if (skip === 0 && comment === undefined && footer === 0) return undefined
  const none = new Uint8Array()
  return {
    skip,
    comment: comment === undefined ? none : units('comment', comment),
    footer: typeof footer === 'number' ? { lines: footer, start: none } : { lines: 1, start: units('footer', footer) },
  }
}
