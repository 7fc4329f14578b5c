/** Files that a connection's bulk path wrote: CSV in which NULL is nothing, and every text is quoted. */
import { createReadStream } from 'node:fs'
import { quotePath } from '../../sql/quote.ts'
import { constantsSql, rowNumber, textColumn } from './scan.ts'

/** DuckDB's own sizes, in bytes: it reads records up to the first. */
const usualLine = 2_097_152
const usualBuffer = 16 * usualLine
/** In bytes; buffers of twice as much still fit beside everything else. */
export const longestLine = 32 * 1024 * 1024

/** What is read at once: less than a usual record, so that of a chunk only its first and its last end count. */
const chunkBytes = usualLine / 2

/**
 * How long a record of a file may be: at least the longest, in bytes, and no less than is usual.
 *
 * @example copiedSql(file, 3, [0, 1, 2], [], await longestRecord(file))
 */
export async function longestRecord(file: string): Promise<number> {
  let [longest, last, offset, carried] = [usualLine, 0, 0, Buffer.alloc(0)]
  for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
    const bytes = Buffer.concat([carried, chunk as Buffer])
    let first = bytes.indexOf(newline)
    while (first >= 0 && !isRecordEnd(bytes, first)) first = bytes.indexOf(newline, first + 1)
    if (first >= 0) {
      longest = Math.max(longest, offset + first + 1 - last)
      let end = bytes.lastIndexOf(newline)
      while (!isRecordEnd(bytes, end)) end = bytes.lastIndexOf(newline, end - 1)
      last = offset + end + 1
    }
    carried = bytes.subarray(-64)
    offset += bytes.length - carried.length
  }
  return Math.max(longest, offset + carried.length - last)
}

const [newline, quote, comma] = [10, 34, 44]

/** Whether a line end can be nothing but a record's: before it a closing quote after text, then fields that are NULL. */
function isRecordEnd(bytes: Buffer, at: number): boolean {
  let before = at - 1
  while (bytes[before] === comma) before--
  const text = bytes[before - 1]
  return bytes[before] === quote && text !== undefined && text !== quote && text !== comma && text !== newline
}

/**
 * A file that a connection's bulk path wrote, as a relation to scan; its rows have no numbers. A scan of records longer than
 * {@link longestLine} fails.
 *
 * @param arriving how many columns it has
 * @param positions for each declared column, its place among them
 * @param longest see {@link longestRecord}
 */
export function copiedSql(
  file: string,
  arriving: number,
  positions: readonly number[],
  constants: readonly string[],
  longest: number,
): string {
  const line = Math.min(longest, longestLine)
  const columns = Array.from({ length: arriving }, (_, place) => `a${place}: 'VARCHAR'`)
  const settings = [
    'auto_detect = false',
    'hive_partitioning = false',
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    'header = false',
    "nullstr = ''",
    'allow_quoted_nulls = false',
    'strict_mode = true',
    'null_padding = false',
    'ignore_errors = false',
    // Left alone, DuckDB takes the first CRLF inside a quoted field for the line end.
    "new_line = '\\n'",
    `max_line_size = ${line}`,
    `buffer_size = ${Math.max(line * 2, usualBuffer)}`,
    `columns = {${columns.join(', ')}}`,
  ]
  const texts = positions.map((place, at) => `a${place} AS ${textColumn(at)}`)
  return `(SELECT ${texts.join(', ')}, 0 AS ${rowNumber}${constantsSql(constants, positions.length)} FROM read_csv(${quotePath(file)}, ${settings.join(', ')}))`
}
