/** A few tries with growing pauses. */
import type { Clock } from '../base/clock.ts'

/** Pauses between tries, in milliseconds: three tries within a few seconds, because a run waits for them. */
const pauses: readonly number[] = [1_000, 4_000]

/** One try's result: done, or why not and whether another try may help. */
export type Try = { readonly done: true } | { readonly done: false; readonly why: string; readonly again: boolean }

/**
 * Tries until it is done, until no try can help, or until the pauses are used up.
 *
 * @returns undefined when done, or how often it was tried and the last reason
 * @example await tryAgain(clock, signal, () => post())
 */
export async function tryAgain(
  clock: Clock,
  signal: AbortSignal,
  attempt: () => Promise<Try>,
): Promise<{ readonly tries: number; readonly why: string } | undefined> {
  for (let tries = 1; ; tries++) {
    const result = await attempt()
    if (result.done) return undefined
    const pause = pauses[tries - 1]
    if (!result.again || pause === undefined || signal.aborted) return { tries, why: result.why }
    await clock.sleep(pause, signal)
    if (signal.aborted) return { tries, why: result.why }
  }
}
