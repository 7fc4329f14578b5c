/** What the user probably meant. */
import { distance } from 'fastest-levenshtein'

/**
 * The known name that is nearest to a wrong one; undefined where none is near.
 *
 * @example suggest('amout', ['amount', 'price']) // 'amount'
 */
export function suggest(wrong: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.floor(wrong.length / 3))
  let best: { name: string; far: number } | undefined
  for (const name of known) {
    const far = distance(wrong.toLowerCase(), name.toLowerCase())
    if (far <= limit && far < Math.max(wrong.length, name.length) && (best === undefined || far < best.far)) {
      best = { name, far }
    }
  }
  return best?.name
}
