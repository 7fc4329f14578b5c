/** Renders kept events as a log for people: one line an event, of a run or of one of its tasks. */
import { agedOutText, type RunEvent } from './events.ts'

/**
 * The log of a run.
 *
 * @param task only this task's lines, by id or table
 * @example logText(events, 'model:stage.sales')
 */
export function logText(events: readonly RunEvent[], task?: string): string {
  return events
    .filter(
      (event) => task === undefined || ('task' in event && (event.task === task || event.task.endsWith(`:${task}`))),
    )
    .map((event) => `${event.ts} ${line(event)}\n`)
    .join('')
}

function line(event: RunEvent): string {
  switch (event.type) {
    case 'run.started':
      return `run ${event.runId} of ${event.project} started: ${event.command ?? `${event.tasks} tasks to run`} in ${event.pipelines.join(', ')}`
    case 'task.started':
      return `${event.task} started${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}`
    case 'task.progress':
      return `${event.task} ${event.rows} rows, ${event.bytes} bytes`
    case 'quarantine.aged-out':
      return agedOutText(event)
    case 'task.warning':
      return `${event.task} warning: ${event.message}`
    case 'source.lag':
      return `${event.task} ${event.level === 'ok' ? 'lag' : event.level}: ${event.bytes} bytes${event.seconds === undefined ? '' : ` and ${Math.round(event.seconds)} seconds`} behind, ${event.keptBytes} bytes kept by the server${event.error === undefined ? '' : ` (${event.error.code} ${event.error.message})`}`
    case 'task.refused':
      return `${event.task} ${event.what === 'table' ? `waits with ${event.input}` : `refused ${event.input}`}: ${event.error.code} ${event.error.message}${event.report === undefined ? '' : ` (report: ${event.report})`}`
    case 'quality.result':
      return `${event.task} check ${event.check} ${event.status}: ${event.failing} of ${event.total} rows fail${event.detail === undefined ? '' : ` (${event.detail})`}`
    case 'task.failed':
      return `${event.task} attempt ${event.attempt} failed in ${event.durationMs} ms: ${event.error.code} ${event.error.message}`
    case 'task.finished':
      return `${event.task} ${event.status} in ${event.durationMs} ms${event.version === undefined ? '' : `, version ${event.version}`}${accounting(event)}${loaded(event)}${event.reason === undefined ? '' : `: ${event.reason}`}${event.error === undefined ? '' : `: ${event.error.code} ${event.error.message}`}`
    case 'notification.sent':
      return `notification ${event.id} sent by ${event.kind}`
    case 'notification.failed':
      return `notification ${event.id} not sent by ${event.kind}: ${event.error?.message ?? ''}`
    case 'run.finished':
      return `run ${event.runId} ${event.summary.status} in ${event.summary.durationMs} ms${event.summary.error === undefined ? '' : `: ${event.summary.error.code} ${event.summary.error.message}`}`
  }
}

function accounting(event: Extract<RunEvent, { type: 'task.finished' }>): string {
  const of = event.accounting
  if (of === undefined) return ''
  const dropped = Object.entries(of.dropped).map(([why, count]) => ` + ${count} dropped (${why})`)
  return `, ${of.read} read = ${of.accepted} accepted + ${of.quarantined} quarantined${dropped.join('')}`
}

function loaded(event: Extract<RunEvent, { type: 'task.finished' }>): string {
  if (event.load === undefined) return ''
  const { inserted, updated, deleted, closed = 0, total } = event.load
  return `, ${inserted} inserted, ${updated} updated, ${deleted} deleted${closed === 0 ? '' : `, ${closed} closed`}, ${total} in all`
}
