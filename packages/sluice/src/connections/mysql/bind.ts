/** Values to bind: checked against the parameter before anything is sent, because a procedure may round or cut what does not fit, in silence. */
import { sluiceError } from '../../base/errors.ts'
import type { CallParameter } from '../connection.ts'
import type { Bound } from './connect.ts'
import type { RoutineParameter } from './describe.ts'

const patterns: Readonly<Record<string, RegExp>> = {
  integer: /^[+-]?\d+$/,
  decimal: /^[+-]?\d+(\.\d+)?$/,
  float: /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i,
  date: /^\d{4}-\d\d-\d\d$/,
  time: /^-?\d{2,3}:\d\d(:\d\d(\.\d+)?)?$/,
  timestamp: /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/,
  timestamptz: /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)$/i,
  boolean: /^(true|false)$/i,
  binary: /^([0-9a-f]{2})*$/i,
}
const patternOf: Readonly<Record<string, string>> = {
  ...{ tinyint: 'integer', smallint: 'integer', bigint: 'integer', real: 'float' },
}

/**
 * The value of a parameter, as the server reads it without loss.
 *
 * @example bind({ name: 'since', type: 'timestamptz', value: '2024-01-01T01:00:00+01:00' }, undefined) // '2024-01-01 00:00:00'
 * @param target as the catalog has it; undefined where it shows nothing
 * @throws Connection.ValueInvalid, Connection.ValueTooLong
 */
export function bind(parameter: CallParameter, target: RoutineParameter | undefined): Bound {
  const { name, type, value } = parameter
  if (value === null) return null
  const kind = type.startsWith('decimal') ? 'decimal' : (patternOf[type] ?? type)
  if (patterns[kind]?.test(value) === false) invalid(name, type, `it is not written as one`)
  const sent = kind === 'boolean' ? (/^t/i.test(value) ? '1' : '0') : kind === 'timestamptz' ? inUtc(value) : value
  if (target !== undefined && target.dataType === 'bit' && kind !== 'binary') return bits(name, target, sent)
  const bound = kind === 'binary' ? Buffer.from(sent, 'hex') : sent
  if (target !== undefined) checkFit(name, bound, target)
  return bound
}

function invalid(parameter: string, type: string, why: string): never {
  throw sluiceError('Connection.ValueInvalid', { parameter, type, why })
}

/** The session's zone is UTC, and the server reads no offset. Only whole minutes move, so that every digit of the second stays. */
function inUtc(value: string): string {
  const [, date, time, second = ':00', offset] = /^(\S{10})[ T](\d\d:\d\d)(:[\d.]+)? ?(.+)$/.exec(
    value,
  ) as string[] as [string, string, string, string | undefined, string]
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(offset) ?? []
  const shift = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? 1 : -1)
  const moved = new Date(Date.parse(`${date}T${time}:00Z`) + shift * 60_000).toISOString()
  return `${moved.slice(0, 10)} ${moved.slice(11, 16)}${second}`
}

/** BIT takes bytes: as a text, `5` would be the character 5. */
function bits(name: string, target: RoutineParameter, value: string): Buffer {
  if (!/^\d+$/.test(value)) invalid(name, target.serverType, 'it is no number of bits')
  const number = BigInt(value)
  if (number >> BigInt(target.precision ?? 64) !== 0n) invalid(name, target.serverType, 'it has more bits')
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

const integerBits: Readonly<Record<string, bigint>> = {
  tinyint: 8n,
  smallint: 16n,
  mediumint: 24n,
  int: 32n,
  bigint: 64n,
}

function checkFit(name: string, value: string | Buffer, target: RoutineParameter): void {
  const { dataType, serverType, maxLength, precision, scale, fraction } = target
  if (maxLength !== undefined && maxLength > 0 && !/^(enum|set)$/.test(dataType)) {
    // CHAR and VARCHAR count characters, TEXT and bytes count bytes.
    const length = /char$/.test(dataType) && typeof value === 'string' ? [...value].length : Buffer.byteLength(value)
    if (length > maxLength) throw sluiceError('Connection.ValueTooLong', { parameter: name, length, limit: maxLength })
  }
  if (typeof value !== 'string') return
  const [whole = '', digits = ''] = value.replace(/^[+-]/, '').split('.')
  const after = digits.replace(/0+$/, '').length
  const width = integerBits[dataType]
  if (width !== undefined) {
    if (!/^[+-]?\d+$/.test(value)) invalid(name, serverType, 'it is no whole number')
    const low = /unsigned/.test(serverType) ? 0n : -(1n << (width - 1n))
    const number = BigInt(value.replace(/^\+/, ''))
    if (number < low || number >= low + (1n << width)) invalid(name, serverType, 'it is out of range')
  }
  if (dataType === 'decimal' && precision !== undefined && scale !== undefined) {
    if (after > scale) invalid(name, serverType, `it has ${after} digits after the point, and would be rounded`)
    if (whole.replace(/^0+/, '').length > precision - scale) invalid(name, serverType, 'it is out of range')
  }
  if (/^(datetime|timestamp|time)$/.test(dataType) && after > (fraction ?? 0))
    invalid(name, serverType, `its second has ${after} digits after the point, and would be cut`)
  if (dataType === 'date' && !/^\d{4}-\d\d-\d\d([ T]00:00(:00(\.0+)?)?)?$/.test(value))
    invalid(name, serverType, 'it has a time of day, which would be cut')
}
