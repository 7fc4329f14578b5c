/**
 * Writes the ids of a table's fields into the footer of a Parquet file, by any engine: which ids those are is known when it is committed.
 *
 * Only the list of schema elements is written again (Parquet file format, "Metadata": Thrift's compact protocol); pages, and where they are, stay.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { sluiceError } from '../base/errors.ts'
import type { Field, NestedField } from '../lake/record.ts'

const magic = 'PAR1'

/**
 * Gives a file's columns their ids, and the parts of nested ones. The file has these columns and no others.
 *
 * @example await writeFieldIds('/tmp/part-0.parquet', record.fields)
 * @throws Lake.FileCorrupt where it is no Parquet file, or has other columns
 */
export async function writeFieldIds(file: string, fields: readonly Field[]): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { at, footer } = await readFooterBytes(handle, file)
    const { elements, list } = schemaOf(footer)
    const ids = idsOf(elements, fields, file)
    const written = Buffer.concat([
      footer.subarray(0, list.start),
      listHeader(elements.length),
      ...elements.map((element, place) => withId(footer, element, ids.get(place))),
      footer.subarray(list.end),
    ])
    const length = Buffer.alloc(4)
    length.writeUInt32LE(written.length)
    await handle.truncate(at)
    await handle.write(Buffer.concat([written, length, Buffer.from(magic)]), 0, written.length + 8, at)
  } finally {
    await handle.close()
  }
}

/**
 * Reads the bytes of a footer, and where they begin.
 *
 * @example const { at, footer } = await readFooterBytes(handle, file)
 * @throws Lake.FileCorrupt where it is no Parquet file
 */
export async function readFooterBytes(
  handle: FileHandle,
  file: string,
): Promise<{ readonly at: number; readonly footer: Buffer }> {
  const { size } = await handle.stat()
  const end = Buffer.alloc(8)
  if (size >= 12) await handle.read(end, 0, 8, size - 8)
  const at = size - 8 - end.readUInt32LE(0)
  if (end.toString('latin1', 4) !== magic || at < 4) throw corrupt(file, 'Parquet', 'something else')
  const footer = Buffer.alloc(size - 8 - at)
  await handle.read(footer, 0, footer.length, at)
  return { at, footer }
}

const corrupt = (file: string, expected: string, found: string): Error =>
  sluiceError('Lake.FileCorrupt', { file, expected, found })

/** A member of a Thrift struct: its number, its type, and where its value is. */
export interface Member {
  readonly id: number
  readonly type: number
  readonly start: number
  readonly end: number
}

/** A column, a group or the root of a schema. */
export interface Element {
  readonly name: string
  readonly children: number
  readonly isRepeated: boolean
  readonly members: readonly Member[]
}

/** Numbers of the specification: of the file's metadata, and of a schema element. */
const schemaMember = 2
const element = { repetition: 3, name: 4, children: 5, id: 9 }
const repeated = 2

/** Types of the compact protocol. */
const type = { yes: 1, no: 2, byte: 3, short: 4, int: 5, long: 6, double: 7, binary: 8, list: 9, set: 10, map: 11 }

/**
 * A place in bytes that are read from front to back.
 *
 * @example new Reader(footer).members()
 */
export class Reader {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.at = at
  }

  byte(): number {
    return this.#bytes.readUInt8(this.at++)
  }

  varint(): number {
    let [value, factor] = [0, 1]
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 128
    }
  }

  signed(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** Bytes after their length. */
  bytes(): Buffer {
    const length = this.varint()
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  /** The members of a struct, each skipped; the reader is behind its end then. */
  members(): readonly Member[] {
    const members: Member[] = []
    let id = 0
    for (;;) {
      const header = this.byte()
      if (header === 0) return members
      id = header >> 4 === 0 ? this.signed() : id + (header >> 4)
      const start = this.at
      this.skip(header & 15)
      members.push({ id, type: header & 15, start, end: this.at })
    }
  }

  /** How many elements a list has, and of which type. */
  list(): { readonly count: number; readonly of: number } {
    const header = this.byte()
    return { count: header >> 4 === 15 ? this.varint() : header >> 4, of: header & 15 }
  }

  skip(kind: number, isElement = false): void {
    if (kind === type.yes || kind === type.no) this.at += isElement ? 1 : 0
    else if (kind === type.byte) this.at += 1
    else if (kind <= type.long) this.varint()
    else if (kind === type.double) this.at += 8
    else if (kind === type.binary) this.bytes()
    else if (kind === type.list || kind === type.set) {
      const { count, of } = this.list()
      for (let place = 0; place < count; place++) this.skip(of, true)
    } else if (kind === type.map) {
      const count = this.varint()
      const kinds = count === 0 ? 0 : this.byte()
      for (let place = 0; place < count; place++) {
        this.skip(kinds >> 4, true)
        this.skip(kinds & 15, true)
      }
    } else this.members()
  }
}

/**
 * The schema's elements, in the depth-first order of the specification, and where their list is.
 *
 * @example schemaOf(footer).elements.map(({ name }) => name)
 */
export function schemaOf(footer: Buffer): { readonly elements: readonly Element[]; readonly list: Member } {
  const list = new Reader(footer).members().find(({ id }) => id === schemaMember) as Member
  const reader = new Reader(footer, list.start)
  const { count } = reader.list()
  const elements = Array.from({ length: count }, (): Element => {
    const members = reader.members()
    const of = (id: number): Reader | undefined => {
      const member = members.find((one) => one.id === id)
      return member === undefined ? undefined : new Reader(footer, member.start)
    }
    return {
      name: (of(element.name) as Reader).bytes().toString('utf8'),
      children: of(element.children)?.signed() ?? 0,
      isRepeated: of(element.repetition)?.signed() === repeated,
      members,
    }
  })
  return { elements, list }
}

/** Which element has which id, by its place. */
function idsOf(elements: readonly Element[], fields: readonly Field[], file: string): ReadonlyMap<number, number> {
  const ids = new Map<number, number>()
  const after = (place: number): number => {
    let next = place + 1
    for (let child = 0; child < (elements[place]?.children ?? 0); child++) next = after(next)
    return next
  }
  const childrenOf = (place: number): readonly number[] => {
    const children: number[] = []
    for (let next = place + 1; children.length < (elements[place]?.children ?? 0); next = after(next))
      children.push(next)
    return children
  }
  const give = (place: number, { id, nested }: Pick<NestedField, 'id' | 'nested'>): void => {
    ids.set(place, id)
    if (nested === undefined) return
    const [first] = childrenOf(place)
    // A list and a map have one repeated group between them and what is in them; a struct has its members.
    const isRepeated = first !== undefined && elements[first]?.isRepeated === true
    const parts = isRepeated ? childrenOf(first) : childrenOf(place)
    for (const [at, part] of nested.entries()) if (parts[at] !== undefined) give(parts[at], part)
  }
  const columns = childrenOf(0)
  const byName = new Map(fields.map((field) => [field.name.toLowerCase(), field]))
  const names = columns.map((place) => elements[place]?.name.toLowerCase() ?? '')
  const isSame = names.length === fields.length && names.every((name) => byName.has(name))
  if (!isSame) throw corrupt(file, `the columns ${[...byName.keys()].join(', ')}`, `the columns ${names.join(', ')}`)
  for (const [at, place] of columns.entries()) give(place, byName.get(names[at] ?? '') as Field)
  return ids
}

/** An element as it is written: its members as they were, with an id among them. */
function withId(footer: Buffer, { members }: Element, id: number | undefined): Buffer {
  const own = { id: element.id, type: type.int }
  const others = members.filter((member) => member.id !== element.id)
  const all = id === undefined ? members : [...others, own].sort((a, b) => a.id - b.id)
  let before = 0
  const parts = all.map((member) => {
    const header = Buffer.of(((member.id - before) << 4) | member.type)
    before = member.id
    const value = 'start' in member ? footer.subarray(member.start, member.end) : varint((id as number) * 2)
    return Buffer.concat([header, value])
  })
  return Buffer.concat([...parts, Buffer.of(0)])
}

function listHeader(count: number): Buffer {
  const struct = 12
  return count < 15 ? Buffer.of((count << 4) | struct) : Buffer.concat([Buffer.of((15 << 4) | struct), varint(count)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.of(...bytes, rest)
}
