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
}
