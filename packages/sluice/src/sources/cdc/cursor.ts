/** How far a source has been read: it is in the commit record of what was read, so that neither moves without the other. */
import { digest } from '../../base/json.ts'
import { type Lsn, parseLsn, printLsn } from '../../changes/lsn.ts'
import type { Layout } from './server/layout.ts'
import type { Leaves } from './server/leaves.ts'
import type { Micros } from './wire/pgoutput.ts'

/** A position, and what it is a position of. */
export interface Cursor {
  /** Where the last committed transaction ends; at first, the slot's consistent point. */
  readonly position: Lsn
  /** The server's `system_identifier` and timeline: positions mean nothing elsewhere. */
  readonly system: string
  readonly timeline: number
  readonly slot: string
  /** What is read. Older cursors do not say it. */
  readonly publication?: string
  /** Digests of what the publication publishes, by table. */
  readonly published: { readonly [table: string]: string }
  /** Digests of the shapes that the log holds already, by table. */
  readonly shapes: { readonly [table: string]: string }
  /** The `_effective_at` of the last transaction: the next one's is later. */
  readonly effectiveAt: Micros
  /** Tables whose changes wait in the log until a person has looked; see `waiting.ts`. */
  readonly waiting: readonly string[]
  /** The server's own numbers of the tables, by table: a name may be another table's for a while. Older cursors have none. */
  readonly relations?: { readonly [table: string]: number }
  /** Columns of the tables as the catalog had them when they were last looked at; see `layout.ts`. */
  readonly layouts?: { readonly [table: string]: Layout }
  /** Partitions of partitioned tables when they were last looked at; see `leaves.ts`. */
  readonly leaves?: { readonly [table: string]: Leaves }
  /** Tables that must be compared as a whole, since changes of them were missed, and why. */
  readonly stale?: { readonly [table: string]: string }
}

/** Writes a cursor as the text of a watermark. @example writeCursor(cursor) */
export function writeCursor({ position, effectiveAt, ...rest }: Cursor): string {
  return JSON.stringify({ position: printLsn(position), effectiveAt: `${effectiveAt}`, ...rest })
}

/** Reads a watermark. @example readCursor(record.watermark) */
export function readCursor(watermark: string): Cursor {
  const { position, effectiveAt, ...rest } = JSON.parse(watermark) as Omit<Cursor, 'position' | 'effectiveAt'> & {
    readonly position: string
    readonly effectiveAt: string
  }
  return { position: parseLsn(position), effectiveAt: BigInt(effectiveAt), ...rest }
}

/** A shape's digest, short enough to keep one for each table. @example shapeDigest(relationShape(relation, types)) */
export function shapeDigest(shape: string): string {
  return digest(shape).slice(0, 16)
}
