/** The way back from a refused row to its record in the delivered file. */
import type { Dialect } from './dialect.ts'
import { fieldTexts } from './field-texts.ts'
import { type FileRecord, readRecords } from './file-records.ts'
import type { CapturedRow } from './scan.ts'
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
    { dialect, isHashed: false, ...options },
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
  // Length and three bytes of a record sort out nearly all others before any text is made.
  const isCandidate = new Uint8Array(1 << 16)
  for (const { texts, reasons } of rows) {
    any.set(JSON.stringify(texts), reasons)
    const bytes = Buffer.from(texts!.map((text) => text ?? '').join(delimiter))
    plain.set(bytes.toString('latin1'), reasons)
    isCandidate[signature(bytes)] = 1
  }
  const found: RefusedRecord[] = []
  const reasonsOf = (record: FileRecord): readonly string[] | undefined => {
    if (record.quoted) return any.get(JSON.stringify(fieldTexts(record, dialect)))
    return isCandidate[signature(record.bytes)] === 1 ? plain.get(record.bytes.toString('latin1')) : undefined
  }
  await readRecords(
    input,
    { dialect, isHashed: false, ...options },
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

function signature(bytes: Buffer): number {
  const { length } = bytes
  const at = (place: number): number => bytes[place] ?? 0
  const sum = length * 7919 + at(length >> 1) * 31 + at(length >> 2) * 1031 + at(length - 2) * 131 + at(2) * 17
  return (sum ^ (sum >> 16)) & 0xffff
}
