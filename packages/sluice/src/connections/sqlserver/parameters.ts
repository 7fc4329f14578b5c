/** Parameters as the driver's types: exact text wherever the driver would send a number or a time through a double (faults SR-06, SR-11). */
import type { Request, TYPES } from 'tedious'
import { sluiceError } from '../../base/errors.ts'
import type { ColumnType } from '../../definition/types.ts'
import type { CallParameter, ProcedureCall } from '../connection.ts'
import { isWhole } from './cells.ts'
import { parameterName } from './names.ts'

type DriverTypes = typeof TYPES
type DriverType = DriverTypes[keyof DriverTypes]

/** How values of a type are sent. */
interface Sending {
  /** What a parameter is declared as that carries a value in. */
  readonly in: keyof DriverTypes
  /** What an output parameter is declared as. @default the same */
  readonly out?: keyof DriverTypes
  /** The value for the driver; undefined where the text is no value of the type. */
  readonly value: (text: string) => unknown
  /** What a text must be. */
  readonly form: string
}

const same = (pattern: RegExp) => (text: string) => (pattern.test(text) ? text : undefined)

const integer = (bits: number) => (text: string) => {
  if (!/^-?\d{1,19}$/.test(text)) return undefined
  const value = BigInt(text)
  if (BigInt.asIntN(bits, value) !== value) return undefined
  return bits === 64 ? value : Number(value)
}

const double = (text: string) => {
  const value = Number(text)
  return text.trim() !== '' && Number.isFinite(value) ? value : undefined
}

const single = (text: string) => {
  const value = double(text)
  return value !== undefined && Number.isFinite(Math.fround(value)) ? value : undefined
}

/** Whether a day exists. */
const isDay = (text: string) => {
  const time = Date.parse(`${text}T00:00:00Z`)
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(text)
}

const timeOfDay = String.raw`(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,7})?)?`
const moment = new RegExp(`^(\\d{4}-\\d\\d-\\d\\d)[ T](${timeOfDay})(Z|[+-]\\d\\d:\\d\\d)?$`)

/**
 * A moment with its offset, for the driver's own type: Babelfish does not make one of a text. The driver asks a Date for the offset of this process,
 * and for the year that it has here, so this Date answers for itself.
 */
const zoned = (text: string) => {
  const [, day = '', time = '', zone] = moment.exec(text) ?? []
  if (!isDay(day) || zone === undefined) return undefined
  const [clock, digits = ''] = time.split('.')
  const second = Date.parse(`${day}T${clock}${zone}`)
  const offset = (Date.parse(`${day}T${clock}Z`) - second) / 60_000
  const date = new Date(second + Number(digits.slice(0, 3).padEnd(3, '0')))
  const year = date.getUTCFullYear()
  if (Math.abs(offset) > 14 * 60 || year < 1 || year > 9999) return undefined
  return Object.assign(date, {
    nanosecondDelta: Number(digits.slice(3).padEnd(4, '0')) / 1e7,
    getTimezoneOffset: () => -offset,
    getFullYear: () => year,
  })
}

/** The form that every language and type of the server reads alike; zeros go, because `datetime` takes three digits and no more. */
const timestamp = (text: string) => {
  const [, day = '', time = '', zone] = moment.exec(text) ?? []
  if (!isDay(day) || zone !== undefined) return undefined
  const seconds = time.length === 5 ? `${time}:00` : time
  return `${day}T${seconds.replace(/\.?0+$/, (end) => (seconds.includes('.') ? '' : end))}`
}

const unicode = (text: string) => (isWhole(text) ? text : undefined)
const bytes = (text: string) => (/^(?:[0-9a-f]{2})*$/i.test(text) ? Buffer.from(text, 'hex') : undefined)
const truth = (text: string) => (text === 'true' ? true : text === 'false' ? false : undefined)
const guid = same(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)

const sendings: { readonly [type: string]: Sending } = {
  text: { in: 'NVarChar', value: unicode, form: 'whole characters' },
  json: { in: 'NVarChar', value: unicode, form: 'whole characters' },
  tinyint: { in: 'SmallInt', value: integer(8), form: 'a whole number from -128 to 127' },
  smallint: { in: 'SmallInt', value: integer(16), form: 'a whole number of 16 bits' },
  integer: { in: 'Int', value: integer(32), form: 'a whole number of 32 bits' },
  bigint: { in: 'BigInt', value: integer(64), form: 'a whole number of 64 bits' },
  real: { in: 'Real', value: single, form: 'a number' },
  float: { in: 'Float', value: double, form: 'a number' },
  boolean: { in: 'Bit', value: truth, form: 'true or false' },
  date: { in: 'VarChar', out: 'Date', value: (t) => (isDay(t) ? t : undefined), form: 'a day, as 2024-02-29' },
  time: {
    in: 'VarChar',
    out: 'Time',
    value: same(new RegExp(`^${timeOfDay}$`)),
    form: 'a time of day, as 23:59:59.1234567',
  },
  timestamp: {
    in: 'VarChar',
    out: 'DateTime2',
    value: timestamp,
    form: 'a local time, as 2024-02-29 23:59:59.1234567',
  },
  timestamptz: {
    in: 'DateTimeOffset',
    value: zoned,
    form: 'a time with its offset (14 hours at most), as 2024-02-29 23:59:59+01:00',
  },
  binary: { in: 'VarBinary', value: bytes, form: 'bytes in hex' },
  uuid: { in: 'UniqueIdentifier', value: guid, form: 'written as 8-4-4-4-12 hex digits' },
}

/** A decimal keeps each digit or is refused: the server would round it in silence. */
function decimal(precision: number, scale: number): Sending {
  const digits = new RegExp(`^[+-]?(?=.*\\d)0*\\d{0,${precision - scale}}(?:\\.\\d{0,${scale}}0*)?$`)
  return {
    in: 'VarChar',
    out: 'Decimal',
    value: same(digits),
    form: `digits, up to ${precision - scale} before the point and ${scale} after it`,
  }
}

function sendingOf(type: ColumnType): Sending & { readonly size: object } {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? []
  if (precision === undefined) return { ...sendings[type]!, size: sizes[type] ?? {} }
  return { ...decimal(Number(precision), Number(scale)), size: { precision: Number(precision), scale: Number(scale) } }
}

/** Beyond it, a text does not fit any type of the server. */
const maxLength = 1_073_741_822

/** Output parameters are declared as wide as their type goes. */
const sizes: { readonly [type: string]: object } = {
  text: { length: maxLength },
  json: { length: maxLength },
  binary: { length: maxLength },
  time: { scale: 7 },
  timestamp: { scale: 7 },
  timestamptz: { scale: 7 },
}

function checkedValue({ name, type, value }: CallParameter, sending: Sending): unknown {
  if (value === null) return null
  if (value.length > maxLength)
    throw sluiceError('Connection.ValueTooLong', { parameter: name, length: value.length, limit: maxLength })
  const sent = sending.value(value)
  if (sent === undefined)
    throw sluiceError('Connection.ValueInvalid', { parameter: name, type, why: `it must be ${sending.form}` })
  return sent
}

/**
 * Adds a call's parameters to the driver's request; one that is declared as output, too, goes both ways.
 *
 * @throws Connection.InvalidName, Connection.ValueInvalid, Connection.ValueTooLong
 */
export function bindParameters(request: Request, call: ProcedureCall, types: DriverTypes): void {
  const outputs = new Map(call.output.map((output) => [parameterName(output.name).toLowerCase(), output]))
  for (const parameter of call.parameters) {
    const name = parameterName(parameter.name)
    const sending = sendingOf(parameter.type)
    const value = checkedValue(parameter, sending)
    if (outputs.delete(name.toLowerCase())) request.addOutputParameter(name, types[sending.in] as DriverType, value)
    else request.addParameter(name, types[sending.in] as DriverType, value)
  }
  for (const [, { name, type }] of outputs) {
    const { in: both, out = both, size } = sendingOf(type)
    request.addOutputParameter(parameterName(name), types[out] as DriverType, null, size)
  }
}
