/** Guesses for a crawl, and for nothing else: what a foreign file's dialect seems to be. A source itself never guesses. */
import { isUtf8 } from 'node:buffer'
import type { CsvFormat } from '../../../definition/types.ts'
import { type Dialect, dialectOf } from './dialect.ts'
import { byteOrderMark, type Encoding, toUnits } from './encoding.ts'
import { fieldTexts } from './field-texts.ts'
import { readRecordsOf } from './file-records.ts'
import { firstRecordEnd } from './record-splitter.ts'

/** Delimiters that are tried, in the order in which they win a tie. */
const delimiters = [',', ';', '\t', '|', '+|', '||', '~', '^', ' ']

/** The encoding that a file's first bytes allow. */
export function sniffEncoding(sample: Buffer): Encoding {
  const mark = byteOrderMark(sample)
  if (mark !== undefined) return mark.encoding
  // The sample may end within a character.
  const cut = [0, 1, 2, 3].some((bytes) => isUtf8(sample.subarray(0, Math.max(0, sample.length - bytes))))
  return cut ? 'utf-8' : 'windows-1252'
}

/** A dialect and its first records, as texts. */
export interface SniffedCsv {
  readonly format: CsvFormat
  readonly rows: readonly (readonly (string | null)[])[]
  /** What a reviewer should know. */
  readonly notes: readonly string[]
}

/**
 * Finds the delimiter by which most records agree on the number of their fields.
 *
 * @example sniffCsv(Buffer.from('a;b\n1;2\n')).format.delimiter // ';'
 */
export function sniffCsv(sample: Buffer, isWhole: boolean): SniffedCsv {
  const encoding = sniffEncoding(sample)
  let best: { score: number; width: number; format: CsvFormat; rows: SniffedCsv['rows']; bad: number } | undefined
  for (const quote of ['"', "'", '']) {
    for (const delimiter of delimiters) {
      const format: CsvFormat = {
        kind: 'csv',
        ...(delimiter === ',' ? {} : { delimiter }),
        ...(quote === '"' ? {} : { quote }),
        ...(encoding === 'utf-8' ? {} : { encoding }),
      }
      const { rows, bad } = sampleRows(sample, format, isWhole)
      const widths = new Map<number, number>()
      for (const row of rows) widths.set(row.length, (widths.get(row.length) ?? 0) + 1)
      const [width, agreeing] = [...widths].sort((a, b) => b[1] - a[1])[0] ?? [1, 0]
      const share = agreeing / Math.max(1, rows.length + bad)
      // One column always agrees; anything that splits consistently says more.
      const score = share * (width === 1 ? 0.5 : 1) - (quote === '"' ? 0 : 0.05) + Math.min(width, 50) / 1000
      if (best === undefined || score > best.score) best = { score, width, format, rows, bad }
    }
  }
  const { format, rows, width } = best!
  const hasHeader = looksLikeHeader(rows, width)
  const notes = [
    ...(encoding === 'windows-1252' ? ['not valid UTF-8: windows-1252 is a guess, check some accented letters'] : []),
    ...(hasHeader ? [] : ['the first record looks like data, so the columns have made-up names']),
  ]
  return { format: hasHeader ? format : { ...format, header: false }, rows, notes }
}

function sampleRows(sample: Buffer, format: CsvFormat, isWhole: boolean) {
  const dialect: Dialect = { ...dialectOf({ ...format, header: false }) }
  const rows: (string | null)[][] = []
  let bad = 0
  const bytes = isWhole ? sample : sample.subarray(0, lastRecord(sample, dialect))
  readRecordsOf(
    'sample',
    bytes,
    { dialect },
    {
      record(record) {
        if (record.problem !== undefined) bad++
        else if (rows.length < 5000) rows.push(fieldTexts(record, dialect))
      },
    },
  )
  return { rows, bad }
}

/** Where the last complete line of a sample ends. */
function lastRecord(sample: Buffer, dialect: Dialect): number {
  const units = toUnits(sample, dialect.encoding)
  const end = firstRecordEnd(units, units.length, dialect, true) === 'cr' ? 13 : 10
  const last = units.lastIndexOf(end)
  return last < 0 ? sample.length : (last + 1) * (sample.length > units.length ? 2 : 1)
}

const numberOrDate = /^[\s+-]*[$€£]?[\d.,:/\- ]*\d[\d.,:/\- %]*$/

function looksLikeHeader(rows: SniffedCsv['rows'], width: number): boolean {
  const [first] = rows
  if (first === undefined) return true
  if (first.length !== width) return false
  const names = first.map((name) => name ?? '')
  if (names.some((name) => name === '' || numberOrDate.test(name)) || new Set(names).size < names.length) return false
  const constants = new Set(['true', 'false', 'null', 'yes', 'no'])
  return !names.every((name) => constants.has(name.toLowerCase()))
}
