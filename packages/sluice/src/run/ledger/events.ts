/** The one stream of events of a run: written to the ledger, rendered by the CLI, later read by the console. */
import { isSluiceError } from '../../base/errors.ts'
import type { RowAccounting } from '../../lake/record.ts'
import type { SourceLag } from '../../sources/source.ts'

/** What an error is, once it has left the process: no stack, no secret. */
export interface ErrorSummary {
  readonly code: string
  readonly name: string
  readonly message: string
  readonly hint?: string
  readonly retryable: boolean
}

/** How far behind its server a source was, by its table. */
export interface LagFigures extends Omit<SourceLag, 'error'> {
  readonly table: string
}

/** Refused rows of a table that left quarantine because of their age. */
export interface AgedOut {
  readonly table: string
  readonly rows: number
  /** The rule: `quarantineDays` of the table's retention, or of the lake's. */
  readonly olderThanDays: number
  /** When the oldest and the newest of them were refused. */
  readonly from: string
  readonly to: string
}

/** The totals of a run. */
export interface RunSummary {
  readonly status: 'succeeded' | 'failed' | 'cancelled'
  readonly tasks: {
    readonly succeeded: number
    readonly failed: number
    readonly skipped: number
    readonly unchanged: number
  }
  readonly rows: {
    readonly read: number
    readonly accepted: number
    readonly quarantined: number
    readonly dropped: number
    readonly loaded: number
  }
  readonly refusedFiles: number
  /** Captured tables whose changes wait for somebody. */
  readonly waitingTables?: number
  /** Refused rows that left quarantine by the rule for their age. */
  readonly agedOut?: readonly AgedOut[]
  readonly warnings: number
  /** Of each source that follows a server, when its reading began. */
  readonly lag?: readonly LagFigures[]
  readonly durationMs: number
  /** What ended the run itself, beside what its tasks say. */
  readonly error?: ErrorSummary
}

/** What a load did to the rows of its target. */
export interface LoadFigures {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  /** Of a history: versions that a delete ended. They keep their rows. */
  readonly closed?: number
  readonly total: number
}

type EventBody =
  | {
      readonly type: 'run.started'
      readonly pipelines: readonly string[]
      readonly tasks: number
      readonly project: string
      /** Of a command: what it does. */
      readonly command?: string
    }
  | {
      readonly type: 'task.started'
      readonly task: string
      readonly kind: string
      readonly table: string
      readonly attempt: number
    }
  | {
      readonly type: 'task.progress'
      readonly task: string
      readonly rows: number
      readonly bytes: number
      readonly input?: string
    }
  | (AgedOut & { readonly type: 'quarantine.aged-out' })
  | { readonly type: 'task.warning'; readonly task: string; readonly message: string }
  | {
      readonly type: 'task.refused'
      readonly task: string
      /** A file that was refused as a whole, or a captured table that waits for somebody, in each run until it is accepted. */
      readonly what: 'file' | 'table'
      /** The file's path; the table's name on its server. */
      readonly input: string
      readonly error: ErrorSummary
      readonly report?: string
    }
  | (LagFigures & {
      readonly type: 'source.lag'
      readonly task: string
      /** Beyond a limit that it was not beyond when it was told of last. */
      readonly isNew: boolean
      /** What is reported, beyond a limit. */
      readonly error?: ErrorSummary
    })
  | {
      readonly type: 'quality.result'
      readonly task: string
      readonly check: string
      readonly status: 'passed' | 'warned' | 'refused' | 'failed'
      readonly failing: number
      readonly total: number
      readonly detail?: string
    }
  | {
      /** An attempt that failed. What becomes of its task is settled after it: another attempt, or `task.finished`. */
      readonly type: 'task.failed'
      readonly task: string
      readonly attempt: number
      readonly durationMs: number
      readonly error: ErrorSummary
    }
  | {
      readonly type: 'task.finished'
      readonly task: string
      readonly kind: string
      readonly table: string
      readonly status: 'succeeded' | 'failed' | 'skipped' | 'unchanged' | 'cancelled'
      readonly durationMs: number
      readonly version?: number
      readonly rows?: number
      readonly accounting?: RowAccounting
      readonly partitions?: { readonly rewritten: number; readonly total: number }
      readonly load?: LoadFigures
      readonly error?: ErrorSummary
      readonly reason?: string
    }
  | {
      readonly type: 'notification.sent' | 'notification.failed'
      readonly kind: string
      readonly id: string
      readonly error?: ErrorSummary
    }
  | { readonly type: 'run.finished'; readonly summary: RunSummary }

/** An event: `v` is the version of this format, `ts` an ISO instant. */
export type RunEvent = EventBody & { readonly v: 1; readonly ts: string; readonly runId: string }

/** An event before it is stamped. */
export type NewRunEvent = EventBody

/** Takes events; never throws. */
export type EventSink = (event: RunEvent) => void

/** An error as it leaves the process: no stack, no parameters that could hold a value. @example errorSummary(error).code */
export function errorSummary(error: unknown): ErrorSummary {
  if (isSluiceError(error)) {
    const { code, name, message, hint, retryable } = error
    return { code, name, message, ...(hint === undefined ? {} : { hint }), retryable }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'SLU9001', name: 'Internal', message, retryable: false }
}

/** @example agedOutText(event) // '12 rows of raw.sales, refused 2026-01-02 to 2026-01-09, left quarantine: older than quarantineDays 90' */
export function agedOutText({ table, rows, olderThanDays, from, to }: AgedOut): string {
  const days = [...new Set([from.slice(0, 10), to.slice(0, 10)])]
  return `${rows} ${rows === 1 ? 'row' : 'rows'} of ${table}, refused ${days.join(' to ')}, left quarantine: older than quarantineDays ${olderThanDays}`
}
