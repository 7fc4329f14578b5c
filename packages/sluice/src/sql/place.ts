/** From offsets in a model's text to the place a person looks for. */
import type { Location } from '../base/errors.ts'

/** A stretch of the SQL, in UTF-16 offsets. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

/**
 * Finds line and column (both from 1) of a stretch. What goes over several lines is cut at the end of its first.
 *
 * @example placeOf('a.sql', 'select\n  x', { start: 9, end: 10 }) // { file: 'a.sql', line: 2, column: 3, length: 1 }
 */
export function placeOf(file: string, sql: string, { start, end }: Stretch): Location {
  const before = sql.slice(0, start)
  const lineStart = before.lastIndexOf('\n') + 1
  const newline = sql.indexOf('\n', start)
  const lineEnd = newline === -1 ? sql.length : newline
  return {
    file,
    line: before.split('\n').length,
    column: start - lineStart + 1,
    length: Math.max(1, Math.min(end, lineEnd) - start),
  }
}

/**
 * Translates the parser's offsets, which count code points, to JavaScript's, which count UTF-16 units.
 *
 * @example utf16Offsets('😀x')(1) // 2
 */
export function utf16Offsets(sql: string): (codePoints: number) => number {
  if (!/[\ud800-\udfff]/.test(sql)) return (offset) => offset
  const offsets: number[] = []
  let at = 0
  for (const character of sql) {
    offsets.push(at)
    at += character.length
  }
  return (offset) => offsets[offset] ?? sql.length
}
