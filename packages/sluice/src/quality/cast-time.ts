/** Dates and times: declared patterns, a real calendar, a real clock, no guessed zone (faults IN-15, IN-16). */
import type { Column } from '../definition/types.ts'
import { quoteText } from '../sql/quote.ts'
import { type DatePattern, datePattern, yearRegex } from './pattern.ts'
import type { TypeCast } from './rule.ts'
import { existsInZone, zonedTime } from './zone.ts'

type TimeType = 'date' | 'time' | 'timestamp' | 'timestamptz'

const duckDbType: { readonly [type in TimeType]: string } = {
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
}

/** What DuckDB writes in ISO 8601 as it is read here; beyond are other centuries, `infinity` and 24:00. */
const ranges: { readonly [type in TimeType]?: readonly [string, string] } = {
  date: ["DATE '0001-01-01'", "DATE '9999-12-31'"],
  time: ["TIME '00:00:00'", "TIME '23:59:59.999999'"],
  timestamp: ["TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'"],
}

// ISO 8601, calendar dates and times of day in extended format; more than six digits of a second only where the rest are zeros.
const isoDate = `${yearRegex}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])`
const isoSeconds = ':[0-5]\\d(?:\\.\\d{1,6}0*)?'
const isoTime = `(?:[01]\\d|2[0-3]):[0-5]\\d(?:${isoSeconds})?`
const isoLocal = `${isoDate}[T ]${isoTime}`
const isoInstant = `${isoDate}[T ](?:[01]\\d|2[0-3]):[0-5]\\d${isoSeconds}(?:Z|[+-](?:0\\d|1[0-8])(?::?[0-5]\\d)?)`

/**
 * The cast of a date or time type, or why there is none.
 *
 * - `timestamp` keeps the local time as it is written; with a zone, a time that the zone skips is refused (a time it has twice is kept: its text is).
 * - `timestamptz` needs an offset in the text, or a zone; never both.
 *
 * With `fraction: 'truncate'`, digits of a second beyond the sixth are cut, towards the past.
 *
 * @example castTime({ type: 'date', format: 'dd.MM.yyyy' }, 'date', '"a"')
 */
export function castTime(column: Column, type: TimeType, given: string): TypeCast | string {
  const cuts = column.fraction === 'truncate'
  if (cuts && type === 'date') return 'a date has no seconds'
  if (cuts && column.format !== undefined) return 'a format says how many digits a second has'
  const text = cuts ? `regexp_replace(${given}, '^([^.]*\\.\\d{6})\\d+', '\\1')` : given
  if (column.zone !== undefined) {
    if (type === 'date' || type === 'time') return `a ${type} has no zone`
    if (!isZone(column.zone)) return `"${column.zone}" is not an IANA time zone`
  }
  const read = column.format === undefined ? isoReading(column, type, text) : patternReading(column, type, text)
  if (typeof read === 'string') return read
  const local = read.value
  const base = (value: string): string => `${read.matches(value)} AND ${value} IS NOT NULL`
  const oneMeaning = read.oneMeaning === undefined ? {} : { oneMeaning: read.oneMeaning }
  if (column.zone === undefined) {
    const range = column.format === undefined ? ranges[type] : undefined
    return {
      type: duckDbType[type],
      value: local,
      valid: base,
      ...oneMeaning,
      ...(range === undefined
        ? {}
        : { usual: (value: string) => `${value}::VARCHAR = ${text} AND ${value} BETWEEN ${range[0]} AND ${range[1]}` }),
    }
  }
  const { zone } = column
  if (type === 'timestamp') {
    return {
      type: duckDbType[type],
      value: local,
      valid: (value) => `${base(value)} AND coalesce(${existsInZone(value, zone)}, false)`,
      ...oneMeaning,
    }
  }
  const zoned = zonedTime(local, zone, column.overlap ?? 'reject')
  return {
    type: duckDbType[type],
    value: zoned.value,
    valid: () => `${base(local)} AND coalesce(${zoned.valid}, false)`,
    ...oneMeaning,
  }
}

interface Reading {
  /** Whether the text is of a pattern; `value` stands for the value. */
  readonly matches: (value: string) => string
  readonly value: string
  readonly oneMeaning?: string
}

const isOf = (text: string, regex: string): string => `regexp_full_match(${text}, ${quoteText(regex)})`

function isoReading(column: Column, type: TimeType, text: string): Reading {
  const local = type === 'timestamptz' && column.zone !== undefined ? 'timestamp' : type
  const regex = { date: isoDate, time: isoTime, timestamp: isoLocal, timestamptz: isoInstant }[local]
  return { matches: () => isOf(text, regex), value: `TRY_CAST(${text} AS ${duckDbType[local]})` }
}

/** A text of several patterns has a value only where all that read it agree: of the others nobody can say which was meant. */
function patternReading(column: Column, type: TimeType, text: string): Reading | string {
  const readings: Reading[] = []
  for (const format of [column.format ?? ''].flat()) {
    const reading = oneReading(format, column, type, text)
    if (typeof reading === 'string') return reading
    readings.push(reading)
  }
  if (readings.length === 1) return readings[0]!
  const values = readings.map(({ matches, value }) => `CASE WHEN ${matches(value)} THEN ${value} END`)
  const agree = (value: string): string => values.map((one) => `coalesce(${one} = ${value}, true)`).join(' AND ')
  const value = `coalesce(${values.join(', ')})`
  return { value, matches: agree, oneMeaning: agree(value) }
}

function oneReading(format: string, column: Column, type: TimeType, text: string): Reading | string {
  const pattern = datePattern(format)
  if (typeof pattern === 'string') return pattern
  const why = mismatch(column, type, pattern)
  if (why !== undefined) return `the pattern "${format}" ${why}`
  const given = pattern.zulu ? `CASE WHEN suffix(${text}, 'Z') THEN ${text}[:-2] || '+00:00' ELSE ${text} END` : text
  const parsed = `try_strptime(${given}, ${quoteText(pattern.strptime)})`
  return {
    matches: () => isOf(text, pattern.regex),
    value: type === 'date' || type === 'time' ? `CAST(${parsed} AS ${duckDbType[type]})` : parsed,
  }
}

function mismatch(column: Column, type: TimeType, { has }: DatePattern): string | undefined {
  if (type === 'date' && (!has.date || has.time)) return 'must have a date and no time, as the type is date'
  if (type === 'time' && (has.date || !has.time || has.offset)) return 'must have a time alone, as the type is time'
  if (type === 'timestamp' || type === 'timestamptz') {
    if (!has.date) return 'must have a date'
    if (type === 'timestamp' && has.offset) return 'has an offset, which a timestamp cannot keep: use timestamptz'
    if (type === 'timestamptz' && has.offset === (column.zone !== undefined))
      return has.offset ? 'has an offset, and a zone is declared too' : 'has no offset, so a zone must be declared'
  }
  return undefined
}

function isZone(zone: string): boolean {
  try {
    // Offsets are no zones here, though newer versions of Node take them.
    return !/^[+-]/.test(zone) && new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}
