/** The inverse of the decoder: messages of logical replication as a server writes them, from a model. */

/** A column as `Relation` describes it. */
export interface EncodedColumn {
  readonly name: string
  readonly typeOid: number
  readonly typeModifier?: number
  readonly isKey: boolean
}

/** A table as `Relation` describes it. */
export interface EncodedRelation {
  readonly id: number
  readonly schema: string
  readonly name: string
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i'
  readonly columns: readonly EncodedColumn[]
}

/** A value: its text, NULL, or `unchanged` for a large one that is not sent. */
export type EncodedValue = string | null | typeof unchanged

/** Stands for an unchanged large value. */
export const unchanged = Symbol('unchanged')

const epoch = 946_684_800_000_000n

const bytes = (...values: number[]): Buffer => Buffer.from(values)
const char = (letter: string): Buffer => Buffer.from(letter, 'latin1')
const text = (value: string): Buffer => Buffer.from(`${value}\0`)
const instant = (micros: bigint): Buffer => int64(micros - epoch)

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16BE(value)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value | 0)
  return buffer
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64BE(BigInt.asIntN(64, value))
  return buffer
}

function tuple(values: readonly EncodedValue[]): Buffer {
  const parts = values.map((value) => {
    if (value === null) return char('n')
    if (value === unchanged) return char('u')
    const body = Buffer.from(value)
    return Buffer.concat([char('t'), int32(body.length), body])
  })
  return Buffer.concat([int16(values.length), ...parts])
}

/** The id of a transaction, between a stream's start and stop. */
const inStream = (xid: number | undefined): Buffer => (xid === undefined ? Buffer.alloc(0) : int32(xid))

/** Encoders of single messages; `xid` is given between a stream's start and stop alone. */
export const encode = {
  begin: (finalLsn: bigint, committedAt: bigint, xid: number): Buffer =>
    Buffer.concat([char('B'), int64(finalLsn), instant(committedAt), int32(xid)]),
  commit: (lsn: bigint, endLsn: bigint, committedAt: bigint): Buffer =>
    Buffer.concat([char('C'), bytes(0), int64(lsn), int64(endLsn), instant(committedAt)]),
  origin: (lsn: bigint, name: string): Buffer => Buffer.concat([char('O'), int64(lsn), text(name)]),
  relation: ({ id, schema, name, replicaIdentity, columns }: EncodedRelation, xid?: number): Buffer =>
    Buffer.concat([
      char('R'),
      inStream(xid),
      int32(id),
      text(schema),
      text(name),
      char(replicaIdentity),
      int16(columns.length),
      ...columns.flatMap((column) => [
        bytes(column.isKey ? 1 : 0),
        text(column.name),
        int32(column.typeOid),
        int32(column.typeModifier ?? -1),
      ]),
    ]),
  type: (oid: number, schema: string, name: string, xid?: number): Buffer =>
    Buffer.concat([char('Y'), inStream(xid), int32(oid), text(schema), text(name)]),
  insert: (relation: number, values: readonly EncodedValue[], xid?: number): Buffer =>
    Buffer.concat([char('I'), inStream(xid), int32(relation), char('N'), tuple(values)]),
  update: (
    relation: number,
    values: readonly EncodedValue[],
    old?: { readonly kind: 'K' | 'O'; readonly values: readonly EncodedValue[] },
    xid?: number,
  ): Buffer =>
    Buffer.concat([
      char('U'),
      inStream(xid),
      int32(relation),
      ...(old === undefined ? [] : [char(old.kind), tuple(old.values)]),
      char('N'),
      tuple(values),
    ]),
  delete: (relation: number, kind: 'K' | 'O', values: readonly EncodedValue[], xid?: number): Buffer =>
    Buffer.concat([char('D'), inStream(xid), int32(relation), char(kind), tuple(values)]),
  truncate: (relations: readonly number[], options: number, xid?: number): Buffer =>
    Buffer.concat([char('T'), inStream(xid), int32(relations.length), bytes(options), ...relations.map(int32)]),
  message: (transactional: boolean, lsn: bigint, prefix: string, content: Buffer, xid?: number): Buffer =>
    Buffer.concat([
      char('M'),
      inStream(xid),
      bytes(transactional ? 1 : 0),
      int64(lsn),
      text(prefix),
      int32(content.length),
      content,
    ]),
  streamStart: (xid: number, first: boolean): Buffer => Buffer.concat([char('S'), int32(xid), bytes(first ? 1 : 0)]),
  streamStop: (): Buffer => char('E'),
  streamCommit: (xid: number, lsn: bigint, endLsn: bigint, committedAt: bigint): Buffer =>
    Buffer.concat([char('c'), int32(xid), bytes(0), int64(lsn), int64(endLsn), instant(committedAt)]),
  streamAbort: (xid: number, subXid: number): Buffer => Buffer.concat([char('A'), int32(xid), int32(subXid)]),
}

/** Frames: what CopyData holds. */
export const frame = {
  data: (message: Buffer, walStart: bigint, walEnd: bigint, sentAt: bigint): Buffer =>
    Buffer.concat([char('w'), int64(walStart), int64(walEnd), instant(sentAt), message]),
  keepalive: (walEnd: bigint, sentAt: bigint, wantsReply: boolean): Buffer =>
    Buffer.concat([char('k'), int64(walEnd), instant(sentAt), bytes(wantsReply ? 1 : 0)]),
}
