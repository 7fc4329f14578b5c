/**
 * The server's types as column types, and values of the binary protocol as exact text.
 *
 * Source: https://mariadb.com/kb/en/resultset-row/#binary-resultset-row (MySQL's Binary Protocol Resultset Row is the same).
 */
import { sluiceError } from '../../base/errors.ts'
import type { ColumnType } from '../../definition/types.ts'
import type { Cell, ResultColumn } from '../connection.ts'
import type { Field, Packet } from './connect.ts'

const unsigned = 32
const notNull = 1
/** The character set of bytes. */
const binary = 63

/** Where the next value begins, and whose rows they are. */
interface Cursor {
  offset: number
  readonly connection: string
}

/** Reads one value, and moves the cursor behind it. */
type Decoder = (buffer: Buffer, at: Cursor) => string

/** A column as the contract has it, and how its values are read. */
export interface DecodedColumn extends ResultColumn {
  readonly decode: Decoder
}

/**
 * What a column is. TIME is `time`, though it may be negative or longer than a day, and dates may be zero: such a value comes as the server's
 * own text, which no `time` or `date` takes, and is quarantined.
 *
 * @example columnOf(field) // { name: 'price', serverType: 'decimal(18,4)', type: 'decimal(18,4)', nullable: true, decode }
 */
export function columnOf(field: Field): DecodedColumn {
  const [serverType, type, decode] = read(field)
  return { name: field.name, serverType, type, nullable: (field.flags & notNull) === 0, decode }
}

function read(field: Field): readonly [serverType: string, ColumnType, Decoder] {
  const positive = (field.flags & unsigned) !== 0
  const integer = (name: string, signedType: ColumnType, unsignedType: ColumnType, decoder: Decoder) =>
    [positive ? `${name} unsigned` : name, positive ? unsignedType : signedType, decoder] as const
  const fraction = field.decimals > 0 && field.decimals <= 6 ? `(${field.decimals})` : ''
  switch (field.columnType) {
    case 1:
      return integer('tinyint', 'tinyint', 'smallint', positive ? uint8 : int8)
    case 2:
      return integer('smallint', 'smallint', 'integer', positive ? uint16 : int16)
    case 9:
      return integer('mediumint', 'integer', 'integer', positive ? uint32 : int32)
    case 3:
      return integer('int', 'integer', 'bigint', positive ? uint32 : int32)
    case 8:
      return integer('bigint', 'bigint', 'decimal(20,0)', positive ? uint64 : int64)
    case 13:
      return ['year', 'smallint', uint16]
    case 4:
      return ['float', 'real', float]
    case 5:
      return ['double', 'float', double]
    case 0:
    case 246:
      return decimal(field, positive)
    case 10:
    case 14:
      return ['date', 'date', (buffer, at) => dateTime(buffer, at).slice(0, 10)]
    case 12:
      return [`datetime${fraction}`, 'timestamp', (buffer, at) => withFraction(dateTime(buffer, at), field.decimals)]
    case 7:
      // The session's zone is UTC, so that the offset is known.
      return [
        `timestamp${fraction}`,
        'timestamptz',
        (buffer, at) => `${withFraction(dateTime(buffer, at), field.decimals)}+00:00`,
      ]
    case 11:
      return [`time${fraction}`, 'time', (buffer, at) => withFraction(time(buffer, at), field.decimals)]
    case 16:
      return bit(field.columnLength)
    case 245:
      return ['json', 'json', text]
    case 255:
      return [field.extendedTypeName ?? 'geometry', 'binary', bytes]
    case 242:
      return ['vector', 'binary', bytes]
    default:
      return textOrBytes(field)
  }
}

function decimal(field: Field, positive: boolean): readonly [string, ColumnType, Decoder] {
  const digits = Math.max(1, field.columnLength - (field.decimals > 0 ? 1 : 0) - (positive ? 0 : 1))
  const name = `decimal(${digits},${field.decimals})` as const
  return [positive ? `${name} unsigned` : name, digits <= 38 ? name : 'text', text]
}

function bit(length: number): readonly [string, ColumnType, Decoder] {
  const name = `bit(${length})`
  if (length === 1) return [name, 'boolean', (buffer, at) => String(BigInt(`0x${bytes(buffer, at)}`) === 1n)]
  const type = length < 16 ? 'smallint' : length < 32 ? 'integer' : length < 64 ? 'bigint' : 'decimal(20,0)'
  return [name, type, (buffer, at) => String(BigInt(`0x${bytes(buffer, at)}`))]
}

function textOrBytes(field: Field): readonly [string, ColumnType, Decoder] {
  if (field.extendedFormat === 'json') return ['json', 'json', text]
  if (field.extendedTypeName === 'uuid') return ['uuid', 'uuid', text]
  if (field.extendedTypeName !== undefined) return [field.extendedTypeName, 'text', text]
  const isBytes = field.characterSet === binary
  // The length is in bytes, and text comes in utf8mb4, which counts four of them for each character.
  const length = isBytes ? field.columnLength : Math.floor(field.columnLength / 4)
  const large = field.columnType >= 249 && field.columnType <= 252
  const size = length <= 255 ? 'tiny' : length <= 65_535 ? '' : length <= 16_777_215 ? 'medium' : 'long'
  const fixed = field.columnType === 254
  if (isBytes && field.columnType !== 6)
    return [large ? `${size}blob` : `${fixed ? 'binary' : 'varbinary'}(${length})`, 'binary', bytes]
  const name = (field.flags & 256) !== 0 ? 'enum' : (field.flags & 2048) !== 0 ? 'set' : undefined
  return [name ?? (large ? `${size}text` : `${fixed ? 'char' : 'varchar'}(${length})`), 'text', text]
}

const uint8: Decoder = (buffer, at) => String(buffer[at.offset++])
const int8: Decoder = (buffer, at) => String(buffer.readInt8(at.offset++))
const uint16: Decoder = (buffer, at) => String(buffer.readUInt16LE(skip(at, 2)))
const int16: Decoder = (buffer, at) => String(buffer.readInt16LE(skip(at, 2)))
const uint32: Decoder = (buffer, at) => String(buffer.readUInt32LE(skip(at, 4)))
const int32: Decoder = (buffer, at) => String(buffer.readInt32LE(skip(at, 4)))
const uint64: Decoder = (buffer, at) => String(buffer.readBigUInt64LE(skip(at, 8)))
const int64: Decoder = (buffer, at) => String(buffer.readBigInt64LE(skip(at, 8)))
const double: Decoder = (buffer, at) => numberText(buffer.readDoubleLE(skip(at, 8)))

/** The shortest text that is this 32-bit number, and no other. */
const float: Decoder = (buffer, at) => {
  const value = buffer.readFloatLE(skip(at, 4))
  // Subnormal numbers have fewer digits than the six that all others have.
  for (let digits = Math.abs(value) < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return numberText(short)
  }
  return numberText(Number(value.toPrecision(9)))
}

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

function skip(at: Cursor, length: number): number {
  const from = at.offset
  at.offset += length
  return from
}

/** A length-encoded integer: https://mariadb.com/kb/en/protocol-data-types/#length-encoded-integers */
function lengthOf(buffer: Buffer, at: Cursor): number {
  const first = buffer[at.offset++] as number
  if (first < 251) return first
  if (first === 0xfc) return buffer.readUInt16LE(skip(at, 2))
  if (first === 0xfd) return buffer.readUIntLE(skip(at, 3), 3)
  return Number(buffer.readBigUInt64LE(skip(at, 8)))
}

const bytes: Decoder = (buffer, at) => {
  const length = lengthOf(buffer, at)
  return buffer.toString('hex', skip(at, length), at.offset)
}

const text: Decoder = (buffer, at) => {
  const length = lengthOf(buffer, at)
  const from = skip(at, length)
  const value = buffer.toString('utf8', from, at.offset)
  // U+FFFD is what bytes become that are no UTF-8; a text may have it, too.
  if (value.includes('\ufffd') && !Buffer.from(value).equals(buffer.subarray(from, at.offset)))
    throw sluiceError('Connection.Protocol', { connection: at.connection, why: 'a text is no UTF-8' })
  return value
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value))

/** `YYYY-MM-DD HH:MM:SS.ffffff`; what is zero at the end is left out by the protocol. */
function dateTime(buffer: Buffer, at: Cursor): string {
  const length = buffer[at.offset++] as number
  const from = skip(at, length)
  const field = (index: number): number => (index < length ? (buffer[from + index] as number) : 0)
  const year = length === 0 ? 0 : buffer.readUInt16LE(from)
  const micros = length > 7 ? buffer.readUInt32LE(from + 7) : 0
  const date = `${String(year).padStart(4, '0')}-${two(field(2))}-${two(field(3))}`
  return `${date} ${two(field(4))}:${two(field(5))}:${two(field(6))}.${String(micros).padStart(6, '0')}`
}

/** `-HHH:MM:SS.ffffff`. */
function time(buffer: Buffer, at: Cursor): string {
  const length = buffer[at.offset++] as number
  const from = skip(at, length)
  if (length === 0) return '00:00:00.000000'
  const [hours, minutes, seconds] = [5, 6, 7].map((index) => buffer[from + index] as number) as [number, number, number]
  const all = buffer.readUInt32LE(from + 1) * 24 + hours
  const micros = length > 8 ? buffer.readUInt32LE(from + 8) : 0
  return `${buffer[from] === 1 ? '-' : ''}${two(all)}:${two(minutes)}:${two(seconds)}.${String(micros).padStart(6, '0')}`
}

/** Keeps as many digits as the column has; digits beyond them stay where they are not zero. */
function withFraction(value: string, decimals: number): string {
  const kept = Math.min(decimals, 6)
  const [whole, digits = ''] = value.split('.') as [string, string?]
  const last = Math.max(kept, digits.replace(/0+$/, '').length)
  return last === 0 ? whole : `${whole}.${digits.slice(0, last)}`
}

/**
 * Reads a row of the binary protocol into columns.
 *
 * @example readRow(packet, columns, cells, 'shop') // cells[column].push(…)
 * @throws Connection.Protocol
 */
export function readRow(
  row: Packet,
  columns: readonly DecodedColumn[],
  cells: readonly Cell[][],
  connection: string,
): void {
  const { buffer } = row
  const nulls = row.offset + 1
  const at: Cursor = { offset: nulls + ((columns.length + 9) >> 3), connection }
  for (let index = 0; index < columns.length; index++) {
    const isNull = ((buffer[nulls + ((index + 2) >> 3)] as number) & (1 << ((index + 2) & 7))) !== 0
    ;(cells[index] as Cell[]).push(isNull ? null : (columns[index] as DecodedColumn).decode(buffer, at))
  }
  if (at.offset !== row.end)
    throw sluiceError('Connection.Protocol', { connection, why: 'a row is longer or shorter than its columns' })
}
