/** What a refused record says of each column, as far as it can be split: who reads quarantine then knows whose row it was. */
import type { CsvFormat, FileFormat, FilesSource } from '../../../definition/file-types.ts'
import { dialectOf } from './dialect.ts'
import { decode, loneSurrogate } from './encoding.ts'
import { namesInFile } from './header.ts'
import { JsonLineProblem, objectMembers } from './json-line.ts'

/** The columns of a source, and where they are in a record. */
export interface RecordColumns {
  readonly columns: FilesSource['columns']
  /** How many fields a record has. */
  readonly fields: number
  readonly positions: readonly number[]
}

/**
 * The texts of a record by column; undefined where it is not well formed. A column that the record does not tell exactly is left out.
 *
 * @example recordFields(Buffer.from('1,"a, b"\n'), { kind: 'csv' }, { columns: { id: { type: 'text' }, name: { type: 'text' } }, fields: 2, positions: [0, 1] }) // { id: '1', name: 'a, b' }
 */
export function recordFields(
  bytes: Buffer,
  format: FileFormat,
  { columns, fields, positions }: RecordColumns,
): { readonly [column: string]: string | null } | undefined {
  if (format.kind !== 'csv') return jsonFields(bytes.toString('utf8'), columns)
  const text = decode(bytes, dialectOf(format).encoding)
  const texts = text === undefined ? undefined : splitRecord(withoutEnd(text, format.recordEnd), format)
  if (texts?.length !== fields) return undefined
  return Object.fromEntries(Object.keys(columns).map((name, at) => [name, texts[positions[at]!] ?? null]))
}

/** A number is the text that it is written as: another text of the same number would be another key. */
function jsonFields(
  text: string,
  columns: RecordColumns['columns'],
): { readonly [column: string]: string | null } | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const members = objectMembers(text)
  if (members instanceof JsonLineProblem) return undefined
  const told = Object.entries(columns).flatMap(([name, column]) => {
    const values = namesInFile(name, column).flatMap((key) => members.get(key) ?? (members.has(key) ? [null] : []))
    const [value] = values
    // Of two names of one column nobody can say which was meant; half of a surrogate pair is no text that could be kept.
    if (values.length !== 1 || value === undefined || (value !== null && loneSurrogate.test(value))) return []
    return [[name, value] as const]
  })
  return Object.fromEntries(told)
}

function withoutEnd(text: string, recordEnd: string | undefined): string {
  if (recordEnd !== undefined && text.endsWith(recordEnd)) return text.slice(0, -recordEnd.length)
  return text.replace(/\r?\n$|\r$/, '')
}

/** The fields of one record; undefined where its quotes are no pairs. */
function splitRecord(text: string, format: CsvFormat): (string | null)[] | undefined {
  const { delimiter = ',', quote = '"' } = format
  const escapeText = format.escape ?? quote
  const found: (string | null)[] = []
  for (let at = 0; ; ) {
    if (quote === '' || text[at] !== quote) {
      const end = text.indexOf(delimiter, at)
      const raw = text.slice(at, end < 0 ? undefined : end)
      found.push(raw === '' ? null : raw)
      if (end < 0) return found
      at = end + delimiter.length
      continue
    }
    let value = ''
    for (at++; ; at++) {
      if (at >= text.length) return undefined
      const isEscape = text[at] === escapeText && (text[at + 1] === quote || text[at + 1] === escapeText)
      if (isEscape && at + 1 < text.length) at++
      else if (text[at] === quote) break
      value += text[at]
    }
    found.push(value)
    at++
    if (at === text.length) return found
    if (!text.startsWith(delimiter, at)) return undefined
    at += delimiter.length
  }
}
