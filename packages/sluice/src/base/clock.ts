/**
 * The only place that reads the time, waits, or draws random bytes; everything else is handed a {@link Clock}.
 */
import { randomBytes } from 'node:crypto'

/** Time and waiting as a dependency, so that a test can stand still or run ahead. */
export interface Clock {
  /** The present instant. */
  now(): Date
  /** Waits; ends early (without an error) when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done)
    }),
}

/**
 * A new id that sorts by the time it was made, to the millisecond: `20261120T154212Z-0d79f2c41aa`, whose last eight digits are random.
 *
 * @example newId(systemClock)
 */
export function newId(clock: Clock): string {
  const [seconds = '', milliseconds] = clock.now().toISOString().replace(/[-:Z]/g, '').split('.')
  return `${seconds}Z-${Number(milliseconds).toString(16).padStart(3, '0')}${randomBytes(4).toString('hex')}`
}
