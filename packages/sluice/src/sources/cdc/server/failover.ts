/** Slots that standbys take over (from version 17), and whether a promoted standby goes on where the log ends (CD-08). */
import type pg from 'pg'
import { sluiceError } from '../../../base/errors.ts'
import { type Lsn, parseLsn } from '../../../changes/lsn.ts'
import type { CdcSource } from '../../../definition/types.ts'
import { quoteIdentifier } from '../../../sql/quote.ts'
import type { SlotState } from '../continuity.ts'
import type { Cursor } from '../cursor.ts'
import type { ServerIdentity } from '../wire/stream.ts'

/** The first version that has them, as `server_version_num`. */
export const failoverVersion = 170_000

/**
 * Refuses a server that has no such slots, where one is asked for.
 *
 * @example await assertFailover(client, source)
 * @throws Source.FailoverUnsupported
 */
export async function assertFailover(
  client: pg.Client,
  { failover, connection }: Pick<CdcSource, 'failover' | 'connection'>,
): Promise<void> {
  if (!failover) return
  const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version_num') AS version`)
  const version = Number(rows[0]!.version)
  if (version < failoverVersion)
    throw sluiceError('Source.FailoverUnsupported', { connection, version: Math.floor(version / 10_000) })
}

/** Makes a slot that is there one that standbys take over. @example await keepFailover(walsender, source, slot) */
export async function keepFailover(
  walsender: pg.Client,
  { failover, connection }: Pick<CdcSource, 'failover' | 'connection'>,
  slot: SlotState | undefined,
): Promise<void> {
  if (!failover || slot === undefined || slot.isFailover || slot.activePid !== undefined) return
  try {
    await walsender.query(`ALTER_REPLICATION_SLOT ${quoteIdentifier(slot.slot)} (FAILOVER true)`)
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    throw sluiceError('Source.StreamRefused', { connection, code, why: message }, { cause: error })
  }
}

/**
 * Where the timeline of a log went over to the one that the server is on now; undefined where it did not, or where no such slot is declared.
 *
 * @example await promotion(walsender, source, cursor, await identifyServer(walsender)) // 97500059720n
 */
export async function promotion(
  walsender: pg.Client,
  { failover }: Pick<CdcSource, 'failover'>,
  { timeline, system }: Pick<Cursor, 'timeline' | 'system'>,
  server: ServerIdentity,
): Promise<Lsn | undefined> {
  if (!failover || server.system !== system || server.timeline <= timeline) return undefined
  const { rows } = await walsender.query<{ content: string }>(`TIMELINE_HISTORY ${server.timeline}`)
  return leftAt(rows[0]?.content ?? '', timeline)
}

/**
 * Where a timeline was left, by the history of a later one.
 *
 * @example leftAt('1\t0/3000148\tno recovery target specified', 1) // 50331976n
 */
export function leftAt(history: string, timeline: number): Lsn | undefined {
  for (const line of history.split('\n')) {
    const found = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line)
    if (found !== null && Number(found[1]) === timeline) return parseLsn(found[2]!)
  }
  return undefined
}
