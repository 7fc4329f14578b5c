/** Work side by side and work in turn: the one queue and the one mutex of this process. */

/** Does work when all that was asked for before it has ended. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>

/**
 * Makes turns: work that must not overlap is done in the order in which it was asked for, whatever became of the work before.
 *
 * @example
 * const inTurn = turns()
 * await Promise.all([inTurn(first), inTurn(second)]) // the second begins when the first has ended
 */
export function turns(): Turn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}

/** How a list is worked through. */
export interface QueueOptions {
  /** Workers at a time; at least one begins, also where there is nothing to do. */
  readonly workers: number
  readonly signal: AbortSignal
}

/**
 * Works through a list side by side: each worker takes the next item that none has taken. The first failure stops the others, is waited for, and
 * is what is thrown.
 *
 * @example await workThrough(calls, { workers: 4, signal }, async (left, signal) => { for (const call of left) await make(call, signal) })
 * @param worker is given what is left, which ends when the work is stopped, and the signal of that
 */
export async function workThrough<T>(
  items: readonly T[],
  { workers, signal }: QueueOptions,
  worker: (left: Iterable<T>, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const stopped = AbortSignal.any([signal, failed.signal])
  const failures: unknown[] = []
  let next = 0
  function* left(): Generator<T> {
    while (next < items.length && !stopped.aborted) yield items[next++] as T
  }
  const work = async (): Promise<void> => {
    try {
      await worker(left(), stopped)
    } catch (error) {
      failures.push(error)
      failed.abort(error)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, items.length)) }, work))
  // What failed after the first was stopped by it.
  if (failures.length > 0) throw failures[0]
  signal.throwIfAborted()
}
