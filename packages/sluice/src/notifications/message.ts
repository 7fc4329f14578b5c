/** A notification as text, safe for terminals, mail headers and logs (fault NO-04), and without anything that the notification does not name. */
import type { Notification } from './notifier.ts'

/**
 * One line: control characters, line separators and characters that reorder text become spaces.
 *
 * @example oneLine('a\r\nBcc: x') // 'a Bcc: x'
 */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
}

/**
 * The subject of a message.
 *
 * @example subjectOf(notification) // 'shop/retail failed: 3 of 20 files refused'
 */
export function subjectOf({ project, pipeline, task, status, summary }: Notification): string {
  const what = [project, pipeline, ...(task === undefined ? [] : [task])].join('/')
  return oneLine(`${what} ${status}: ${summary}`).slice(0, 200)
}

/**
 * The whole message as plain lines.
 *
 * @example textOf(notification).split('\n')[0] // 'shop/retail failed: 3 of 20 files refused'
 */
export function textOf(notification: Notification): string {
  const { rows, error } = notification
  return [
    subjectOf(notification),
    ...(error === undefined ? [] : [`${error.code} ${error.name}: ${error.message}`]),
    ...(rows === undefined
      ? []
      : [
          `rows: ${rows.read} read, ${rows.accepted} accepted, ${rows.quarantined} quarantined, ${rows.dropped} dropped`,
        ]),
    `run: ${notification.run}, ${notification.at}`,
    `Next: ${notification.next}`,
  ]
    .map(oneLine)
    .join('\n')
}

/**
 * The members that leave the process, and no others, as JSON on one line.
 *
 * @example jsonOf(notification) // '{"v":1,"id":"…",…}'
 */
export function jsonOf(notification: Notification): string {
  const { id, at, project, pipeline, run, task, status, summary, rows, error, next } = notification
  return JSON.stringify({
    v: 1,
    id,
    at,
    project,
    pipeline,
    run,
    task,
    status,
    summary,
    rows: rows && { read: rows.read, accepted: rows.accepted, quarantined: rows.quarantined, dropped: rows.dropped },
    error: error && { code: error.code, name: error.name, message: error.message },
    next,
  })
}
