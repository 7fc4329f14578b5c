/** Parquet files: the footer must be true, types must be those of the contract or widen to them, and every row is counted twice. */
import { closeSync, openSync, readSync } from 'node:fs'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { Column, FilesSource } from '../../definition/types.ts'
import type { EngineColumn, Session } from '../../engines/engine.ts'
import { readFooter } from '../../engines/parquet-footer.ts'
import { castColumn } from '../../quality/casts.ts'
import type { ColumnCast } from '../../quality/rule.ts'
import { floatingColumns } from '../../quality/rules.ts'
import { quoteIdentifier, quotePath, quoteText, readParquetSql } from '../../sql/quote.ts'
import { holds } from '../../sql/types/lattice.ts'
import type { CapturedRow, ScanInput } from './scan.ts'
import type { FileTotals } from './text/file-record.ts'
import { mapHeader, namesInWords } from './text/header.ts'
import { carried, textColumn, textColumnSql } from './text/normalised.ts'
import type { RefusedRecord, Survey } from './text/survey.ts'

/**
 * Looks at a Parquet file: its footer, its columns, and how each becomes its contract's column.
 *
 * @param path as delivered
 * @throws Source.Format, Source.ColumnType, Source.Header, Source.ColumnMissing, Source.ColumnExtra
 */
export async function surveyParquet(
  session: Session,
  path: string,
  localFile: string,
  bytes: number,
  source: FilesSource,
): Promise<{ readonly survey: Survey; readonly scan: Pick<ScanInput, 'relation' | 'casts'> }> {
  const name = printable(path)
  assertFooter(name, localFile, bytes)
  const [columns, rows] = await readable(name, async () => {
    const described = await session.describe(`SELECT * FROM ${readParquetSql([localFile])}`)
    return [described, (await readFooter(session, localFile)).rows] as const
  })
  const extra = source.format.kind === 'parquet' ? (source.format.extraColumns ?? 'reject') : 'reject'
  const found = columns.map((column) => column.name)
  const positions = mapHeader(name, found, source.columns, extra)
  await assertNoRenames(session, name, localFile, found)
  const casts = Object.entries(source.columns).map(([column, contract], place) =>
    parquetCast(name, column, contract, columns[positions[place]!]),
  )
  const floats = floatingColumns(columns)
  const texts = found.map((column, place) => {
    const value = quoteIdentifier(column)
    // The smallest and the largest value that a file tells leave NaN out, and the engine decides comparisons by them: it sees none of this.
    const seen = floats.has(column) ? `if(isnan(${value}), 'nan', ${value})` : value
    return `${seen} AS ${quoteIdentifier(textColumn(place))}`
  })
  const relation = `(SELECT '0' AS ${quoteIdentifier(carried.file)}, (file_row_number + 1)::VARCHAR AS ${quoteIdentifier(carried.record)}, ${texts.join(', ')} FROM ${readParquetSql([localFile], 'file_row_number = true')})`
  // A cast reads the text column of its own place.
  const placed = casts.map((make, place) => make(textColumnSql(positions[place]!)))
  const survey: Survey = {
    fields: found.length,
    positions,
    totals: parquetTotals(bytes, rows),
    refused: [],
    isPlain: true,
  }
  return { survey, scan: { relation, casts: placed } }
}

function parquetTotals(bytes: number, records: number): FileTotals {
  return {
    bytes,
    sha256: '',
    headerBytes: 0,
    recordBytes: bytes,
    records,
    blankLines: 0,
    byteOrderMark: false,
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

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isSluiceError(error, 'Engine.Failed') && !isSluiceError(error, 'Engine.OutOfMemory')) throw error
    throw sluiceError(
      'Source.Format',
      { file, why: error.message.replace(/\s+/g, ' ').slice(0, 300) },
      { cause: error },
    )
  }
}

/** DuckDB renames a column that comes twice; here that is a fault of the file. */
async function assertNoRenames(
  session: Session,
  file: string,
  localFile: string,
  found: readonly string[],
): Promise<void> {
  const rows = await session.all<{ name: string }>(`SELECT name FROM parquet_schema(${quotePath(localFile)})`)
  const names = new Set(rows.map((row) => row.name))
  const renamed = found.find((column) => !names.has(column))
  if (renamed !== undefined) {
    const why = `a column comes twice in it (it would be read as "${printable(renamed)}")`
    throw sluiceError('Source.Header', { file, why, expected: '', found: namesInWords(found) })
  }
}

/** @throws Source.ColumnType */
function parquetCast(
  file: string,
  name: string,
  column: Column,
  found: EngineColumn | undefined,
): (text: string) => ColumnCast {
  const target = castColumn(name, column, '"t"').type
  const nullable = column.nullable === true
  if (found === undefined) return (text) => castColumn(name, column, text)
  // Text in Parquet is text: the strict casts read it as they read a CSV's.
  if (found.type === 'VARCHAR' || found.type.startsWith('ENUM(')) {
    return (text) => castColumn(name, column, found.type === 'VARCHAR' ? text : `CAST(${text} AS VARCHAR)`)
  }
  const fits = holds(target, found.type)
  const isNanoseconds = found.type === 'TIMESTAMP_NS' && target === 'TIMESTAMP'
  if (!fits && !isNanoseconds) {
    throw sluiceError('Source.ColumnType', {
      file,
      column: name,
      found: found.type,
      expected: `${column.type} (${target})`,
    })
  }
  return (text) => ({
    name,
    type: target,
    nullable,
    // Dates and coarser timestamps reach further than the target: what lies beyond it refuses its row.
    value: `TRY_CAST(${text} AS ${target})`,
    // Nanoseconds are kept where they are whole microseconds; others refuse their row.
    valid: isNanoseconds
      ? `(${text} IS NULL OR epoch_ns(${text}) % 1000 = 0)`
      : found.type === target
        ? 'true'
        : `(${text} IS NULL OR TRY_CAST(${text} AS ${target}) IS NOT NULL)`,
    present: `(${text} IS NOT NULL)`,
  })
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
