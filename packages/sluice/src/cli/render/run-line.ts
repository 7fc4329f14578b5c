/** A run as plain lines, one an event: for pipes, logs and machines that people watch. */
import { agedOutText } from '../../query/reads.ts'
import type { RunEvent } from '../../run/ledger/events.ts'
import type { Channel } from '../terminal.ts'
import { bytes, count, duration, firstLine, plural, rate, visible } from './text.ts'

type Finished = Extract<RunEvent, { type: 'task.finished' }>

/** The sign of each state: a letter tells as much as the colour. */
export const marks = {
  running: ['cyan', '▸'],
  succeeded: ['green', '✔'],
  failed: ['red', '✖'],
  skipped: ['yellow', '–'],
  unchanged: ['dim', '='],
  cancelled: ['yellow', '■'],
} as const

type Paint = Channel['paint']

/**
 * The line of an event; nothing for events that people need not see.
 *
 * @example runLine(event, channel.paint)
 */
export function runLine(event: RunEvent, paint: Paint): string | undefined {
  switch (event.type) {
    case 'run.started':
      return `Run ${event.runId} of ${visible(event.pipelines.join(', '))}: ${event.command === undefined ? `${plural(event.tasks, 'task')} to run` : visible(event.command)}`
    case 'task.started':
      return `${paint('cyan', '▸')} ${visible(event.table)}  ${event.kind}${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}`
    case 'task.progress':
      return `  ${visible(event.task)}  ${plural(event.rows, 'row')}${event.input === undefined ? '' : `  ${visible(event.input)}`}`
    case 'quarantine.aged-out':
      return `${paint('yellow', '!')} ${visible(agedOutText(event))}`
    case 'task.warning':
      return `${paint('yellow', '!')} ${visible(event.task)}  ${visible(event.message)}`
    case 'source.lag':
      return event.error === undefined ? undefined : lagLine(event, paint)
    case 'task.refused':
      return `${paint('red', '✖')} ${visible(event.input)}  ${event.what === 'table' ? 'waits' : 'refused'}: ${visible(event.error.message)}`
    case 'quality.result':
      return event.status === 'passed' ? undefined : checkLine(event, paint)
    case 'task.finished': {
      const [look, mark] = marks[event.status]
      return `${paint(look, mark)} ${visible(event.table)}  ${outcome(event)}`
    }
    case 'notification.failed':
      return `${paint('yellow', '!')} notification (${event.kind}) failed: ${visible(event.error?.message ?? '')}`
    default:
      return undefined
  }
}

type LagEvent = Extract<RunEvent, { type: 'source.lag' }>

function lagLine({ task, level, error }: LagEvent, paint: Paint): string {
  const name = level === 'alert' ? paint('red', 'ALERT ') : ''
  return `${paint('yellow', '!')} ${visible(task)}  ${name}${error?.code} ${visible(error?.message ?? '')}`
}

/** @example lagText(event) // 'is 1.2 GiB behind (alert); the server keeps 1.3 GiB' */
export function lagText({ bytes: behind, keptBytes, level }: Pick<LagEvent, 'bytes' | 'keptBytes' | 'level'>): string {
  return `is ${bytes(behind)} behind (${level}); the server keeps ${bytes(keptBytes)}`
}

function checkLine(event: Extract<RunEvent, { type: 'quality.result' }>, paint: Paint): string {
  const [look, mark] = event.status === 'failed' ? (['red', '✖'] as const) : (['yellow', '!'] as const)
  const { check, failing, total, detail } = event
  const found = detail === undefined ? `${count(failing)} of ${count(total)}` : visible(detail)
  return `${paint(look, mark)} ${visible(event.task)}  check ${visible(check)} ${event.status === 'refused' ? '' : `${event.status}: `}${found}`
}

/** What became of a task, in a few words: `v3  42,481 read = 26,157 accepted + 16,324 quarantined  3.2 s`. */
export function outcome(event: Finished): string {
  const parts: string[] = []
  if (event.version !== undefined) parts.push(`v${event.version}`)
  if (event.accounting !== undefined && (event.kind === 'ingest' || keepsFewer(event.accounting)))
    parts.push(equation(event.accounting))
  else if (event.load !== undefined && event.status === 'succeeded') parts.push(loadText(event.load))
  else if (event.rows !== undefined) parts.push(plural(event.rows, 'row'))
  if (event.partitions !== undefined && event.partitions.rewritten < event.partitions.total)
    parts.push(`${count(event.partitions.rewritten)} of ${plural(event.partitions.total, 'partition')} rewritten`)
  if (event.error !== undefined) parts.push(`${event.error.code} ${visible(firstLine(event.error.message))}`)
  else if (event.reason !== undefined && event.status !== 'succeeded') parts.push(visible(event.reason))
  if (event.status === 'succeeded' || event.status === 'failed') parts.push(duration(event.durationMs))
  const read = event.accounting?.read ?? event.rows ?? 0
  if (event.status === 'succeeded' && event.durationMs >= 1000 && read > 0) parts.push(rate(read, event.durationMs))
  return [event.status, ...parts].join('  ')
}

/** A model makes other rows of those that it reads; where it declares that it leaves some out, the equation says how many. */
function keepsFewer({ dropped, quarantined }: NonNullable<Finished['accounting']>): boolean {
  return quarantined > 0 || Object.values(dropped).some((rows) => rows > 0)
}

/** Rows read and where each of them went. */
export function equation(rows: {
  readonly read: number
  readonly accepted: number
  readonly quarantined: number
  readonly dropped: number | { readonly [reason: string]: number }
}): string {
  const { dropped } = rows
  const total = typeof dropped === 'number' ? dropped : Object.values(dropped).reduce((a, b) => a + b, 0)
  const why = typeof dropped === 'number' || total === 0 ? '' : ` (${visible(Object.keys(dropped).join(', '))})`
  return `${count(rows.read)} read = ${count(rows.accepted)} accepted + ${count(rows.quarantined)} quarantined + ${count(total)} dropped${why}`
}

/** @example loadText({ inserted: 5, updated: 1, deleted: 0, total: 9 }) // '+5 ~1 -0 = 9 rows' */
export function loadText(load: NonNullable<Finished['load']>): string {
  const closed = load.closed === undefined || load.closed === 0 ? '' : `, ${count(load.closed)} closed`
  return `+${count(load.inserted)} ~${count(load.updated)} -${count(load.deleted)} = ${plural(load.total, 'row')}${closed}`
}
