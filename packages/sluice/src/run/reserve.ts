/** Space that is held for `sluice clean`: where a disk is full, it frees this first, and so can take its leases and write what it removes. */
import type { Storage } from '../storage/storage.ts'

/** More than leases, and the lists of what is removed, take in any lake that was cleaned now and then. */
const reserveBytes = 1 << 20

const path = 'reserve'

/** Holds it, unless it is held already or cannot be: then the next run does. @example await holdReserve(state) */
export async function holdReserve(state: Storage): Promise<void> {
  // What is wrong with the disk is said by whatever needs it.
  const held = await state.stat(path).catch(() => undefined)
  if (held === undefined) await state.write(path, new Uint8Array(reserveBytes)).catch(() => undefined)
}

/** Gives it up for the time of some work. @example await withReserve(state, async () => clean(context)) */
export async function withReserve<T>(state: Storage, work: () => Promise<T>): Promise<T> {
  await state.remove(path)
  try {
    return await work()
  } finally {
    await holdReserve(state)
  }
}
