/** Compares whole tables with what a log has of them, and adds what was missed; a lost slot is made anew (CD-05, CD-06, CD-08, CD-28). */

import type pg from 'pg'
import { crashPoint } from '../../base/crash.ts'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Json } from '../../base/json.ts'
import { printLsn } from '../../changes/lsn.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { openCapture, partitionLeaves } from '../../sources/cdc/capture.ts'
import { assertContinuous, readSlot } from '../../sources/cdc/continuity.ts'
import { isOwnSlot, readMark, writeMark } from '../../sources/cdc/copy/kept-copy.ts'
import { copyStage, writeMissed } from '../../sources/cdc/copy/resnapshot.ts'
import { copySnapshot } from '../../sources/cdc/copy/snapshot.ts'
import { type Cursor, readCursor } from '../../sources/cdc/cursor.ts'
import { type Captured, capturedTables, tableRefusals } from '../../sources/cdc/preflight.ts'
import { readingClient } from '../../sources/cdc/reading.ts'
import { assertFailover, promotion } from '../../sources/cdc/server/failover.ts'
import { cursorLeaves, type Leaf } from '../../sources/cdc/server/leaves.ts'
import { createSlotAloud, type SlotRequest } from '../../sources/cdc/slot-wait.ts'
import {
  type CreatedSlot,
  identifyServer,
  replicationClient,
  type ServerIdentity,
} from '../../sources/cdc/wire/stream.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'
import type { CdcResnapshot } from './api.ts'
import { type LogWork, workOnLog } from './log-work.ts'
import { cdcContext, cdcSettings, sourceOf } from './open.ts'

/** What is connected. */
interface Server {
  readonly client: pg.Client
  readonly walsender: pg.Client
  readonly settings: ConnectionSettings
  readonly identity: ServerIdentity
  readonly captured: Captured
  readonly leaves: ReadonlyMap<string, readonly Leaf[]>
}

/**
 * Compares, as the task of a run.
 *
 * @throws Source.LogMissing, Source.PositionBehind, Source.SlotBusy, Source.Publication*, Source.SnapshotLost
 */
export async function runResnapshot(context: TaskContext): Promise<TaskOutcome> {
  const { task } = context
  const { tables } = task.command as Extract<Command, { kind: 'resnapshot' }>
  try {
    return await compareOn(context, tables, { isLost: false })
  } catch (error) {
    // Servers before 18 do not read on where the publication was not there for a while: what the slot has is lost, and the comparison has it.
    if (!isSluiceError(error, 'Source.SlotLost')) throw error
    return compareOn(context, tables, { isLost: true })
  }
}

/** @param given.isLost whether the slot was found to be so */
function compareOn(
  context: TaskContext,
  tables: readonly string[] | undefined,
  { isLost }: { readonly isLost: boolean },
): Promise<TaskOutcome> {
  const { task, signal } = context
  return workOnLog(context, sourceOf(context, task.table), (work) =>
    cdcSettings(context, work.source, async (settings) => {
      const client = await readingClient(settings, signal)
      const walsender = await replicationClient(settings, signal)
      try {
        const captured = await capturedTables(client, work.source, work.cursor)
        const leaves = await partitionLeaves(client, captured, undefined)
        const identity = await identifyServer(walsender)
        await assertFailover(client, work.source)
        const result = await compare(work, { client, walsender, settings, identity, captured, leaves }, tables, isLost)
        return { status: 'succeeded', version: result.version, result: result as unknown as Json }
      } finally {
        dropPostgres(client)
        dropPostgres(walsender)
      }
    }),
  )
}

async function compare(
  work: LogWork,
  server: Server,
  asked: readonly string[] | undefined,
  isLost: boolean,
): Promise<CdcResnapshot> {
  const { session, source, context } = work
  const { task, emit, signal, scratch } = context
  const { settings, identity, captured, leaves } = server
  const isHealthy = (await canGoOn(work, server)) && !isLost
  // Behind a lost slot, nobody knows which tables have changed.
  const chosen = new Set(isHealthy ? (asked ?? source.tables) : source.tables)
  const ids = new Map(captured.tables.map(({ relation }) => [relation.table, relation.id]))
  const changed = (table: string): boolean =>
    work.cursor.published[table] !== captured.digests.get(table) ||
    (work.cursor.relations?.[table] ?? ids.get(table)) !== ids.get(table)
  const fresh = new Set([...chosen].filter((table) => work.cursor.published[table] === undefined))
  const except = new Set([...chosen].filter(changed))
  for (const [table, refusal] of tableRefusals(source, captured, work.cursor, chosen))
    if (chosen.has(table)) throw refusal
  const slot = isHealthy
    ? await createSlotAloud({
        ...slotRequest(work, server, `sluice_look_${context.run.toLowerCase().replace(/\W/g, '_')}`.slice(0, 63)),
        temporary: true,
      })
    : await replaceSlot(work, server)
  const tables = captured.tables.filter(({ relation }) => chosen.has(relation.table))
  const stage = await copyStage(session, ({ table, rows }) =>
    emit({ type: 'task.progress', task: task.id, rows, bytes: 0, input: table }),
  )
  const { connections, chunkPages } = source.snapshot
  await copySnapshot({ settings, slot, tables, writer: stage, connections, chunkPages, signal })
  const read = isHealthy ? await readUpTo(work, slot, except) : work.current
  const cursor = readCursor(read.watermark!)
  const log = `SELECT * FROM ${await session.from(relationOf(read, `_lsn <= ${slot.consistentPoint}`))}`
  const at = { ...(stage.point ?? { committedAt: 0n }), lsn: slot.consistentPoint }
  const folder = await scratch('missed')
  const missed = await writeMissed({
    ...{ session, source, log, tables, types: captured.types, fresh, at, folder },
    ...{ effectiveAt: cursor.effectiveAt, shapes: cursor.shapes },
  })
  crashPoint('sources.cdc.after_compare')
  const digests = [...captured.digests].filter(([table]) => chosen.has(table))
  const picked = <T>(all: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
    [...all].filter(([table]) => chosen.has(table))
  const next: Cursor = {
    ...{ position: slot.consistentPoint, system: identity.system, timeline: identity.timeline },
    ...{ slot: source.slot, publication: source.publication },
    published: { ...cursor.published, ...Object.fromEntries(digests) },
    ...{ shapes: missed.shapes, effectiveAt: missed.effectiveAt },
    waiting: cursor.waiting.filter((table) => !chosen.has(table)),
    relations: { ...cursor.relations, ...Object.fromEntries(picked(ids)) },
    layouts: { ...cursor.layouts, ...Object.fromEntries(picked(captured.layouts)) },
    leaves: {
      ...cursor.leaves,
      ...Object.fromEntries(picked(leaves).map(([table, now]) => [table, cursorLeaves(now, [])])),
    },
    stale: Object.fromEntries(Object.entries(cursor.stale ?? {}).filter(([table]) => !chosen.has(table))),
  }
  const record = await work.commit(`compared: ${[...chosen].join(', ')}`, {
    ...{ files: missed.files, rows: missed.rows, cursor: next },
    inputs: [
      {
        ...{ kind: 'changes', connection: source.connection, slot: source.slot, from: printLsn(cursor.position) },
        ...{ to: printLsn(next.position), transactions: 0, rows: missed.rows },
      },
    ],
  })
  return { tables: missed.tables, version: record.version, position: printLsn(next.position) }
}

/** Whether the slot goes on where the cursor is. A slot that another process reads, or has made, is nobody's to replace. */
async function canGoOn(
  { source, cursor, context, current }: LogWork,
  { client, walsender, identity }: Server,
): Promise<boolean> {
  const slot = await readSlot(client, source.slot)
  if (slot !== undefined && !isOwnSlot(slot, await readMark(context.state, current.table), cursor))
    throw sluiceError('Source.SlotForeign', { slot: source.slot, connection: source.connection })
  try {
    const promoted = await promotion(walsender, source, cursor, identity)
    assertContinuous(source.connection, { ...cursor, slot: source.slot }, identity, slot, promoted)
    return true
  } catch (error) {
    if (isSluiceError(error, 'Source.SlotBusy')) throw error
    return false
  }
}

function slotRequest({ context }: LogWork, { client, walsender, settings }: Server, slot: string): SlotRequest {
  const { clock, signal, emit, task } = context
  const warn = (message: string): void => emit({ type: 'task.warning', task: task.id, message })
  return { client, walsender, slot, connection: settings.name, clock, signal, warn }
}

async function replaceSlot(work: LogWork, server: Server): Promise<CreatedSlot> {
  const { source, cursor, current, context } = work
  const { table } = current
  const { client, identity } = server
  if (identity.position < cursor.position)
    throw sluiceError('Source.PositionBehind', {
      ...{ table, position: printLsn(cursor.position), found: printLsn(identity.position) },
    })
  const mark = await readMark(context.state, table)
  // The slot may have had another name in the configuration of the last commit.
  for (const name of new Set([source.slot, cursor.slot])) {
    const old = await readSlot(client, name)
    if (old?.activePid !== undefined)
      throw sluiceError('Source.SlotBusy', { slot: name, pid: `process ${old.activePid}` })
    if (old !== undefined && !isOwnSlot(old, mark, cursor)) {
      // The one that is to be made needs its name; another is left alone.
      if (name !== source.slot) continue
      throw sluiceError('Source.SlotForeign', { slot: name, connection: source.connection })
    }
    if (old !== undefined) await client.query('SELECT pg_drop_replication_slot($1)', [name])
  }
  await writeMark(context.state, table, { slot: source.slot })
  crashPoint('sources.cdc.before_slot')
  const slot = await createSlotAloud({ ...slotRequest(work, server, source.slot), failover: source.failover })
  crashPoint('sources.cdc.after_slot')
  return slot
}

/** Reads the stream up to the position of the comparison, in versions as a run would make; answers the last one. */
async function readUpTo(work: LogWork, slot: CreatedSlot, except: ReadonlySet<string>): Promise<CommitRecord> {
  const { context, session, source, commit } = work
  const { run, scratch, signal, attempt, startedAt } = context
  const { table } = context.task
  let current = work.current
  const take = async (name: string) => {
    const folder = await scratch(name)
    return {
      ...{ session, scratch: folder, progress: () => {}, signal, attempt, current },
      run: { id: run, startedAt },
    }
  }
  const until = { position: slot.consistentPoint, except }
  const capture = await openCapture(table, source, cdcContext(context, source), await take('read'), until)
  try {
    for (let batch = 0, more = true; more; batch++) {
      const taken = await capture.take(await take(`batch-${batch}`))
      const { files, inputs, watermark, accounting } = taken.candidate!
      const made = { files, inputs, rows: accounting.accepted, cursor: readCursor(watermark!) }
      current = await commit(`read to ${printLsn(slot.consistentPoint)}, ${batch}`, made, current)
      more = await capture.committed()
    }
  } finally {
    await capture.close()
  }
  return current
}
