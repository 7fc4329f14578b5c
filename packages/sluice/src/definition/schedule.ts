/** What may be written for a schedule. */

const fields: readonly { readonly min: number; readonly max: number; readonly names?: readonly string[] }[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
]

/**
 * Whether a text is a cron expression of five fields: minute, hour, day of month, month, day of week (POSIX crontab, with steps).
 *
 * @example isCron('0 6 * * mon-fri') // true
 */
export function isCron(expression: string): boolean {
  const parts = expression.trim().split(/\s+/)
  return parts.length === fields.length && parts.every((part, i) => part.split(',').every((item) => isItem(item, i)))
}

function isItem(item: string, field: number): boolean {
  const match = /^(\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:\/(\d+))?$/i.exec(item)
  if (match === null || (match[4] !== undefined && Number(match[4]) === 0)) return false
  if (match[1] === '*') return true
  const from = numberOf(match[2]!, field)
  const to = match[3] === undefined ? from : numberOf(match[3], field)
  return from !== undefined && to !== undefined && from <= to
}

function numberOf(text: string, field: number): number | undefined {
  const { min, max, names } = fields[field]!
  const named = names?.indexOf(text.toLowerCase()) ?? -1
  const value = named >= 0 ? named + min : /^\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

/**
 * Whether a text is a zone of the IANA time zone database.
 *
 * @example isZone('Europe/London') // true
 */
export function isZone(zone: string): boolean {
  try {
    // An offset such as +02:00 is accepted by newer runtimes, yet it is no zone.
    return /^[A-Za-z]/.test(zone) && new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions() !== undefined
  } catch {
    return false
  }
}
