/** Streams the records of a file: one pass, bounded memory, every byte belongs to the header, a record or a blank line. */

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { sluiceError } from '../../../base/errors.ts'
import { printable } from '../../../base/printable.ts'
import { asideReader } from './aside.ts'
import { bytesPerUnit, type RecordEnd } from './dialect.ts'
import { byteOrderMark, decode, toUnits } from './encoding.ts'
import { fieldTexts } from './field-texts.ts'
import { type FileRecord, type FileTotals, type ReadOptions, type RecordReader, recordLimits } from './file-record.ts'
import { delimiterInWords } from './header.ts'
import { firstRecordEnd, recordSplitter } from './record-splitter.ts'

/**
 * Reads a file's records in order.
 *
 * @example const totals = await readRecords('sales.csv', { dialect }, { record: (r) => rows.push(r.bytes.toString()) })
 * @throws Source.EncodingDetected where a byte order mark contradicts the declared encoding
 */
export async function readRecords(file: string, options: ReadOptions, reader: RecordReader): Promise<FileTotals> {
  const pass = recordPass(options.name ?? file, options, reader)
  const handle = await open(file, 'r')
  const hash = options.isProven === true ? undefined : createHash('sha256')
  const chunkBytes = options.chunkBytes ?? 1024 * 1024
  try {
    let buffer = Buffer.allocUnsafe(chunkBytes * 2)
    let kept = 0
    for (;;) {
      options.signal?.throwIfAborted()
      if (buffer.length - kept < chunkBytes) {
        const larger = Buffer.allocUnsafe(buffer.length * 2)
        buffer.copy(larger, 0, 0, kept)
        buffer = larger
      }
      const { bytesRead } = await handle.read(buffer, kept, chunkBytes)
      hash?.update(buffer.subarray(kept, kept + bytesRead))
      const used = pass.take(buffer.subarray(0, kept + bytesRead), bytesRead === 0)
      buffer.copyWithin(0, used, kept + bytesRead)
      kept += bytesRead - used
      reader.pause?.()
      if (bytesRead === 0) return pass.end(hash?.digest('hex') ?? '')
    }
  } finally {
    await handle.close()
  }
}

/**
 * The same for bytes in memory.
 *
 * @example readRecordsOf('x.csv', Buffer.from('a,b\n1,2\n'), { dialect }, reader)
 */
export function readRecordsOf(name: string, bytes: Buffer, options: ReadOptions, reader: RecordReader): FileTotals {
  const pass = recordPass(name, options, reader)
  pass.take(bytes, true)
  return pass.end(createHash('sha256').update(bytes).digest('hex'))
}

const noBytes = Buffer.alloc(0)

interface RecordPass {
  /** Takes bytes from the first one not used yet; returns how many were used. */
  take(bytes: Buffer, last: boolean): number
  end(sha256: string): FileTotals
}

function recordPass(file: string, options: ReadOptions, reader: RecordReader): RecordPass {
  const { dialect } = options
  const limits = options.limits ?? recordLimits
  const size = bytesPerUnit(dialect)
  let expected = options.fields
  let splitter: ReturnType<typeof recordSplitter> | undefined
  let recordEnd: RecordEnd | undefined = dialect.recordEnd
  let offset = 0
  let line = 1
  let headerBytes = 0
  let recordBytes = 0
  let records = 0
  let blankLines = 0
  let longest = 0
  let hasMark = false
  let started = false
  let headerDone = !dialect.header
  const aside = dialect.aside === undefined ? undefined : asideReader(dialect.aside, (record) => reader.record(record))
  let sawLf = false
  let sawCrlf = false
  /** Where a record too long to hold began, while its end is looked for. */
  let skipping: { offset: number; line: number; inQuotes: boolean; atFieldStart: boolean } | undefined
  const current: FileRecord = {
    ordinal: 0,
    line: 0,
    offset: 0,
    length: 0,
    get bytes() {
      return this.chunk.subarray(this.from, this.to)
    },
    chunk: noBytes,
    from: 0,
    to: 0,
    fields: 0,
    ends: [],
    base: 0,
    unitSize: size,
    quoted: false,
    problem: undefined,
  }

  function start(bytes: Buffer): number {
    started = true
    const mark = byteOrderMark(bytes)
    if (mark === undefined) return 0
    if (mark.encoding !== dialect.encoding) {
      throw sluiceError('Source.EncodingDetected', { file, declared: dialect.encoding, found: mark.encoding })
    }
    hasMark = true
    headerBytes += mark.length
    offset += mark.length
    return mark.length
  }

  function take(all: Buffer, last: boolean): number {
    if (!started && all.length < 3 && !last) return 0
    let used = started ? 0 : start(all)
    const bytes = size === 2 && !last ? all.subarray(0, all.length - ((all.length - used) % 2)) : all
    const units = size === 1 ? bytes.subarray(used) : toUnits(bytes.subarray(used), dialect.encoding)
    const limit = units.length
    const consumed = takeUnits(bytes.subarray(used), units, limit, last)
    used += consumed * size
    // Half a code unit at the end of a UTF-16 file.
    if (last && size === 2 && (all.length - used) % 2 === 1) {
      throw sluiceError('Source.EncodingDetected', {
        file,
        declared: dialect.encoding,
        found: 'an odd number of bytes',
      })
    }
    return used
  }

  function takeUnits(bytes: Buffer, units: Uint8Array, limit: number, last: boolean): number {
    // Quotes mean nothing in a line that comes before the records.
    const quotes = aside?.isNext(units, 0, limit) === true ? { quote: -1 } : dialect
    recordEnd ??= firstRecordEnd(units, limit, quotes, last || limit * size > limits.maxRecordBytes)
    if (recordEnd === undefined) return 0
    splitter ??= recordSplitter(dialect, recordEnd)
    const { record } = splitter
    const split = options.isProven === true ? splitter.splitProven : splitter.split
    // One native look at the whole chunk; only a chunk with a fault is looked at record by record.
    const checkEach = options.isProven !== true && (dialect.encoding !== 'utf-8' || !validUtf8(bytes, last))
    let from = 0
    while (from < limit) {
      if (skipping !== undefined) {
        const found = skip(units, from, limit)
        offset += (found.next - from) * size
        from = found.next
        if (!found.ended) reader.tooLong?.({ ...skipping, bytes: offset - skipping.offset })
        if (!found.ended && !last) return from
        finishSkipped(found.ended)
        continue
      }
      const isHead = !headerDone || aside?.isBefore() === true
      const past = aside?.pass(units, from, limit, last, recordEnd) ?? 'no'
      if (past === 'more' && (limit - from) * size <= limits.maxRecordBytes) return from
      if (typeof past === 'number') {
        setAside(units, from, past, isHead)
        from = past
        continue
      }
      if (!split(units, from, limit, last)) {
        if ((limit - from) * size <= limits.maxRecordBytes) return from
        skipping = { offset, line, inQuotes: false, atFieldStart: true }
        reader.tooLong?.({ line, offset, bytes: (limit - from) * size })
        continue
      }
      emit(bytes, units, from, record, checkEach)
      from = record.next
    }
    return from
  }

  /** A line that is no record; before the header its bytes are the header's. */
  function setAside(units: Uint8Array, from: number, next: number, isHead: boolean): void {
    const length = (next - from) * size
    line += typeof recordEnd === 'string' ? 1 : countLines(units, from, next)
    offset += length
    if (isHead) headerBytes += length
    else recordBytes += length
  }

  function give(record: FileRecord): void {
    if (aside === undefined) reader.record(record)
    else aside.record(record)
  }

  function emit(
    bytes: Buffer,
    units: Uint8Array,
    from: number,
    record: ReturnType<typeof recordSplitter>['record'],
    checkEach: boolean,
  ): void {
    const length = (record.next - from) * size
    const isBlank = record.end === from && record.problem === undefined
    if (recordEnd === 'newline' && record.next > record.end) {
      if (record.next - record.end === 2) sawCrlf = true
      else sawLf = true
    }
    current.chunk = bytes
    current.from = from * size
    current.to = record.end * size
    current.line = line
    current.offset = offset
    current.length = length
    current.fields = record.fields
    current.ends = record.ends
    current.base = from
    current.quoted = record.quoted
    current.problem = record.problem
    line +=
      record.quoted || record.problem !== undefined || typeof recordEnd !== 'string'
        ? countLines(units, from, record.next)
        : 1
    offset += length
    if (!headerDone) {
      headerDone = true
      headerBytes += length
      expected = reader.header?.(headerNames(), current) ?? expected
      return
    }
    recordBytes += length
    if (isBlank && options.blankRecords !== true) {
      blankLines++
      return
    }
    if (length > longest) longest = length
    if (current.problem === undefined) judge(checkEach, record.ends, record.fields, from)
    current.ordinal = ++records
    give(current)
  }

  function judge(checkEach: boolean, ends: readonly number[], fields: number, from: number): void {
    if (current.length > limits.maxRecordBytes || fields > limits.maxFields) current.problem = 'tooLarge'
    else if (current.length > limits.maxFieldBytes) {
      let start = from
      for (let i = 0; i < fields; i++) {
        if ((ends[i]! - start) * size > limits.maxFieldBytes) current.problem = 'tooLarge'
        start = ends[i]! + dialect.delimiter.length
      }
    }
    if (current.problem === undefined && checkEach && decode(current.bytes, dialect.encoding) === undefined) {
      current.problem = 'encoding'
    }
    if (current.problem === undefined && expected !== undefined && fields !== expected) {
      if (dialect.ragged !== 'pad' || fields > expected) current.problem = 'ragged'
    }
  }

  function headerNames(): readonly string[] {
    if (current.problem !== undefined || decode(current.bytes, dialect.encoding) === undefined) {
      const found = current.bytes.subarray(0, 200).toString('latin1')
      const perhaps = current.problem === 'quote' ? delimiterInWords(found) : undefined
      throw sluiceError('Source.Header', {
        file,
        why: `the first record is not well formed (${current.problem ?? 'encoding'})${perhaps === undefined ? '' : `; ${perhaps}`}`,
        found: printable(found),
        expected: '',
      })
    }
    return fieldTexts(current, dialect).map((name) => name ?? '')
  }

  /** Looks for the end of a record that is too long to hold, quote by quote. */
  function skip(units: Uint8Array, from: number, limit: number): { next: number; ended: boolean } {
    const state = skipping!
    for (let at = from; at < limit; at++) {
      const unit = units[at]!
      if (unit === dialect.quote) state.inQuotes = !state.inQuotes
      else if (!state.inQuotes) {
        const ends =
          recordEnd === 'newline'
            ? unit === 10
            : recordEnd === 'cr'
              ? unit === 13
              : unit === (recordEnd as Uint8Array)[(recordEnd as Uint8Array).length - 1]
        if (ends) return { next: at + 1, ended: true }
      }
      if (unit === 10) line++
    }
    return { next: limit, ended: false }
  }

  function finishSkipped(ended: boolean): void {
    const { offset: began, line: startLine, inQuotes } = skipping!
    skipping = undefined
    if (ended) line++
    current.chunk = noBytes
    current.from = 0
    current.to = 0
    current.offset = began
    current.line = startLine
    current.length = offset - began
    current.fields = 0
    current.quoted = false
    current.problem = !ended && inQuotes ? 'unterminatedQuote' : 'tooLarge'
    if (!headerDone) headerNames()
    recordBytes += current.length
    longest = Math.max(longest, current.length)
    current.ordinal = ++records
    give(current)
  }

  function end(sha256: string): FileTotals {
    // A record too long to hold may end with the file.
    if (skipping !== undefined) finishSkipped(false)
    const { counts, records: ofFooter } = aside?.end(file) ?? { counts: {}, records: 0 }
    const lineEnd =
      recordEnd === 'cr'
        ? 'cr'
        : recordEnd !== undefined && recordEnd !== 'newline'
          ? 'declared'
          : sawCrlf
            ? sawLf
              ? 'mixed'
              : 'crlf'
            : 'lf'
    return {
      bytes: offset,
      sha256,
      headerBytes,
      recordBytes,
      records: records - ofFooter,
      blankLines,
      aside: counts,
      byteOrderMark: hasMark,
      lineEnd,
      longest,
    }
  }

  return { take, end }
}

function countLines(units: Uint8Array, from: number, to: number): number {
  let lines = 0
  for (let at = from; at < to; at++) {
    if (units[at] === 10 || (units[at] === 13 && units[at + 1] !== 10)) lines++
  }
  return lines
}

/** Whether a chunk is UTF-8, leaving out a character that its end may have cut. */
function validUtf8(bytes: Buffer, last: boolean): boolean {
  let end = bytes.length
  if (!last) {
    for (let back = 1; back <= 3 && back <= end; back++) {
      const byte = bytes[end - back]!
      if (byte >= 0xc0) {
        end -= back
        break
      }
      if (byte < 0x80) break
    }
  }
  return isUtf8(bytes.subarray(0, end))
}
