/** The survey of one delimited file: structure, counts and identity, before DuckDB sees anything of it. */
import { sluiceError } from '../../../base/errors.ts'
import { printable } from '../../../base/printable.ts'
import type { FilesSource } from '../../../definition/types.ts'
import { tooManyRefused } from '../../../quality/rows/judge.ts'
import type { Dialect } from './dialect.ts'
import { decode } from './encoding.ts'
import { fieldTexts } from './field-texts.ts'
import { type FileRecord, type FileTotals, type ReadOptions, type RecordReader, recordLimits } from './file-record.ts'
import { readRecords, readRecordsOf } from './file-records.ts'
import { mapHeader, namesInWords } from './header.ts'
import { JsonLineProblem, jsonLineReader } from './json-line.ts'

/** A record that was refused: where it is, and why. */
export interface RefusedRecord {
  readonly record: number
  readonly line: number
  readonly offset: number
  readonly length: number
  readonly reasons: readonly string[]
  readonly detail?: string
  /** What stands for the bytes of a record that has none of its own (Parquet). */
  readonly text?: string
}

/** The columns of a file. */
export interface FileColumns {
  /** How many text columns a record has. */
  readonly fields: number
  /** The place of each contract column among them; -1 for an optional one that is absent. */
  readonly positions: readonly number[]
}

/** What a survey found. */
export interface Survey extends FileColumns {
  readonly totals: FileTotals
  readonly refused: readonly RefusedRecord[]
  /** Whether every record has all of its fields and nothing needs rewriting: then DuckDB may read the file itself. */
  readonly isPlain: boolean
}

const lineBreak = /[\r\n]/

/** Takes each good record. `columns` are known before the first one. */
export interface GoodRecords {
  columns?(columns: FileColumns): void
  good(record: FileRecord): void
  pause?(): void
}

/** An unterminated quote that swallows more than this refuses the file (IN-02). */
const swallowLimit = 1024 * 1024

/** More refused records than this are not held: the file is refused. */
const refusedCap = 1_000_000

/** A refused record is held with all of its bytes; one that is larger refuses its file, which holds it in the error folder. */
export const heldRecordBytes = 16 * 1024 * 1024

/** @throws Source.RecordTooLarge where a record is too large to be held as a refused row */
export function assertHeld(
  file: string,
  { line, offset, bytes }: { readonly line: number; readonly offset: number; readonly bytes: number },
): void {
  if (bytes > heldRecordBytes)
    throw sluiceError('Source.RecordTooLarge', { file: printable(file), line, offset, bytes })
}

/**
 * Surveys a file, or bytes that were read already.
 *
 * @throws Source.Header, Source.ColumnMissing, Source.ColumnExtra, Source.EncodingDetected, Source.UnterminatedQuote, Source.RecordTooLarge, Quality.TooManyRefused
 */
export async function survey(
  name: string,
  input: string | Buffer,
  source: FilesSource,
  dialect: Dialect,
  sink: GoodRecords | undefined,
  signal?: AbortSignal,
): Promise<Survey> {
  const refused: RefusedRecord[] = []
  let isPlain = true
  let columns = columnsWithoutHeader(source, dialect)
  if (columns !== undefined) sink?.columns?.(columns)
  const judge = dialect.kind === 'jsonl' ? jsonJudge(source) : undefined
  let drift: readonly string[] | undefined
  const differs = (reasons: readonly string[]): void => {
    drift = reasons
  }

  const reader: RecordReader = {
    header(names) {
      // DuckDB finds no rows below a header with a line break in a name.
      if (names.some((name) => lineBreak.test(name))) isPlain = false
      const extra = source.format.kind === 'csv' ? (source.format.extraColumns ?? 'reject') : 'reject'
      const file = printable(name)
      if (names.length > recordLimits.maxFields) {
        const why = `it has ${names.length} columns, and at most ${recordLimits.maxFields} are taken`
        throw sluiceError('Source.Header', { file, why, expected: '', found: namesInWords(names) })
      }
      const delimiter = source.format.kind === 'csv' ? (source.format.delimiter ?? ',') : undefined
      const aside = source.drift === 'quarantine' ? differs : undefined
      columns = { fields: names.length, positions: mapHeader(file, names, source.columns, extra, delimiter, aside) }
      sink?.columns?.(columns)
      return names.length
    },
    record(record) {
      let detail: string | undefined
      let reason: string | undefined
      if (record.problem === undefined && judge !== undefined) {
        const problem = judge(record)
        detail = problem?.detail
        record.problem = problem?.kind
        reason = problem?.reason
      }
      if (drift !== undefined && record.problem === undefined) {
        record.problem = 'drift'
        detail = drift.join(', ')
      }
      if (record.problem === undefined) {
        if (record.fields !== columns!.fields) isPlain = false
        sink?.good(record)
        return
      }
      isPlain = false
      if (record.problem === 'unterminatedQuote' && record.length > swallowLimit) {
        const { line, offset, length: bytes } = record
        throw sluiceError('Source.UnterminatedQuote', { file: printable(name), line, offset, bytes })
      }
      assertHeld(name, { line: record.line, offset: record.offset, bytes: record.length })
      if (refused.length >= refusedCap) {
        const count = `${refused.length + 1} of ${record.ordinal} rows were refused`
        throw tooManyRefused({ what: printable(name), of: 'file' }, `${count}, more than are held of one file`)
      }
      const what = detail ?? describeProblem(record, columns!.fields)
      const reasons = record.problem === 'drift' ? drift! : [reason ?? `structure:${record.problem}`]
      refused.push(refusedRecord(record, reasons, what))
    },
    tooLong: (record) => assertHeld(name, record),
    ...(sink?.pause === undefined ? {} : { pause: () => sink.pause!() }),
  }
  const options = { ...readOptions(source, dialect, columns, signal), name: printable(name) }
  const totals =
    typeof input === 'string'
      ? await readRecords(input, options, reader)
      : readRecordsOf(printable(name), input, options, reader)
  columns ??= { fields: 0, positions: [] }
  const isUniform = totals.lineEnd !== 'mixed' && totals.lineEnd !== 'declared'
  return {
    ...columns,
    totals,
    refused,
    isPlain: isPlain && isUniform && totals.blankLines === 0 && dialect.aside === undefined,
  }
}

function readOptions(
  source: FilesSource,
  dialect: Dialect,
  columns: FileColumns | undefined,
  signal: AbortSignal | undefined,
): ReadOptions {
  const { maxRecordBytes = recordLimits.maxRecordBytes, maxFieldBytes = recordLimits.maxFieldBytes } =
    source.limits ?? {}
  const width = columns === undefined ? Object.keys(source.columns).length : columns.fields
  return {
    dialect,
    limits: {
      ...recordLimits,
      maxRecordBytes,
      maxFieldBytes: dialect.kind === 'jsonl' ? maxRecordBytes : maxFieldBytes,
    },
    ...(dialect.kind === 'jsonl' ? {} : { fields: width }),
    ...(signal === undefined ? {} : { signal }),
    // In a file of one column an empty line is an empty field.
    blankRecords: dialect.kind === 'csv' && Object.keys(source.columns).length === 1,
  }
}

/** JSON Lines and files without a header: columns are those of the contract, in its order. */
function columnsWithoutHeader(source: FilesSource, dialect: Dialect): FileColumns | undefined {
  if (dialect.header) return undefined
  const positions = Object.keys(source.columns).map((_, place) => place)
  return { fields: positions.length, positions }
}

function jsonJudge(source: FilesSource): (record: FileRecord) => JsonLineProblem | undefined {
  const extra = source.format.kind === 'jsonl' ? (source.format.extraColumns ?? 'reject') : 'reject'
  const read = jsonLineReader(source.columns, extra, source.drift === 'quarantine')
  return (record) => {
    const texts = read(record.bytes.toString('utf8'))
    if (texts instanceof JsonLineProblem) return texts
    // The normalised copy takes the texts from here, so that a line is read once.
    record.fields = texts.length
    jsonTexts.set(record, texts)
    return undefined
  }
}

const jsonTexts = new WeakMap<FileRecord, readonly (string | null)[]>()

/** The texts of a good record, of either kind. */
export function textsOf(record: FileRecord, dialect: Dialect): readonly (string | null)[] {
  return dialect.kind === 'jsonl' ? jsonTexts.get(record)! : fieldTexts(record, dialect)
}

/** A record that is refused, as it is kept. */
export function refusedRecord(record: FileRecord, reasons: readonly string[], detail?: string): RefusedRecord {
  return {
    record: record.ordinal,
    line: record.line,
    offset: record.offset,
    length: record.length,
    reasons,
    ...(detail === undefined ? {} : { detail }),
  }
}

function describeProblem(record: FileRecord, expected: number): string {
  switch (record.problem!) {
    case 'ragged':
      return `${expected} fields are expected, ${record.fields} found`
    case 'unterminatedQuote':
      return 'a quote is never closed'
    case 'quote':
      return 'a quote stands inside a field without quotes, or text follows a closing quote'
    case 'encoding':
      return `bytes that are not of the declared encoding: ${record.bytes.subarray(0, 64).toString('hex')}`
    case 'drift':
      return 'its file has other columns'
    case 'control':
      return 'a NUL character'
    case 'tooLarge':
      return 'the record, one of its fields or their number is beyond the limits'
    case 'lineEnd':
      return 'a line end of another kind stands outside quotes'
    case 'json':
    case 'severalObjects':
      return decode(record.bytes, 'utf-8') === undefined ? 'not UTF-8' : 'not valid JSON'
  }
}
