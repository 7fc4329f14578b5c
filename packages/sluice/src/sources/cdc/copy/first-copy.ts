/**
 * The first copy of a log: all rows of its tables. Each table is kept as soon as it is whole, so that an interruption costs no more than the tables
 * that were under way.
 *
 * The slot stays where the first attempt has made it; later attempts copy the other tables at later points. So the first version has the rows of
 * each table as of its own point, and the changes after it, up to the last of the points: one boundary for all tables.
 */
import { crashPoint } from '../../../base/crash.ts'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'
import { compareLsn, parseLsn } from '../../../changes/lsn.ts'
import { dropPostgres } from '../../../connections/postgres/connect.ts'
import { logColumns } from '../../../definition/columns.ts'
import { completeFile } from '../../../engines/parquet-footer.ts'
import type { CommitInput } from '../../../lake/lake.ts'
import type { Candidate, TakeContext } from '../../source.ts'
import { readSlot } from '../continuity.ts'
import { type Cursor, shapeDigest } from '../cursor.ts'
import { type Capture, candidateOf, drain, type Opened, refusedOf } from '../drain.ts'
import { rowsLeftOut } from '../preflight.ts'
import type { PublishedTable } from '../published-tables.ts'
import { cursorLeaves, unsentLeaves } from '../server/leaves.ts'
import { createSlotAloud, type SlotRequest } from '../slot-wait.ts'
import type { CreatedSlot } from '../wire/stream.ts'
import { copyLog } from './copy-log.ts'
import {
  copyMark,
  type Found,
  forgetKept,
  isOwnSlot,
  type KeptTable,
  keepTable,
  keptTables,
  readMark,
  type SlotMark,
  whyAnew,
  whyNotContinued,
  writeMark,
} from './kept-copy.ts'
import { copySnapshot } from './snapshot.ts'

/** How an attempt begins. */
interface Beginning {
  readonly mark: SlotMark
  /** Tables that earlier attempts have copied. */
  readonly held: readonly KeptTable[]
  /** Those that are to be copied, and where. */
  readonly tables: readonly PublishedTable[]
  readonly at: CreatedSlot | undefined
  readonly warnings: readonly string[]
}

/**
 * The first copy, as a capture: of one batch, where no earlier attempt has left anything.
 *
 * @example const capture = firstCopy(opened)
 */
export function firstCopy(opened: Opened): Capture {
  const { client, walsender, context, table } = opened
  let stream: Capture | undefined
  return {
    async take(take) {
      if (stream !== undefined) return stream.take(take)
      const begun = await begin(opened, take)
      const leftOut = rowsLeftOut(opened.source, opened.captured).map(({ table, why }) => `${table}: ${why}`)
      const warnings = [...begun.warnings, ...leftOut]
      const held = [...begun.held, ...(await copyTables(opened, take, begun, warnings))]
      crashPoint('sources.cdc.after_copy')
      const from = parseLsn(begun.mark.copy!.point)
      const whole = last(held.map(({ lsn }) => lsn))
      // A slot that was made just now is where the server is.
      const until = begun.at === undefined ? last([whole, opened.server.position]) : whole
      const cursor: Cursor = {
        position: from,
        system: opened.server.system,
        timeline: opened.server.timeline,
        ...{ slot: opened.source.slot, publication: opened.source.publication },
        published: Object.fromEntries(opened.captured.digests),
        shapes: Object.fromEntries(held.map((one) => [one.table, shapeDigest(one.shape)])),
        effectiveAt: last(held.map(({ effectiveAt }) => effectiveAt)),
        waiting: [],
        relations: Object.fromEntries(held.map((one) => [one.table, one.relation])),
        layouts: Object.fromEntries(held.flatMap((one) => (one.layout === undefined ? [] : [[one.table, one.layout]]))),
        stale: unsentTables(opened),
        leaves: Object.fromEntries([...opened.leaves].map(([name, leaves]) => [name, cursorLeaves(leaves, [])])),
      }
      const copied = { ...copiedOf(opened, held, cursor), warnings }
      if (until === from) return { candidate: copied, refused: refusedOf(opened, cursor.stale ?? {}) }
      // Time begins anew, and passes each copy at its point.
      stream = await drain(
        {
          ...opened,
          until: { position: until, whole },
          copied: new Map(held.map((one) => [one.table, one])),
        },
        { ...cursor, effectiveAt: 0n },
        take.scratch,
        take.signal,
      )
      const taken = await stream.take(take)
      crashPoint('sources.cdc.after_copy_read')
      return { ...taken, candidate: together(copied, taken.candidate!) }
    },
    // Where there is no stream, the slot begins where the copy was made.
    async committed() {
      const isMore = (await stream?.committed()) === true
      await forgetKept(context, await keptTables(context.state, table), { isCommitted: true })
      crashPoint('sources.cdc.after_forget')
      return isMore
    },
    async close() {
      await stream?.close()
      dropPostgres(client)
      dropPostgres(walsender)
    },
  }
}

/** Partitioned tables that have partitions of which no change is sent. */
function unsentTables({ leaves }: Pick<Opened, 'leaves'>): NonNullable<Cursor['stale']> {
  const unsent = [...leaves].map(([table, all]) => [table, unsentLeaves(all).join('; ')] as const)
  return Object.fromEntries(unsent.filter(([, why]) => why !== ''))
}

/** Goes on with what is kept, at a new point; or makes the slot, and begins anew. */
async function begin(opened: Opened, take: TakeContext): Promise<Beginning> {
  const { source, context, table, captured, server } = opened
  const mark = await ownMark(opened)
  const found = await keptTables(context.state, table)
  const forget = (some: readonly Found[]): Promise<void> =>
    forgetKept(context, some, { isCommitted: take.current !== undefined })
  const { held, warnings } = await stillGood(opened, mark, found)
  if (mark !== undefined && held.length > 0) {
    const names = new Set(held.map((one) => one.table))
    await forget(found.filter(({ kept }) => kept === undefined || !names.has(kept.table)))
    const tables = captured.tables.filter(({ relation }) => !names.has(relation.table))
    const at = await look(opened, take, tables)
    warnings.push(`${held.length} of ${captured.tables.length} tables were copied by an earlier attempt, and are kept`)
    if (at !== 'no room') return { mark, held, tables, at, warnings }
    warnings.splice(0, warnings.length, anew(found, 'going on takes a second slot for a while, and none is free'))
  }
  await forget(found)
  if ((await readSlot(opened.client, source.slot)) !== undefined)
    await opened.client.query('SELECT pg_drop_replication_slot($1)', [source.slot])
  // Before the slot, so that a slot without a mark is never ours.
  await writeMark(context.state, table, { slot: source.slot })
  crashPoint('sources.cdc.before_slot')
  const at = await createSlotAloud({ ...slotRequest(opened, take, source.slot), failover: source.failover })
  crashPoint('sources.cdc.after_slot')
  const made = copyMark(source.slot, server, at.consistentPoint)
  await writeMark(context.state, table, made)
  return { mark: made, held: [], tables: captured.tables, at, warnings }
}

/**
 * A slot without a cursor is what an interrupted first copy has left, if it was this project that made it (CD-25).
 *
 * @throws Source.SlotForeign, Source.SlotBusy
 */
async function ownMark({ client, source, context, table }: Opened): Promise<SlotMark | undefined> {
  const { slot, connection } = source
  const state = await readSlot(client, slot)
  const mark = await readMark(context.state, table)
  if (state === undefined) return mark
  if (!isOwnSlot(state, mark, undefined)) throw sluiceError('Source.SlotForeign', { slot, connection })
  if (state.activePid !== undefined) throw sluiceError('Source.SlotBusy', { slot, pid: `process ${state.activePid}` })
  return mark
}

/** What of the kept tables the first version can have, and what is said of the others. */
async function stillGood(
  opened: Opened,
  mark: SlotMark | undefined,
  found: readonly Found[],
): Promise<{ readonly held: readonly KeptTable[]; readonly warnings: string[] }> {
  if (mark === undefined || found.length === 0) return { held: [], warnings: [] }
  const { client, source, server, context } = opened
  const why = whyNotContinued(mark, source.slot, server, await readSlot(client, source.slot))
  if (why !== undefined) return { held: [], warnings: [anew(found, why)] }
  const held: KeptTable[] = []
  const warnings: string[] = []
  for (const { path, kept } of found) {
    const wrong = kept === undefined ? 'what is said of it is damaged' : whyAnew(kept, mark, opened)
    if (wrong === undefined && (await context.lake.canTakeUp(kept!.files))) held.push(kept!)
    else
      warnings.push(`the copy of ${kept?.table ?? path} is not kept: ${wrong ?? 'files of it are missing or damaged'}`)
  }
  return { held, warnings }
}

function anew(found: readonly Found[], why: string): string {
  return `the first copy begins anew, and ${found.length} tables that were copied are copied again: ${why}`
}

function slotRequest({ client, walsender, settings, context }: Opened, take: TakeContext, slot: string): SlotRequest {
  const { signal, warn = () => {} } = take
  return { client, walsender, slot, connection: settings.name, clock: context.clock, signal, warn }
}

/** A temporary slot shows the state at a position of the stream. It takes room that a server may not have. */
async function look(
  opened: Opened,
  take: TakeContext,
  tables: readonly PublishedTable[],
): Promise<CreatedSlot | 'no room' | undefined> {
  if (tables.length === 0) return undefined
  const { run, attempt } = take
  crashPoint('sources.cdc.before_look')
  try {
    const name = `sluice_look_${attempt}_${run.id.toLowerCase().replace(/\W/g, '_')}`.slice(0, 63)
    const slot = await createSlotAloud({ ...slotRequest(opened, take, name), temporary: true })
    crashPoint('sources.cdc.after_look')
    return slot
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    // configuration_limit_exceeded
    if (isSluiceError(error, 'Source.StreamRefused') && code === '53400') return 'no room'
    throw error
  }
}

/** Copies tables, and keeps each one. */
async function copyTables(
  { table: log, source, settings, captured, context }: Opened,
  take: TakeContext,
  { mark, held, tables, at }: Beginning,
  warnings: string[],
): Promise<readonly KeptTable[]> {
  if (at === undefined) return []
  const { session, run, attempt, signal, scratch: folder } = take
  const { partitionBy, snapshot } = source
  const copied: KeptTable[] = []
  const beside = await session.beside()
  const writer = copyLog({
    ...{ session, folder, partitionBy, types: captured.types },
    effectiveAt: last(held.map(({ effectiveAt }) => effectiveAt)),
    firstNumber: Math.max(0, ...held.map(({ nextNumber }) => nextNumber)),
    async take({ relation, files: written, ...rest }, turn) {
      const { table } = relation
      const verifyFile: CommitInput['verifyFile'] = (file, fields) => turn(() => completeFile(beside, file, fields))
      const files = await context.lake.setAside({
        ...{ table: log, run: run.id, attempt, files: written, verifyFile },
        fields: logColumns(partitionBy),
      })
      const kept = {
        ...rest,
        table,
        files,
        mark,
        relation: relation.id,
        ...(captured.layouts.has(table) && { layout: captured.layouts.get(table)! }),
        published: captured.digests.get(table)!,
        partitionBy,
      }
      crashPoint('sources.cdc.before_keep')
      await keepTable(context.state, log, kept)
      crashPoint('sources.cdc.after_keep')
      copied.push(kept)
    },
    progress: take.progress,
  })
  const { connections, chunkPages } = snapshot
  const lost = new Map<string, number>()
  const onLost = (table: string): void => {
    lost.set(table, (lost.get(table) ?? 0) + 1)
  }
  await copySnapshot({
    settings,
    slot: at,
    tables,
    writer,
    connections,
    chunkPages,
    signal,
    onLost,
    clock: context.clock,
  })
  for (const [table, times] of lost)
    warnings.push(
      `${times === 1 ? 'a connection' : `${times} connections`} that copied ${table} broke off; what was under way was copied again`,
    )
  return copied
}

const last = (values: readonly bigint[]): bigint => [...values].sort(compareLsn).at(-1) ?? 0n

function copiedOf(opened: Opened, held: readonly KeptTable[], cursor: Cursor): Candidate {
  const rows = held.reduce((sum, one) => sum + one.rows, 0)
  const log = {
    fields: logColumns(opened.source.partitionBy),
    files: held.flatMap(({ files }) => files),
    accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
  }
  return candidateOf(opened, log, cursor, undefined, 0)
}

/** The copy, and the stream up to the last of its points. */
function together(copy: Candidate, stream: Candidate): Candidate {
  const rows = (of: 'read' | 'accepted'): number => copy.accounting[of] + stream.accounting[of]
  const accounting = { ...stream.accounting, read: rows('read'), accepted: rows('accepted') }
  return {
    ...stream,
    files: [...copy.files, ...stream.files],
    accounting,
    inputs: stream.inputs.map((input) => ({ ...input, rows: accounting.accepted })),
    warnings: copy.warnings,
  }
}
