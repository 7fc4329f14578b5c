/**
 * Whole transactions, in the order of their commits, out of a stream of messages.
 *
 * Nothing of a transaction is seen before its commit, and nothing of an aborted one, or of a savepoint that was rolled back, ever. What was
 * committed before comes again after a crash of either side, and is known by its position: the server's slot is not the truth, the cursor is.
 */
import { assert, sluiceError } from '../../base/errors.ts'
import type { Lsn } from '../../changes/lsn.ts'
import { type Spool, type SpoolLimits, spoolPool } from './spool.ts'
import { bearsTransaction, type Decoder, type Message, type Micros } from './wire/pgoutput.ts'

/** What may be in a transaction. */
export type TransactionMessage = Extract<
  Message,
  { kind: 'insert' | 'update' | 'delete' | 'truncate' | 'relation' | 'type' }
>

/** One committed transaction. Its messages are decoded as they are asked for: in full, once, and before anything else is pushed. */
export interface Transaction {
  readonly xid: number
  /** Where its commit ends in the log: what orders transactions, and what the cursor moves to. */
  readonly endLsn: Lsn
  readonly committedAt: Micros
  /** Messages of changes that came for it; those that a savepoint took back are among them. */
  readonly changes: number
  readonly bytes: number
  messages(): Generator<TransactionMessage>
  /** Forgets its messages. */
  close(): void
}

/** Assembles transactions. */
export interface Assembler {
  /**
   * Takes a message; answers the transaction that it completes.
   *
   * @throws Source.ChangeProtocol, Source.ChangeTwoPhase, Source.ChangeSequence, Source.ChangeSpillLimit
   */
  push(frame: Buffer, start: number, end: number): Transaction | undefined
  /** The end of the last transaction that was completed, or where it began to read. */
  readonly position: Lsn
  /** Transactions that have begun and have not ended: while there are none, the server may be told of any position it has sent. */
  readonly open: number
  /** Transactions that came again, and were skipped. */
  readonly skipped: number
  /** Bytes that wait in memory and on disk. */
  readonly waiting: { readonly memoryBytes: number; readonly diskBytes: number }
  /** Removes whatever waits. */
  close(): void
}

interface Open {
  readonly xid: number
  /** Undefined for a transaction that was committed before: its messages are not kept. */
  readonly spool: Spool | undefined
  readonly isStreamed: boolean
  readonly aborted: Set<number>
  changes: number
}

const isDescription = (kind: number): boolean => kind === 0x52 || kind === 0x59
const isMessage = 0x4d

/**
 * Makes an assembler for one connection.
 *
 * @example
 * const assembler = transactionAssembler(pgoutputDecoder(), cursor, limits)
 * const transaction = assembler.push(frame, start, end)
 * if (transaction !== undefined) for (const message of transaction.messages()) take(message)
 * @param after transactions that end here or before are skipped
 */
export function transactionAssembler(decoder: Decoder, after: Lsn, limits: SpoolLimits): Assembler {
  const pool = spoolPool(limits)
  /** Between begin and commit. */
  let current: (Open & { readonly finalLsn: Lsn }) | undefined
  /** Sent in pieces before they commit, by their ids. */
  const streams = new Map<number, Open>()
  let stream: Open | undefined
  let position = after
  let skipped = 0

  function begin(xid: number, finalLsn: Lsn): void {
    // The position is the end of a commit, so a commit that begins before it is that one or an earlier one.
    const spool = finalLsn < position ? undefined : pool.open(xid)
    current = { xid, finalLsn, spool, isStreamed: false, aborted: new Set(), changes: 0 }
  }

  function change(frame: Buffer, start: number, end: number): void {
    const kind = frame[start]!
    const into = stream ?? current
    if (into === undefined) {
      if (kind === isMessage) return
      throw sequence('a change came outside of a transaction')
    }
    if (kind === isMessage) return
    if (!isDescription(kind)) into.changes++
    if (into.spool !== undefined) into.spool.add(frame, start, end)
    else if (isDescription(kind)) decoder.decode(frame, start, end)
  }

  function finish(of: Open, endLsn: Lsn, committedAt: Micros): Transaction | undefined {
    if (endLsn <= position || of.spool === undefined) {
      if (of.spool === undefined && endLsn > position) throw sequence('a commit ends after the next one begins')
      // A streamed one: what it describes holds from here on.
      if (of.spool !== undefined) for (const _ of replay(decoder, of.spool, of, true));
      of.spool?.close()
      skipped++
      return undefined
    }
    position = endLsn
    const { xid, spool, changes } = of
    return {
      xid,
      endLsn,
      committedAt,
      changes,
      bytes: spool.bytes,
      messages: () => replay(decoder, spool, of, false),
      close: () => spool.close(),
    }
  }

  function control(message: Message): Transaction | undefined {
    switch (message.kind) {
      case 'begin':
        if (current !== undefined || stream !== undefined) throw sequence('a transaction begins inside of another')
        begin(message.xid, message.finalLsn)
        return undefined
      case 'commit': {
        if (current === undefined || stream !== undefined) throw sequence('a commit came without a transaction')
        if (message.lsn !== current.finalLsn || message.endLsn <= message.lsn)
          throw sequence('a commit is at another position than its transaction said')
        const ended = current
        current = undefined
        return finish(ended, message.endLsn, message.committedAt)
      }
      case 'streamStart':
        if (current !== undefined || stream !== undefined) throw sequence('a stream begins inside of a transaction')
        stream = streams.get(message.xid)
        if ((stream === undefined) !== message.first) throw sequence('a piece of a transaction is missing')
        stream ??= { xid: message.xid, spool: pool.open(message.xid), isStreamed: true, aborted: new Set(), changes: 0 }
        streams.set(message.xid, stream)
        return undefined
      case 'streamStop':
        if (stream === undefined) throw sequence('a stream stops that has not begun')
        stream = undefined
        return undefined
      case 'streamAbort':
        if (stream !== undefined) throw sequence('an abort came inside of a stream')
        abort(streams, message.xid, message.subXid)
        return undefined
      case 'streamCommit': {
        const ended = streams.get(message.xid)
        if (ended === undefined || stream !== undefined || current !== undefined)
          throw sequence('a commit came without its stream')
        const transaction = finish(ended, message.endLsn, message.committedAt)
        streams.delete(message.xid)
        return transaction
      }
      default:
        return undefined
    }
  }

  return {
    push(frame, start, end) {
      const kind = frame[start]
      if (kind === undefined || !bearsTransaction(kind)) return control(decoder.decode(frame, start, end))
      change(frame, start, end)
      return undefined
    },
    get position() {
      return position
    },
    get open() {
      return streams.size + (current === undefined ? 0 : 1)
    },
    get skipped() {
      return skipped
    },
    get waiting() {
      return { memoryBytes: pool.memoryBytes, diskBytes: pool.diskBytes }
    },
    close: () => pool.close(),
  }
}

/** Takes back a streamed transaction, or a savepoint of it. Of what never came there is nothing to take back. */
function abort(streams: Map<number, Open>, xid: number, subXid: number): void {
  const of = streams.get(xid)
  if (of === undefined) return
  if (xid !== subXid) {
    of.aborted.add(subXid)
    return
  }
  of.spool?.close()
  streams.delete(xid)
}

/** Decodes what a spool holds, without what savepoints took back. Tables are described by all of it: a description holds until the next. */
function* replay(
  decoder: Decoder,
  spool: Spool,
  { aborted, isStreamed, changes }: Open,
  descriptionsOnly: boolean,
): Generator<TransactionMessage> {
  let seen = 0
  for (const block of spool.blocks()) {
    for (let at = 0; at < block.length; ) {
      const start = at + 4
      at = start + block.readUInt32LE(at)
      if (!isDescription(block[start]!)) {
        seen++
        if (descriptionsOnly) continue
        if (aborted.size > 0 && at - start >= 5 && aborted.has(block.readUInt32BE(start + 1))) continue
      }
      yield decoder.decode(block, start, at, isStreamed) as TransactionMessage
    }
  }
  assert(seen === changes, 'every change that came for a transaction is read again')
}

function sequence(why: string): Error {
  return sluiceError('Source.ChangeSequence', { why })
}
