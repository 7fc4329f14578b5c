/** What is reported of a run that follows others: a pure function of what was reported before, and of how it ended. */
import type { RunEvent, RunSummary } from '../ledger/events.ts'

/** What of a run is news. */
export interface News {
  /** The troubles that last: what was reported before, for the next run. */
  readonly reported: readonly string[]
  /** Whether its end is sent to notifiers. Alerts are in any case. */
  readonly isSent: boolean
  /** Whether those who watch are shown it. */
  readonly isShown: boolean
  /** Whether it did nothing that anybody would look for: it leaves no trace. */
  readonly isNothing: boolean
  /** The events that were not reported before. */
  readonly events: readonly RunEvent[]
}

/**
 * Compares how a run ended with what was reported before.
 *
 * @param before what {@link News} reported of the run before; undefined for a run that follows none: all of it is news
 * @example news(before, events, summary).isShown
 */
export function news(
  before: readonly string[] | undefined,
  all: readonly RunEvent[],
  { status, tasks, refusedFiles, warnings }: RunSummary,
): News {
  const known = new Set(before)
  const events = all.filter((event) => event.type !== 'task.refused' || !known.has(troubleOf(event) ?? ''))
  const reported = all.flatMap((event) => troubleOf(event) ?? [])
  const waiting = events.filter((event) => event.type === 'task.refused' && event.what === 'table').length
  const failures = all.flatMap((event) => (event.type === 'task.finished' ? (failureOf(event) ?? []) : []))
  const isNew = reported.some((trouble) => !known.has(trouble)) || reported.length < known.size
  const isLate = all.some((event) => event.type === 'source.lag' && event.isNew)
  const did = tasks.succeeded + refusedFiles
  const isFailure =
    failures.length > 0
      ? failures.some((failure) => !known.has(failure))
      : tasks.failed + tasks.skipped > 0 || status === 'cancelled'
  const isShown = did > 0 || isLate || (status === 'failed' && isNew) || status === 'cancelled'
  // A table that waits still is as it was.
  const isWell = status === 'succeeded' || (status === 'failed' && tasks.failed + tasks.skipped === 0)
  return {
    reported,
    events,
    isSent: before === undefined || did + waiting > 0 || (status !== 'succeeded' && isFailure),
    isShown: isShown || (isNew && known.size > 0),
    isNothing: isWell && did + warnings + waiting === 0,
  }
}

type Finished = Extract<RunEvent, { type: 'task.finished' }>

const failureOf = ({ task, error, status }: Finished): string | undefined =>
  error === undefined || status === 'cancelled' ? undefined : `${task} ${error.name}`

/** What is reported once, while it lasts. */
function troubleOf(event: RunEvent): string | undefined {
  if (event.type === 'task.finished' && event.error !== undefined) return `${event.task} ${event.error.name}`
  return event.type === 'task.refused' && event.what === 'table' ? `${event.task} waits ${event.input}` : undefined
}
