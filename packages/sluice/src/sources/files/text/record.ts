/** A record of a file of text. */
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
