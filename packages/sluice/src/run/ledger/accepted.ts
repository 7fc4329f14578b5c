/** Which held snapshots were accepted by hand: an object for each instant of a target, created once. A dimension that is made again has them, too. */
import type { Storage } from '../../storage/storage.ts'

const folderOf = (target: string): string => `accepted/${encodeURIComponent(target)}`

/**
 * The instants that were accepted, as the engine writes them.
 *
 * @example await acceptedInstants(state, 'dim_price') // ['2026-03-02']
 */
export async function acceptedInstants(state: Pick<Storage, 'list'>, target: string): Promise<readonly string[]> {
  const objects = await state.list(folderOf(target))
  return objects
    .map(({ path }) => decodeURIComponent(path.slice(folderOf(target).length + 1).replace(/\.json$/, '')))
    .sort()
}

/**
 * Accepts an instant; false where it was accepted before.
 *
 * @example await acceptInstant(state, 'dim_price', '2026-03-02', { run })
 * @param note What is kept with it, for who looks into the folder.
 */
export async function acceptInstant(
  state: Pick<Storage, 'create'>,
  target: string,
  instant: string,
  note: { readonly run: string; readonly keys: number; readonly before: number },
): Promise<boolean> {
  const path = `${folderOf(target)}/${encodeURIComponent(instant)}.json`
  return state.create(path, JSON.stringify({ target, instant, ...note }))
}
