/** One of the runs that follow each other, as one line. Pure. */
import type { WatchCycle } from '../../run/api.ts'
import type { RunEvent } from '../../run/ledger/events.ts'
import type { Channel } from '../terminal.ts'
import { lagText, loadText, marks } from './run-line.ts'
import { count, duration, firstLine, plural, visible } from './text.ts'

type Finished = Extract<RunEvent, { type: 'task.finished' }>

/** Tables that are named; of the others only their number is reported. */
const most = 4

/**
 * The line of a run: when it ended, what came in and what was loaded, or why it failed and when it is tried again.
 *
 * @example cycleLine(cycle, channel.paint) // '10:00:05 ✔ raw.shop 12 rows, dim_customer +1 ~0 -0 = 3 rows  0.8 s'
 */
export function cycleLine(cycle: WatchCycle, paint: Channel['paint']): string {
  const { isBusy, summary, events, nextMs } = cycle
  if (isBusy) return `${paint('yellow', '–')} another run holds the project; looks again every ${duration(nextMs)}`
  const at = events.at(-1)?.ts.slice(11, 19) ?? ''
  const status = summary?.status ?? 'cancelled'
  const [look, mark] = marks[status]
  const finished = events.filter((event): event is Finished => event.type === 'task.finished')
  const told = [...finished.filter(isFailure).map(failureOf), ...remarksIn(events), ...finished.flatMap(didOf)]
  const more = told.length > most ? [`and ${plural(told.length - most, 'table')} more`] : []
  const did = told.length === 0 ? 'all is well again' : [...told.slice(0, most), ...more].join(', ')
  const took = duration(summary?.durationMs ?? 0)
  const again = status === 'failed' ? `; tried again in ${duration(nextMs)}` : ''
  return `${paint('dim', at)} ${paint(look, mark)} ${status === 'cancelled' ? 'stopped' : did}  ${took}${again}`
}

const isFailure = ({ status, error }: Finished): boolean => status === 'failed' && error !== undefined

function failureOf({ table, error }: Finished): string {
  return `${visible(table)} ${error!.code} ${visible(firstLine(error!.message).replace(/\.$/, ''))}`
}

function remarksIn(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) => {
    if (event.type === 'source.lag') return event.isNew ? [`${visible(event.table)} ${lagText(event)}`] : []
    if (event.type !== 'task.refused') return []
    return [`${visible(event.input)} ${event.what === 'table' ? 'waits: sluice cdc status' : 'refused'}`]
  })
}

/** What came in and what was loaded; what is made in between is left out. */
function didOf({ kind, status, table, load, accounting, version }: Finished): readonly string[] {
  if (status !== 'succeeded') return []
  if (kind === 'load') return load === undefined ? [] : [`${visible(table)} ${loadText(load)}`]
  const refused = (accounting?.quarantined ?? 0) > 0 ? ` (${count(accounting!.quarantined)} quarantined)` : ''
  if (kind === 'ingest') return [`${visible(table)} ${plural(accounting?.accepted ?? 0, 'row')}${refused}`]
  return refused === '' ? [] : [`${visible(table)} v${version ?? 0}${refused}`]
}
