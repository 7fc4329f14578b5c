/** Lines of a delimited file that are declared to be no records: before the header, comments, and a footer. */
import { sluiceError } from '../../../base/errors.ts'
import type { AsideLines, RecordEnd } from './dialect.ts'
import type { AsideCounts, FileRecord } from './file-record.ts'

/** Takes the lines aside while a file is read. */
export interface AsideReader {
  /** Whether the line at `from` is one of them; its end is then looked for without quotes, which mean nothing in it. */
  isNext(units: Uint8Array, from: number, limit: number): boolean
  /**
   * Passes the line at `from` if it is one of them: the place after it, or 'no'; 'more' where that shows only with more of the file. Lines end as
   * records do.
   */
  pass(units: Uint8Array, from: number, limit: number, last: boolean, recordEnd: RecordEnd): number | 'no' | 'more'
  /** Whether lines before the header are still to come. */
  isBefore(): boolean
  /** Takes a record, which is given on once it cannot be of the footer any more. */
  record(record: FileRecord): void
  /**
   * What the lines were, and how many records the footer had.
   *
   * @throws Source.Format where lines that are declared are not there
   */
  end(file: string): { readonly counts: AsideCounts; readonly records: number }
}

/** A line that may be of the footer: a record, or a comment, which ends a file as any line does. */
type Held = { readonly record?: FileRecord; readonly isFooter: boolean }

/**
 * Makes a reader of such lines, for one file.
 *
 * @example const aside = asideReader(dialect.aside, (record) => reader.record(record))
 */
export function asideReader({ skip, comment, footer }: AsideLines, give: (record: FileRecord) => void): AsideReader {
  let skipped = 0
  let comments = 0
  const held: Held[] = []
  const hold = (line: Held): void => {
    held.push(line)
    if (held.length <= footer.lines) return
    const { record } = held.shift()!
    if (record === undefined) comments++
    else give(record)
  }
  const isFooter = ({ bytes, unitSize }: FileRecord): boolean =>
    unitSize === 1 ? startsWith(bytes, 0, bytes.length, footer.start) : startsWithWide(bytes, footer.start)
  const isBefore = (): boolean => skipped < skip
  const isNext = (units: Uint8Array, from: number, limit: number): boolean =>
    isBefore() || (comment.length > 0 && startsWith(units, from, limit, comment))
  return {
    isNext,
    isBefore,
    pass(units, from, limit, last, recordEnd) {
      if (!isNext(units, from, limit)) return !last && limit - from < comment.length ? 'more' : 'no'
      const next = lineAfter(units, from, limit, recordEnd) ?? (last ? limit : undefined)
      if (next === undefined) return 'more'
      if (isBefore()) skipped++
      else hold({ isFooter: startsWith(units, from, next, footer.start) })
      return next
    },
    record(record) {
      if (footer.lines === 0) give(record)
      else hold({ record: heldRecord(record), isFooter: isFooter(record) })
    },
    end(file) {
      const fail = (why: string): never => {
        throw sluiceError('Source.Format', { file, why })
      }
      if (skipped < skip) fail(`it has ${skipped} lines, and ${skip} are declared to come before its records`)
      const { lines, start } = footer
      if (held.length < lines || !held.every((line) => line.isFooter)) {
        const declared =
          start.length === 0
            ? `${lines} ${lines === 1 ? 'line' : 'lines'}`
            : `a line that begins with ${JSON.stringify(shown(start))}`
        fail(`it does not end with its footer, which is declared to be ${declared}: perhaps it was cut`)
      }
      if (held.some(({ record }) => record?.bytes.includes(10)))
        fail('a quote of its footer reaches over the end of a line')
      const counts = {
        ...(skip > 0 ? { skip } : {}),
        ...(comments > 0 ? { comment: comments } : {}),
        ...(lines > 0 ? { footer: lines } : {}),
      }
      return { counts, records: held.filter(({ record }) => record !== undefined).length }
    },
  }
}

const shown = (units: Uint8Array): string => Buffer.from(units).toString('utf8')

/** A record that outlives its callback. */
function heldRecord(record: FileRecord): FileRecord {
  const { ordinal, line, offset, length, fields, ends, base, unitSize, quoted, problem } = record
  const bytes = Buffer.from(record.bytes)
  return {
    ...{ ordinal, line, offset, length, bytes, chunk: bytes, from: 0, to: bytes.length, fields, base: 0, unitSize },
    ...{ ends: ends.slice(0, fields).map((end) => end - base), quoted, problem },
  }
}

/** Where the line after this one begins. */
function lineAfter(units: Uint8Array, from: number, limit: number, recordEnd: RecordEnd): number | undefined {
  const mark = recordEnd === 'newline' ? [10] : recordEnd === 'cr' ? [13] : recordEnd
  for (let at = units.indexOf(mark[0]!, from); at >= 0 && at < limit; at = units.indexOf(mark[0]!, at + 1))
    if (startsWith(units, at, limit, mark)) return at + mark.length
  return undefined
}

function startsWith(units: Uint8Array, at: number, limit: number, mark: ArrayLike<number>): boolean {
  if (limit - at < mark.length) return false
  for (let i = 0; i < mark.length; i++) if (units[at + i] !== mark[i]) return false
  return true
}

/** The same for UTF-16 of either order, whose units below U+00FF have one byte that is zero. */
function startsWithWide(bytes: Buffer, mark: Uint8Array): boolean {
  return mark.every(
    (unit, at) => bytes[2 * at]! + bytes[2 * at + 1]! === unit && bytes[2 * at]! * bytes[2 * at + 1]! === 0,
  )
}
