/**
 * The messages of logical replication (pgoutput, protocol versions 1 and 2, values as text), decoded.
 *
 * Source: PostgreSQL, "Logical Replication Message Formats". Every read is checked against the frame's end, and nothing is allocated from a length
 * that the frame does not bear out.
 */
import { isUtf8 } from 'node:buffer'
import { sluiceError } from '../../../base/errors.ts'
import type { Lsn } from '../../../changes/lsn.ts'
import type { Image } from './image.ts'
import { type Relation, type RelationColumn, type ReplicaIdentity, tableName } from './relation.ts'
import { type TupleKind, tupleReader } from './tuple-image.ts'

/** Microseconds since 1970, in UTC. */
export type Micros = bigint

/** A change of one row. Its images are bytes (see `image.ts`), and texts for whoever asks. */
export class Change {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly relation: Relation
  /** Of an update or delete: what the server knew of the row before; of a key change at least the old key. */
  readonly old: Image | undefined
  /** Undefined for a delete. */
  readonly now: Image | undefined

  constructor(kind: Change['kind'], relation: Relation, old: Image | undefined, now: Image | undefined) {
    this.kind = kind
    this.relation = relation
    this.old = old
    this.now = now
  }

  /** Null where the key is unchanged. */
  get before(): string | null {
    return this.old?.json ?? null
  }

  /** Null for a delete. */
  get after(): string | null {
    return this.now?.json ?? null
  }

  /** The key of the row after the change; of a delete, before it. Null where the table has none. */
  get key(): string | null {
    return (this.now ?? this.old)?.key ?? null
  }

  /** Columns that are not in `after`, since their (large) value did not change, as a JSON list of names. */
  get unchanged(): string | null {
    return this.now?.unchanged ?? null
  }
}

/** One message, decoded. */
export type Message =
  | Change
  | { readonly kind: 'begin'; readonly finalLsn: Lsn; readonly committedAt: Micros; readonly xid: number }
  | { readonly kind: 'commit'; readonly lsn: Lsn; readonly endLsn: Lsn; readonly committedAt: Micros }
  | { readonly kind: 'origin'; readonly lsn: Lsn; readonly name: string }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'type'; readonly oid: number; readonly name: string }
  | {
      readonly kind: 'truncate'
      readonly relations: readonly Relation[]
      readonly cascade: boolean
      readonly restartIdentity: boolean
    }
  | {
      readonly kind: 'message'
      readonly transactional: boolean
      readonly lsn: Lsn
      readonly prefix: string
      readonly content: Uint8Array
    }
  | { readonly kind: 'streamStart'; readonly xid: number; readonly first: boolean }
  | { readonly kind: 'streamStop' }
  | {
      readonly kind: 'streamCommit'
      readonly xid: number
      readonly lsn: Lsn
      readonly endLsn: Lsn
      readonly committedAt: Micros
    }
  | { readonly kind: 'streamAbort'; readonly xid: number; readonly subXid: number }

/** A decoder: it remembers the tables that were described to it. */
export interface Decoder {
  /**
   * Decodes the message in `frame` from `start` to `end`.
   *
   * @param streamed whether it came between a stream's start and stop, and so bears a transaction's id
   * @throws Source.ChangeProtocol, Source.ChangeTwoPhase, Source.ChangeText, Source.ChangeKey
   */
  decode(frame: Buffer, start: number, end: number, streamed?: boolean): Message
  /** Names of types that are not built in, by oid. */
  readonly types: ReadonlyMap<number, string>
}

const identities: { readonly [code: string]: ReplicaIdentity } = { d: 'default', n: 'nothing', f: 'full', i: 'index' }

const twoPhase: { readonly [code: string]: string } = {
  b: 'begin prepare',
  P: 'prepare',
  K: 'commit prepared',
  r: 'rollback prepared',
  p: 'stream prepare',
}

/** Seconds from 1970 to 2000, in microseconds: where PostgreSQL's clock begins. */
const epoch = 946_684_800_000_000n

/**
 * Makes a decoder for one connection.
 *
 * @example
 * const decoder = pgoutputDecoder()
 * const message = decoder.decode(frame, 0, frame.length)
 * if (message.kind === 'insert') insert(message.relation.table, message.after)
 * @param naming the name of a relation by its number, which stays when it is renamed
 * @param keys columns that name a table's rows, by table: for tables whose replica identity is FULL, and that have a primary key
 */
export function pgoutputDecoder(
  keys: ReadonlyMap<string, readonly string[]> = new Map(),
  naming: (id: number, table: string) => string = (_, table) => table,
): Decoder {
  const relations = new Map<number, Relation>()
  const types = new Map<number, string>()
  const tuples = tupleReader()
  let frame: Buffer = Buffer.alloc(0)
  let first = 0
  let at = 0
  let end = 0

  function fault(why: string): never {
    throw sluiceError('Source.ChangeProtocol', { why, message: `"${letter(frame[first])}"`, bytes: end - first })
  }
  function need(bytes: number): void {
    if (end - at < bytes) fault('it is cut off')
  }
  function byte(): number {
    need(1)
    return frame[at++]!
  }
  function int16(): number {
    need(2)
    at += 2
    return frame.readUInt16BE(at - 2)
  }
  function int32(): number {
    need(4)
    at += 4
    return frame.readInt32BE(at - 4)
  }
  function oid(): number {
    return int32() >>> 0
  }
  function int64(): bigint {
    need(8)
    at += 8
    return frame.readBigUInt64BE(at - 8)
  }
  function instant(): Micros {
    need(8)
    at += 8
    return frame.readBigInt64BE(at - 8) + epoch
  }
  function text(): string {
    const stop = frame.indexOf(0, at)
    if (stop < 0 || stop >= end) fault('a name does not end')
    const bytes = frame.subarray(at, stop)
    if (!isUtf8(bytes)) fault('a name is not UTF-8')
    at = stop + 1
    return bytes.toString()
  }
  function known(id: number): Relation {
    return relations.get(id) ?? fault(`it is of a table that was never described (${id})`)
  }

  function relation(): Message {
    const id = oid()
    // The server leaves out the name of its own schema.
    const schema = text() || 'pg_catalog'
    const table = naming(id, tableName(schema, text()))
    const replicaIdentity = identities[letter(byte())] ?? fault('a replica identity is unknown')
    const count = int16()
    // Each column takes ten bytes at least, so a lie about their number is found before there is an array of that size.
    need(count * 10)
    const columns: RelationColumn[] = []
    for (let i = 0; i < count; i++) {
      const isKey = (byte() & 1) !== 0
      columns.push({ isKey, name: text(), typeOid: oid(), typeModifier: int32() })
    }
    const described: Relation = { id, table, replicaIdentity, columns, key: keyOf(table, columns) }
    relations.set(id, described)
    return { kind: 'relation', relation: described }
  }

  function keyOf(table: string, columns: readonly RelationColumn[]): readonly number[] {
    const named = keys.get(table)
    if (named === undefined) return columns.flatMap(({ isKey }, place) => (isKey ? [place] : []))
    return named.map((name) => {
      const place = columns.findIndex((column) => column.name === name)
      if (place < 0) throw sluiceError('Source.ChangeKey', { table, why: `it has no column "${name}" any more` })
      return place
    })
  }

  function tuple(of: Relation, kind: TupleKind, before?: Image): Image {
    const image = tuples.read(frame, at, end, of, kind, before, fault)
    at = tuples.end
    return image
  }

  function insert(): Change {
    const of = known(oid())
    if (byte() !== 0x4e) fault('an insert has no new row')
    const now = tuple(of, 'new')
    if (now.unchanged !== null) fault('an insert leaves values out')
    return new Change('insert', of, undefined, now)
  }

  function update(): Change {
    const of = known(oid())
    let tag = byte()
    let before: Image | undefined
    if (tag === 0x4b || tag === 0x4f) {
      before = old(of, tag)
      tag = byte()
    }
    if (tag !== 0x4e) fault('an update has no new row')
    const now = tuple(of, 'new', before)
    if (now.keyBytes === undefined) throw noKey(of)
    return new Change('update', of, before, now)
  }

  function remove(): Change {
    const of = known(oid())
    const tag = byte()
    if (tag !== 0x4b && tag !== 0x4f) fault('a delete has no old row')
    const before = old(of, tag)
    if (before.keyBytes === undefined) throw noKey(of)
    return new Change('delete', of, before, undefined)
  }

  function old(of: Relation, tag: number): Image {
    const image = tuple(of, tag === 0x4b ? 'key' : 'old')
    if (image.unchanged !== null) fault('an old row leaves values out')
    return image
  }

  function noKey({ table, key }: Relation): Error {
    const why = key.length === 0 ? 'the table has no replica identity' : 'a part of its key did not come with it'
    return sluiceError('Source.ChangeKey', { table, why })
  }

  function truncate(): Message {
    const count = int32()
    const options = byte()
    if (count < 0) fault('it names a negative number of tables')
    need(count * 4)
    const tables = Array.from({ length: count }, () => known(oid()))
    return {
      kind: 'truncate',
      relations: tables,
      cascade: (options & 1) !== 0,
      restartIdentity: (options & 2) !== 0,
    }
  }

  function message(): Message {
    const transactional = (byte() & 1) !== 0
    const lsn = int64()
    const prefix = text()
    const length = int32()
    if (length < 0) fault('its content has a negative length')
    need(length)
    at += length
    return { kind: 'message', transactional, lsn, prefix, content: frame.subarray(at - length, at) }
  }

  function commit(): { readonly lsn: Lsn; readonly endLsn: Lsn; readonly committedAt: Micros } {
    byte()
    return { lsn: int64(), endLsn: int64(), committedAt: instant() }
  }

  function type(): Message {
    const id = oid()
    const name = tableName(text() || 'pg_catalog', text())
    types.set(id, name)
    return { kind: 'type', oid: id, name }
  }

  function body(kind: number): Message {
    switch (kind) {
      case 0x49:
        return insert()
      case 0x55:
        return update()
      case 0x44:
        return remove()
      case 0x52:
        return relation()
      case 0x54:
        return truncate()
      case 0x59:
        return type()
      case 0x4d:
        return message()
      default:
        return control(letter(kind))
    }
  }

  function control(kind: string): Message {
    switch (kind) {
      case 'B':
        return { kind: 'begin', finalLsn: int64(), committedAt: instant(), xid: oid() }
      case 'C':
        return { kind: 'commit', ...commit() }
      case 'O':
        return { kind: 'origin', lsn: int64(), name: text() }
      case 'S':
        return { kind: 'streamStart', xid: oid(), first: byte() === 1 }
      case 'E':
        return { kind: 'streamStop' }
      case 'c':
        return { kind: 'streamCommit', xid: oid(), ...commit() }
      case 'A':
        return { kind: 'streamAbort', xid: oid(), subXid: oid() }
      default: {
        const prepared = twoPhase[kind]
        if (prepared !== undefined) throw sluiceError('Source.ChangeTwoPhase', { message: prepared })
        return fault('it is of no known kind')
      }
    }
  }

  return {
    types,
    decode(buffer, from, to, streamed = false) {
      frame = buffer
      first = at = from
      end = to
      const kind = byte()
      if (streamed && bearsTransaction(kind)) int32()
      const decoded = body(kind)
      if (at !== end) fault('it is longer than what it says')
      return decoded
    },
  }
}

/** Whether a message of this kind bears a transaction's id between a stream's start and stop. @example bearsTransaction(0x49) // true */
export function bearsTransaction(kind: number): boolean {
  return (
    kind === 0x49 || kind === 0x55 || kind === 0x44 || kind === 0x52 || kind === 0x54 || kind === 0x59 || kind === 0x4d
  )
}

function letter(byte: number | undefined): string {
  return byte !== undefined && byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `byte ${byte ?? 'missing'}`
}
