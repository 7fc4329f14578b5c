/** The notification contract. A notification never changes a run's outcome, carries no row values, and has an id that stays the same when it is sent again. */
import type { Clock } from '../base/clock.ts'
import type { TextOrReference } from '../definition/types.ts'

/** What is reported. */
export interface Notification {
  /** Stable across repetitions: run, task, outcome. */
  readonly id: string
  readonly at: string
  readonly project: string
  readonly pipeline: string
  readonly run: string
  readonly task?: string
  /** `alert`: something needs somebody, whatever became of the run; `error` says what. */
  readonly status: 'succeeded' | 'failed' | 'cancelled' | 'alert'
  /** One line for people. */
  readonly summary: string
  readonly rows?: {
    readonly read: number
    readonly accepted: number
    readonly quarantined: number
    readonly dropped: number
  }
  readonly error?: { readonly code: string; readonly name: string; readonly message: string }
  /** The command to look further. */
  readonly next: string
}

/** Sends; throws a `Notification.*` error when it gives up. */
export interface NotifierAdapter {
  send(notification: Notification, signal: AbortSignal): Promise<void>
}

/** What every adapter is opened with. */
export interface NotifierContext {
  /** Reads a secret or a variable, at the moment it is used. */
  readonly resolve: (reference: TextOrReference) => string
  /** The project's folder, absolute. */
  readonly root: string
  /** Prints one message for people. */
  readonly print: (text: string) => void
  readonly clock: Clock
  /** All addresses of a host name. @default the system's resolver */
  readonly lookup?: (host: string) => Promise<readonly string[]>
}
