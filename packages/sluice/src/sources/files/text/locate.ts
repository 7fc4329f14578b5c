/** The way back from a refused row to its record in the delivered file. */

import type { CapturedRow } from '../scan.ts'
import type { Dialect } from './dialect.ts'
import { fieldTexts } from './field-texts.ts'
import type { FileRecord } from './file-record.ts'
import { readRecords } from './file-records.ts'
import { type RefusedRecord, refusedRecord } from './survey.ts'

/**
 * Finds numbered rows: by the record's number.
 *
 * @param input the surveyed file
 */
export async function locateNumbered(
  input: string,
  dialect: Dialect,
  rows: readonly CapturedRow[],
  options: LocateOptions,
): Promise<readonly RefusedRecord[]> {
  const reasons = new Map(rows.map((row) => [row.record, row.reasons]))
  const found: RefusedRecord[] = []
  await readRecords(
    input,
    { dialect, ...options },
    {
      header: (names) => names.length,
      record(record) {
        const of = reasons.get(record.ordinal)
        if (of !== undefined) found.push(refusedRecord(record, of))
      },
    },
  )
  return found
}

/** How the file was surveyed, as far as it decides what a record is. */
export interface LocateOptions {
  readonly fields?: number
  readonly blankRecords: boolean
  readonly chunkBytes?: number
  readonly signal?: AbortSignal
}

/**
 * Finds rows by their texts. Equal records have equal texts and so equal verdicts: each record with the texts of a refused row is refused.
 *
 * @returns undefined where not exactly as many records were found as rows were refused
 */
export async function locateByTexts(
  input: string,
  dialect: Dialect,
  rows: readonly CapturedRow[],
  options: LocateOptions,
): Promise<readonly RefusedRecord[] | undefined> {
  const delimiter = String.fromCharCode(...dialect.delimiter)
  const plain = new Map<string, readonly string[]>()
  const any = new Map<string, readonly string[]>()
  // A signature sorts out nearly all other records before any text is made: of the bytes, or of the fields where there are quotes.
  const isCandidate = new Uint8Array(1 << signatureBits)
  const isQuotedCandidate = new Uint8Array(1 << signatureBits)
  for (const { texts, reasons } of rows) {
    any.set(JSON.stringify(texts), reasons)
    const bytes = Buffer.from(texts!.map((text) => text ?? '').join(delimiter))
    plain.set(bytes.toString('latin1'), reasons)
    isCandidate[signature(bytes, 0, bytes.length)] = 1
    isQuotedCandidate[textsSignature(texts!)] = 1
  }
  const found: RefusedRecord[] = []
  const reasonsOf = (record: FileRecord): readonly string[] | undefined => {
    if (record.quoted) {
      const isOne = isQuotedCandidate[fieldsSignature(record, dialect.quote)] === 1
      return isOne ? any.get(JSON.stringify(fieldTexts(record, dialect))) : undefined
    }
    const isOne = isCandidate[signature(record.chunk, record.from, record.to)] === 1
    return isOne ? plain.get(record.chunk.toString('latin1', record.from, record.to)) : undefined
  }
  await readRecords(
    input,
    {
      dialect,
      isProven: true,
      ...(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes }),
      blankRecords: options.blankRecords,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    {
      header: (names) => names.length,
      record(record) {
        const reasons = reasonsOf(record)
        if (reasons !== undefined) found.push(refusedRecord(record, reasons))
      },
    },
  )
  return found.length === rows.length ? found : undefined
}

/** The length of a record and up to 32 of its bytes, evenly spread. */
function signature(bytes: Buffer, from: number, to: number): number {
  const step = ((to - from) >> 5) + 1
  let sum = to - from
  for (let at = from; at < to; at += step) sum = (Math.imul(sum, 31) + bytes[at]!) | 0
  return folded(sum)
}

/** The lengths of all fields, with the first and the last byte of each, as their texts have them. */
function textsSignature(texts: readonly (string | null)[]): number {
  let sum = 0
  for (const text of texts) {
    const given = text ?? ''
    const length = Buffer.byteLength(given)
    const bytes = length === given.length ? undefined : Buffer.from(given)
    const byteAt = (at: number): number => (length === 0 ? 0 : (bytes?.[at] ?? given.charCodeAt(at)))
    sum = withField(sum, length, byteAt(0), byteAt(length - 1))
  }
  return folded(sum)
}

/** The same from a record in which quotes are escaped by quotes. */
function fieldsSignature({ chunk, from, base, fields, ends }: FileRecord, quote: number): number {
  let sum = 0
  let start = from
  for (let i = 0; i < fields; i++) {
    const end = ends[i]! - base + from
    let [first, past] = [start, end]
    let escapes = 0
    if (chunk[start] === quote) {
      first++
      past--
      for (let at = first; at < past; at++) if (chunk[at] === quote) escapes++
    }
    const isEmpty = past <= first
    sum = withField(sum, past - first - escapes / 2, isEmpty ? 0 : chunk[first]!, isEmpty ? 0 : chunk[past - 1]!)
    start = end + 1
  }
  return folded(sum)
}

const withField = (sum: number, length: number, first: number, last: number): number =>
  (Math.imul(sum, 31) + length * 65_599 + first * 257 + last) | 0

const signatureBits = 20
const folded = (sum: number): number => Math.imul(sum, 0x9e3779b1) >>> (32 - signatureBits)
