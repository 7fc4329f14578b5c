/** A file's records as they are read: what one is, its limits, and what is known of all of them. */
import type { Dialect } from './dialect.ts'
import type { RecordProblem } from './record-splitter.ts'

/** A record while it is under the reader's eyes: valid only inside the callback. */
export interface FileRecord {
  /** Counts from 1; the header and blank lines are not records. */
  ordinal: number
  /** The line it starts on, from 1. */
  line: number
  /** Where it starts in the file, in bytes. */
  offset: number
  /** Its bytes, with what ends it. */
  length: number
  /** Its bytes without what ends it; empty for a record too long to hold. Made when it is asked for. */
  readonly bytes: Buffer
  /** Where its bytes are, without making a view of them. */
  chunk: Buffer
  from: number
  to: number
  fields: number
  /** Where each field ends, in bytes from the record's start. */
  ends: readonly number[]
  /** Where `ends` counts from: the record's place in the units. */
  base: number
  unitSize: 1 | 2
  quoted: boolean
  problem: RecordProblem | undefined
}

/** Limits on one record. */
export interface RecordLimits {
  readonly maxRecordBytes: number
  readonly maxFieldBytes: number
  readonly maxFields: number
}

/** The defaults of `limits`. */
export const recordLimits: RecordLimits = {
  maxRecordBytes: 16 * 1024 * 1024,
  maxFieldBytes: 1024 * 1024,
  maxFields: 4096,
}

/** How many lines were none of the records, by what they were. */
export interface AsideCounts {
  readonly skip?: number
  readonly comment?: number
  readonly footer?: number
}

/** What is known of a file once all of it has been split. */
export interface FileTotals {
  readonly bytes: number
  readonly sha256: string
  readonly headerBytes: number
  readonly recordBytes: number
  readonly records: number
  readonly blankLines: number
  /** Lines that are declared to be no records; they are none of `records`. */
  readonly aside: AsideCounts
  readonly byteOrderMark: boolean
  /** How records end: `mixed` where LF and CRLF both do. */
  readonly lineEnd: 'lf' | 'crlf' | 'mixed' | 'cr' | 'declared'
  /** The longest record, in bytes. */
  readonly longest: number
}

/** What is done with a file's records. */
export interface RecordReader {
  /** Called once, with the header's fields, where the dialect has a header; returns how many fields a record has. */
  header?(names: readonly string[], line: FileRecord): number
  record(record: FileRecord): void
  /** Called with how much of a record beyond the limits was passed without its end; it may throw, so that the end is not looked for. */
  tooLong?(record: { readonly line: number; readonly offset: number; readonly bytes: number }): void
  /** Between chunks: time to write out what was gathered. */
  pause?(): void
}

/** How a file is read. */
export interface ReadOptions {
  readonly dialect: Dialect
  /** What errors call the file. @default its path */
  readonly name?: string
  readonly limits?: RecordLimits
  /** How many fields a record has; a header decides instead, where there is one. `undefined`: any number. */
  readonly fields?: number
  /** @default 1 MiB */
  readonly chunkBytes?: number
  readonly signal?: AbortSignal
  /** Whether blank lines are records (of one empty field). */
  readonly blankRecords?: boolean
  /**
   * Whether the file has been read before and every record was found well formed: then its digest is not made, and only records with quotes
   * have `fields` and `ends`. @default false
   */
  readonly isProven?: boolean
}
