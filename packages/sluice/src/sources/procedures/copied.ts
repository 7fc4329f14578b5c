/** Files that a connection's bulk path wrote: CSV in which NULL is nothing, and every text is quoted. */
import { createReadStream } from 'node:fs'
import { quotePath } from '../../sql/quote.ts'
import { constantsSql, rowNumber, textColumn } from './scan.ts'

/** DuckDB's own sizes, in bytes: it reads records up to the first. */
const usualLine = 2_097_152
const usualBuffer = 16 * usualLine
/** Buffers of twice as much still fit beside everything else. */
const longestLine = 32 * 1024 * 1024

/**
 * How long a record of a file may be: at least the longest, in bytes, and no less than is usual.
 *
 * Ends are looked for that can be nothing else: a closing quote after text, then fields that are NULL, then a line end.
 */
export async function longestRecord(file: string): Promise<number> {
  const end = /[^",\n]",*\n/g
  let [longest, last, offset, carried] = [usualLine, 0, 0, '']
  for await (const chunk of createReadStream(file, { encoding: 'latin1', highWaterMark: 1 << 20 })) {
    const text = carried + (chunk as string)
    end.lastIndex = 0
    for (let found = end.exec(text); found !== null; found = end.exec(text)) {
      const at = offset + end.lastIndex
      longest = Math.max(longest, at - last)
      last = at
    }
    carried = text.slice(-64)
    offset += text.length - carried.length
  }
  return Math.min(Math.max(longest, offset + carried.length - last), longestLine)
}

/**
 * A file that a connection's bulk path wrote, as a relation to scan; its rows have no numbers.
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
    `max_line_size = ${longest}`,
    `buffer_size = ${Math.max(longest * 2, usualBuffer)}`,
    `columns = {${columns.join(', ')}}`,
  ]
  const texts = positions.map((place, at) => `a${place} AS ${textColumn(at)}`)
  return `(SELECT ${texts.join(', ')}, 0 AS ${rowNumber}${constantsSql(constants, positions.length)} FROM read_csv(${quotePath(file)}, ${settings.join(', ')}))`
}
