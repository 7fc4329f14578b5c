/**
 * Windows of time over changes. Pure.
 *
 * A server compares local times, and a zone has some of them twice. So no bound ever lies in a repeated hour: it waits before it until the hour
 * is over. Windows then follow each other in local time as they do in real time, without a gap and without a row in two of them.
 */
import type { ProcedureWindow } from '../../definition/types.ts'

/** A frozen window. */
export interface Window {
  /** Local times of the zone, ISO 8601 with milliseconds: the lower bound belongs to the window, the upper does not. */
  readonly from: string
  readonly to: string
  /** The upper bound as an instant: the watermark, once the rows are committed. */
  readonly watermark: string
}

/**
 * The window of a run: from the watermark (less the overlap), or the declared start, to the run's start (less the lag).
 *
 * @example windowOf({ start: '2020-01-01', zone: 'UTC', overlapSeconds: 0, lagSeconds: 60 }, undefined, new Date('2026-01-01T00:01:00Z'))
 * // { from: '2020-01-01 00:00:00.000', to: '2026-01-01 00:00:00.000', watermark: '2026-01-01T00:00:00.000Z' }
 * @param watermark the current version's
 * @param startedAt when the run started
 */
export function windowOf(window: ProcedureWindow, watermark: string | undefined, startedAt: Date): Window {
  const { zone, overlapSeconds, lagSeconds } = window
  const start = startText(window.start)
  const before = watermark === undefined ? undefined : Date.parse(watermark)
  // A clock that was set back a little, or a lag that was made longer, makes an empty window: never one that runs backwards.
  const until = outsideRepeated(Math.max(startedAt.getTime() - lagSeconds * 1000, before ?? 0), zone)
  const from =
    before === undefined ? start : later(start, localText(outsideRepeated(before - overlapSeconds * 1000, zone), zone))
  return { from, to: later(from, localText(until, zone)), watermark: new Date(until).toISOString() }
}

/** Texts of one form sort as the times that they say. */
const later = (a: string, b: string): string => (a > b ? a : b)

function startText(start: string): string {
  const [date = '', time = '00:00:00'] = start.split(/[T ]/)
  const [clock = '', fraction = ''] = time.split('.')
  return `${date} ${clock.length === 5 ? `${clock}:00` : clock}.${fraction.padEnd(3, '0')}`
}

const formats = new Map<string, Intl.DateTimeFormat>()

/**
 * An instant as local time of a zone.
 *
 * @example localText(Date.UTC(2026, 6, 1), 'Europe/Berlin') // '2026-07-01 02:00:00.000'
 * @param instant milliseconds since 1970
 */
export function localText(instant: number, zone: string): string {
  return new Date(instant + offset(instant, zone)).toISOString().replace('T', ' ').slice(0, 23)
}

/** How far a zone is ahead of UTC, in milliseconds. */
function offset(instant: number, zone: string): number {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(zone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]))
  const [year, month, day, hour, minute, second] = ['year', 'month', 'day', 'hour', 'minute', 'second'].map((part) =>
    Number(parts[part]),
  ) as [number, number, number, number, number, number]
  const local = Date.UTC(year, month - 1, day, hour, minute, second)
  return local - Math.floor(instant / 1000) * 1000
}

const day = 24 * 3600 * 1000

/** The instant itself, or the beginning of the repeated time that it lies in. */
function outsideRepeated(instant: number, zone: string): number {
  for (const [from, to] of [
    [instant - day, instant],
    [instant, instant + day],
  ] as const) {
    const shrunk = offset(from, zone) - offset(to, zone)
    if (shrunk <= 0) continue
    const change = transition(from, to, zone)
    // Its local time comes twice from so long before the change until so long after it.
    if (instant >= change - shrunk && instant < change + shrunk) return change - shrunk
  }
  return instant
}

/** The first millisecond with the later offset, where it changes once between two instants. */
function transition(from: number, to: number, zone: string): number {
  const after = offset(to, zone)
  let [low, high] = [from, to]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offset(middle, zone) === after) high = middle
    else low = middle
  }
  return high
}
