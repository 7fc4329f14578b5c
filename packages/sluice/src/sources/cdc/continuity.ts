/** Whether the stream can go on where the cursor is: the same server, the same slot, and nothing between the two that will never come again. */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { type Lsn, parseLsn, printLsn } from '../../changes/lsn.ts'
import type { Cursor } from './cursor.ts'
import type { ServerIdentity } from './wire/stream.ts'

/** A slot, as the server sees it. */
export interface SlotState {
  readonly slot: string
  readonly plugin: string
  /** Whether it is of the database that is asked: slots of all databases of a server share their names. */
  readonly isOfDatabase: boolean
  /** The server's word: `reserved`, `extended`, `unreserved`, `lost`. */
  readonly walStatus: string
  /** Whether standbys take it over; no server before 17 has such ones. */
  readonly isFailover: boolean
  /** Why it cannot be read any more, where the server says (from version 17). */
  readonly invalidation: string | undefined
  /** What was acknowledged; undefined while the slot is being made. */
  readonly confirmed: Lsn | undefined
  /** The process that reads it. */
  readonly activePid: string | undefined
  /** Bytes of log that the server keeps for it. */
  readonly keptBytes: number
  /** Bytes that it may still fall behind; undefined where the server sets no limit. */
  readonly safeBytes: number | undefined
}

/** Asks for a slot; undefined where there is none. @example const slot = await readSlot(client, 'sluice_shop') */
export async function readSlot(client: pg.Client, slot: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<{ [column: string]: string | null }>(
    `SELECT plugin, wal_status, to_jsonb(s) ->> 'invalidation_reason' AS invalidation, to_jsonb(s) ->> 'failover' AS failover, confirmed_flush_lsn AS confirmed,
       active_pid, database = current_database() AS own, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS kept, safe_wal_size AS safe
     FROM pg_replication_slots s WHERE slot_name = $1`,
    [slot],
  )
  const row = rows[0]
  if (row === undefined) return undefined
  return {
    slot,
    plugin: row['plugin'] ?? '',
    isOfDatabase: row['own'] === 't',
    walStatus: row['wal_status'] ?? 'lost',
    isFailover: row['failover'] === 'true',
    invalidation: row['invalidation'] ?? undefined,
    confirmed: row['confirmed'] == null ? undefined : parseLsn(row['confirmed']),
    activePid: row['active_pid'] ?? undefined,
    keptBytes: Number(row['kept'] ?? 0),
    safeBytes: row['safe'] == null ? undefined : Number(row['safe']),
  }
}

/**
 * Refuses to go on where something may be missing.
 *
 * @param promotedAt where the timeline of the cursor was left, where standbys take slots over: what is committed here must be before that
 * @example assertContinuous('shop', cursor, await identifyServer(walsender), await readSlot(client, cursor.slot))
 * @throws Source.ServerChanged, Source.ServerBehind, Source.SlotLost, Source.SlotAhead, Source.SlotBusy
 */
export function assertContinuous(
  connection: string,
  cursor: Cursor,
  server: ServerIdentity,
  state: SlotState | undefined,
  promotedAt?: Lsn,
): void {
  const { slot } = cursor
  const position = printLsn(cursor.position)
  const isPromoted = promotedAt !== undefined && promotedAt >= cursor.position
  if (server.system !== cursor.system || (server.timeline !== cursor.timeline && !isPromoted)) {
    const name = ({ system, timeline }: Pick<Cursor, 'system' | 'timeline'>): string =>
      `the server ${system}, timeline ${timeline}`
    throw sluiceError('Source.ServerChanged', { connection, expected: name(cursor), found: name(server) })
  }
  if (server.position < cursor.position)
    throw sluiceError('Source.ServerBehind', { connection, position, found: printLsn(server.position) })
  const lost = (why: string): Error => sluiceError('Source.SlotLost', { slot, why, position })
  if (state === undefined) throw lost('it does not exist')
  if (state.plugin !== 'pgoutput') throw lost(`it was made for ${state.plugin}, not for pgoutput`)
  if (state.invalidation !== undefined) throw lost(`the server gave it up: ${state.invalidation}`)
  if (state.walStatus === 'lost') throw lost('the server has removed the log that it needs')
  if (state.confirmed === undefined) throw lost('it was never completed')
  if (state.confirmed > cursor.position)
    throw sluiceError('Source.SlotAhead', { slot, confirmed: printLsn(state.confirmed), position })
  if (state.activePid !== undefined) throw sluiceError('Source.SlotBusy', { slot, pid: `process ${state.activePid}` })
}
