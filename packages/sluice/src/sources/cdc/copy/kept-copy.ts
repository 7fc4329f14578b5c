/**
 * What is kept of a first copy that was interrupted: each table that was copied as a whole. Its rows are in the lake already, in files that no
 * version names yet; beside the mark of the slot stands what they are, sealed, written when they are durable.
 */
import { isSluiceError } from '../../../base/errors.ts'
import { canonicalJson } from '../../../base/json.ts'
import { type Lsn, parseLsn, printLsn } from '../../../changes/lsn.ts'
import type { CdcSource } from '../../../definition/types.ts'
import type { Lake, SetAsideFile } from '../../../lake/lake.ts'
import { encodePart } from '../../../lake/paths.ts'
import { openSealed, sealJson } from '../../../lake/record/sealed-json.ts'
import type { Storage } from '../../../storage/storage.ts'
import type { SlotState } from '../continuity.ts'
import type { Captured } from '../preflight.ts'
import { type Layout, missedByLayout } from '../server/layout.ts'
import { relationShape } from '../wire/relation.ts'
import type { ServerIdentity } from '../wire/stream.ts'

/** The slot that a project has made, and where its stream begins. */
export interface SlotMark {
  readonly slot: string
  /** Unknown until the slot is there. */
  /** Whether the project has removed it: a slot of that name is somebody else's now. */
  readonly isDropped?: true
  readonly copy?: { readonly system: string; readonly timeline: number; readonly point: string }
}

/** A table whose copy is kept. */
export interface KeptTable {
  readonly table: string
  /** The mark of the slot whose stream goes on after it. */
  readonly mark: SlotMark
  /** The server's own number of the table, and what the publication says of it. */
  readonly relation: number
  readonly published: string
  readonly layout?: Layout
  readonly partitionBy: 'day' | 'hour'
  readonly shape: string
  /** Where it was copied. */
  readonly lsn: Lsn
  readonly effectiveAt: bigint
  readonly nextNumber: number
  readonly rows: number
  /** Where they are on this machine is known once they are taken up. */
  readonly files: readonly SetAsideFile[]
}

const markPath = (table: string): string => `cdc/${table}.json`
const folderOf = (table: string): string => `cdc/${table}.copied`
const pathOf = (log: string, table: string): string => `${folderOf(log)}/${encodePart(table)}.json`

/** Reads which slot the project has made for a log. @example await readMark(state, 'raw.shop') */
export async function readMark(state: Pick<Storage, 'read'>, log: string): Promise<SlotMark | undefined> {
  const bytes = await state.read(markPath(log))
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as SlotMark)
}

/** Writes it; before the slot is made, so that a slot without a mark is never ours. */
export async function writeMark(state: Pick<Storage, 'write'>, log: string, mark: SlotMark): Promise<void> {
  await state.write(markPath(log), JSON.stringify(mark))
}

/**
 * Whether a slot of a log is this project's: it has made it (its mark), or has committed what came from it (the cursor).
 *
 * @example isOwnSlot(await readSlot(client, source.slot), mark, cursor) // false: somebody else may need it
 */
export function isOwnSlot(
  { slot, isOfDatabase }: Pick<SlotState, 'slot' | 'isOfDatabase'>,
  mark: SlotMark | undefined,
  cursor: { readonly slot: string } | undefined,
): boolean {
  if (!isOfDatabase) return false
  if (mark?.slot === slot) return mark.isDropped !== true
  return cursor?.slot === slot
}

/** What a mark says of a new slot. @example copyMark(source.slot, server, slot.consistentPoint) */
export function copyMark(slot: string, { system, timeline }: ServerIdentity, point: Lsn): SlotMark {
  return { slot, copy: { system, timeline, point: printLsn(point) } }
}

/** Why the stream of a slot does not go on after the tables that are kept; undefined where it does. */
export function whyNotContinued(
  mark: SlotMark,
  slot: string,
  server: ServerIdentity,
  state: SlotState | undefined,
): string | undefined {
  const { copy } = mark
  if (mark.slot !== slot) return `their slot was "${mark.slot}"`
  if (copy === undefined) return 'their slot was never completed'
  if (copy.system !== server.system || copy.timeline !== server.timeline) return 'the server is another one'
  if (state === undefined) return 'their slot is gone'
  if (state.plugin !== 'pgoutput' || state.confirmed === undefined || printLsn(state.confirmed) !== copy.point)
    return 'their slot is another one now, or was read by somebody else'
  if (state.walStatus === 'lost' || state.invalidation !== undefined) return 'the server has given their slot up'
  return undefined
}

/** Why a table is copied anew; undefined where its copy is as good as it was. */
export function whyAnew(
  kept: KeptTable,
  mark: SlotMark,
  { captured, source }: { readonly captured: Captured; readonly source: Pick<CdcSource, 'partitionBy'> },
): string | undefined {
  const found = captured.tables.find(({ relation }) => relation.table === kept.table)
  if (found === undefined) return 'it is not captured any more'
  if (canonicalJson(kept.mark) !== canonicalJson(mark)) return 'it is of another slot'
  if (found.relation.id !== kept.relation) return 'the table was made again'
  if (found.isPartitioned) return 'its partitions may be other ones'
  if (captured.digests.get(kept.table) !== kept.published) return 'its publication was altered'
  if (relationShape(found.relation, captured.types) !== kept.shape) return 'it has other columns, or another key'
  const layout = captured.layouts.get(kept.table)
  const missed = kept.layout === undefined || layout === undefined ? [] : missedByLayout(kept.layout, layout)
  if (missed.length > 0) return missed.join('; ')
  return kept.partitionBy === source.partitionBy ? undefined : 'the log is split in another way'
}

/** Keeps a table, whose files are set aside. @example await keepTable(state, 'raw.shop', kept) */
export async function keepTable(state: Pick<Storage, 'write'>, log: string, kept: KeptTable): Promise<void> {
  const { lsn, effectiveAt, ...rest } = kept
  const sealed = sealJson({ format: 1, ...rest, lsn: printLsn(lsn), effectiveAt: `${effectiveAt}` })
  await state.write(pathOf(log, kept.table), sealed)
}

/** What is kept, and where that is said; nothing is known of it where that is damaged. */
export interface Found {
  readonly path: string
  readonly kept: KeptTable | undefined
}

/** What is kept of a log's first copy. @example await keptTables(state, 'raw.shop') */
export async function keptTables(state: Pick<Storage, 'read' | 'list'>, log: string): Promise<readonly Found[]> {
  const found: Found[] = []
  for (const { path } of await state.list(folderOf(log))) {
    const bytes = await state.read(path)
    if (bytes !== undefined) found.push({ path, kept: readKept(bytes, path) })
  }
  return found
}

function readKept(bytes: Uint8Array, path: string): KeptTable | undefined {
  try {
    const { lsn, effectiveAt, ...rest } = openSealed(bytes, path) as Omit<KeptTable, 'lsn' | 'effectiveAt'> & {
      readonly lsn: string
      readonly effectiveAt: string
    }
    return { ...rest, lsn: parseLsn(lsn), effectiveAt: BigInt(effectiveAt) }
  } catch (error) {
    if (isSluiceError(error)) return undefined
    throw error
  }
}

/**
 * Forgets what is kept: with its files, where no version has them.
 *
 * @example await forgetKept({ state, lake }, await keptTables(state, 'raw.shop'), { isCommitted: false })
 */
export async function forgetKept(
  { state, lake }: { readonly state: Pick<Storage, 'remove'>; readonly lake: Pick<Lake, 'removeSetAside'> },
  found: readonly Found[],
  { isCommitted }: { readonly isCommitted: boolean },
): Promise<void> {
  for (const { path, kept } of found) {
    // First what names them: files that nothing names are never taken up.
    await state.remove(path)
    if (kept !== undefined && !isCommitted) await lake.removeSetAside(kept.files)
  }
}

/** Logs of whose first copies something is kept, by their tables' names. @example await keptLogs(state) // ['raw.shop'] */
export async function keptLogs(state: Pick<Storage, 'list'>): Promise<readonly string[]> {
  const names = (await state.list('cdc')).flatMap(({ path }) => /^cdc\/(.+)\.copied\//.exec(path)?.[1] ?? [])
  return [...new Set(names)]
}
