/** The totals of a run, out of the outcomes of its tasks. Pure. */
import type { Plan } from '../../plan/types.ts'
import type { AgedOut, ErrorSummary, RunEvent, RunSummary } from '../ledger/events.ts'
import type { Outcome } from '../ledger/outcome.ts'

/** What a summary is of. */
export interface Ended {
  readonly plan: Plan
  readonly outcomes: ReadonlyMap<string, Outcome>
  readonly durationMs: number
  /** What the run's own steps had to say. */
  readonly kept?: readonly RunEvent[]
  /** Whether the run follows others, which have reported a lag already. */
  readonly isFollowing?: boolean
  readonly isCancelled?: boolean
  readonly error?: ErrorSummary
}

/**
 * Sums up.
 *
 * @example summaryOf({ plan, outcomes, durationMs: 1200 }).status
 */
export function summaryOf({ plan, outcomes, durationMs, error, ...run }: Ended): RunSummary {
  const counts = { succeeded: 0, failed: 0, skipped: 0, unchanged: 0, cancelled: 0 }
  // What nothing is known of was not begun.
  for (const { id } of plan.tasks) counts[outcomes.get(id)?.status ?? 'cancelled']++
  const { cancelled, ...tasks } = counts
  const all = [...outcomes.values()]
  const refusedFiles = refusedOf(all)
  const waitingTables = waitingOf(all).length
  const lags = all.flatMap(({ lag }) => lag ?? [])
  // Of runs that follow each other, one says it for all.
  const late = lags.filter(({ level, isNew }) => level !== 'ok' && (isNew || run.isFollowing !== true))
  const isCut = run.isCancelled === true && cancelled + tasks.skipped > 0
  const isWanting = error !== undefined || tasks.failed + tasks.skipped + cancelled + refusedFiles + waitingTables > 0
  const { kept = [] } = run
  const agedOut = kept.flatMap((event): readonly AgedOut[] => {
    if (event.type !== 'quarantine.aged-out') return []
    const { table, rows, olderThanDays, from, to } = event
    return [{ table, rows, olderThanDays, from, to }]
  })
  return {
    status: isCut ? 'cancelled' : isWanting ? 'failed' : 'succeeded',
    tasks: { ...tasks, skipped: tasks.skipped + cancelled },
    rows: rowsOf(plan, outcomes),
    refusedFiles,
    ...(waitingTables === 0 ? {} : { waitingTables }),
    ...(agedOut.length === 0 ? {} : { agedOut }),
    warnings: all.reduce((sum, { warnings }) => sum + warnings, kept.length - agedOut.length) + late.length,
    ...(lags.length === 0
      ? {}
      : {
          lag: lags.map(({ table, connection, slot, bytes, seconds, keptBytes, level }) => ({
            ...{ table, connection, slot, bytes, keptBytes, level },
            ...(seconds === undefined ? {} : { seconds }),
          })),
        }),
    durationMs,
    ...(error === undefined ? {} : { error }),
  }
}

/** Files that were refused as a whole. @example refusedOf(outcomes) // 1 */
export function refusedOf(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, { refused = 0 }) => sum + refused, 0)
}

/** Captured tables that wait for somebody. @example waitingOf(outcomes) // ['public.orders'] */
export function waitingOf(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.flatMap(({ waiting = [] }) => waiting)
}

/** Rows that came in, and rows that were loaded. */
function rowsOf({ tasks }: Plan, outcomes: Ended['outcomes']): RunSummary['rows'] {
  const loaded = [...outcomes.values()].reduce((sum, outcome) => sum + (outcome.loaded ?? 0), 0)
  const taken = tasks.filter(({ kind }) => kind === 'ingest').flatMap(({ id }) => outcomes.get(id)?.accounting ?? [])
  const sum = (of: (accounting: (typeof taken)[number]) => number): number =>
    taken.reduce((all, one) => all + of(one), 0)
  return {
    read: sum(({ read }) => read),
    accepted: sum(({ accepted }) => accepted),
    quarantined: sum(({ quarantined }) => quarantined),
    dropped: sum(({ dropped }) => Object.values(dropped).reduce((total, rows) => total + rows, 0)),
    loaded,
  }
}
