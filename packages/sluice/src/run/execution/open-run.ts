/** A run that is open in this process: what its tasks and steps need again and again. A runner lends it; a task by itself opens its own. */
import type { Clock } from '../../base/clock.ts'
import { sluiceError } from '../../base/errors.ts'
import type { Plan } from '../../plan/types.ts'
import type { Storage } from '../../storage/storage.ts'
import type { ProjectContext } from '../context.ts'
import type { EventSink } from '../ledger/events.ts'
import { joinLease, type Lease } from '../ledger/lease.ts'
import { isCancelled, type RunStart, readPlan, readStart } from '../ledger/ledger.ts'

/** What is lent. No result depends on whether it was. */
export interface OpenRun {
  readonly start: RunStart
  readonly plan: Plan
  readonly lease: Lease
  /** Aborts when the run is cancelled, by this process or by another, or loses its lease; with the error that says which. */
  readonly ended: AbortSignal
  /** Takes every event at once. */
  readonly tell: EventSink
}

/** The run that a task or a step is of, by reference. */
export interface RunReference {
  readonly runId: string
  readonly fencingToken: number
}

/** What a process that works for a run may hand in. */
export interface Watching {
  readonly signal?: AbortSignal
  readonly onEvent?: EventSink
}

/** Between two looks whether the run was cancelled. */
const lookEveryMs = 2000

/**
 * Opens a run by reference: from the ledger, in any process.
 *
 * @example await using run = await openRun(context, { runId, fencingToken })
 * @throws Run.NotFound; Run.Fenced where another run has taken over
 */
export async function openRun(
  { state, clock }: ProjectContext,
  { runId, fencingToken }: RunReference,
  watching: Watching = {},
): Promise<OpenRun & AsyncDisposable> {
  const start = await readStart(state, runId)
  const plan = start === undefined ? undefined : await readPlan(state, runId, start)
  if (start === undefined || plan === undefined) throw sluiceError('Run.NotFound', { run: runId })
  const lease = await joinLease(state, start.pipelines, { clock, owner: runId, token: fencingToken })
  return keepOpen({ state, clock }, { start, plan, lease }, watching)
}

/**
 * Keeps a run open whose lease this process holds; closing it gives the lease back.
 *
 * @example await using run = keepOpen(context, { start, plan, lease }, { signal, onEvent })
 */
export function keepOpen(
  { state, clock }: { readonly state: Storage; readonly clock: Clock },
  { start, plan, lease }: Pick<OpenRun, 'start' | 'plan' | 'lease'>,
  { signal, onEvent }: Watching,
): OpenRun & AsyncDisposable {
  const ended = new AbortController()
  const closed = new AbortController()
  const cancel = (): void => ended.abort(sluiceError('Run.Cancelled', {}))
  const fence = (): void => ended.abort(lease.lost.reason)
  signal?.addEventListener('abort', cancel, { once: true })
  lease.lost.addEventListener('abort', fence, { once: true })
  if (signal?.aborted) cancel()
  const look = async (): Promise<void> => {
    while (!closed.signal.aborted && !ended.signal.aborted) {
      await clock.sleep(lookEveryMs, closed.signal)
      if (!closed.signal.aborted && (await isCancelled(state, start.id).catch(() => false))) cancel()
    }
  }
  const looking = look()
  return {
    ...{ start, plan, lease, ended: ended.signal, tell: onEvent ?? (() => {}) },
    async [Symbol.asyncDispose]() {
      closed.abort()
      signal?.removeEventListener('abort', cancel)
      lease.lost.removeEventListener('abort', fence)
      await looking
      await lease.release()
    },
  }
}
