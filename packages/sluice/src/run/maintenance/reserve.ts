/** Space that is held for `sluice clean`: where a disk is full, it frees this first, and so can take its leases and write what it removes. */
import type { Storage } from '../../storage/storage.ts'

/** More than leases, and the lists of what is removed, take in any lake that was cleaned now and then. */
const reserveBytes = 1 << 20

const path = 'reserve'

/** Holds it, unless it is held already or cannot be: then the next run does. @example await holdReserve(cache) */
export async function holdReserve(cache: Storage): Promise<void> {
  // What is wrong with the disk is said by whatever needs it.
  const held = await cache.stat(path).catch(() => undefined)
  if (held === undefined) await cache.write(path, new Uint8Array(reserveBytes)).catch(() => undefined)
}

/** Gives it up for the time of some work. @example await withReserve(cache, async () => clean(context)) */
export async function withReserve<T>(cache: Storage, work: () => Promise<T>): Promise<T> {
  await cache.remove(path)
  try {
    return await work()
  } finally {
    await holdReserve(cache)
  }
}
