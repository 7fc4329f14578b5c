/** How far a source has been read: it is in the commit record of what was read, so that neither moves without the other. */
import { digest } from '../../base/json.ts'
import { type Lsn, parseLsn, printLsn } from './lsn.ts'

/** A position, and what it is a position of. */
export interface Cursor {
  /** Where the last committed transaction ends; at first, the slot's consistent point. */
  readonly position: Lsn
  /** The server's `system_identifier` and timeline: positions mean nothing elsewhere. */
  readonly system: string
  readonly timeline: number
  readonly slot: string
  /** Digest of what the publication publishes. */
  readonly publication: string
  /** Digests of the shapes that the log holds already, by table. */
  readonly shapes: { readonly [table: string]: string }
}

/** Writes a cursor as the text of a watermark. @example writeCursor(cursor) */
export function writeCursor({ position, ...rest }: Cursor): string {
  return JSON.stringify({ position: printLsn(position), ...rest })
}

/** Reads a watermark. @example readCursor(record.watermark) */
export function readCursor(watermark: string): Cursor {
  const { position, ...rest } = JSON.parse(watermark) as Omit<Cursor, 'position'> & { readonly position: string }
  return { position: parseLsn(position), ...rest }
}

/** A shape's digest, short enough to keep one for each table. @example shapeDigest(relationShape(relation, types)) */
export function shapeDigest(shape: string): string {
  return digest(shape).slice(0, 16)
}
