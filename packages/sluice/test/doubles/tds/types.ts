/**
 * SQL Server's types as they go over the wire: the TYPE_INFO of a column, and its values. Values are given as text, so that a test can say every
 * digit; the encoding follows MS-TDS 2.2.5.4 and 2.2.5.5, independently of the code under test.
 */
import { collation, f32, f64, i16, i32, i64, join, u8, u16, u32, u64, unsigned, utf16 } from './bytes.ts'

/** A value of a test: text in full, or NULL. Bytes as hex, booleans as `true` and `false`. */
export type Value = string | null

/** A type: what announces it, and what a value of it looks like. */
export interface WireType {
  readonly info: Buffer
  readonly encode: (value: Value) => Buffer
}

/** A value with its length in one byte, which is 0 for NULL. */
const short = (info: readonly number[], encode: (value: string) => Buffer): WireType => ({
  info: Buffer.from(info),
  encode: (value) => {
    if (value === null) return u8(0)
    const bytes = encode(value)
    return join(u8(bytes.length), bytes)
  },
})

/** A value of a type that cannot be NULL, without a length. */
const fixed = (code: number, encode: (value: string) => Buffer): WireType => ({
  info: u8(code),
  encode: (value) => encode(value ?? '0'),
})

/** `12.5` with scale 4 is [false, 125000n]. */
function unscaled(text: string, scale: number): readonly [boolean, bigint] {
  const negative = text.startsWith('-')
  const [whole = '', fraction = ''] = text.replace(/^-/, '').split('.')
  return [negative, BigInt(whole + fraction.padEnd(scale, '0'))]
}

const dayNumber = (date: string) =>
  Math.round((Date.parse(`${date}T00:00:00Z`) - Date.parse('0001-01-01T00:00:00Z')) / 864e5)
const daysTo1900 = dayNumber('1900-01-01')

/** A time of day in units of 10^-scale seconds. */
function ticks(time: string, scale: number): bigint {
  const [hours = '0', minutes = '0', seconds = '0'] = time.split(':')
  const [whole = '0', fraction = ''] = seconds.split('.')
  const total = (BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(whole)
  return total * 10n ** BigInt(scale) + BigInt(fraction.padEnd(scale, '0').slice(0, scale) || '0')
}

const timeLength = (scale: number) => (scale <= 2 ? 3 : scale <= 4 ? 4 : 5)
const decimalLength = (precision: number) => (precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17)
const signed = ([negative, value]: readonly [boolean, bigint]) => (negative ? -value : value)

const values = {
  decimal: (text: string, precision: number, scale: number) => {
    const [negative, value] = unscaled(text, scale)
    return join(u8(negative ? 0 : 1), unsigned(value, decimalLength(precision) - 1))
  },
  money: (text: string) => {
    const bytes = i64(signed(unscaled(text, 4)))
    return join(bytes.subarray(4), bytes.subarray(0, 4))
  },
  smallmoney: (text: string) => i32(Number(signed(unscaled(text, 4)))),
  datetime: (text: string) => {
    const [date = '', time = ''] = text.split(' ')
    return join(i32(dayNumber(date) - daysTo1900), u32(Math.round((Number(ticks(time, 3)) * 3) / 10)))
  },
  smalldatetime: (text: string) => {
    const [date = '', time = ''] = text.split(' ')
    return join(u16(dayNumber(date) - daysTo1900), u16(Number(ticks(time, 0)) / 60))
  },
  date: (text: string) => unsigned(BigInt(dayNumber(text)), 3),
  time: (text: string, scale: number) => unsigned(ticks(text, scale), timeLength(scale)),
  datetime2: (text: string, scale: number) => {
    const [date = '', time = ''] = text.split(' ')
    return join(values.time(time, scale), values.date(date))
  },
  /** On the wire the time is in UTC, and the offset in minutes follows. */
  datetimeoffset: (text: string, scale: number) => {
    const [, local = '', sign, hours, minutes] = /^(.*)([+-])(\d\d):(\d\d)$/.exec(text) ?? []
    const [date = '', time = ''] = local.split(' ')
    const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
    const day = 86_400n * 10n ** BigInt(scale)
    const moment = BigInt(dayNumber(date)) * day + ticks(time, scale) - BigInt(offset) * 60n * 10n ** BigInt(scale)
    return join(unsigned(moment % day, timeLength(scale)), unsigned(moment / day, 3), i16(offset))
  },
  guid: (text: string) => {
    const bytes = Buffer.from(text.replaceAll('-', ''), 'hex')
    return join(
      bytes.subarray(0, 4).reverse(),
      bytes.subarray(4, 6).reverse(),
      bytes.subarray(6, 8).reverse(),
      bytes.subarray(8),
    )
  },
}

/** A value in pieces (PLP), of unknown length when so asked. */
function pieces(bytes: Buffer | null, pieceLength = 8_000): Buffer {
  if (bytes === null) return Buffer.alloc(8, 255)
  const parts: Buffer[] = [u64(bytes.length)]
  for (let at = 0; at < bytes.length; at += pieceLength) {
    const piece = bytes.subarray(at, at + pieceLength)
    parts.push(u32(piece.length), piece)
  }
  return join(...parts, u32(0))
}

/** Text or bytes with a length in two bytes; 'max' in pieces. */
function long(code: number, length: number | 'max', suffix: Buffer, bytes: (value: string) => Buffer): WireType {
  if (length === 'max')
    return {
      info: join(u8(code), u16(0xffff), suffix),
      encode: (value) => pieces(value === null ? null : bytes(value)),
    }
  const encode = (value: Value) => {
    if (value === null) return u16(0xffff)
    const content = bytes(value)
    return join(u16(content.length), content)
  }
  return { info: join(u8(code), u16(length), suffix), encode }
}

/** The types before `max`: a text pointer, a timestamp, then the content. Their TYPE_INFO ends with the table's name. */
function legacy(code: number, suffix: Buffer, bytes: (value: string) => Buffer): WireType {
  const table = join(u8(1), u16(1), utf16('t'))
  const encode = (value: Value) => {
    if (value === null) return u8(0)
    const content = bytes(value)
    return join(u8(16), Buffer.alloc(16, 1), Buffer.alloc(8, 2), u32(content.length), content)
  }
  return { info: join(u8(code), u32(0x7fffffff), suffix, table), encode }
}

const latin = (text: string) => Buffer.from(text, 'latin1')
const hex = (text: string) => Buffer.from(text, 'hex')
const none = Buffer.alloc(0)

/** A value inside a sql_variant: its type's code, its properties, its bytes. */
export const inVariant = {
  int: (text: string) => join(u8(0x38), u8(0), i32(Number(text))),
  bigint: (text: string) => join(u8(0x7f), u8(0), i64(BigInt(text))),
  bit: (text: string) => join(u8(0x32), u8(0), u8(text === 'true' ? 1 : 0)),
  float: (text: string) => join(u8(0x3e), u8(0), f64(Number(text))),
  money: (text: string) => join(u8(0x3c), u8(0), values.money(text)),
  guid: (text: string) => join(u8(0x24), u8(0), values.guid(text)),
  date: (text: string) => join(u8(0x28), u8(0), values.date(text)),
  datetime: (text: string) => join(u8(0x3d), u8(0), values.datetime(text)),
  time: (scale: number) => (text: string) => join(u8(0x29), u8(1), u8(scale), values.time(text, scale)),
  datetime2: (scale: number) => (text: string) => join(u8(0x2a), u8(1), u8(scale), values.datetime2(text, scale)),
  datetimeoffset: (scale: number) => (text: string) =>
    join(u8(0x2b), u8(1), u8(scale), values.datetimeoffset(text, scale)),
  decimal: (precision: number, scale: number) => (text: string) =>
    join(u8(0x6a), u8(2), u8(precision), u8(scale), values.decimal(text, precision, scale)),
  varbinary: (text: string) => join(u8(0xa5), u8(2), u16(8000), hex(text)),
  varchar: (text: string) => join(u8(0xa7), u8(7), collation, u16(8000), latin(text)),
  nvarchar: (text: string) => join(u8(0xe7), u8(7), collation, u16(8000), utf16(text)),
}

/** Every type by its SQL name. */
export const types = {
  tinyint: short([0x26, 1], (v) => u8(Number(v))),
  smallint: short([0x26, 2], (v) => i16(Number(v))),
  int: short([0x26, 4], (v) => i32(Number(v))),
  bigint: short([0x26, 8], (v) => i64(BigInt(v))),
  bit: short([0x68, 1], (v) => u8(v === 'true' ? 1 : 0)),
  real: short([0x6d, 4], (v) => f32(Number(v))),
  float: short([0x6d, 8], (v) => f64(Number(v))),
  smallmoney: short([0x6e, 4], values.smallmoney),
  money: short([0x6e, 8], values.money),
  smalldatetime: short([0x6f, 4], values.smalldatetime),
  datetime: short([0x6f, 8], values.datetime),
  date: short([0x28], values.date),
  uniqueidentifier: short([0x24, 16], values.guid),
  decimal: (p: number, s: number) => short([0x6a, decimalLength(p), p, s], (v) => values.decimal(v, p, s)),
  numeric: (p: number, s: number) => short([0x6c, 17, p, s], (v) => values.decimal(v, 38, s)),
  time: (s: number) => short([0x29, s], (v) => values.time(v, s)),
  datetime2: (s: number) => short([0x2a, s], (v) => values.datetime2(v, s)),
  datetimeoffset: (s: number) => short([0x2b, s], (v) => values.datetimeoffset(v, s)),
  /** Columns that are declared NOT NULL come in these, without a length. */
  notNull: {
    tinyint: fixed(0x30, (v) => u8(Number(v))),
    smallint: fixed(0x34, (v) => i16(Number(v))),
    int: fixed(0x38, (v) => i32(Number(v))),
    bigint: fixed(0x7f, (v) => i64(BigInt(v))),
    bit: fixed(0x32, (v) => u8(v === 'true' ? 1 : 0)),
    real: fixed(0x3b, (v) => f32(Number(v))),
    float: fixed(0x3e, (v) => f64(Number(v))),
    money: fixed(0x3c, values.money),
    smallmoney: fixed(0x7a, values.smallmoney),
    datetime: fixed(0x3d, values.datetime),
    smalldatetime: fixed(0x3a, values.smalldatetime),
  },
  nvarchar: (n: number | 'max') => long(0xe7, n === 'max' ? n : n * 2, collation, utf16),
  nchar: (n: number) => long(0xef, n * 2, collation, (v) => utf16(v.padEnd(n))),
  varchar: (n: number | 'max') => long(0xa7, n, collation, latin),
  char: (n: number) => long(0xaf, n, collation, (v) => latin(v.padEnd(n))),
  varbinary: (n: number | 'max') => long(0xa5, n, none, hex),
  binary: (n: number) => long(0xad, n, none, hex),
  xml: {
    info: join(u8(0xf1), u8(0)),
    encode: (v: Value) => pieces(v === null ? null : join(Buffer.from([0xff, 0xfe]), utf16(v))),
  },
  text: legacy(0x23, collation, latin),
  ntext: legacy(0x63, collation, utf16),
  image: legacy(0x22, none, hex),
  variant: (inner: (text: string) => Buffer): WireType => ({
    info: join(u8(0x62), u32(8009)),
    encode: (value) => {
      if (value === null) return u32(0)
      const bytes = inner(value)
      return join(u32(bytes.length), bytes)
    },
  }),
} as const
