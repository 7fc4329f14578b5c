/** 8xxx: notifications. */
import { entry } from './entry.ts'

/** Errors of notifications. */
export const notificationErrors = {
  'Notification.Refused': entry<{ url: string; why: string }>({
    code: 'SLU8001',
    title: 'A notification address is not allowed.',
    message: ({ url, why }) => `Notifications are not sent to ${url}: ${why}.`,
    hint: () => 'Allow it by name in the configuration (allowPrivate), if it is meant. The run itself is unaffected.',
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault NO-03.',
  }),
  'Notification.Failed': entry<{ kind: string; to: string; tries: number; why: string }>({
    code: 'SLU8002',
    title: 'A notification could not be delivered.',
    message: ({ kind, to, tries, why }) =>
      `The ${kind} notification to ${to} was not delivered after ${tries} ${tries === 1 ? 'try' : 'tries'}: ${why}.`,
    hint: () => 'The run itself is unaffected, and its outcome is kept: sluice runs',
    retry: 'transient',
    exit: 3,
    explanation:
      'Faults NO-01 and NO-02: a message that is sent again carries the same id, by which a receiver can drop it.',
  }),
  'Notification.OutsideProject': entry<{ path: string }>({
    code: 'SLU8003',
    title: 'An outbox lies outside of the project.',
    message: ({ path }) => `The outbox "${path}" is not below the project's folder; nothing was written.`,
    hint: () => 'Give a path below the project. The run itself is unaffected.',
    retry: 'terminal',
    exit: 2,
  }),
}
