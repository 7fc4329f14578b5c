/** What the fields of a record say. */
import type { Dialect } from './dialect.ts'
import { decode } from './encoding.ts'
import type { FileRecord } from './file-record.ts'

/**
 * The texts of a record's fields; NULL for empty fields without quotes.
 *
 * @example fieldTexts(record, dialect) // ['1', null, '']
 */
export function fieldTexts(record: FileRecord, dialect: Dialect): (string | null)[] {
  const quote = dialect.quote < 0 ? '' : String.fromCharCode(dialect.quote)
  const escapeText = dialect.escape < 0 ? '' : String.fromCharCode(dialect.escape)
  const texts: (string | null)[] = []
  let start = record.base
  for (let i = 0; i < record.fields; i++) {
    const end = record.ends[i]!
    const from = (start - record.base) * record.unitSize
    const raw = decode(record.bytes.subarray(from, (end - record.base) * record.unitSize), dialect.encoding)!
    texts.push(unquote(raw, quote, escapeText))
    start = end + dialect.delimiter.length
  }
  return texts
}

function unquote(raw: string, quote: string, escapeText: string): string | null {
  if (raw === '') return null
  if (quote === '' || raw[0] !== quote) return raw
  const inside = raw.slice(1, -1)
  if (escapeText === '' || !inside.includes(escapeText)) return inside
  if (escapeText === quote) return inside.replaceAll(quote + quote, quote)
  let text = ''
  for (let at = 0; at < inside.length; at++) {
    if (inside[at] === escapeText && (inside[at + 1] === quote || inside[at + 1] === escapeText)) at++
    text += inside[at]
  }
  return text
}
