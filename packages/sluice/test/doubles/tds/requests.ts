/** What a client sends, read: PRELOGIN, LOGIN7, RPC and SQL batches (MS-TDS 2.2.6). */
import { join, u8 } from './bytes.ts'

/** A parameter of a call, as it stood on the wire. */
export interface ReceivedParameter {
  readonly name: string
  readonly output: boolean
  /** The code of its type, and the length, precision and scale that were declared. */
  readonly type: number
  readonly info: { readonly length?: number; readonly precision?: number; readonly scale?: number }
  /** Text and bytes (as hex) in full; numbers as digits. */
  readonly value: string | null
}

/** A remote procedure call. */
export interface ReceivedCall {
  /** As it was sent, with its brackets; special procedures as `#10`. */
  readonly sentName: string
  /** Without brackets, in lower case. */
  readonly procedure: string
  readonly parameters: readonly ReceivedParameter[]
}

/** The value of a login's text, by its place in the table of offsets. */
export function loginText(body: Buffer, index: number): string {
  const at = body.readUInt16LE(36 + index * 4)
  return body.toString('utf16le', at, at + 2 * body.readUInt16LE(38 + index * 4))
}

/** The password of a login, with its scrambling undone. */
export function loginPassword(body: Buffer): string {
  const at = body.readUInt16LE(36 + 2 * 4)
  const scrambled = body.subarray(at, at + 2 * body.readUInt16LE(38 + 2 * 4))
  return Buffer.from(scrambled.map((byte) => ((byte ^ 0xa5) >> 4) | (((byte ^ 0xa5) & 15) << 4))).toString('utf16le')
}

/** The answer to PRELOGIN; `encryption` is 1 for yes and 2 for "not supported". */
export function preloginAnswer(encryption: number): Buffer {
  const options: readonly (readonly [number, Buffer])[] = [
    [0, Buffer.from([16, 0, 7, 208, 0, 0])],
    [1, u8(encryption)],
    [2, u8(0)],
    [3, Buffer.alloc(0)],
    [4, u8(0)],
  ]
  let offset = options.length * 5 + 1
  const heads = options.map(([token, data]) => {
    const head = Buffer.from([token, offset >> 8, offset & 255, 0, data.length])
    offset += data.length
    return head
  })
  return join(...heads, u8(255), ...options.map(([, data]) => data))
}

/** The text of a SQL batch, behind its headers. */
export const batchText = (body: Buffer): string => body.toString('utf16le', body.readUInt32LE(0))

/** A reader that moves on. */
class Cursor {
  readonly body: Buffer
  at: number
  constructor(body: Buffer, at: number) {
    this.body = body
    this.at = at
  }
  bytes(length: number): Buffer {
    this.at += length
    return this.body.subarray(this.at - length, this.at)
  }
  u8 = () => this.bytes(1).readUInt8()
  u16 = () => this.bytes(2).readUInt16LE()
  pieces(): Buffer | null {
    if (this.bytes(8).readBigUInt64LE() === 0xffffffffffffffffn) return null
    const parts: Buffer[] = []
    for (let n = this.bytes(4).readUInt32LE(); n > 0; n = this.bytes(4).readUInt32LE()) parts.push(this.bytes(n))
    return join(...parts)
  }
}

const littleEndian = (bytes: Buffer) => [...bytes].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

function shortValue(type: number, bytes: Buffer, scale: number): string | null {
  if (bytes.length === 0) return null
  if (type === 0x26) return BigInt.asIntN(8 * bytes.length, littleEndian(bytes)).toString()
  if (type === 0x68) return bytes[0] === 1 ? 'true' : 'false'
  if (type === 0x6d) return String(bytes.length === 8 ? bytes.readDoubleLE() : bytes.readFloatLE())
  if (type === 0x6a || type === 0x6c) return `${bytes[0] === 1 ? '' : '-'}${littleEndian(bytes.subarray(1))}e-${scale}`
  if (type === 0x2b) return momentText(bytes, scale)
  return bytes.toString('hex')
}

/** A datetimeoffset (MS-TDS 2.2.5.5.1.9): time of day and day in UTC, then minutes; as its local time with the offset. */
function momentText(bytes: Buffer, scale: number): string {
  const at = bytes.length - 5
  const offset = bytes.readInt16LE(at + 3)
  const unit = 10n ** BigInt(scale)
  const ticks =
    littleEndian(bytes.subarray(0, at)) +
    (littleEndian(bytes.subarray(at, at + 3)) * 86_400n + BigInt(offset * 60)) * unit
  const seconds = new Date(Date.parse('0001-01-01T00:00:00Z') + Number(ticks / unit) * 1000).toISOString().slice(0, 19)
  const fraction = scale === 0 ? '' : `.${String(ticks % unit).padStart(scale, '0')}`
  const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60].map((n) =>
    String(n).padStart(2, '0'),
  )
  return `${seconds.replace('T', ' ')}${fraction}${offset < 0 ? '-' : '+'}${hours}:${minutes}`
}

function readParameter(cursor: Cursor): ReceivedParameter {
  const name = cursor.bytes(cursor.u8() * 2).toString('utf16le')
  const output = (cursor.u8() & 1) === 1
  const type = cursor.u8()
  if ([0xe7, 0xef, 0xa7, 0xaf, 0xa5, 0xad].includes(type)) {
    const length = cursor.u16()
    if (type !== 0xa5 && type !== 0xad) cursor.bytes(5)
    let bytes: Buffer | null
    if (length === 0xffff) bytes = cursor.pieces()
    else {
      const n = cursor.u16()
      bytes = n === 0xffff ? null : cursor.bytes(n)
    }
    const encoding = type === 0xe7 || type === 0xef ? 'utf16le' : type === 0xa7 || type === 0xaf ? 'latin1' : 'hex'
    return { name, output, type, info: { length }, value: bytes?.toString(encoding) ?? null }
  }
  const hasScaleOnly = type >= 0x29 && type <= 0x2b
  const length = type === 0x28 || hasScaleOnly ? undefined : cursor.u8()
  const precision = type === 0x6a || type === 0x6c ? cursor.u8() : undefined
  const scale = hasScaleOnly || precision !== undefined ? cursor.u8() : undefined
  const value = shortValue(type, cursor.bytes(cursor.u8()), scale ?? 0)
  const info = {
    ...(length === undefined ? {} : { length }),
    ...(precision === undefined ? {} : { precision }),
    ...(scale === undefined ? {} : { scale }),
  }
  return { name, output, type, info, value }
}

/** Reads a remote procedure call. */
export function readCall(body: Buffer): ReceivedCall {
  const cursor = new Cursor(body, body.readUInt32LE(0))
  const length = cursor.u16()
  const sentName = length === 0xffff ? `#${cursor.u16()}` : cursor.bytes(length * 2).toString('utf16le')
  cursor.u16()
  const parameters: ReceivedParameter[] = []
  while (cursor.at < body.length) parameters.push(readParameter(cursor))
  const procedure = sentName
    .replace(/\[((?:[^\]]|\]\])*)\]/g, (_, part: string) => part.replaceAll(']]', ']'))
    .toLowerCase()
  return { sentName, procedure, parameters }
}
