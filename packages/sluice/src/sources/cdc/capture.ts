/** One reading of a log of changes: opened where the last commit ended, or with the first copy; taken in batches until the server's position is reached. */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { TakeContext } from '../source.ts'
import type { CdcContext } from './context.ts'
import { assertContinuous, readSlot } from './continuity.ts'
import { firstCopy } from './copy/first-copy.ts'
import { isOwnSlot, readMark } from './copy/kept-copy.ts'
import { type Cursor, readCursor } from './cursor.ts'
import { type Capture, drain, type Opened, type Until } from './drain.ts'
import { idleBytes, lagOf, sourceLag } from './lag.ts'
import { type Captured, capturedTables, readable, tableRefusals } from './preflight.ts'
import { readingClient } from './reading.ts'
import { assertFailover, keepFailover, promotion } from './server/failover.ts'
import { type Leaf, leavesOf } from './server/leaves.ts'
import { settledNames } from './server/names.ts'
import { identifyServer, replicationClient } from './wire/stream.ts'

/**
 * Connects, and looks whether the log can be read from where it was committed.
 *
 * @throws Connection.*, Source.Publication*, Source.ReplicaIdentity, Source.ServerChanged, Source.Slot*
 */
export async function openCapture(
  table: string,
  declared: CdcSource,
  context: CdcContext,
  { signal, current, scratch, measured }: TakeContext,
  until?: Until,
): Promise<Capture> {
  const settings = await context.settings()
  const client = await readingClient(settings, signal)
  let walsender: pg.Client | undefined
  try {
    const cursor = current?.watermark === undefined ? undefined : readCursor(current.watermark)
    const mark = await readMark(context.state, table)
    const source = settledNames(declared, cursor, mark)
    // Before the server's position, so that whatever is seen here is in the stream up to it.
    const published = await capturedTables(client, source, cursor)
    const leaves = await partitionLeaves(client, published, cursor)
    walsender = await replicationClient(settings, signal)
    const server = await identifyServer(walsender)
    let measure: Opened['measure']
    await assertFailover(client, source)
    if (cursor !== undefined) {
      const slot = await readSlot(client, source.slot)
      if (slot !== undefined && !isOwnSlot(slot, mark, cursor))
        throw sluiceError('Source.SlotForeign', { slot: source.slot, connection: source.connection })
      const promoted = await promotion(walsender, source, cursor, server)
      assertContinuous(source.connection, { ...cursor, slot: source.slot }, server, slot, promoted)
      await keepFailover(walsender, source, slot)
      measure = async (behindSince) => {
        const lag = lagOf({
          ...{ position: cursor.position, server: server.position, slot, limits: source.lag },
          ...{
            committedAt: new Date(current!.committedAt),
            now: context.clock.now(),
            ...(behindSince && { behindSince }),
          },
        })
        await measured?.(sourceLag(source, lag))
      }
      // Much is reported before it is read; of little, what is read says since when it is there.
      if (Number(server.position - cursor.position) >= idleBytes) {
        await measure()
        measure = undefined
      }
    }
    const refused = tableRefusals(source, published, cursor, until?.except)
    const captured = readable(published, refused)
    const opened: Opened = { table, source, context, settings, client, walsender, server, captured, refused, leaves }
    if (cursor === undefined) return firstCopy(opened)
    return await drain({ ...opened, ...(until && { until }), ...(measure && { measure }) }, cursor, scratch, signal)
  } catch (error) {
    dropPostgres(client)
    if (walsender !== undefined) dropPostgres(walsender)
    throw error
  }
}

/**
 * Partitions of the partitioned tables among the captured ones.
 *
 * @example const leaves = await partitionLeaves(client, captured, cursor)
 */
export async function partitionLeaves(
  client: pg.Client,
  { tables }: Pick<Captured, 'tables'>,
  cursor: Pick<Cursor, 'leaves'> | undefined,
): Promise<ReadonlyMap<string, readonly Leaf[]>> {
  const leaves = new Map<string, readonly Leaf[]>()
  for (const table of tables)
    if (table.isPartitioned)
      leaves.set(table.relation.table, await leavesOf(client, table, cursor?.leaves?.[table.relation.table]))
  return leaves
}
