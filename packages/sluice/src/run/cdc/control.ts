/** What is done with a log of changes by hand: how it stands, what the server needs, what waits, what was missed. */

import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { parseLsn, printLsn } from '../../changes/lsn.ts'
import { dropPostgres } from '../../connections/postgres/connect.ts'
import { capturedName } from '../../definition/cdc/rules.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { whyWaiting } from '../../sources/cdc/accept.ts'
import type { SlotState } from '../../sources/cdc/continuity.ts'
import { forgetKept, isOwnSlot, keptTables, readMark, writeMark } from '../../sources/cdc/copy/kept-copy.ts'
import { type Cursor, readCursor } from '../../sources/cdc/cursor.ts'
import { lagOf } from '../../sources/cdc/lag.ts'
import { capturedTables } from '../../sources/cdc/preflight.ts'
import { readingClient } from '../../sources/cdc/reading.ts'
import { type Inspection, inspect } from '../../sources/cdc/server/inspect.ts'
import { missedByLayout } from '../../sources/cdc/server/layout.ts'
import { readPublicationMark, settledNames, writePublicationMark } from '../../sources/cdc/server/names.ts'
import { dropStatements, type Statement } from '../../sources/cdc/server/statements.ts'
import type { ProjectContext } from '../context.ts'
import type { CdcAccepted, CdcChange, CdcControl, CdcFinding, CdcResnapshot, CdcStatus, CdcTable } from './api.ts'
import { unpublishedColumns } from './declared.ts'
import type { CdcProject } from './open.ts'
import { cdcSettings, sourceOf } from './open.ts'

/** What is controlled. */
interface Controlled {
  readonly context: ProjectContext
  /** The log's table. */
  readonly table: string
  readonly source: CdcSource
}

/**
 * The control of a log of changes; nothing is connected yet.
 *
 * @example await (await cdcControl(context, 'raw.shop')).status()
 * @throws Cli.UnknownName where the table is no log of changes
 */
export function cdcControl(context: ProjectContext, table: string): CdcControl {
  const source = sourceOf(context, table)
  const controlled: Controlled = { context, table, source }
  return {
    status: ({ signal = never } = {}) => withServer(controlled, signal, (client, known) => status(known, client)),
    setup: ({ apply, signal = never }) =>
      withServer(controlled, signal, (client, known) => setup(known, client, apply)),
    drop: ({ apply, signal = never }) => withServer(controlled, signal, (client, known) => drop(known, client, apply)),
    resnapshot: (options = {}) => resnapshot(controlled, options),
    accept: (options) => accept(controlled, options),
  }
}

const never = new AbortController().signal

async function resnapshot(
  { context, table }: Controlled,
  { tables, onProgress, signal }: NonNullable<Parameters<CdcControl['resnapshot']>[0]>,
): Promise<CdcResnapshot> {
  const { executeCommand } = await import('../execution/execute.ts')
  const asked = tables === undefined ? {} : { tables: tables.map(capturedName) }
  const { result } = await executeCommand(
    context,
    { kind: 'resnapshot', table, ...asked },
    {
      ...(signal === undefined ? {} : { signal }),
      onEvent: (event) => {
        if (event.type === 'task.progress') onProgress?.({ table: event.input ?? table, rows: event.rows })
      },
    },
  )
  return result as unknown as CdcResnapshot
}

/** Without `apply` it only reads, and no run is needed for it. */
async function accept(
  { context, table: log }: Controlled,
  { table: written, apply, signal = never }: Parameters<CdcControl['accept']>[0],
): Promise<readonly CdcAccepted[]> {
  const captured = written === undefined ? undefined : capturedName(written)
  const pending = await (await import('./accept.ts')).pendingOf(context, log, captured, signal)
  if (!apply || pending.length === 0) return pending
  const { executeCommand } = await import('../execution/execute.ts')
  const which = captured === undefined ? {} : { captured }
  const { result } = await executeCommand(context, { kind: 'accept', table: log, ...which }, { signal })
  return result as unknown as readonly CdcAccepted[]
}

/** What is controlled, under the names that its log goes on with. */
interface Known extends Controlled {
  readonly record: CommitRecord | undefined
  readonly cursor: Cursor | undefined
}

async function known({ context, table, source: declared }: Controlled): Promise<Known> {
  const record = await context.lake.current(table)
  const cursor = record?.watermark === undefined ? undefined : readCursor(record.watermark)
  const source = settledNames(declared, cursor, await readMark(context.state, table))
  return { context, table, source, record, cursor }
}

async function withServer<T>(
  controlled: Controlled,
  signal: AbortSignal,
  work: (client: pg.Client, known: Known) => Promise<T>,
): Promise<T> {
  const { context, source } = controlled
  return cdcSettings(context as CdcProject, source, async (settings) => {
    const client = await readingClient(settings, signal)
    try {
      return await work(client, await known(controlled))
    } finally {
      dropPostgres(client)
    }
  })
}

/** A publication that is made here is this project's. */
async function setup({ context, table, source, cursor }: Known, client: pg.Client, apply: boolean): Promise<CdcChange> {
  const { statements, captured } = await inspect(client, source, cursor)
  const made = await change(source, client, statements, apply)
  if (apply && !captured.exists) {
    const { oid } = await capturedTables(client, source, cursor)
    if (oid !== undefined) await writePublicationMark(context.state, table, { publication: source.publication, oid })
  }
  return made
}

async function drop(log: Known, client: pg.Client, apply: boolean): Promise<CdcChange> {
  const { context, table, source, cursor } = log
  const found = await inspect(client, source, cursor)
  await assertOwnSlot(log, found.slot)
  const mark = await readPublicationMark(context.state, table)
  const dropped = await change(source, client, dropStatements(source, found, mark), apply)
  if (apply) await dropKept(log)
  return dropped
}

async function status({ context, table, source, record, cursor }: Known, client: pg.Client): Promise<CdcStatus> {
  const { rows } = await client.query<{ at: string }>(
    'SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS at',
  )
  const server = parseLsn(rows[0]!.at)
  const inspection = await inspect(client, source, cursor)
  const { slot } = inspection
  const lag =
    cursor === undefined
      ? undefined
      : lagOf({
          ...{ position: cursor.position, server, slot, limits: source.lag },
          ...{ committedAt: new Date(record!.committedAt), now: context.clock.now() },
        })
  const kept = cursor === undefined ? await keptTables(context.state, table) : []
  const tables = tablesOf(source, inspection, cursor, new Set(kept.map((one) => one.kept?.table)))
  const waiting = tables.flatMap((one) => (one.status === 'paused' ? [one.table] : []))
  const reasons = waiting.length === 0 ? new Map<string, string>() : await reasonsOf(context, record!, waiting)
  return {
    ...{ table, connection: source.connection, slot: source.slot, publication: source.publication },
    slotStatus: slotStatus(inspection, cursor),
    ...(cursor === undefined ? {} : { position: printLsn(cursor.position) }),
    serverPosition: printLsn(server),
    ...(lag === undefined
      ? {}
      : {
          lag: {
            ...{ bytes: lag.bytes, keptBytes: lag.keptBytes, level: lag.level },
            ...(lag.seconds === undefined ? {} : { seconds: lag.seconds }),
          },
        }),
    tables: tables.map((one) => (reasons.has(one.table) ? { ...one, detail: reasons.get(one.table)! } : one)),
    findings: [
      ...inspection.findings,
      ...(kept.length === 0 ? [] : [underWay(kept.length, tables.length)]),
      ...gaps(source, inspection, cursor, tables),
      ...(await unpublishedColumns(context, table, client, inspection.captured, record)),
    ],
  }
}

/** A first copy that was interrupted: the server keeps its log until it is made. */
function underWay(copied: number, all: number): CdcFinding {
  const detail = `under way: ${copied} of ${all} tables are copied and kept`
  return { name: 'first copy', status: 'warn', detail, fix: 'The next run goes on with the others: sluice run' }
}

/** What another project has made is not this one's to remove. */
async function assertOwnSlot({ context, table, source }: Controlled, state: SlotState | undefined): Promise<void> {
  const { watermark } = (await context.lake.current(table)) ?? {}
  const cursor = watermark === undefined ? undefined : readCursor(watermark)
  if (state !== undefined && !isOwnSlot(state, await readMark(context.state, table), cursor))
    throw sluiceError('Source.SlotForeign', { slot: state.slot, connection: source.connection })
}

/** What is kept of a first copy is of no use without its slot; a slot that is made of that name later is another one. */
async function dropKept({ context, table, source }: Controlled): Promise<void> {
  await writeMark(context.state, table, { slot: source.slot, isDropped: true })
  const isCommitted = (await context.lake.current(table)) !== undefined
  await forgetKept(context, await keptTables(context.state, table), { isCommitted })
}

/** What a run would stop at, because changes may be missing. */
function gaps(
  source: CdcSource,
  { slot }: Inspection,
  cursor: Cursor | undefined,
  tables: readonly CdcTable[],
): readonly CdcFinding[] {
  if (cursor === undefined) return []
  const missing = { status: 'fail', fix: 'Find what is missing: sluice cdc resnapshot' } as const
  const since = `changes after ${printLsn(cursor.position)} may be missing`
  const isAhead = slot?.confirmed !== undefined && slot.confirmed > cursor.position
  return [
    ...(slot === undefined ? [{ ...missing, name: `slot ${source.slot}`, detail: `there is none; ${since}` }] : []),
    ...(isAhead ? [{ ...missing, name: `slot ${source.slot}`, detail: `somebody else has read it; ${since}` }] : []),
    ...tables.flatMap(({ table, status: state, detail = '' }) =>
      state === 'stale' ? [{ ...missing, name: table, detail }] : [],
    ),
  ]
}

async function reasonsOf(
  { engine }: ProjectContext,
  record: CommitRecord,
  tables: readonly string[],
): Promise<Map<string, string>> {
  await using session = await engine.open({})
  const log = `SELECT * FROM ${await session.from(relationOf(record))}`
  const reasons = new Map<string, string>()
  for (const table of tables) reasons.set(table, (await whyWaiting(session, log, table)).join('; '))
  return reasons
}

function slotStatus({ slot }: Inspection, cursor: Cursor | undefined): CdcStatus['slotStatus'] {
  // A slot that is gone has taken with it what came after the cursor.
  if (slot === undefined) return cursor === undefined ? 'missing' : 'lost'
  if (slot.walStatus === 'lost' || slot.invalidation !== undefined) return 'lost'
  if (cursor !== undefined && slot.confirmed !== undefined && slot.confirmed > cursor.position) return 'lost'
  return slot.activePid === undefined ? 'ready' : 'active'
}

function tablesOf(
  source: CdcSource,
  { tables, captured }: Inspection,
  cursor: Cursor | undefined,
  kept: ReadonlySet<string | undefined>,
): readonly CdcTable[] {
  return source.tables.map((table) => {
    const found = tables.find((one) => one.table === table)
    if (found?.exists !== true) return { table, status: 'missing', detail: 'the server does not have it' }
    if (!found.isPublished) return { table, status: 'missing', detail: 'the publication does not have it' }
    if (cursor === undefined)
      return { table, status: 'new', ...(kept.has(table) && { detail: 'copied, and kept for the next run' }) }
    const known = cursor.published[table]
    if (known === undefined) return { table, status: 'stale', detail: 'its rows up to now are not in the log' }
    if (known !== captured.digests.get(table))
      return { table, status: 'stale', detail: 'its publication was altered: changes may be missing' }
    if (cursor.stale?.[table] !== undefined) return { table, status: 'stale', detail: cursor.stale[table] }
    const [before, now] = [cursor.layouts?.[table], captured.layouts.get(table)]
    const missed = before === undefined || now === undefined ? [] : missedByLayout(before, now)
    if (missed.length > 0) return { table, status: 'stale', detail: missed.join('; ') }
    return { table, status: cursor.waiting.includes(table) ? 'paused' : 'captured' }
  })
}

/** Those statements that are allowed are done, in order; the first that the server refuses ends it. */
async function change(
  { connection }: CdcSource,
  client: pg.Client,
  statements: readonly Statement[],
  apply: boolean,
): Promise<CdcChange> {
  if (!apply || statements.length === 0) return { statements, done: false }
  for (const { sql } of statements.filter(({ allowed }) => allowed)) {
    try {
      await client.query(sql)
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string }
      throw sluiceError('Source.StreamRefused', { connection, code, why: `${message} (${sql})` })
    }
  }
  return { statements, done: statements.every(({ allowed }) => allowed) }
}
