/** Builders of notifiers: where the messages of a run go. */
import type { Notifier } from '../types.ts'

/** When a notifier sends, and how much. */
export type NotifyOptions = Pick<Notifier, 'on' | 'each'>

type NotifierOf<K extends Notifier['kind']> = Extract<Notifier, { kind: K }>

/**
 * Where messages go: `console`, `outbox` (a file of JSON lines), `webhook`, `email`.
 *
 * @example [notify.outbox('notifications.jsonl', { on: 'always' }), notify.webhook(secret('HOOK_URL'))]
 */
export const notify = {
  /** On the terminal. */
  console: (options: NotifyOptions = {}): NotifierOf<'console'> => ({ kind: 'console', ...options }),
  /** One JSON object a line, appended to a file below the project. */
  outbox: (path: string, options: NotifyOptions = {}): NotifierOf<'outbox'> => ({ kind: 'outbox', path, ...options }),
  /** A POST, retried and signed; private addresses are refused unless `allowPrivate`. */
  webhook: (
    url: NotifierOf<'webhook'>['url'],
    options: Omit<NotifierOf<'webhook'>, 'kind' | 'url'> = {},
  ): NotifierOf<'webhook'> => ({ kind: 'webhook', url, ...options }),
  /** Through SMTP, with a verified certificate unless told otherwise. */
  email: (options: Omit<NotifierOf<'email'>, 'kind'>): NotifierOf<'email'> => ({ kind: 'email', ...options }),
} as const
