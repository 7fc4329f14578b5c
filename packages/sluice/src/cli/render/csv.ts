/** Rows as CSV (RFC 4180, UTF-8, LF). */
import { exactJson } from '../../base/json.ts'

/** Text that a spreadsheet would run: it begins with one of these (OWASP, CSV injection; U+FF1D and its like are widened spellings). */
const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/
const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/**
 * One record with its line end. NULL is an empty field, and an empty text is `""`, so that they stay apart.
 *
 * @example csvRecord(['a,b', null, '=1+1'], true) // `"a,b",,'=1+1\n`
 * @param safe IN-26: text that a spreadsheet would run as a formula gets a `'` before it; numbers stay as they are.
 */
export function csvRecord(values: readonly unknown[], safe: boolean): string {
  return `${values.map((value) => field(value, safe)).join(',')}\n`
}

function field(value: unknown, safe: boolean): string {
  if (value === null || value === undefined) return ''
  const exact = typeof value === 'object' ? exactJson(value) : Object.is(value, -0) ? '-0' : String(value)
  const text = safe && formula.test(exact) && !number.test(exact) ? `'${exact}` : exact
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
