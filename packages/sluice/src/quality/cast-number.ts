/** Numbers: the value equals the text as a number, digit for digit; nothing rounds (fault IN-13), no locale is guessed (fault IN-14). */
import type { Column, ColumnType } from '../definition/types.ts'
import { quoteText } from '../sql/quote.ts'
import { escapeRegex } from './pattern.ts'
import type { TypeCast } from './rule.ts'

const integers: { readonly [type: string]: string } = {
  tinyint: 'TINYINT',
  smallint: 'SMALLINT',
  integer: 'INTEGER',
  bigint: 'BIGINT',
}

interface FloatType {
  readonly type: string
  /** Every decimal of so many digits survives the way there and back. */
  readonly safeDigits: number
  /** printf's forms with more digits than that, up to the one in which every value of the type has its own text. */
  readonly longer: readonly string[]
  /** Below it values lose digits. */
  readonly smallestNormal: string
}

/** IEEE 754-2019, table 3.5; the digits are those of C's DBL_DIG, DBL_DECIMAL_DIG, FLT_DIG and FLT_DECIMAL_DIG. */
const floats: { readonly [type: string]: FloatType } = {
  float: { type: 'DOUBLE', safeDigits: 15, longer: ['%.15e', '%.16e'], smallestNormal: '2.2250738585072014e-308' },
  real: { type: 'FLOAT', safeDigits: 6, longer: ['%.6e', '%.7e', '%.8e'], smallestNormal: '1.1754943508222875e-38' },
}

/**
 * The cast of a numeric type, or why there is none.
 *
 * Leading zeros and a plus sign are taken (`007` is 7: the column was declared a number); white space, exponents in exact types, hexadecimal,
 * underscores, currencies, NaN and infinities are not.
 *
 * @example castNumber({ type: 'decimal(5,2)' }, 'decimal(5,2)', '"a"')
 */
export function castNumber(column: Column, type: ColumnType, text: string): TypeCast | string {
  const notation = notationOf(column)
  if (typeof notation === 'string') return notation
  const plain = notation.plain(text)
  const integer = integers[type]
  if (integer !== undefined) {
    return {
      type: integer,
      value: `TRY_CAST(${plain} AS ${integer})`,
      valid: (value) => `${matches(text, `[+-]?${notation.digits}`)} AND ${value} IS NOT NULL`,
      ...usual(text, notation),
    }
  }
  const float = floats[type]
  if (float !== undefined) return castFloat(float, text, plain, notation)
  const [, p, s] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? []
  if (p === undefined || s === undefined) return `there is no type "${type}"`
  return castDecimal(Number(p), Number(s), text, plain, notation)
}

function castDecimal(p: number, s: number, text: string, plain: string, notation: Notation): TypeCast | string {
  if (p < 1 || p > 38 || s > p) return `decimal(${p},${s}) needs 1 ≤ p ≤ 38 and 0 ≤ s ≤ p`
  const type = `DECIMAL(${p},${s})`
  const whole = p === s ? '0+' : `0*\\d{1,${p - s}}`
  const fraction = `${notation.point}${s === 0 ? '0+' : `\\d{1,${s}}0*`}`
  // Digits, not magnitude, decide what fits: so a match cannot fail to cast, and cannot round.
  const fits = matches(plainDigits(text, notation), `[+-]?(?:${whole}(?:${fraction})?|${fraction})`)
  const grouped = notation.grouped
    ? ` AND ${matches(text, `[+-]?(?:${notation.digits})?(?:${notation.point}\\d+)?`)}`
    : ''
  const value = `TRY_CAST(${plain} AS ${type})`
  return { type, value, valid: () => `${fits}${grouped}`, ...usual(text, notation) }
}

function castFloat(float: FloatType, text: string, plain: string, notation: Notation): TypeCast {
  const number = `(?:${notation.digits}(?:${notation.point}\\d+)?|${notation.point}\\d+)(?:[eE][+-]?\\d+)?`
  const digits = significant(plain)
  return {
    type: float.type,
    value: `TRY_CAST(${plain} AS ${float.type})`,
    valid: (value) =>
      `CASE WHEN ${matches(text, `[+-]?${number}`)} AND isfinite(${value}) THEN ${survives(float, text, plain, digits, value)} ELSE false END`,
    ...usual(text, notation, (value) => ` AND isfinite(${value})`),
  }
}

/** Whether a float's text comes back from its value. */
function survives(float: FloatType, text: string, plain: string, digits: string, value: string): string {
  // Beyond what always survives, the text must be the value's shortest, or the value rounded to as many digits as C and R would print.
  const names = [`${value}::VARCHAR`, ...float.longer.map((form) => `printf('${form}', ${value})`)]
  const named = `${digits} IN (${names.map(significant).join(', ')})`
  // Cheap answers first: most texts are short, or what a program printed. Equal digits at another magnitude would be another number, and
  // only underflow can cause that.
  return `CASE WHEN length(${text}) <= ${float.safeDigits} AND abs(${value}) >= ${float.smallestNormal} THEN true
    WHEN ${plain} = ${value}::VARCHAR OR ${plain} IN ('0', '0.0', '0.00') THEN true
    WHEN ${value} = 0 THEN ${digits} = ''
    WHEN length(${digits}) <= ${float.safeDigits} AND abs(${value}) >= ${float.smallestNormal} THEN true
    ELSE ${named} END`
}

/** DuckDB writes numbers as they are read here, where neither the point nor the groups are declared otherwise. */
function usual(text: string, notation: Notation, and: (value: string) => string = () => ''): Pick<TypeCast, 'usual'> {
  if (notation.grouped || notation.point !== escapeRegex('.')) return {}
  return { usual: (value) => `${value}::VARCHAR = ${text}${and(value)}` }
}

/** The digits of a number's text, without sign, point, exponent, and zeros on either side. */
function significant(text: string): string {
  return `trim(replace(regexp_replace(ltrim(${text}, '+-'), '[eE].*$', ''), '.', ''), '0')`
}

interface Notation {
  /** RE2 for one or more digits, grouped as declared. */
  readonly digits: string
  readonly point: string
  readonly grouped: boolean
  readonly group: string
  /** The text as DuckDB reads it: without groups, with a point. */
  readonly plain: (text: string) => string
}

function notationOf(column: Column): Notation | string {
  const point = column.decimalSeparator ?? '.'
  const group = column.groupSeparator ?? ''
  if ([...point].length !== 1 || [...group].length > 1) return 'a separator is one character'
  if (/[\d+\-eE]/.test(point + group)) return 'a separator cannot be a digit, a sign or "e"'
  if (point === group) return `"${point}" is both the decimal and the group separator`
  const sign = escapeRegex(group)
  return {
    digits: group === '' ? '\\d+' : `(?:\\d{1,3}(?:${sign}\\d{3})+|\\d+)`,
    point: escapeRegex(point),
    grouped: group !== '',
    group,
    plain: (text) => {
      const bare = group === '' ? text : `replace(${text}, ${quoteText(group)}, '')`
      return point === '.' ? bare : `replace(${bare}, ${quoteText(point)}, '.')`
    },
  }
}

/** Without groups, but with the declared point still in place. */
function plainDigits(text: string, notation: Notation): string {
  return notation.grouped ? `replace(${text}, ${quoteText(notation.group)}, '')` : text
}

function matches(text: string, regex: string): string {
  return `regexp_full_match(${text}, ${quoteText(regex)})`
}
