/**
 * Normalised copies: the good records of one or many files as one CSV that DuckDB reads beyond doubt (UTF-8, LF, RFC 4180), each with the number of
 * its file and its record, which is the way back to the original bytes.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { quoteIdentifier, quotePath, quoteText } from '../../../sql/quote.ts'
import type { Dialect } from './dialect.ts'
import { fieldTexts } from './field-texts.ts'
import type { FileRecord } from './file-record.ts'

/** The columns that a normalised copy carries beside the file's own. */
export const carried = { file: '_sluice_file', record: '_sluice_record' } as const

/** The name of a file's text column, by its place. */
export const textColumn = (place: number): string => `_sluice_c${place}`

/** Whether a record's own bytes can stand in a normalised copy. */
export function isVerbatim(dialect: Dialect): boolean {
  return (
    dialect.kind === 'csv' &&
    dialect.encoding === 'utf-8' &&
    dialect.delimiter.length === 1 &&
    dialect.delimiter[0]! < 0x80 &&
    ![0x2e, 0x2d, 0x20].includes(dialect.delimiter[0]!) &&
    !(dialect.delimiter[0]! >= 0x30 && dialect.delimiter[0]! <= 0x39) &&
    dialect.quote < 0x80 &&
    dialect.quote === dialect.escape &&
    (dialect.recordEnd === undefined || typeof dialect.recordEnd === 'string')
  )
}

/** How DuckDB reads a delimited file whose dialect it shares; nothing is left for it to guess. */
export function readCsvSql(
  file: string,
  options: {
    columns: readonly string[]
    delimiter: string
    quote: string
    header: boolean
    longest: number
    isLf: boolean
  },
): string {
  const settings = [
    'auto_detect = false',
    // A folder named `region=eu` is no column.
    'hive_partitioning = false',
    `delim = ${quoteText(options.delimiter)}`,
    `quote = ${quoteText(options.quote)}`,
    `escape = ${quoteText(options.quote)}`,
    `header = ${options.header}`,
    "nullstr = ''",
    'allow_quoted_nulls = false',
    'strict_mode = true',
    'null_padding = false',
    'ignore_errors = false',
    // Left alone, DuckDB takes the first CRLF inside a quoted field for the line end; set to CRLF, it finds no rows at all (1.5.6).
    ...(options.isLf ? ["new_line = '\\n'"] : []),
    // A buffer has room for 16 of the longest lines where nothing is said: gigabytes, for a field of 64 MB.
    ...(options.longest > 1_000_000
      ? [
          `max_line_size = ${options.longest + 1024}`,
          `buffer_size = ${Math.max(32_000_000, 2 * (options.longest + 1024))}`,
        ]
      : []),
    `columns = {${options.columns.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ')}}`,
  ]
  return `read_csv(${quotePath(file)}, ${settings.join(', ')})`
}

/** The texts of a record, or none where it has no readable fields. */
export type TextsOf = (record: FileRecord) => readonly (string | null)[]

/** Collects good records and writes them; a file's records can be taken back until the next file begins. */
export interface NormalisedWriter {
  readonly file: string
  /** The longest written record, in bytes. */
  longest(): number
  /** Starts the records of a file. */
  begin(fileNumber: number): void
  add(record: FileRecord): void
  /** Takes back what was added since `begin`; only while nothing of it had to be written out. */
  undo(): void
  /** Writes out what has gathered, where it is much. */
  flush(all?: boolean): void
  close(): void
  readonly sql: () => string
}

/**
 * Opens a normalised copy.
 *
 * @param fields how many text columns it has
 * @param texts makes a record's texts; left out where the dialect is verbatim
 */
export function normalisedWriter(file: string, dialect: Dialect, fields: number, texts?: TextsOf): NormalisedWriter {
  const descriptor = openSync(file, 'wx')
  const verbatim = texts === undefined && isVerbatim(dialect)
  const delimiter = verbatim ? String.fromCharCode(dialect.delimiter[0]!) : ','
  const quote = verbatim ? (dialect.quote < 0 ? '' : String.fromCharCode(dialect.quote)) : '"'
  let buffer = Buffer.allocUnsafe(1 << 20)
  let used = 0
  let begun = 0
  let prefix = ''
  let longest = 0

  const reserve = (bytes: number): void => {
    if (buffer.length - used >= bytes) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + bytes))
    buffer.copy(larger, 0, 0, used)
    buffer = larger
  }
  const textsOf = texts ?? ((record: FileRecord) => fieldTexts(record, dialect))

  return {
    file,
    longest: () => longest,
    begin(fileNumber) {
      begun = used
      prefix = `${fileNumber}${delimiter}`
    },
    add(record) {
      const before = used
      reserve(record.bytes.length + 40 + fields)
      used += buffer.write(prefix + record.ordinal + delimiter, used, 'latin1')
      if (verbatim) {
        used += record.bytes.copy(buffer, used)
        for (let more = record.fields; more < fields; more++) buffer[used++] = delimiter.charCodeAt(0)
      } else {
        const values = textsOf(record)
        const line =
          values.map((text) => (text === null ? '' : `"${text.replaceAll('"', '""')}"`)).join(',') +
          ','.repeat(Math.max(0, fields - values.length))
        reserve(Buffer.byteLength(line) + 1)
        used += buffer.write(line, used)
      }
      buffer[used++] = 10
      longest = Math.max(longest, used - before)
    },
    undo() {
      used = begun
    },
    flush(all = false) {
      if (!all && used < 1 << 19) return
      writeFileSync(descriptor, buffer.subarray(0, used))
      used = 0
      begun = 0
    },
    close: () => closeSync(descriptor),
    sql: () =>
      readCsvSql(file, {
        columns: [carried.file, carried.record, ...Array.from({ length: fields }, (_, place) => textColumn(place))],
        delimiter,
        quote,
        header: false,
        longest,
        isLf: true,
      }),
  }
}

/** A quoted text column, for casts; NULL for a column that the file lacks, whose place is -1. */
export const textColumnSql = (place: number): string =>
  place < 0 ? 'NULL::VARCHAR' : quoteIdentifier(textColumn(place))
