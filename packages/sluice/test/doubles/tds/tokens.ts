/** The tokens of a server's answer (MS-TDS 2.2.7), as bytes. */
import { collation, i32, join, longText, shortText, u8, u16, u32, u64 } from './bytes.ts'
import type { Value, WireType } from './types.ts'

/** A column of a result. */
export interface WireColumn {
  readonly name: string
  readonly type: WireType
  /** @default true */
  readonly nullable?: boolean
}

/** A message or an error, as a server states it. */
export interface WireMessage {
  readonly number: number
  readonly text: string
  readonly class: number
  readonly state?: number
  readonly procedure?: string
  readonly line?: number
}

const sized = (token: number, body: Buffer) => join(u8(token), u16(body.length), body)

export const done = { batch: 0xfd, procedure: 0xfe, statement: 0xff } as const
export const doneMore = 1
export const doneError = 2
export const doneCount = 0x10

export const tokens = {
  columns: (columns: readonly WireColumn[]): Buffer =>
    join(
      u8(0x81),
      u16(columns.length),
      ...columns.map((c) => join(u32(0), u16(c.nullable === false ? 8 : 9), c.type.info, shortText(c.name))),
    ),
  row: (columns: readonly WireColumn[], values: readonly Value[]): Buffer =>
    join(u8(0xd1), ...columns.map((c, i) => c.type.encode(values[i] ?? null))),
  /** A row whose NULLs are bits before it. */
  compressedRow: (columns: readonly WireColumn[], values: readonly Value[]): Buffer => {
    const nulls = Buffer.alloc(Math.ceil(columns.length / 8))
    const present = columns.flatMap((column, i) => {
      const value = values[i] ?? null
      if (value !== null) return [column.type.encode(value)]
      nulls[i >> 3] = nulls[i >> 3]! | (1 << (i & 7))
      return []
    })
    return join(u8(0xd2), nulls, ...present)
  },
  done: (token: number, status: number, count: number): Buffer => join(u8(token), u16(status), u16(0xc1), u64(count)),
  order: (columns: readonly number[]): Buffer => sized(0xa9, join(...columns.map(u16))),
  message: (m: WireMessage, isError: boolean): Buffer =>
    sized(
      isError ? 0xaa : 0xab,
      join(
        i32(m.number),
        u8(m.state ?? 1),
        u8(m.class),
        longText(m.text),
        shortText('double'),
        shortText(m.procedure ?? ''),
        u32(m.line ?? 1),
      ),
    ),
  returnStatus: (status: number): Buffer => join(u8(0x79), i32(status)),
  output: (ordinal: number, name: string, type: WireType, value: Value): Buffer =>
    join(u8(0xac), u16(ordinal), shortText(`@${name}`), u8(1), u32(0), u16(0), type.info, type.encode(value)),
  change: (kind: number, to: string, from: string): Buffer =>
    sized(0xe3, join(u8(kind), shortText(to), shortText(from))),
  collation: (): Buffer => sized(0xe3, join(u8(7), u8(5), collation, u8(0))),
  loginAck: (): Buffer =>
    sized(
      0xad,
      join(u8(1), Buffer.from([0x74, 0, 0, 4]), shortText('Sluice TDS double'), Buffer.from([16, 0, 7, 208])),
    ),
}
