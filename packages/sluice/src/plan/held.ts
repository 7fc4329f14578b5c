/** What is said of snapshots that are held. */
import type { HeldSnapshot } from './types.ts'

/**
 * That snapshots are held, why, and what takes them; nothing where none is.
 *
 * @example heldInWords('dim_price', [{ instant: '2026-03-02', keys: 40, before: 100 }])
 */
export function heldInWords(target: string, held: readonly HeldSnapshot[]): readonly string[] {
  const [first] = held
  if (first === undefined) return []
  const named = held
    .slice(0, 3)
    .map(
      ({ instant, keys, before }) =>
        `${instant} has ${count(keys)} ${keys === 1 ? 'key' : 'keys'}, the one before it has ${count(before)}`,
    )
  const more = held.length > named.length ? `; and ${held.length - named.length} more` : ''
  const many =
    held.length === 1
      ? 'a snapshot is held, as if it had not come'
      : `${held.length} snapshots are held, as if they had not come`
  const instant = first.instant.includes(' ') ? `"${first.instant}"` : first.instant
  return [`${many}: ${named.join('; ')}${more}. If it is right: sluice accept ${target} ${instant}`]
}

const count = (of: number): string => of.toLocaleString('en-US')
