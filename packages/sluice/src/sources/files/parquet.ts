/** Parquet files: the footer must be true, types must be those of the contract or widen to them, and every row is counted twice. */
import { closeSync, openSync, readSync } from 'node:fs'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { Column, FilesSource } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { copyExact } from '../../engines/parquet-exact.ts'
import { type FileColumn, readColumns, readFooter } from '../../engines/parquet-footer.ts'
import { castColumn } from '../../quality/casts.ts'
import { tooManyRefused } from '../../quality/rows/judge.ts'
import type { ColumnCast } from '../../quality/rule.ts'
import { floatingColumns } from '../../quality/rules.ts'
import { quoteIdentifier, quoteText, readParquetSql } from '../../sql/quote.ts'
import { holds } from '../../sql/types/lattice.ts'
import { assertSize, readable } from './parquet-size.ts'
import type { ParquetTrial } from './parquet-trial.ts'
import type { CapturedRow, ScanInput } from './scan.ts'
import type { FileTotals } from './text/file-record.ts'
import { gunzipLimits } from './text/gunzip.ts'
import { mapHeader, namesInWords } from './text/header.ts'
import { carried, textColumn, textColumnSql } from './text/normalised.ts'
import type { RefusedRecord, Survey } from './text/survey.ts'

/**
 * Looks at a Parquet file: its footer, its columns, and how each becomes its contract's column.
 *
 * @param path as delivered
 * @param options `exactCopy`: where a copy is made of a file whose values the engine would cut; `trial`: what reads a suspicious one first
 * @throws Source.Format, Source.CompressionLimit, Source.ColumnType, Source.Header, Source.ColumnMissing, Source.ColumnExtra
 */
export async function surveyParquet(
  session: Session,
  path: string,
  localFile: string,
  bytes: number,
  source: FilesSource,
  options: { readonly exactCopy: string; readonly trial: ParquetTrial },
): Promise<{ readonly survey: Survey; readonly scan: Pick<ScanInput, 'relation' | 'casts'> }> {
  const { exactCopy, trial } = options
  const name = printable(path)
  const columns = await parquetColumns(session, path, localFile, bytes, source, trial)
  const [described, rows] = await readable(name, async () => {
    const read = await session.describe(`SELECT * FROM ${readParquetSql([localFile])}`)
    return [read, (await readFooter(session, localFile)).rows] as const
  })
  const extra = source.format.kind === 'parquet' ? (source.format.extraColumns ?? 'reject') : 'reject'
  const found = columns.map((column) => column.name)
  assertNames(name, found)
  const drift: string[] = []
  const differs = source.drift === 'quarantine' ? (reasons: readonly string[]) => drift.push(...reasons) : undefined
  const positions = mapHeader(name, found, source.columns, extra, undefined, differs)
  const cut = positions.flatMap((place) => columns[place] ?? []).filter((column) => column.isCut)
  // Beside the values as the engine reads them, a copy has them whole.
  const read = cut.length === 0 ? localFile : exactCopy
  if (cut.length > 0)
    await exactly(
      name,
      localFile,
      exactCopy,
      cut.map((column) => column.name),
    )
  const casts = Object.entries(source.columns).map(([column, contract], place) => {
    const at = positions[place]!
    try {
      return parquetCast(name, column, contract, columns[at], described[at]?.type ?? '')
    } catch (error) {
      if (differs === undefined || !isSluiceError(error, 'Source.ColumnType')) throw error
      drift.push(`columnType:${column}`)
      return (text: string) => castColumn(name, { type: 'text' }, text)
    }
  })
  const floats = floatingColumns(described)
  const texts = found.map((column, place) => {
    const value = quoteIdentifier(column)
    // The smallest and the largest value that a file tells leave NaN out, and the engine decides comparisons by them: it sees none of this.
    const seen = floats.has(column) ? `if(isnan(${value}), 'nan', ${value})` : value
    return `${seen} AS ${quoteIdentifier(textColumn(place))}`
  })
  const relation = `(SELECT '0' AS ${quoteIdentifier(carried.file)}, (file_row_number + 1)::VARCHAR AS ${quoteIdentifier(carried.record)}, ${texts.join(', ')} FROM ${readParquetSql([read], 'file_row_number = true')})`
  // A cast reads the text column of its own place.
  const placed = casts.map((make, place) => make(textColumnSql(positions[place]!)))
  const survey: Survey = {
    fields: found.length,
    positions,
    totals: parquetTotals(bytes, rows),
    refused: drift.length === 0 ? [] : await allRefused(session, name, localFile, rows, drift),
    isPlain: true,
  }
  return { survey, scan: { relation, casts: placed } }
}

/**
 * The columns of a Parquet file, whose size is judged before any data is read.
 *
 * @throws Source.Format, Source.CompressionLimit, Source.Unreadable
 */
export async function parquetColumns(
  session: Session,
  path: string,
  localFile: string,
  bytes: number,
  source: FilesSource,
  trial: ParquetTrial,
): Promise<readonly FileColumn[]> {
  const name = printable(path)
  assertFooter(name, localFile, bytes)
  const columns = await readable(name, () => readColumns(session, localFile))
  await assertSize(
    { session, file: name, localFile, bytes, limits: { ...gunzipLimits, ...source.limits }, trial },
    columns,
  )
  return columns
}

/** All rows of a file whose columns are not those of the contract. */
function allRefused(
  session: Session,
  name: string,
  localFile: string,
  rows: number,
  reasons: readonly string[],
): Promise<readonly RefusedRecord[]> {
  if (rows > mostRefused) {
    const why = `its ${rows} rows have other columns (${reasons.join(', ')}), and at most ${mostRefused} are held of one file`
    throw tooManyRefused({ what: name, of: 'file' }, why)
  }
  const all = Array.from({ length: rows }, (_, at) => ({ file: 0, record: at + 1, reasons }))
  return locateParquet(session, localFile, all)
}

/** Refused rows of Parquet are held as texts. */
const mostRefused = 100_000

function parquetTotals(bytes: number, records: number): FileTotals {
  return {
    bytes,
    sha256: '',
    headerBytes: 0,
    recordBytes: bytes,
    records,
    blankLines: 0,
    byteOrderMark: false,
    aside: {},
    lineEnd: 'lf',
    longest: 0,
  }
}

/** Magic bytes at both ends and a footer that fits, before anything else reads the file. */
function assertFooter(file: string, localFile: string, bytes: number): void {
  const fail = (why: string): never => {
    throw sluiceError('Source.Format', { file, why })
  }
  if (bytes < 12) fail('it is too short for Parquet')
  const head = Buffer.alloc(4)
  const tail = Buffer.alloc(8)
  const descriptor = openSync(localFile, 'r')
  try {
    readSync(descriptor, head, 0, 4, 0)
    readSync(descriptor, tail, 0, 8, bytes - 8)
  } finally {
    closeSync(descriptor)
  }
  const ends = [head.toString('latin1'), tail.subarray(4).toString('latin1')]
  if (ends.includes('PARE')) fail('it is encrypted')
  if (ends.some((magic) => magic !== 'PAR1')) fail('the magic bytes PAR1 are not at both of its ends')
  if (tail.readUInt32LE(0) > bytes - 12) fail('its footer claims to be larger than the file')
}

/** @throws Source.Format where the footer is not what it says */
async function exactly(file: string, from: string, to: string, columns: readonly string[]): Promise<void> {
  try {
    await copyExact(from, to, columns)
  } catch (error) {
    if (!(error instanceof RangeError || isSluiceError(error, 'Lake.FileCorrupt'))) throw error
    throw sluiceError('Source.Format', { file, why: 'its footer cannot be read' }, { cause: error })
  }
}

/** The engine renames columns that it cannot tell apart; here that is a fault of the file, told under the names that it has. */
function assertNames(file: string, found: readonly string[]): void {
  const places = new Map<string, string>()
  for (const name of found) {
    const before = places.get(name.toLowerCase())
    if (before !== undefined) {
      const list = printable(`"${before}" and "${name}"`)
      const why = before === name ? `the column "${printable(name)}" comes twice in it` : `${list} differ in case only`
      throw sluiceError('Source.Header', { file, why, expected: '', found: namesInWords(found) })
    }
    places.set(name.toLowerCase(), name)
  }
}

/** @throws Source.ColumnType */
function parquetCast(
  file: string,
  name: string,
  column: Column,
  found: FileColumn | undefined,
  read: string,
): (text: string) => ColumnCast {
  const target = castColumn(name, column, '"t"').type
  const nullable = column.nullable === true
  if (found === undefined) return (text) => castColumn(name, column, text)
  // Text in Parquet is text: the strict casts read it as they read a CSV's.
  if (found.type === 'VARCHAR' || read.startsWith('ENUM(')) {
    return (text) => castColumn(name, column, found.type === 'VARCHAR' ? text : `CAST(${text} AS VARCHAR)`)
  }
  const present = (text: string): string => `(${text} IS NOT NULL)`
  const exact = exactReading(found, target, read, column.fraction === 'truncate')
  if (exact === undefined && !(found.type === read && holds(target, read))) {
    // A column without any value is of any type; a value that is there all the same refuses its row.
    if (found.isEmpty) {
      return (text) => ({
        name,
        type: target,
        nullable,
        value: `CAST(NULL AS ${target})`,
        valid: `(${text} IS NULL)`,
        present: present(text),
      })
    }
    throw sluiceError('Source.ColumnType', {
      file,
      column: name,
      found: found.type === '' ? read : found.type,
      expected: `${column.type} (${target})`,
    })
  }
  return (text) => {
    // Dates and coarser timestamps reach further than the target: what lies beyond it refuses its row.
    const value = exact === undefined ? `TRY_CAST(${text} AS ${target})` : exact.value(text)
    const whole = exact?.whole === undefined ? '' : ` AND ${exact.whole(text)}`
    const isSame = exact === undefined && read === target
    const valid = isSame ? 'true' : `(${text} IS NULL OR (${value} IS NOT NULL${whole}))`
    return { name, type: target, nullable, value, valid, present: present(text) }
  }
}

/** How nanoseconds are read: kept where they are whole microseconds; others refuse their row, unless it is declared that they are cut. */
interface Exact {
  readonly value: (text: string) => string
  readonly whole?: (text: string) => string
}

function exactReading(found: FileColumn, target: string, read: string, cuts: boolean): Exact | undefined {
  if (found.type === 'INT96') return target === 'TIMESTAMP' ? int96Reading(cuts) : undefined
  const whole = cuts ? {} : { whole: (text: string): string => `epoch_ns(${text}) % 1000 = 0` }
  // As text it loses digits; as a TIME it would be rounded.
  if (read === 'TIME_NS' && target === 'TIME')
    return { value: (text) => `TRY_CAST(left(${text}::VARCHAR, 15) AS TIME)`, ...whole }
  const local = (text: string): string => {
    const nanos = `epoch_ns(${text})`
    return `make_timestamp((${nanos} - (${nanos} % 1000 + 1000) % 1000) // 1000)`
  }
  if (found.isCut && target === 'TIMESTAMP WITH TIME ZONE')
    return { value: (text) => `timezone('UTC', ${local(text)})`, ...whole }
  return read === 'TIMESTAMP_NS' && target === 'TIMESTAMP' ? { value: local, ...whole } : undefined
}

function int96Reading(cuts: boolean): Exact {
  const nanos = (text: string): string => littleEndian(text, 0, 8)
  const ofDay = (text: string): string => `${nanos(text)} BETWEEN 0 AND 86399999999999`
  return {
    value: (text) => {
      // Days are Julian; those that a TIMESTAMP cannot hold are NULL.
      const days = `(${littleEndian(text, 8, 4)} - 2440588)`
      return `CASE WHEN ${days} < 106751991 THEN make_timestamp(${days} * 86400000000 + ${nanos(text)} // 1000) END`
    },
    whole: (text) => (cuts ? ofDay(text) : `${ofDay(text)} AND ${nanos(text)} % 1000 = 0`),
  }
}

/** The number that a blob's bytes are, the lowest first; NULL beyond 63 bits. */
function littleEndian(blob: string, from: number, bytes: number): string {
  const pairs = Array.from({ length: bytes }, (_, at) => `substr(hex(${blob}), ${2 * (from + bytes - 1 - at) + 1}, 2)`)
  return `TRY_CAST('0x' || ${pairs.join(' || ')} AS BIGINT)`
}

/**
 * Refused rows of a Parquet file: they have no bytes of their own, so their JSON stands for them.
 *
 * @param rows numbered
 */
export async function locateParquet(
  session: Session,
  localFile: string,
  rows: readonly CapturedRow[],
): Promise<readonly RefusedRecord[]> {
  if (rows.length === 0) return []
  const reasons = new Map(rows.map((row) => [row.record, row.reasons]))
  const found: RefusedRecord[] = []
  const file = readParquetSql([localFile], 'file_row_number = true')
  const columns = await session.describe(`SELECT * EXCLUDE (file_row_number) FROM ${file}`)
  const members = columns.map(({ name }) => `${quoteText(name)}: ${quoteIdentifier(name)}`).join(', ')
  const numbers = rows.map(({ record }) => record - 1).join(', ')
  const sql = `SELECT file_row_number AS n, to_json({${members}})::VARCHAR AS text FROM ${file} WHERE file_row_number IN (${numbers}) ORDER BY n`
  for await (const batch of session.stream(sql)) {
    for (const row of batch as readonly { n: string; text: string }[]) {
      const record = Number(row.n) + 1
      found.push({ record, line: record, offset: 0, length: 0, reasons: reasons.get(record)!, text: row.text })
    }
  }
  return found
}

/** Whether the file itself cannot be read to its end (and not a check of the user's). */
export async function assertReadable(session: Session, path: string, localFile: string): Promise<void> {
  await readable(printable(path), () =>
    session.all(`SELECT count(hash(COLUMNS(*))) FROM ${readParquetSql([localFile])}`),
  )
}
