/** The pattern of a delivery's path: `*` and `?` within a name, `**` for folders; nothing else is special. */
import { sluiceError } from '../base/errors.ts'

/**
 * The parts of a pattern, one for a folder or a name.
 *
 * @example patternParts('inbox/sales_*.csv') // ['inbox', 'sales_*.csv']
 * @throws Source.Path where the pattern would leave the root
 */
export function patternParts(pattern: string): readonly string[] {
  const parts = pattern.split(/[/\\]/).filter((part) => part !== '' && part !== '.')
  const isAbsolute = pattern.startsWith('/') || /^[A-Za-z]:/.test(pattern)
  if (isAbsolute || parts.includes('..') || pattern.includes('\0') || parts.length === 0) {
    throw sluiceError('Source.Path', { path: pattern, why: 'it must stay below the project' })
  }
  return parts
}

/**
 * Whether an inbox lists a file of this path under the pattern.
 *
 * @example matchesPattern('inbox/a.csv', 'inbox/*.csv') // true
 */
export function matchesPattern(path: string, pattern: string): boolean {
  // The scheme of a path in a bucket is followed by an empty part.
  const names = path.split('/').filter((name) => name !== '')
  return !isTemporary(names.at(-1)!) && matchesParts(names, patternParts(pattern))
}

function matchesParts(names: readonly string[], parts: readonly string[]): boolean {
  const [name, ...below] = names
  const [part, ...rest] = parts
  if (name === undefined || part === undefined) return name === undefined && part === undefined
  if (part === '**')
    return matchesParts(names, rest) || (below.length > 0 && !isHidden(name, part) && matchesParts(below, parts))
  return matches(name, part) && !isHidden(name, part) && matchesParts(below, rest)
}

/**
 * Whether a name hides from a part of a pattern: programs keep drafts and what they have not finished under names that begin with a dot or an
 * underscore, so only a part that begins so, too, means them.
 *
 * @example isHidden('_temporary', '*') // true
 */
export function isHidden(name: string, part: string): boolean {
  // A folder that stands for a value of a column (`_region=eu`) is what a reader of partitions means.
  return /^(\.|_[^=]*$)/.test(name) && part[0] !== name[0]
}

/**
 * Whether a name is one that a sender uses until a file is complete.
 *
 * @example isTemporary('sales.csv.part') // true
 */
export function isTemporary(name: string): boolean {
  return /\.(part|tmp|partial|crdownload|filepart)$/i.test(name)
}

/**
 * Whether a name matches one part of a pattern. Either may write an accented letter as one character or as two: nobody sees which.
 *
 * @example matches('sales_1.csv', 'sales_*.csv') // true
 */
export function matches(name: string, part: string): boolean {
  return matchesText(name.normalize('NFC'), part.normalize('NFC'))
}

function matchesText(name: string, part: string): boolean {
  // The classic two-pointer match: linear for one star, never exponential.
  let [at, place, star, mark] = [0, 0, -1, 0]
  while (at < name.length) {
    if (place < part.length && part[place] === '*') {
      star = place++
      mark = at
    } else if (place < part.length && (part[place] === '?' || part[place] === name[at])) {
      place++
      at++
    } else if (star >= 0) {
      place = star + 1
      at = ++mark
    } else return false
  }
  while (part[place] === '*') place++
  return place === part.length
}
