/** The notification contract. A notification never changes a run's outcome, carries no row values, and has an id that stays the same when it is sent again. */

/** What is told. */
export interface Notification {
  /** Stable across repetitions: run, task, outcome. */
  readonly id: string
  readonly at: string
  readonly project: string
  readonly pipeline: string
  readonly run: string
  readonly task?: string
  readonly status: 'succeeded' | 'failed' | 'cancelled'
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
