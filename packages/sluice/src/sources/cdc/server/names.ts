/** Names on the server: those that a log goes on with, and whose the publication is. Both are shared by all who use the server. */
import type { CdcSource } from '../../../definition/types.ts'
import type { Storage } from '../../../storage/storage.ts'
import type { SlotMark } from '../copy/kept-copy.ts'
import type { Cursor } from '../cursor.ts'

/**
 * The source under the names that its log goes on with: what began under former default names keeps them, so that nothing is copied again.
 *
 * @example settledNames(source, readCursor(record.watermark), await readMark(state, 'raw.shop')).slot
 */
export function settledNames(
  source: CdcSource,
  cursor: Pick<Cursor, 'slot' | 'publication'> | undefined,
  mark: SlotMark | undefined,
): CdcSource {
  const { formerNames: former = {}, slot, publication } = source
  const used = mark !== undefined && mark.isDropped !== true ? mark.slot : cursor?.slot
  const isFormer = former.slot !== undefined && used === former.slot
  // Older cursors say no publication.
  const read =
    cursor === undefined ? (isFormer ? former.publication : undefined) : (cursor.publication ?? former.publication)
  return {
    ...source,
    slot: isFormer ? former.slot! : slot,
    publication: former.publication !== undefined && read === former.publication ? read : publication,
  }
}

/** A publication that this project has made: its name, and the server's number of it. */
export interface PublicationMark {
  readonly publication: string
  readonly oid: string
}

const markPath = (log: string): string => `cdc/${log}.publication.json`

/** Reads which publication the project has made for a log. @example await readPublicationMark(state, 'raw.shop') */
export async function readPublicationMark(
  state: Pick<Storage, 'read'>,
  log: string,
): Promise<PublicationMark | undefined> {
  const bytes = await state.read(markPath(log))
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as PublicationMark)
}

/** Writes it, once it is made. @example await writePublicationMark(state, 'raw.shop', { publication: 'sluice_erp_shop', oid: '16412' }) */
export async function writePublicationMark(
  state: Pick<Storage, 'write'>,
  log: string,
  mark: PublicationMark,
): Promise<void> {
  await state.write(markPath(log), JSON.stringify(mark))
}
