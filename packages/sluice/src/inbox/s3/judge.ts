/** What a pattern makes of a key: folders are only what names have before a slash. */
import type { PassedOver } from '../inbox.ts'
import { isHidden, isTemporary, matches } from '../pattern.ts'

/** A delivery, or what is passed over: so many names of the key, and why. */
export type Verdict = 'delivery' | { readonly names: number; readonly why: PassedOver['why'] }

/**
 * Judges a key by the parts of a pattern, as a walk through folders would; undefined where the pattern does not mean it.
 *
 * @example judge(['in', 'x.csv'], ['in', '*.csv']) // 'delivery'
 * @param isInside Whether it is inside a hidden folder, where nothing else is hidden.
 */
export function judge(
  names: readonly string[],
  parts: readonly string[],
  at = 0,
  isInside = false,
): Verdict | undefined {
  const [part, ...rest] = parts
  const name = names[at]
  if (part === undefined || name === undefined) return undefined
  if (part === '**') {
    const here = judge(names, rest, at, isInside)
    return here === 'delivery' ? here : (enter(parts, part) ?? here)
  }
  const isLast = at === names.length - 1
  if (!matches(name, part)) {
    const isNear = isLast && rest.length === 0 && matches(name.toLowerCase(), part.toLowerCase())
    return isNear ? { names: at + 1, why: 'case' } : undefined
  }
  if (rest.length > 0) return enter(rest, part)
  const hidden = isHidden(name, part)
  // A star alone matches every folder, and means none.
  if (!isLast) return /[^*?]/.test(part) && !hidden ? { names: at + 1, why: 'folder' } : undefined
  if (isTemporary(name) || (hidden && name.startsWith('.'))) return undefined
  return hidden && !isInside ? { names: at + 1, why: 'hidden' } : 'delivery'

  /** Goes on below what stands for a folder of the pattern. */
  function enter(below: readonly string[], by: string): Verdict | undefined {
    if (at === names.length - 1) return undefined
    if (isInside || !isHidden(name as string, by)) return judge(names, below, at + 1, isInside)
    return judge(names, below, at + 1, true) === 'delivery' ? { names: at + 1, why: 'hidden' } : undefined
  }
}
