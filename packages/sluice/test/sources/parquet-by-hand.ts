/** Parquet files of one column of texts, written page by page, so that a footer can say anything. */
import { gzipSync } from 'node:zlib'

/** A member's type in the compact protocol of Thrift, and its value. */
type Value = readonly [type: number, bytes: Buffer]

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.of(...bytes, rest)
}
const zigzag = (value: number): Buffer => varint(value >= 0 ? value * 2 : -value * 2 - 1)
const int = (value: number): Value => [5, zigzag(value)]
const long = (value: number): Value => [6, zigzag(value)]
const text = (value: string): Value => [8, Buffer.concat([varint(Buffer.byteLength(value)), Buffer.from(value)])]
const list = (items: readonly Value[]): Value => [
  9,
  Buffer.concat([Buffer.of((items.length << 4) | items[0]![0]), ...items.map(([, bytes]) => bytes)]),
]
function struct(members: { readonly [id: number]: Value }): Value {
  let before = 0
  const parts = Object.entries(members).map(([id, [type, bytes]]) => {
    const head = Buffer.of(((Number(id) - before) << 4) | type)
    before = Number(id)
    return Buffer.concat([head, bytes])
  })
  return [12, Buffer.concat([...parts, Buffer.of(0)])]
}

/** One page: what is in the file, what it unpacks to, and how many values it has. */
export interface Page {
  readonly packed: Buffer
  readonly unpacked: number
  readonly values: number
}

/** A file of these pages; `says` is what its footer declares of their size. */
export function parquetOf(
  pages: readonly Page[],
  { codec, encoding, says }: { readonly codec: 0 | 2; readonly encoding: 0 | 7; readonly says?: number },
): Buffer {
  const parts = pages.flatMap(({ packed, unpacked, values }) => {
    const page = struct({ 1: int(values), 2: int(encoding), 3: int(3), 4: int(3) })
    return [struct({ 1: int(0), 2: int(unpacked), 3: int(packed.length), 5: page })[1], packed]
  })
  const data = Buffer.concat(parts)
  const rows = pages.reduce((sum, { values }) => sum + values, 0)
  const size = long(says ?? pages.reduce((sum, { unpacked }) => sum + unpacked, 0))
  const meta = struct({
    ...{ 1: int(6), 2: list([int(encoding)]), 3: list([text('s')]), 4: int(codec), 5: long(rows) },
    ...{ 6: size, 7: long(data.length), 9: long(4) },
  })
  const column = struct({ 1: int(6), 3: int(0), 4: text('s'), 6: int(0) })
  const group = struct({ 1: list([struct({ 2: long(4), 3: meta })]), 2: size, 3: long(rows) })
  const schema = list([struct({ 4: text('schema'), 5: int(1) }), column])
  const footer = struct({ 1: int(1), 2: schema, 3: long(rows), 4: list([group]) })[1]
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([Buffer.from('PAR1'), data, footer, length, Buffer.from('PAR1')])
}

/** A gzip page of one text of so many bytes. */
export function gzipPage(bytes: number): Page {
  const plain = Buffer.alloc(bytes + 4, 'x')
  plain.writeUInt32LE(bytes, 0)
  return { packed: gzipSync(plain), unpacked: plain.length, values: 1 }
}

/** A page of equal texts in DELTA_BYTE_ARRAY: the first is written, the others are all of the one before. */
export function sharedPage(bytes: number, values: number): Page {
  const same = Array<number>(values - 2).fill(0)
  const packed = Buffer.concat([delta(0, [bytes, ...same]), delta(bytes, [-bytes, ...same]), Buffer.alloc(bytes, 'x')])
  return { packed, unpacked: packed.length, values }
}

/** DELTA_BINARY_PACKED: a first value, and the steps to the next ones. */
function delta(first: number, steps: readonly number[]): Buffer {
  const parts = [varint(128), varint(4), varint(steps.length + 1), zigzag(first)]
  for (let at = 0; at < steps.length; at += 128) {
    const some = steps.slice(at, at + 128)
    const least = Math.min(...some)
    const widths = Buffer.alloc(4)
    const packed = [0, 1, 2, 3].map((mini) => {
      const values = Array.from({ length: 32 }, (_, place) => (some[mini * 32 + place] ?? least) - least)
      if (values.every((value) => value === 0)) return Buffer.alloc(0)
      widths[mini] = 32
      const bytes = Buffer.alloc(128)
      for (const [place, value] of values.entries()) bytes.writeUInt32LE(value, place * 4)
      return bytes
    })
    parts.push(zigzag(least), widths, ...packed)
  }
  return Buffer.concat(parts)
}
