/** Opens notifiers by kind, and decides which of them are told what. */
import { isSluiceError, type SluiceError, sluiceError } from '../base/errors.ts'
import type { Notifier } from '../definition/types.ts'
import { consoleNotifier } from './console.ts'
import type { Notification, NotifierAdapter, NotifierContext } from './notifier.ts'
import { outboxNotifier } from './outbox.ts'

type Open<K extends Notifier['kind']> = (
  definition: Extract<Notifier, { kind: K }>,
  context: NotifierContext,
) => NotifierAdapter

const adapters: { readonly [K in Notifier['kind']]: Open<K> } = {
  console: consoleNotifier,
  outbox: outboxNotifier,
  webhook: later(async () => (await import('./webhook.ts')).webhookNotifier),
  email: later(async () => (await import('./email.ts')).emailNotifier),
}

/** An adapter that is imported when it sends. */
function later<K extends Notifier['kind']>(load: () => Promise<Open<K>>): Open<K> {
  return (definition, context) => ({
    send: async (notification, signal) => (await load())(definition, context).send(notification, signal),
  })
}

/**
 * Opens the adapter of a definition; nothing is connected or read before it sends.
 *
 * @example notifierFor({ kind: 'console' }, { resolve, root, print: console.error, clock: systemClock })
 * @throws Notification.OutsideProject
 */
export function notifierFor(definition: Notifier, context: NotifierContext): NotifierAdapter {
  return (adapters[definition.kind] as Open<Notifier['kind']>)(definition as never, context)
}

/** What became of one notification at one notifier. */
export interface Delivery {
  readonly kind: Notifier['kind']
  readonly id: string
  /** Why it was not delivered. */
  readonly error?: SluiceError
}

/**
 * Whether a notifier is to be told: a cancelled run is neither a success nor a failure, and is told to `always` alone; an alert is told to all who
 * hear of failures.
 *
 * @example wants({ kind: 'console' }, notification) // only failures of whole runs
 */
export function wants({ on = 'failure', each = 'run' }: Notifier, { status, task }: Notification): boolean {
  if (status === 'alert') return on !== 'success'
  if (task !== undefined && each !== 'task') return false
  return on === 'always' || (on === 'success' ? status === 'succeeded' : status === 'failed')
}

/**
 * Sends notifications to whoever wants them, all notifiers at a time, each in order. Never throws: a run's outcome does not hang on it.
 *
 * @example for (const { error } of await dispatch(config.notifications, notifications, { open, signal })) if (error) warn(error)
 * @param options.open makes a notifier's adapter; see {@link notifierFor}
 */
export async function dispatch(
  definitions: readonly Notifier[],
  notifications: readonly Notification[],
  options: {
    readonly open: (definition: Notifier) => NotifierAdapter | Promise<NotifierAdapter>
    readonly signal: AbortSignal
  },
): Promise<readonly Delivery[]> {
  const deliveries = definitions.map(async (definition) => {
    const results: Delivery[] = []
    for (const notification of notifications.filter((one) => wants(definition, one))) {
      const { kind } = definition
      try {
        const adapter = await options.open(definition)
        await adapter.send(notification, options.signal)
        results.push({ kind, id: notification.id })
      } catch (error) {
        results.push({ kind, id: notification.id, error: asSluiceError(kind, error) })
      }
    }
    return results
  })
  return (await Promise.all(deliveries)).flat()
}

function asSluiceError(kind: string, error: unknown): SluiceError {
  if (isSluiceError(error)) return error
  const why = error instanceof Error ? error.message : String(error)
  return sluiceError('Notification.Failed', { kind, to: 'its receiver', tries: 1, why }, { cause: error })
}
