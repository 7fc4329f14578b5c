/**
 * Strict casts: a text becomes a value only where it is exactly one of the type's canonical readings.
 *
 * DuckDB's own casts round, trim, and read `0x1F` and `1_000`; so each type has a lexical rule first (a regular expression over the text), and
 * TRY_CAST decides only what a regular expression cannot: range and calendar. See README.md for what each type takes.
 */
import { sluiceError } from '../base/errors.ts'
import type { Column } from '../definition/types.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import { castNumber } from './cast-number.ts'
import { castTime } from './cast-time.ts'
import type { ColumnCast, TypeCast } from './rule.ts'

/** What ECMAScript's `trim` removes. */
const whiteSpace =
  '\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'

/**
 * Makes the expressions that read one column.
 *
 * `trim` comes first, then `nulls` (beside the NULL that the format itself has, which stays NULL), then the type.
 *
 * @example castColumn('quantity', { type: 'integer' }, '"c3"').value // 'TRY_CAST("c3" AS INTEGER)'
 * @param text a DuckDB expression of type VARCHAR; NULL is the NULL of the format
 * @throws Quality.ColumnInvalid
 */
export function castColumn(name: string, column: Column, text: string): ColumnCast {
  const trimmed = column.trim === true ? `trim(${text}, ${quoteText(whiteSpace)})` : text
  const given =
    column.nulls === undefined || column.nulls.length === 0
      ? trimmed
      : `CASE WHEN ${trimmed} IN (${column.nulls.map(quoteText).join(', ')}) THEN NULL ELSE ${trimmed} END`
  const operand = given === text && /^(?:"(?:[^"]|"")*"|\w+)$/.test(text) ? text : `(${given})`
  const cast = castType(column, operand)
  if (typeof cast === 'string') throw sluiceError('Quality.ColumnInvalid', { column: name, why: cast })
  const typed = quoteIdentifier(name)
  const valid = (value: string): string => `(${operand} IS NULL OR (${cast.valid(value)}))`
  return {
    name,
    type: cast.type,
    nullable: column.nullable === true,
    value: cast.value,
    valid: valid(cast.value),
    validTyped:
      cast.usual === undefined
        ? valid(typed)
        : `CASE WHEN ${cast.usual(typed)} THEN true WHEN ${operand} IS NULL THEN true ELSE ${cast.valid(typed)} END`,
    ...(cast.oneMeaning === undefined ? {} : { oneMeaning: `(${operand} IS NULL OR (${cast.oneMeaning}))` }),
    present: `(${operand} IS NOT NULL)`,
  }
}

/** The cast of a type, or why there is none. */
function castType(column: Column, text: string): TypeCast | string {
  switch (column.type) {
    case 'text':
      // NUL is the one character that PostgreSQL's text cannot hold (fault IN-08).
      return { type: 'VARCHAR', value: text, valid: () => `NOT contains(${text}, chr(0))` }
    case 'boolean':
      return castBoolean(column, text)
    case 'uuid':
      return castUuid(text)
    case 'json':
      return castJson(text)
    case 'binary':
      return castBinary(column, text)
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return castTime(column, column.type, text)
    default:
      return castNumber(column, column.type, text)
  }
}

function castUuid(text: string): TypeCast {
  // The regular expression says everything: the cast cannot fail.
  const valid = `regexp_full_match(${text}, ${quoteText('[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')})`
  return {
    type: 'UUID',
    value: `TRY_CAST(${text} AS UUID)`,
    valid: () => valid,
    usual: (value) => `${value}::VARCHAR = ${text}`,
  }
}

function castBoolean(column: Column, text: string): TypeCast | string {
  if ((column.trueValues === undefined) !== (column.falseValues === undefined))
    return 'trueValues and falseValues must be declared together'
  const both = column.trueValues?.find((value) => column.falseValues?.includes(value))
  if (both !== undefined) return `"${both}" is both a true and a false value`
  const [yes, no] = [column.trueValues ?? ['true'], column.falseValues ?? ['false']]
  const isDefault = column.trueValues === undefined
  const given = isDefault ? `lower(${text})` : text
  const list = (values: readonly string[]): string => values.map(quoteText).join(', ')
  return {
    type: 'BOOLEAN',
    value: isDefault ? `TRY_CAST(${text} AS BOOLEAN)` : `(${given} IN (${list(yes)}))`,
    valid: () => `${given} IN (${list([...yes, ...no])})`,
    ...(isDefault ? { usual: (value: string) => `${value}::VARCHAR = ${text}` } : {}),
  }
}

function castJson(text: string): TypeCast {
  // DuckDB's parser also takes NaN, Infinity and a comma before a closing bracket, which RFC 8259 does not know.
  const bare = `regexp_replace(${text}, ${quoteText('"(?:[^"\\\\]|\\\\.)*"')}, '""', 'g')`
  return {
    type: 'JSON',
    value: `TRY_CAST(${text} AS JSON)`,
    valid: () => `json_valid(${text}) AND NOT regexp_matches(${bare}, ${quoteText('(?i)nan|inf|,\\s*[\\]}]')})`,
  }
}

const hexText = '(?:[0-9A-Fa-f]{2})*'
// RFC 4648, 3.5: the unused bits of the last character must be zero, so that every value has one text.
const base64Text = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?'

function castBinary(column: Column, text: string): TypeCast {
  const base64 = column.encoding === 'base64'
  const valid = `regexp_full_match(${text}, ${quoteText(base64 ? base64Text : hexText)})`
  const read = `${base64 ? 'from_base64' : 'unhex'}(${text})`
  return { type: 'BLOB', value: `CASE WHEN ${valid} THEN ${read} END`, valid: () => valid }
}
