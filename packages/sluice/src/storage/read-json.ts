/** Reads an object as JSON. */
import type { Storage } from './storage.ts'

/**
 * An object as JSON; undefined where there is none, and where it is damaged.
 *
 * @example await readJson<Plan>(state, runPath(run, 'plan.json'))
 * @param damaged Told of one that is there and is no JSON, or not what it should be.
 */
export async function readJson<T>(
  storage: Pick<Storage, 'read'>,
  path: string,
  {
    damaged,
    isWhole = () => true,
  }: { readonly damaged?: Damaged | undefined; readonly isWhole?: (found: T) => boolean } = {},
): Promise<T | undefined> {
  const bytes = await storage.read(path)
  if (bytes === undefined) return undefined
  try {
    const found = JSON.parse(Buffer.from(bytes).toString('utf8')) as T
    if (isWhole(found)) return found
  } catch {
    // Said below.
  }
  damaged?.(path)
  return undefined
}

/** Takes the path of an object that is damaged. */
export type Damaged = (path: string) => void
