/**
 * Writes Avro object container files, as far as Iceberg's manifests need them. https://avro.apache.org/docs/1.11.1/specification/
 *
 * By hand, because the libraries drop what they do not know of a schema, and Iceberg finds columns by its `field-id`s; loading one would cost more
 * CPU than a whole commit, too.
 */
import { createHash } from 'node:crypto'

/** A schema: of Avro's types those that manifests have. */
export type AvroType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'string'
  | 'bytes'
  | { readonly type: 'int' | 'long'; readonly logicalType: string; readonly [attribute: string]: string | boolean }
  | AvroRecord
  | { readonly type: 'array'; readonly items: AvroType; readonly [attribute: string]: unknown }
  | readonly ['null', AvroType]

/** A record, and its fields with their ids. */
export interface AvroRecord {
  readonly type: 'record'
  readonly name: string
  readonly fields: readonly AvroField[]
}

/** A field of a record; an optional one has null as its default. */
export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly 'field-id': number
  readonly default?: null
}

/** What a schema describes; of an optional field `undefined` is null. */
export type AvroValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | { readonly [field: string]: AvroValue }

/**
 * A container file with rows of a schema, uncompressed.
 *
 * @param meta What its header says besides, as Iceberg wants it
 * @example await storage.write(path, containerFile(manifestList, rows, { 'format-version': '2' }))
 */
export function containerFile(
  schema: AvroRecord,
  rows: readonly AvroValue[],
  meta: { readonly [key: string]: string },
): Uint8Array {
  const text = JSON.stringify(schema)
  const out = bytesOf()
  // Any 16 bytes that are the same at each block's end; the same file each time.
  const sync = createHash('md5').update(text).digest()
  out.raw(Buffer.from('Obj\x01', 'latin1'))
  const header = Object.entries({ 'avro.schema': text, 'avro.codec': 'null', ...meta })
  out.number(header.length)
  for (const [name, value] of header) for (const part of [name, value]) out.bytes(Buffer.from(part))
  out.number(0)
  out.raw(sync)
  const body = bytesOf()
  for (const row of rows) encode(body, schema, row)
  if (rows.length > 0) {
    out.number(rows.length)
    out.bytes(body.written())
    out.raw(sync)
  }
  return out.written()
}

type Bytes = ReturnType<typeof bytesOf>

function encode(out: Bytes, type: AvroType, value: AvroValue): void {
  if (Array.isArray(type)) {
    out.number(value == null ? 0 : 1)
    if (value != null) encode(out, type[1], value)
    return
  }
  const whole = type as Exclude<AvroType, readonly ['null', AvroType]>
  switch (typeof whole === 'string' ? whole : whole.type) {
    case 'boolean':
      out.raw(Uint8Array.of(value === true ? 1 : 0))
      break
    case 'int':
    case 'long':
      out.number(value as number | bigint)
      break
    case 'string':
      out.bytes(Buffer.from(value as string))
      break
    case 'bytes':
      out.bytes(value as Uint8Array)
      break
    case 'array': {
      const items = value as readonly AvroValue[]
      if (items.length > 0) out.number(items.length)
      for (const item of items) encode(out, (whole as { readonly items: AvroType }).items, item)
      out.number(0)
      break
    }
    case 'record':
      for (const field of (whole as AvroRecord).fields)
        encode(out, field.type, (value as { readonly [field: string]: AvroValue })[field.name])
  }
}

/** Bytes that grow. */
function bytesOf() {
  let buffer = Buffer.allocUnsafe(1024)
  let length = 0
  const room = (more: number): void => {
    if (length + more <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }
  const raw = (bytes: Uint8Array): void => {
    room(bytes.length)
    buffer.set(bytes, length)
    length += bytes.length
  }
  /** Zigzag, seven bits a byte, the lowest first. */
  const number = (value: number | bigint): void => {
    room(10)
    if (typeof value === 'number' && Math.abs(value) < 2 ** 30) {
      let small = value < 0 ? -2 * value - 1 : 2 * value
      for (; small > 0x7f; small >>>= 7) buffer[length++] = (small & 0x7f) | 0x80
      buffer[length++] = small
      return
    }
    const signed = BigInt(value)
    let rest = BigInt.asUintN(64, (signed << 1n) ^ (signed >> 63n))
    for (; rest > 0x7fn; rest >>= 7n) buffer[length++] = Number(rest & 0x7fn) | 0x80
    buffer[length++] = Number(rest)
  }
  return {
    raw,
    number,
    bytes(bytes: Uint8Array): void {
      number(bytes.length)
      raw(bytes)
    },
    written: (): Uint8Array => buffer.subarray(0, length),
  }
}
