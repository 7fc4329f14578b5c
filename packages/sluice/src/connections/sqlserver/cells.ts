/**
 * Values of TDS as exact text (MS-TDS 2.2.5.5): no number and no time passes through a double or a Date, and no digit or offset is lost.
 */

/** Thrown, as it is, where a value goes on in bytes that have not come yet; the reader is then asked again, with more. */
export const incomplete = Symbol('incomplete')

/** Bytes that are read from the front. All numbers are little-endian. */
export class Bytes {
  buffer: Buffer = Buffer.alloc(0)
  at = 0
  /** After {@link incomplete}: how many bytes there must be, counted from the buffer's start. */
  needed = 0

  /** Moves on by so many bytes, and answers where they begin. */
  take(length: number): number {
    const at = this.at
    if (at + length > this.buffer.length) {
      this.needed = at + length
      throw incomplete
    }
    this.at = at + length
    return at
  }
  u8(): number {
    return this.buffer[this.take(1)]!
  }
  u16(): number {
    return this.buffer.readUInt16LE(this.take(2))
  }
  i32(): number {
    return this.buffer.readInt32LE(this.take(4))
  }
  u32(): number {
    return this.buffer.readUInt32LE(this.take(4))
  }
  /** UTF-16 of so many code units. */
  text(units: number): string {
    const at = this.take(units * 2)
    return this.buffer.toString('utf16le', at, this.at)
  }
}

const twoDigits = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'))
const day = 86_400_000
/** Days from 0001-01-01, where dates begin, to 1970-01-01 and to 1900-01-01. */
const epoch = { unix: 719_162, legacy: 693_595 } as const

const dates = new Map<number, string>()

/** The date that is so many days after 0001-01-01. */
function dateText(days: number): string {
  const known = dates.get(days)
  if (known !== undefined) return known
  const text = new Date((days - epoch.unix) * day).toISOString().slice(0, 10)
  if (dates.size > 50_000) dates.clear()
  dates.set(days, text)
  return text
}

/** The time of day that is so many units of 10^-scale seconds after midnight. */
function timeText(ticks: number, scale: number): string {
  const unit = 10 ** scale
  const seconds = Math.floor(ticks / unit)
  const minutes = Math.floor(seconds / 60)
  const whole = `${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}`
  return scale === 0 ? whole : `${whole}.${String(ticks % unit).padStart(scale, '0')}`
}

/** Digits with the point before the last `scale` of them. */
function pointed(negative: boolean, digits: string, scale: number): string {
  const sign = negative ? '-' : ''
  if (scale === 0) return sign + digits
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

const words = (buffer: Buffer, at: number, count: number): bigint => {
  let value = 0n
  for (let i = count - 1; i >= 0; i--) value = (value << 32n) | BigInt(buffer.readUInt32LE(at + 4 * i))
  return value
}

/** A sign (1 for positive), then 4, 8, 12 or 16 bytes of the unscaled value. */
export function decimalText(buffer: Buffer, at: number, length: number, scale: number): string {
  const low = buffer.readUInt32LE(at + 1)
  const high = length === 5 ? 0 : buffer.readUInt32LE(at + 5)
  const isSmall = high < 0x200000 && length <= 9
  const digits = isSmall ? String(high * 0x1_0000_0000 + low) : words(buffer, at + 1, (length - 1) >> 2).toString()
  return pointed(buffer[at] === 0 && digits !== '0', digits, scale)
}

/** Four decimal places in 8 bytes, whose upper half comes first, or in 4. */
export function moneyText(buffer: Buffer, at: number, length: number): string {
  const high = buffer.readInt32LE(at)
  if (length === 4) return pointed(high < 0, String(Math.abs(high)), 4)
  const low = buffer.readUInt32LE(at + 4)
  const isSmall = high >= -0x10_0000 && high < 0x10_0000
  const value = isSmall ? high * 0x1_0000_0000 + low : (BigInt(high) << 32n) | BigInt(low)
  return pointed(value < 0, String(value).replace('-', ''), 4)
}

/** Whole numbers of 1 (without a sign), 2, 4 or 8 bytes. */
export function integerText(buffer: Buffer, at: number, length: number): string {
  if (length === 4) return String(buffer.readInt32LE(at))
  if (length === 8) return buffer.readBigInt64LE(at).toString()
  return String(length === 2 ? buffer.readInt16LE(at) : buffer[at])
}

export const bitText = (buffer: Buffer, at: number): string => (buffer[at] === 0 ? 'false' : 'true')

/** The shortest text that reads back as the same number. */
export function floatText(buffer: Buffer, at: number, length: number): string {
  const value = length === 8 ? buffer.readDoubleLE(at) : buffer.readFloatLE(at)
  if (Object.is(value, -0)) return '-0'
  if (length === 8) return String(value)
  // Six digits are always kept, but for the smallest numbers.
  for (let precision = Math.abs(value) < 1.2e-38 ? 1 : 6; precision < 9; precision++) {
    const shorter = Number(value.toPrecision(precision))
    if (Math.fround(shorter) === value) return String(shorter)
  }
  return String(Number(value.toPrecision(9)))
}

export const dateOf = (buffer: Buffer, at: number): string => dateText(buffer.readUIntLE(at, 3))

export const timeOf = (buffer: Buffer, at: number, length: number, scale: number): string =>
  timeText(buffer.readUIntLE(at, length), scale)

/** A time of `length - 3` bytes, then a date. */
export const dateTime2Of = (buffer: Buffer, at: number, length: number, scale: number): string =>
  `${dateOf(buffer, at + length - 3)} ${timeOf(buffer, at, length - 3, scale)}`

/** Time and date in UTC, then the offset in minutes: the local time is written, with its offset. */
export function dateTimeOffsetOf(buffer: Buffer, at: number, length: number, scale: number): string {
  const offset = buffer.readInt16LE(at + length - 2)
  const ticksOfDay = 86_400 * 10 ** scale
  const ticks = buffer.readUIntLE(at, length - 5) + offset * 60 * 10 ** scale
  const days = buffer.readUIntLE(at + length - 5, 3) + Math.floor(ticks / ticksOfDay)
  const minutes = Math.abs(offset)
  const zone = `${offset < 0 ? '-' : '+'}${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}`
  return `${dateText(days)} ${timeText(ticks - Math.floor(ticks / ticksOfDay) * ticksOfDay, scale)}${zone}`
}

/** Days since 1900 and 300ths of a second (shown as the server shows them, in milliseconds), or days and minutes. */
export function legacyDateTimeOf(buffer: Buffer, at: number, length: number): string {
  if (length === 4)
    return `${dateText(buffer.readUInt16LE(at) + epoch.legacy)} ${timeText(buffer.readUInt16LE(at + 2) * 60, 0)}`
  const milliseconds = Math.round((buffer.readUInt32LE(at + 4) * 10) / 3)
  return `${dateText(buffer.readInt32LE(at) + epoch.legacy)} ${timeText(milliseconds, 3)}`
}

/** The first three groups are stored with their last byte first. */
export function guidText(buffer: Buffer, at: number): string {
  const hex = buffer.toString('hex', at, at + 16)
  const byte = (n: number) => hex.slice(2 * n, 2 * n + 2)
  const head = `${byte(3)}${byte(2)}${byte(1)}${byte(0)}-${byte(5)}${byte(4)}-${byte(7)}${byte(6)}`
  return `${head}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Whether a text has no half of a surrogate pair, which no encoding of files can write. */
export function isWhole(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}
