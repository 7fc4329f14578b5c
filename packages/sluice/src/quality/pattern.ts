/**
 * Date and time patterns in Unicode letters (UTS #35, date field symbols) as DuckDB can execute them: a regular expression that decides which
 * texts are of the pattern, and a strptime format that reads those, and only those, right.
 */

/** A translated pattern. */
export interface DatePattern {
  /** RE2, for a full match. Decides digits and ranges; the calendar (30 February) is strptime's. */
  readonly regex: string
  readonly strptime: string
  /** What the pattern tells. */
  readonly has: { readonly date: boolean; readonly time: boolean; readonly offset: boolean }
  /** Whether a final `Z` stands for +00:00, which strptime cannot read. */
  readonly zulu: boolean
}

/** Years 0001 to 9999: there is no year 0. */
export const yearRegex = '(?:[1-9]\\d{3}|0[1-9]\\d{2}|00[1-9]\\d|000[1-9])'

/** Offsets from UTC, hours and minutes. */
const hours = '[+-](?:0\\d|1[0-8])'

type Field = readonly [
  regex: string,
  strptime: string,
  tells: 'year' | 'month' | 'day' | 'hour' | 'half' | 'offset' | '',
]

const fields: { readonly [symbol: string]: Field } = {
  yyyy: [yearRegex, '%Y', 'year'],
  uuuu: [yearRegex, '%Y', 'year'],
  // POSIX strptime's century: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068.
  yy: ['\\d{2}', '%y', 'year'],
  M: ['(?:0?[1-9]|1[0-2])', '%m', 'month'],
  MM: ['(?:0[1-9]|1[0-2])', '%m', 'month'],
  MMM: ['(?i:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)', '%b', 'month'],
  MMMM: ['(?i:January|February|March|April|May|June|July|August|September|October|November|December)', '%B', 'month'],
  d: ['(?:0?[1-9]|[12]\\d|3[01])', '%d', 'day'],
  dd: ['(?:0[1-9]|[12]\\d|3[01])', '%d', 'day'],
  H: ['(?:[01]?\\d|2[0-3])', '%H', 'hour'],
  HH: ['(?:[01]\\d|2[0-3])', '%H', 'hour'],
  h: ['(?:0?[1-9]|1[0-2])', '%I', 'hour'],
  hh: ['(?:0[1-9]|1[0-2])', '%I', 'hour'],
  m: ['[0-5]?\\d', '%M', ''],
  mm: ['[0-5]\\d', '%M', ''],
  s: ['[0-5]?\\d', '%S', ''],
  ss: ['[0-5]\\d', '%S', ''],
  a: ['(?i:AM|PM)', '%p', 'half'],
  X: [`(?:Z|${hours}(?:[0-5]\\d)?)`, '%z', 'offset'],
  XX: [`(?:Z|${hours}[0-5]\\d)`, '%z', 'offset'],
  XXX: [`(?:Z|${hours}:[0-5]\\d)`, '%z', 'offset'],
  x: [`${hours}(?:[0-5]\\d)?`, '%z', 'offset'],
  xx: [`${hours}[0-5]\\d`, '%z', 'offset'],
  xxx: [`${hours}:[0-5]\\d`, '%z', 'offset'],
  Z: [`${hours}[0-5]\\d`, '%z', 'offset'],
}

/** Fields of one or two digits: two of them side by side could be read in two ways. */
const variable = new Set(['M', 'd', 'H', 'h', 'm', 's'])

const token = /'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'/g

/**
 * Translates a pattern, or says in words why it cannot be.
 *
 * @example datePattern('M/d/yyyy H:mm') // { strptime: '%m/%d/%Y %H:%M', … }
 */
export function datePattern(pattern: string): DatePattern | string {
  let regex = ''
  let strptime = ''
  let previous = ''
  const tells = new Set<string>()
  const letters = new Set<string>()
  for (const [text, quoted, letter] of pattern.matchAll(token)) {
    if (text === "'") return `the pattern "${pattern}" has a quote that is not closed`
    if (letter === undefined) {
      const literal = quoted === undefined ? text : quoted === '' ? "'" : quoted.replaceAll("''", "'")
      regex += escapeRegex(literal)
      strptime += literal.replaceAll('%', '%%')
      previous = ''
      continue
    }
    if (letters.has(letter)) return `the pattern "${pattern}" has "${letter}" twice`
    letters.add(letter)
    const field = letter === 'S' ? fraction(text.length) : fields[text]
    if (field === undefined) return `the pattern "${pattern}" has "${text}", which is not known here`
    if (
      variable.has(previous) &&
      /^[\d([]|^\\d/.test(field[0]) &&
      !text.startsWith('MMM') &&
      letter !== 'a' &&
      letter.toLowerCase() !== 'x'
    )
      return `the pattern "${pattern}" does not say where "${previous}" ends and "${text}" begins`
    regex += field[0]
    strptime += field[1]
    if (field[2] !== '') tells.add(field[2])
    previous = text
  }
  const why = contradiction(tells, letters)
  if (why !== undefined) return `the pattern "${pattern}" ${why}`
  const offset = tells.has('offset')
  if (offset && !/[XxZ]$/.test(pattern)) return `the pattern "${pattern}" must have its offset at the end`
  const has = { date: tells.has('year'), time: tells.has('hour'), offset }
  return { regex, strptime, has, zulu: letters.has('X') }
}

function fraction(digits: number): Field | undefined {
  // Microseconds are what a timestamp holds: further digits must be zeros.
  if (digits > 9) return undefined
  const zeros = '0'.repeat(Math.max(0, digits - 6))
  return [`\\d{${Math.min(digits, 6)}}${zeros}`, `%f${zeros}`, '']
}

function contradiction(tells: ReadonlySet<string>, letters: ReadonlySet<string>): string | undefined {
  const date = ['year', 'month', 'day'].filter((part) => tells.has(part))
  if (date.length !== 0 && date.length !== 3) return 'must have year, month and day, or none of them'
  if (letters.has('H') && letters.has('h')) return 'has both "H" and "h"'
  if (letters.has('h') !== letters.has('a')) return 'must have "h" and "a" together'
  if (letters.has('S') && !letters.has('s')) return 'has fractions without seconds'
  if (letters.has('s') && !letters.has('m')) return 'has seconds without minutes'
  if (letters.has('m') && !tells.has('hour')) return 'has minutes without hours ("M" is the month)'
  if (tells.has('offset') && !tells.has('hour')) return 'has an offset without a time'
  return undefined
}

/**
 * Escapes a text so that RE2 takes it literally.
 *
 * @example escapeRegex('1.0') // '1\\.0'
 */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
