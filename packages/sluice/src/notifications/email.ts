/** Notifications by e-mail, through SMTP. */

import { sluiceError } from '../base/errors.ts'
import { sha256 } from '../base/json.ts'
import type { Notifier } from '../definition/types.ts'
import { oneLine, subjectOf, textOf } from './message.ts'
import type { NotifierAdapter, NotifierContext } from './notifier.ts'
import { type Try, tryAgain } from './retry.ts'

/** Each step of a conversation ends after so many milliseconds. */
const timeoutMs = 10_000

/**
 * Mails each notification as plain text. The certificate is verified unless `tls` is false; the `Message-ID` is the same when it is sent again.
 *
 * @example emailNotifier({ kind: 'email', to: ['ops@example.com'], from: 'sluice@example.com', host: 'smtp.example.com' }, context)
 * @throws Notification.Failed
 */
export function emailNotifier(
  definition: Extract<Notifier, { kind: 'email' }>,
  { resolve, clock }: NotifierContext,
): NotifierAdapter {
  const tls = definition.tls !== false
  const port = definition.port ?? (tls ? 587 : 25)
  return {
    async send(notification, signal) {
      const { createTransport } = await import('nodemailer')
      const transport = createTransport({
        host: definition.host,
        port,
        // RFC 8314, 3.3: port 465 speaks TLS from the start; elsewhere STARTTLS is required, not hoped for.
        secure: tls && port === 465,
        requireTLS: tls && port !== 465,
        ignoreTLS: !tls,
        ...(definition.user === undefined
          ? {}
          : { auth: { user: resolve(definition.user), pass: resolve(definition.password ?? '') } }),
        connectionTimeout: timeoutMs,
        greetingTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        disableFileAccess: true,
        disableUrlAccess: true,
      })
      const stop = (): void => transport.close()
      signal.addEventListener('abort', stop)
      try {
        const failure = await tryAgain(clock, signal, async () => {
          try {
            await transport.sendMail({
              from: oneLine(definition.from),
              to: definition.to.map(oneLine),
              subject: subjectOf(notification),
              text: textOf(notification),
              messageId: `<${sha256(notification.id)}@sluice>`,
              headers: { 'X-Sluice-Notification-Id': encodeURIComponent(notification.id) },
            })
            return { done: true }
          } catch (error) {
            return refusal(error)
          }
        })
        if (failure !== undefined)
          throw sluiceError('Notification.Failed', { kind: 'email', to: definition.host, ...failure })
      } finally {
        signal.removeEventListener('abort', stop)
        transport.close()
      }
    },
  }
}

/** RFC 5321, 4.2.1: 4xx may be tried again, 5xx may not. Without a reply it was the network, or the certificate. */
function refusal(error: unknown): Try {
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  const why = responseCode === undefined ? (code ?? oneLine(String(error))) : `it answered ${responseCode}`
  const again =
    responseCode === undefined
      ? code === 'ECONNECTION' || code === 'ESOCKET' || code === 'ETIMEDOUT' || code === 'EDNS'
      : responseCode < 500
  return { done: false, why, again }
}
