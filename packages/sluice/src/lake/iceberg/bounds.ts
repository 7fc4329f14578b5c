/**
 * Least and greatest values as Iceberg stores them: the bytes of one value. A bound that is too narrow would hide rows from every reader that
 * trusts it, so whatever is not certain has none. https://iceberg.apache.org/spec/#appendix-d-single-value-serialization
 */

/** Which end of a file's values a bound is. */
export type End = 'lower' | 'upper'

/**
 * The bytes of a bound, of its text as the engine writes values of the type in the file; undefined where nothing certain can be said.
 *
 * @param isSingle Whether the file has the values as 32-bit floating numbers
 * @example boundOf('int', '7', { end: 'lower' }) // <07 00 00 00>
 */
export function boundOf(
  type: unknown,
  text: string | undefined,
  { end, isSingle = false }: { readonly end: End; readonly isSingle?: boolean },
): Uint8Array | undefined {
  if (text === undefined || typeof type !== 'string') return undefined
  const decimal = /^decimal\((\d+), (\d+)\)$/.exec(type)
  if (decimal !== null) return decimalBytes(text, Number(decimal[2]))
  switch (type) {
    case 'boolean':
      return /^(?:1|true)$/.test(text) ? Uint8Array.of(1) : /^(?:0|false)$/.test(text) ? Uint8Array.of(0) : undefined
    case 'int':
      return /^-?\d+$/.test(text) ? int(Number(text)) : undefined
    case 'long':
      return /^-?\d+$/.test(text) ? long(BigInt(text)) : undefined
    case 'float':
    case 'double':
      return floatBytes(type, text, end, isSingle)
    case 'date': {
      const day = daysOf(text)
      return day === undefined ? undefined : int(day)
    }
    case 'time': {
      const time = timeOf(text)
      return time === undefined ? undefined : long(time)
    }
    case 'timestamp':
    case 'timestamptz':
      return timestampBytes(text)
    case 'string':
      return Buffer.from(text)
    case 'uuid':
      return /^[0-9a-f-]{36}$/.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : undefined
    default:
      // Of bytes the engine's text is not said to be reversible.
      return undefined
  }
}

/**
 * Days since 1970 of a date's text; undefined of one before year 1 or of an infinity.
 *
 * @example daysOf('1969-12-31') // -1
 */
export function daysOf(text: string): number | undefined {
  const [, year, month, day] = /^(\d{4,6})-(\d\d)-(\d\d)$/.exec(text) ?? []
  if (year === undefined) return undefined
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  return date.getTime() / 86_400_000
}

function int(value: number): Uint8Array | undefined {
  if (!Number.isSafeInteger(value) || Math.abs(value) > 2 ** 31 - 1) return undefined
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

function long(value: bigint): Uint8Array | undefined {
  if (BigInt.asIntN(64, value) !== value) return undefined
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return bytes
}

/** Zero has two signs, and -0 is before 0; NaN is no bound. */
function floatBytes(type: 'float' | 'double', text: string, end: End, isSingle: boolean): Uint8Array | undefined {
  const read = text === 'inf' ? Number.POSITIVE_INFINITY : text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
  if (text.trim() === '' || Number.isNaN(read)) return undefined
  // The shortest text of a single is not that of the same number as a double.
  const exact = isSingle || type === 'float' ? Math.fround(read) : read
  const value = exact === 0 ? (end === 'lower' ? -0 : 0) : exact
  const bytes = Buffer.alloc(type === 'float' ? 4 : 8)
  if (type === 'float') bytes.writeFloatLE(value)
  else bytes.writeDoubleLE(value)
  return bytes
}

/** The unscaled number in two's complement, the highest byte first, in as few bytes as hold it. */
function decimalBytes(text: string, scale: number): Uint8Array | undefined {
  const [, sign, whole, fraction = ''] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text) ?? []
  if (whole === undefined || whole + fraction === '' || fraction.length > scale) return undefined
  const unscaled = BigInt(`${sign}${whole}${fraction.padEnd(scale, '0')}`)
  let length = 1
  while (BigInt.asIntN(length * 8, unscaled) !== unscaled) length++
  const hex = BigInt.asUintN(length * 8, unscaled)
    .toString(16)
    .padStart(length * 2, '0')
  return Buffer.from(hex, 'hex')
}

/** Microseconds since midnight. */
function timeOf(text: string): bigint | undefined {
  const [, hours, minutes, seconds, fraction = ''] = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/.exec(text) ?? []
  if (hours === undefined) return undefined
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
}

/** Microseconds since 1970; an instant's text is in UTC. */
function timestampBytes(text: string): Uint8Array | undefined {
  const [, date = '', time = ''] = /^(\S+) ([\d:.]+)(?:\+00)?$/.exec(text) ?? []
  const [day, ofDay] = [daysOf(date), timeOf(time)]
  return day === undefined || ofDay === undefined ? undefined : long(BigInt(day) * 86_400_000_000n + ofDay)
}
