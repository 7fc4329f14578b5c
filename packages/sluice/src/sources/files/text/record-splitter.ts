/**
 * The reference record splitter: finds where each record and each field ends, and whether the record is well formed (RFC 4180, strictly).
 *
 * It works on units (bytes; code units for UTF-16) and remembers nothing between records, so a chunk boundary cannot change its answer:
 * an incomplete record is split again, from its start, when there is more.
 */
import type { Dialect, RecordEnd } from './dialect.ts'

/** Why a record cannot be read. */
export type RecordProblem =
  | 'ragged'
  | 'unterminatedQuote'
  | 'quote'
  | 'encoding'
  | 'control'
  | 'tooLarge'
  | 'lineEnd'
  | 'json'
  | 'severalObjects'
  | 'drift'

/** One record's place; one object is used for all records of a splitter. */
export interface SplitRecord {
  /** Without what ends it. */
  end: number
  /** Where the next record starts. */
  next: number
  fields: number
  /** Where each field ends; the next one starts a delimiter further. */
  ends: number[]
  /** Whether any field is quoted. */
  quoted: boolean
  problem: RecordProblem | undefined
}

const ordinary = 0
const delimiterOrEnd = 1
/** A delimiter of one unit, which begins nothing else: the common case, and the short way. */
const delimiterOnly = 3
const lf = 10
const cr = 13

/** Splits records of one dialect. */
export interface RecordSplitter {
  readonly record: SplitRecord
  /** Finds the record at `from`; false where it does not end before `limit` and more may come (`last` is false). */
  split(units: Uint8Array, from: number, limit: number, last: boolean): boolean
  /** The same for a file whose structure has been proven: the fields of a record without quotes are not looked for. */
  splitProven(units: Uint8Array, from: number, limit: number, last: boolean): boolean
}

/**
 * Makes a splitter; `recordEnd` must be known (see {@link firstRecordEnd}).
 *
 * @example
 * const splitter = recordSplitter(dialectOf({ kind: 'csv' }), 'newline')
 * splitter.split(Buffer.from('a,b\n'), 0, 4, true) // true; splitter.record.fields is 2
 */
export function recordSplitter(dialect: Dialect, recordEnd: RecordEnd): RecordSplitter {
  const { delimiter, quote, escape: escapeUnit } = dialect
  const classes = unitClasses(dialect, recordEnd)
  const record: SplitRecord = { end: 0, next: 0, fields: 0, ends: [], quoted: false, problem: undefined }
  const delimiterLength = delimiter.length
  const hasShortWay = recordEnd === 'newline' && delimiterLength === 1 && classes[delimiter[0]!] === delimiterOnly
  const only = delimiter[0]!
  /** Units above are text, whatever they are. */
  const highest = classes.reduce((found, of, unit) => (of === ordinary ? found : unit), 0)

  function split(units: Uint8Array, from: number, limit: number, last: boolean): boolean {
    return (hasShortWay && splitPlain(units, from, limit)) || splitAny(units, from, limit, last)
  }

  let quoteIn: Uint8Array | undefined
  let quoteAt = 0
  function splitProven(units: Uint8Array, from: number, limit: number, last: boolean): boolean {
    if (!hasShortWay) return split(units, from, limit, last)
    if (quoteIn !== units || quoteAt < from) {
      quoteIn = units
      quoteAt = quote < 0 ? -1 : units.indexOf(quote, from)
      if (quoteAt < 0) quoteAt = units.length
    }
    const next = units.indexOf(lf, from) + 1
    if (next === 0 || next > limit || next > quoteAt) return splitAny(units, from, limit, last)
    record.end = next - (next - 2 >= from && units[next - 2] === cr ? 2 : 1)
    record.next = next
    record.fields = 0
    record.quoted = false
    record.problem = undefined
    return true
  }

  /** A record without quotes and without a fault; false for any other, and for one that does not end here. */
  function splitPlain(units: Uint8Array, from: number, limit: number): boolean {
    const ends = record.ends
    let fields = 0
    for (let at = from; at < limit; at++) {
      const unit = units[at]!
      if (unit > highest) continue
      if (unit === only) ends[fields++] = at
      else if (unit === lf || (unit === cr && at + 1 < limit && units[at + 1] === lf)) {
        ends[fields++] = at
        record.end = at
        record.next = unit === lf ? at + 1 : at + 2
        record.fields = fields
        record.quoted = false
        record.problem = undefined
        return true
      } else if (classes[unit] !== ordinary) return false
    }
    return false
  }

  function splitAny(units: Uint8Array, from: number, limit: number, last: boolean): boolean {
    const ends = record.ends
    let fields = 0
    let problem: RecordProblem | undefined
    let quoted = false
    let at = from
    let atFieldStart = true
    // Where a quoted field was closed: what ends the field must follow at once.
    let closed = -1
    for (;;) {
      if (atFieldStart && quote >= 0 && at < limit && units[at] === quote) {
        quoted = true
        at = closingQuote(units, at + 1, limit)
        if (at < 0 || (at >= limit && !last)) {
          if (!last) return false
          return finish(limit, limit, 'unterminatedQuote', fields, quoted)
        }
        if (nulInside) problem ??= 'control'
        closed = at
      }
      atFieldStart = false
      while (at < limit && classes[units[at]!] === ordinary) at++
      if (at >= limit) {
        if (!last) return false
        return finish(limit, limit, closed >= 0 && closed !== limit ? (problem ?? 'quote') : problem, fields, quoted)
      }
      const unit = units[at]!
      if (classes[unit] === delimiterOnly) {
        if (closed >= 0) {
          if (closed !== at) problem ??= 'quote'
          closed = -1
        }
        ends[fields++] = at++
        atFieldStart = true
        continue
      }
      if (classes[unit] === delimiterOrEnd) {
        const length = endLength(units, at, limit)
        const isDelimiter =
          length === 0 && unit === delimiter[0] && (delimiterLength === 1 || startsWith(units, at, limit, delimiter))
        if ((length > 0 || isDelimiter) && closed >= 0) {
          if (closed !== at) problem ??= 'quote'
          closed = -1
        }
        if (length > 0) return finish(at, at + length, problem, fields, quoted)
        if (isDelimiter) {
          ends[fields++] = at
          at += delimiterLength
          atFieldStart = true
          continue
        }
        // A unit that only begins a longer mark: wait for the rest of it, or take it as text.
        if (!last && limit - at < longestMark) return false
        if (recordEnd === 'newline' || recordEnd === 'cr') {
          if (unit === cr || unit === lf) problem ??= 'lineEnd'
        }
      } else if (unit === quote) problem ??= 'quote'
      else problem ??= 'control'
      at++
    }
  }

  function finish(
    end: number,
    next: number,
    problem: RecordProblem | undefined,
    before: number,
    quoted: boolean,
  ): true {
    record.ends[before] = end
    record.end = end
    record.next = next
    record.fields = before + 1
    record.quoted = quoted
    record.problem = problem
    return true
  }

  let nulInside = false
  /** The place after the quote that closes a field, or -1. */
  function closingQuote(units: Uint8Array, from: number, limit: number): number {
    nulInside = false
    let at = from
    for (;;) {
      let unit = 0
      // biome-ignore lint/suspicious/noAssignInExpressions: the hot loop reads each unit once
      while (at < limit && (unit = units[at]!) !== quote && unit !== escapeUnit && unit !== 0) at++
      if (at >= limit) return -1
      if (unit === 0 && quote !== 0) {
        nulInside = true
        at++
      } else if (unit === escapeUnit) {
        const next = units[at + 1]
        const isPair = at + 1 < limit && (next === quote || next === escapeUnit)
        if (isPair) at += 2
        else if (escapeUnit === quote) return at + 1
        else at++
      } else return at + 1
    }
  }

  const longestMark = Math.max(delimiterLength, typeof recordEnd === 'string' ? 2 : recordEnd.length)
  /** How many units end a record here: 0 for none. */
  function endLength(units: Uint8Array, at: number, limit: number): number {
    const unit = units[at]
    if (recordEnd === 'newline') {
      if (unit === lf) return 1
      return unit === cr && at + 1 < limit && units[at + 1] === lf ? 2 : 0
    }
    if (recordEnd === 'cr') return unit === cr ? 1 : 0
    return startsWith(units, at, limit, recordEnd) ? recordEnd.length : 0
  }

  return { record, split, splitProven }
}

function startsWith(units: Uint8Array, at: number, limit: number, mark: Uint8Array): boolean {
  if (limit - at < mark.length) return false
  for (let i = 0; i < mark.length; i++) if (units[at + i] !== mark[i]) return false
  return true
}

function unitClasses(dialect: Dialect, recordEnd: RecordEnd): Uint8Array {
  const classes = new Uint8Array(256)
  classes[0] = 2
  if (dialect.quote >= 0) classes[dialect.quote] = 2
  if (typeof recordEnd === 'string') classes.fill(delimiterOrEnd, lf, lf + 1).fill(delimiterOrEnd, cr, cr + 1)
  else classes[recordEnd[0]!] = delimiterOrEnd
  const [first] = dialect.delimiter
  if (first !== undefined) {
    const isAlone = dialect.delimiter.length === 1 && classes[first] === ordinary
    classes[first] = isAlone ? delimiterOnly : delimiterOrEnd
  }
  return classes
}

/**
 * What ends records, as the first line shows: the first CR or LF outside quotes.
 * `undefined` where no line ends before `limit`.
 *
 * @example firstRecordEnd(Buffer.from('a,b\r1,2'), 7, dialect) // 'cr'
 */
export function firstRecordEnd(
  units: Uint8Array,
  limit: number,
  dialect: Pick<Dialect, 'quote'>,
  last: boolean,
): RecordEnd | undefined {
  let inQuotes = false
  for (let at = 0; at < limit; at++) {
    const unit = units[at]
    if (unit === dialect.quote) inQuotes = !inQuotes
    else if (!inQuotes && unit === lf) return 'newline'
    else if (!inQuotes && unit === cr) {
      if (at + 1 >= limit && !last) return undefined
      return units[at + 1] === lf ? 'newline' : 'cr'
    }
  }
  return last ? 'newline' : undefined
}
