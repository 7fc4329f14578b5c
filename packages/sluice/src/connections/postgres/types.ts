/**
 * The server's types as column types, and its texts in the form that `quality/` reads.
 *
 * With the session's settings (connect.ts) nearly every type's own text is that form already. What has no exact column type (intervals, arrays,
 * ranges, enums, numerics without a limit) stays text. `infinity`, `NaN`, `24:00:00` and years BC stay as they are written, so that the strict
 * cast refuses them visibly.
 */
import type { ColumnType } from '../../definition/types.ts'

const simple: Readonly<Record<string, ColumnType>> = {
  boolean: 'boolean',
  smallint: 'smallint',
  integer: 'integer',
  bigint: 'bigint',
  oid: 'bigint',
  real: 'real',
  'double precision': 'float',
  money: 'decimal(19,2)',
  date: 'date',
  'time without time zone': 'time',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  uuid: 'uuid',
  json: 'json',
  jsonb: 'json',
  bytea: 'binary',
}

/**
 * The narrowest column type that holds each value of a type, as `format_type` spells it.
 *
 * @example columnType('numeric(18,4)') // 'decimal(18,4)'
 * @example columnType('numeric') // 'text': the server sets no limit
 */
export function columnType(serverType: string): ColumnType {
  const numeric = /^numeric\((\d+),(-?\d+)\)$/.exec(serverType)
  if (numeric) {
    const [precision, scale] = [Number(numeric[1]), Number(numeric[2])]
    return precision <= 38 && scale >= 0 && scale <= precision ? `decimal(${precision},${scale})` : 'text'
  }
  // `timestamp(3) without time zone` is a timestamp whatever its digits.
  return simple[serverType.replace(/\(\d+\)/, '')] ?? 'text'
}

/**
 * How the server's text becomes the canonical one; undefined where it is that already.
 *
 * @example canonical('boolean')?.('t') // 'true'
 */
export function canonical(serverType: string): ((text: string) => string) | undefined {
  if (serverType === 'boolean') return (text) => (text === 't' ? 'true' : text === 'f' ? 'false' : text)
  if (serverType === 'bytea') return (text) => text.slice(2)
  if (serverType === 'money') return (text) => text.replace(/[$,]/g, '')
  return undefined
}

/**
 * The same done by the server, for the bulk path: an expression over a column.
 *
 * @example canonicalSql('bytea', '"c1"') // `encode("c1", 'hex')`
 */
export function canonicalSql(serverType: string, column: string): string {
  if (serverType === 'boolean') return `${column}::text`
  if (serverType === 'bytea') return `encode(${column}, 'hex')`
  if (serverType === 'money') return `${column}::numeric`
  return column
}

/**
 * A value to bind as the server reads it; the type is the parameter's as the server declares it.
 *
 * @example boundText('00ff', 'bytea') // '\\x00ff'
 */
export function boundText(value: string | null, serverType: string): string | null {
  return value !== null && serverType === 'bytea' ? `\\x${value}` : value
}
