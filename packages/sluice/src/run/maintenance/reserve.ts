/** Space that is held for `sluice clean`: where a disk is full, it frees this first, and so can take its leases and write what it removes. */
import type { Storage } from '../../storage/storage.ts'

/** More than leases, and the lists of what is removed, take in any lake that was cleaned now and then. */
const reserveBytes = 1 << 20

const path = 'reserve'

/** Less is of no use. */
const leastBytes = 1 << 13

/** Holds it, or as much of it as there is room for; the next run holds the rest. @example await holdReserve(cache) */
export async function holdReserve(cache: Storage): Promise<void> {
  const held = (await cache.stat(path).catch(() => undefined))?.bytes ?? 0
  // What is wrong with the disk is said by whatever needs it.
  const hold = (bytes: number): Promise<boolean> =>
    cache.write(path, new Uint8Array(bytes)).then(
      () => true,
      () => false,
    )
  for (let bytes = reserveBytes; bytes >= leastBytes && bytes > held; bytes /= 2) if (await hold(bytes)) return
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
