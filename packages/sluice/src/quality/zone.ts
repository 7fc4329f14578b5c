/**
 * Local times in a zone, as instants, without a guess (fault IN-16): a time that the zone skips is refused, a time that it has twice is refused
 * unless the earlier or the later is declared.
 */
import { quoteText } from '../sql/quote.ts'

/** Expressions over one local time. */
export interface ZonedTime {
  /** TIMESTAMP WITH TIME ZONE. */
  readonly value: string
  /** Whether the local time exists, and only once or as declared. NULL where the local time is. */
  readonly valid: string
}

/**
 * Turns a local time into an instant.
 *
 * ICU gives a skipped time the offset from before the gap, so converting back gives another local time; and it gives a repeated time its later
 * instant. The earlier one, where there is one, is as much earlier as the offset has shrunk in the last 24 hours (no zone has
 * ever repeated more than a day), and is proven by converting it back.
 *
 * @example zonedTime('local', 'Europe/London', 'reject')
 * @param local a TIMESTAMP expression
 */
export function zonedTime(local: string, zone: string, overlap: 'reject' | 'earlier' | 'later'): ZonedTime {
  const at = quoteText(zone)
  const later = `timezone(${at}, ${local})`
  const back = `timezone(${at}, ${later})`
  const shrunk = `(timezone(${at}, ${later} - INTERVAL 24 HOURS) + INTERVAL 24 HOURS - ${back})`
  const earlier = `(${later} - ${shrunk})`
  // CASE, so that the last conversion is made only near a transition.
  const twice = `CASE WHEN ${shrunk} > INTERVAL 0 SECONDS THEN timezone(${at}, ${earlier}) = ${local} ELSE false END`
  const exists = `${back} = ${local}`
  if (overlap === 'reject') return { value: later, valid: `(${exists} AND NOT ${twice})` }
  if (overlap === 'later') return { value: later, valid: exists }
  return { value: `CASE WHEN ${twice} THEN ${earlier} ELSE ${later} END`, valid: exists }
}

/**
 * Whether a local time exists in a zone.
 *
 * @example existsInZone('local', 'Europe/London')
 */
export function existsInZone(local: string, zone: string): string {
  const at = quoteText(zone)
  return `timezone(${at}, timezone(${at}, ${local})) = ${local}`
}
