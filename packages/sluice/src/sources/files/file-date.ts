/** The business date in a file's name. */

/** The letters a pattern may use, and how many digits stand for each. */
const letters: Readonly<Record<string, 'year' | 'month' | 'day'>> = { y: 'year', M: 'month', d: 'day' }

/**
 * The date that a name holds, as `yyyy-MM-dd`, or `undefined`. The first place where the whole pattern fits a real date counts.
 *
 * @example fileDateOf('sales_20101201.csv', 'yyyyMMdd') // '2010-12-01'
 */
export function fileDateOf(name: string, pattern: string): string | undefined {
  const groups: ('year' | 'month' | 'day')[] = []
  let source = ''
  for (const run of pattern.match(/y+|M+|d+|[^yMd]/g) ?? []) {
    const part = letters[run[0]!]
    if (part === undefined) source += run.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    else {
      groups.push(part)
      source += run.length === 1 ? '(\\d{1,2})' : `(\\d{${run.length}})`
    }
  }
  // A date does not begin or end in the middle of a longer number.
  for (const match of name.matchAll(new RegExp(`(?<!\\d)${source}(?!\\d)`, 'g'))) {
    const at = { year: '', month: '01', day: '01' }
    for (const [place, part] of groups.entries()) at[part] = match[place + 1]!.padStart(2, '0')
    const date = `${at.year.length === 2 ? `20${at.year}` : at.year}-${at.month}-${at.day}`
    const time = Date.parse(`${date}T00:00:00Z`)
    if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(date)) return date
  }
  return undefined
}
