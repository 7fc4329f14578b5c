/**
 * A copy of a Parquet file in which the engine reads nanoseconds whole. DuckDB cuts them in INT96 and in timestamps of UTC; the same bytes, declared
 * as twelve bytes and as local nanoseconds, are read as they are. Only the footer changes; pages stay as and where they are.
 */
import { copyFile, open } from 'node:fs/promises'
import { type Element, type Member, Reader, readFooterBytes, schemaOf } from './parquet-ids.ts'

/** What replaces a part of the footer. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly bytes: Buffer
}

/** Numbers of the specification (parquet.thrift). */
const rowGroups = 4
const chunks = 1
const chunkMeta = 3
const meta = { type: 1, path: 3, statistics: 12 }
const schema = { type: 1, length: 2, logical: 10 }
const timestampType = 8
/** Of the compact protocol: a Boolean is in its member's header. */
const [isTrue, isFalse, integer] = [1, 2, 5]
/** INT96 and FIXED_LEN_BYTE_ARRAY, zigzag. */
const [int96, fixedBytes] = [6, 14]

/**
 * Makes the copy.
 *
 * @example await copyExact('/inbox/a.parquet', '/scratch/exact-0', ['t'])
 * @param columns names of columns of INT96, or of nanoseconds in UTC
 */
export async function copyExact(from: string, to: string, columns: readonly string[]): Promise<void> {
  await copyFile(from, to)
  const handle = await open(to, 'r+')
  try {
    const { at, footer } = await readFooterBytes(handle, to)
    const wanted = new Set(columns)
    const elements = schemaOf(footer).elements.filter(({ name, children }) => children === 0 && wanted.has(name))
    const edits = [...elements.flatMap((element) => elementEdits(footer, element)), ...chunkEdits(footer, wanted)]
    const written = edited(footer, edits)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(written.length)
    await handle.truncate(at)
    await handle.write(Buffer.concat([written, length, Buffer.from('PAR1')]), 0, written.length + 8, at)
  } finally {
    await handle.close()
  }
}

function elementEdits(footer: Buffer, { members }: Element): readonly Edit[] {
  const of = (id: number): Member | undefined => members.find((member) => member.id === id)
  const type = of(schema.type)
  if (type !== undefined && footer[type.start] === int96) {
    const length = of(schema.length)
    const twelve = Buffer.of(24)
    if (length !== undefined) return [replaced(type, Buffer.of(fixedBytes)), replaced(length, twelve)]
    // The next member's header counts from the one before it, which is the length from now on.
    const next = members[members.indexOf(type) + 1]
    const header = Buffer.of((1 << 4) | integer, 24)
    if (next === undefined) return [replaced(type, Buffer.concat([Buffer.of(fixedBytes), header]))]
    const after = Buffer.of(((next.id - schema.length) << 4) | next.type)
    return [{ start: type.start, end: next.start, bytes: Buffer.concat([Buffer.of(fixedBytes), header, after]) }]
  }
  const logical = of(schema.logical)
  if (logical === undefined) return []
  const union = new Reader(footer, logical.start).members().find(({ id }) => id === timestampType)
  if (union === undefined) return []
  const isUtc = new Reader(footer, union.start).members().find(({ id, type: kind }) => id === 1 && kind === isTrue)
  // A Boolean has no bytes behind its header.
  return isUtc === undefined ? [] : [{ start: isUtc.start - 1, end: isUtc.start, bytes: Buffer.of((1 << 4) | isFalse) }]
}

/** The columns' chunks are of the new type, too; their statistics are in the order of the old one, so they go. */
function chunkEdits(footer: Buffer, columns: ReadonlySet<string>): readonly Edit[] {
  const edits: Edit[] = []
  const groups = new Reader(footer).members().find(({ id }) => id === rowGroups)
  for (const group of structs(footer, groups)) {
    for (const chunk of structs(
      footer,
      group.find(({ id }) => id === chunks),
    )) {
      const described = chunk.find(({ id }) => id === chunkMeta)
      if (described === undefined) continue
      const members = new Reader(footer, described.start).members()
      const path = members.find(({ id }) => id === meta.path)
      const type = members.find(({ id }) => id === meta.type)
      if (path === undefined || type === undefined || footer[type.start] !== int96) continue
      const names = new Reader(footer, path.start)
      if (names.list().count !== 1 || !columns.has(names.bytes().toString('utf8'))) continue
      edits.push(replaced(type, Buffer.of(fixedBytes)))
      const statistics = members.find(({ id }) => id === meta.statistics)
      if (statistics !== undefined) edits.push(replaced(statistics, Buffer.of(0)))
    }
  }
  return edits
}

function structs(footer: Buffer, list: Member | undefined): readonly (readonly Member[])[] {
  if (list === undefined) return []
  const reader = new Reader(footer, list.start)
  return Array.from({ length: reader.list().count }, () => reader.members())
}

const replaced = ({ start, end }: Member, bytes: Buffer): Edit => ({ start, end, bytes })

function edited(footer: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(footer.subarray(at, edit.start), edit.bytes)
    at = edit.end
  }
  return Buffer.concat([...parts, footer.subarray(at)])
}
