/** Notifications on the terminal. */
import type { Notifier } from '../definition/types.ts'
import { textOf } from './message.ts'
import type { NotifierAdapter, NotifierContext } from './notifier.ts'

/**
 * Prints each notification as a few plain lines.
 *
 * @example consoleNotifier({ kind: 'console' }, context)
 */
export function consoleNotifier(
  _definition: Extract<Notifier, { kind: 'console' }>,
  { print }: NotifierContext,
): NotifierAdapter {
  return { send: async (notification) => print(textOf(notification)) }
}
