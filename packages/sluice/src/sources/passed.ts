/** What looks like an input of a source and is none, in words. */
import { printable } from '../base/printable.ts'
import type { DiscoveredInput } from './source.ts'

/**
 * What was passed over, in words, one line a reason.
 *
 * @example passedInWords(inputs) // ['"inbox/a.csv" was left: links are not followed']
 */
export function passedInWords(inputs: readonly DiscoveredInput[]): readonly string[] {
  const byReason = new Map<string, string[]>()
  for (const { path, decision, reason = '' } of inputs)
    if (decision === 'passed') byReason.set(reason, [...(byReason.get(reason) ?? []), `"${printable(path)}"`])
  return [...byReason].map(([reason, paths]) => {
    const more = paths.length > 3 ? ` and ${paths.length - 3} more` : ''
    return `${paths.slice(0, 3).join(', ')}${more} ${paths.length === 1 ? 'was' : 'were'} left: ${reason}`
  })
}
