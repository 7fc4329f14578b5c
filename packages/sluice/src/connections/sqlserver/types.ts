/** SQL Server's types as column types; each with the reader of its values (TYPE_INFO, MS-TDS 2.2.5.6). */
import { codePage } from '../../base/code-page.ts'
import { sluiceError } from '../../base/errors.ts'
import type { ColumnType } from '../../definition/types.ts'
import { type Cell, unreadable } from '../connection.ts'
import {
  type Bytes,
  bitText,
  dateOf,
  dateTime2Of,
  dateTimeOffsetOf,
  decimalText,
  floatText,
  guidText,
  integerText,
  isWhole,
  legacyDateTimeOf,
  moneyText,
  timeOf,
} from './cells.ts'

/** A type as a server announces it. */
export interface ServerType {
  /** As SQL writes it: `decimal(18,4)`. */
  readonly name: string
  readonly type: ColumnType
  readonly read: (bytes: Bytes) => Cell
}

/** What reading types needs to know: whose connection it is, and which code page a collation means. */
export interface TypeContext {
  readonly connection: string
  readonly codePage: (collation: Buffer) => string | undefined
}

type Decode = (buffer: Buffer, at: number, length: number) => string

const named = (name: string, type: ColumnType, read: ServerType['read']): ServerType => ({ name, type, read })

/** A value that is always there, with a length that its type gives. */
const fixed = (name: string, type: ColumnType, length: number, decode: Decode): ServerType =>
  named(name, type, (bytes) => decode(bytes.buffer, bytes.take(length), length))

/** A value behind its length in one byte; 0 is NULL. */
const short = (name: string, type: ColumnType, decode: Decode): ServerType =>
  named(name, type, (bytes) => {
    const length = bytes.u8()
    return length === 0 ? null : decode(bytes.buffer, bytes.take(length), length)
  })

const simple: { readonly [name: string]: readonly [type: ColumnType, length: number, decode: Decode] } = {
  tinyint: ['smallint', 1, integerText],
  smallint: ['smallint', 2, integerText],
  int: ['integer', 4, integerText],
  bigint: ['bigint', 8, integerText],
  bit: ['boolean', 1, bitText],
  real: ['real', 4, floatText],
  float: ['float', 8, floatText],
  smallmoney: ['decimal(10,4)', 4, moneyText],
  money: ['decimal(19,4)', 8, moneyText],
  smalldatetime: ['timestamp', 4, legacyDateTimeOf],
  datetime: ['timestamp', 8, legacyDateTimeOf],
}

/** Types whose TYPE_INFO is their code alone. */
const fixedCodes: { readonly [code: number]: string } = {
  48: 'tinyint',
  50: 'bit',
  52: 'smallint',
  56: 'int',
  58: 'smalldatetime',
  59: 'real',
  60: 'money',
  61: 'datetime',
  62: 'float',
  122: 'smallmoney',
  127: 'bigint',
}

/** Types that are told apart by the longest length of their values. */
const nullableCodes: { readonly [code: number]: { readonly [length: number]: string } } = {
  38: { 1: 'tinyint', 2: 'smallint', 4: 'int', 8: 'bigint' },
  104: { 1: 'bit' },
  109: { 4: 'real', 8: 'float' },
  110: { 4: 'smallmoney', 8: 'money' },
  111: { 4: 'smalldatetime', 8: 'datetime' },
}

const hex: Decode = (buffer, at, length) => buffer.toString('hex', at, at + length)

function protocol(context: TypeContext, why: string) {
  return sluiceError('Connection.Protocol', { connection: context.connection, why })
}

/** UTF-16 as text; half a character would become another one on its way, so its row is refused. */
const unicode: Decode = (buffer, at, length) => {
  const text = buffer.toString('utf16le', at, at + length)
  return length % 2 === 0 && isWhole(text) ? text : unreadable('UTF-16', buffer.subarray(at, at + length))
}

/** Text of a code page; bytes that it does not have refuse their row, and a page that nobody knows the table. */
function codePageText(context: TypeContext, collation: Buffer): Decode {
  const name = context.codePage(collation)
  return (buffer, at, length) => {
    let end = at
    while (end < at + length && buffer[end]! < 0x80) end++
    if (end === at + length) return buffer.toString('latin1', at, end)
    const page = codePage(name ?? '')
    const bytes = buffer.subarray(at, at + length)
    if (page !== undefined) return page.decode(bytes) ?? unreadable(name ?? '', bytes)
    const why = `a text of the code page ${name ?? 'that its collation names'} cannot be read; CAST the column to nvarchar`
    throw protocol(context, why)
  }
}

const maximum = 0xffff

/** A value behind its length in two bytes, or in pieces where the declared length is `max`. */
function long(name: string, type: ColumnType, length: number, decode: Decode, unit = 1): ServerType {
  if (length === maximum) return named(`${name}(max)`, type, (bytes) => readPieces(bytes, decode))
  return named(`${name}(${length / unit})`, type, (bytes) => {
    const n = bytes.u16()
    return n === maximum ? null : decode(bytes.buffer, bytes.take(n), n)
  })
}

/** A value in pieces (PLP): its whole length (all ones for NULL, one less for unknown), then pieces until an empty one. */
function readPieces(bytes: Bytes, decode: Decode): Cell {
  const low = bytes.u32()
  const high = bytes.u32()
  if (high === 0xffff_ffff && low === 0xffff_ffff) return null
  const isKnown = high !== 0xffff_ffff
  // One question for all of a long value: it is not begun again for every packet.
  if (isKnown) bytes.at = bytes.take(high * 0x1_0000_0000 + low)
  const pieces: Buffer[] = []
  for (let n = bytes.u32(); n > 0; n = bytes.u32()) {
    const at = bytes.take(n)
    pieces.push(bytes.buffer.subarray(at, at + n))
  }
  const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  return decode(all, 0, all.length)
}

/** The types before `max`: a pointer, a timestamp, the length in four bytes. */
const legacy = (name: string, type: ColumnType, decode: Decode): ServerType =>
  named(name, type, (bytes) => {
    const pointer = bytes.u8()
    if (pointer === 0) return null
    bytes.take(pointer + 8)
    const length = bytes.u32()
    return decode(bytes.buffer, bytes.take(length), length)
  })

const xml: Decode = (buffer, at, length) => unicode(buffer, at, length).replace(/^\uFEFF/, '')

/**
 * Reads a column's TYPE_INFO.
 *
 * @param inResult columns of results name the table of a text, ntext or image
 * @throws Connection.Protocol for a type that is not known
 */
export function readType(bytes: Bytes, context: TypeContext, inResult = true): ServerType {
  const code = bytes.u8()
  const fixedName = fixedCodes[code]
  if (fixedName !== undefined) return fixed(fixedName, ...simple[fixedName]!)
  if (nullableCodes[code] !== undefined) {
    const length = bytes.u8()
    const name = nullableCodes[code][length]
    if (name === undefined) throw protocol(context, `type 0x${code.toString(16)} cannot have the length ${length}`)
    const [type, , decode] = simple[name]!
    return short(name, type, decode)
  }
  const collation = () => {
    const at = bytes.take(5)
    return codePageText(context, Buffer.from(bytes.buffer.subarray(at, at + 5)))
  }
  switch (code) {
    case 0x1f:
      return named('null', 'text', () => null)
    case 0x24:
      bytes.u8()
      return short('uniqueidentifier', 'uuid', guidText)
    case 0x28:
      return short('date', 'date', dateOf)
    case 0x29:
    case 0x2a:
    case 0x2b:
      return scaled(code, bytes.u8())
    case 0x6a:
    case 0x6c: {
      bytes.u8()
      const [precision, scale] = [bytes.u8(), bytes.u8()]
      const size = `(${precision},${scale})` as const
      return short(`${code === 0x6a ? 'decimal' : 'numeric'}${size}`, `decimal(${precision},${scale})`, (b, at, n) =>
        decimalText(b, at, n, scale),
      )
    }
    case 0xa5:
    case 0xad:
      return long(code === 0xa5 ? 'varbinary' : 'binary', 'binary', bytes.u16(), hex)
    case 0xa7:
    case 0xaf:
      return long(code === 0xa7 ? 'varchar' : 'char', 'text', bytes.u16(), collation())
    case 0xe7:
    case 0xef: {
      const length = bytes.u16()
      bytes.take(5)
      return long(code === 0xe7 ? 'nvarchar' : 'nchar', 'text', length, unicode, 2)
    }
    case 0xf1:
      if (bytes.u8() === 1) {
        bytes.text(bytes.u8())
        bytes.text(bytes.u8())
        bytes.text(bytes.u16())
      }
      return named('xml', 'text', (b) => readPieces(b, xml))
    case 0xf0:
      return userType(bytes)
    case 0x62:
      bytes.u32()
      return named('sql_variant', 'text', (b) => readVariant(b, context))
    case 0x22:
    case 0x23:
    case 0x63:
      return legacyType(code, bytes, context, inResult)
    default:
      throw protocol(context, `its type 0x${code.toString(16)} is not known`)
  }
}

function scaled(code: number, scale: number): ServerType {
  if (code === 0x29) return short(`time(${scale})`, 'time', (b, at, n) => timeOf(b, at, n, scale))
  if (code === 0x2a) return short(`datetime2(${scale})`, 'timestamp', (b, at, n) => dateTime2Of(b, at, n, scale))
  return short(`datetimeoffset(${scale})`, 'timestamptz', (b, at, n) => dateTimeOffsetOf(b, at, n, scale))
}

function legacyType(code: number, bytes: Bytes, context: TypeContext, inResult: boolean): ServerType {
  bytes.u32()
  let decode: Decode = hex
  if (code !== 0x22) {
    const at = bytes.take(5)
    const collation = Buffer.from(bytes.buffer.subarray(at, at + 5))
    decode = code === 0x23 ? codePageText(context, collation) : unicode
  }
  if (inResult) for (let parts = bytes.u8(); parts > 0; parts--) bytes.text(bytes.u16())
  if (code === 0x22) return legacy('image', 'binary', decode)
  return legacy(code === 0x23 ? 'text' : 'ntext', 'text', decode)
}

/** Types of the CLR (geography, hierarchyid): their bytes. */
function userType(bytes: Bytes): ServerType {
  bytes.u16()
  bytes.text(bytes.u8())
  bytes.text(bytes.u8())
  const name = bytes.text(bytes.u8())
  bytes.text(bytes.u16())
  return named(name, 'binary', (b) => readPieces(b, hex))
}

/** A sql_variant: its length, the code of its base type, the properties' length, the properties, the value. */
function readVariant(bytes: Bytes, context: TypeContext): Cell {
  const total = bytes.u32()
  if (total === 0) return null
  const end = bytes.take(total) + total
  bytes.at = end - total
  const code = bytes.u8()
  const properties = bytes.u8()
  const at = bytes.take(properties)
  const { buffer } = bytes
  const length = end - bytes.at
  const decode = variantDecoder(code, buffer, at, context)
  if (decode === undefined) throw protocol(context, `a sql_variant holds the type 0x${code.toString(16)}`)
  return decode(buffer, bytes.take(length), length)
}

function variantDecoder(code: number, buffer: Buffer, properties: number, context: TypeContext): Decode | undefined {
  const name = fixedCodes[code]
  if (name !== undefined) return simple[name]![2]
  const scale = buffer[properties]!
  const decoders: { readonly [code: number]: Decode } = {
    36: guidText,
    40: dateOf,
    41: (b, at, n) => timeOf(b, at, n, scale),
    42: (b, at, n) => dateTime2Of(b, at, n, scale),
    43: (b, at, n) => dateTimeOffsetOf(b, at, n, scale),
    106: (b, at, n) => decimalText(b, at, n, buffer[properties + 1]!),
    108: (b, at, n) => decimalText(b, at, n, buffer[properties + 1]!),
    165: hex,
    173: hex,
  }
  if (code === 0xe7 || code === 0xef) return unicode
  if (code === 0xa7 || code === 0xaf) return codePageText(context, variantCollation(buffer, properties, context))
  return decoders[code]
}

/** Seven bytes of a length and a collation, which descriptions of the protocol order differently: the collation is where a code page is. */
function variantCollation(buffer: Buffer, properties: number, context: TypeContext): Buffer {
  const places = [0, 2].map((skip) => Buffer.from(buffer.subarray(properties + skip, properties + skip + 5)))
  return places.find((place) => context.codePage(place) !== undefined) ?? places[0]!
}
