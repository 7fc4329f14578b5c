/**
 * The frames of the streaming replication protocol: what is inside the CopyData messages of both directions.
 *
 * Source: PostgreSQL, "Streaming Replication Protocol".
 */
import { sluiceError } from '../../../base/errors.ts'
import type { Lsn } from '../../../changes/lsn.ts'
import type { Micros } from './pgoutput.ts'

/** Bytes before the message in a frame of data. */
export const dataHeader = 25

const data = 0x77
const keepalive = 0x6b
/** From 1970 to 2000, in microseconds: where PostgreSQL's clock begins. */
const epoch = 946_684_800_000_000n

/** A server's sign of life. */
export interface Keepalive {
  /** Everything before this position has been sent. */
  readonly walEnd: Lsn
  readonly sentAt: Micros
  readonly wantsReply: boolean
}

/**
 * Whether a frame holds a message (which begins after {@link dataHeader} bytes), as opposed to a keepalive.
 *
 * @throws Source.ChangeProtocol where it is neither
 * @example if (isData(frame, start, end)) assembler.push(frame, start + dataHeader, end)
 */
export function isData(frame: Buffer, start: number, end: number): boolean {
  const kind = frame[start]
  if (kind === data && end - start > dataHeader) return true
  if (kind === keepalive && end - start === 18) return false
  throw sluiceError('Source.ChangeProtocol', {
    why: 'it is no frame of replication',
    message: 'frame',
    bytes: end - start,
  })
}

/** Reads a keepalive. @example if (readKeepalive(frame, start).wantsReply) send(statusUpdate(status)) */
export function readKeepalive(frame: Buffer, start: number): Keepalive {
  return {
    walEnd: frame.readBigUInt64BE(start + 1),
    sentAt: frame.readBigInt64BE(start + 9) + epoch,
    wantsReply: frame[start + 17] === 1,
  }
}

/** When the server sent a frame of data: for the lag. @example sentAt(frame, start) */
export function sentAt(frame: Buffer, start: number): Micros {
  return frame.readBigInt64BE(start + 17) + epoch
}

/** How far this end is. */
export interface Status {
  /** Received. */
  readonly written: Lsn
  /** Committed: the server may forget what is before. */
  readonly flushed: Lsn
  readonly at: Micros
  /** Asks how far the server is: it answers with a keepalive. @default false */
  readonly wantsReply?: boolean
}

/** Writes a standby status update. @example statusUpdate({ written, flushed: cursor, at }) */
export function statusUpdate({ written, flushed, at, wantsReply = false }: Status): Buffer {
  const frame = Buffer.alloc(34, 0)
  frame[33] = wantsReply ? 1 : 0
  frame[0] = 0x72
  frame.writeBigUInt64BE(written, 1)
  frame.writeBigUInt64BE(flushed, 9)
  frame.writeBigUInt64BE(flushed, 17)
  frame.writeBigInt64BE(at - epoch, 25)
  return frame
}
