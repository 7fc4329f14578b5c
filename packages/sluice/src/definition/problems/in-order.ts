/** Problems as they are reported: each once, file by file, from above. */
import type { Problem } from '../../base/errors.ts'

/**
 * Each problem once, sorted by file and place. One that names its line stands for the same one without.
 *
 * @example inOrder([...loadProblems, ...planning.problems])
 */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const same = ({ name, message, at }: Problem, isPlaced: boolean): string =>
    JSON.stringify([name, message, at?.file, ...(isPlaced ? [at?.line, at?.column] : [])])
  const placed = new Set(problems.filter(({ at }) => at?.line !== undefined).map((one) => same(one, false)))
  const seen = new Set<string>()
  const once = problems.filter((one) => {
    if (seen.has(same(one, true)) || (one.at?.line === undefined && placed.has(same(one, false)))) return false
    return seen.add(same(one, true))
  })
  return once.sort(byPlace)
}

function byPlace(a: Problem, b: Problem): number {
  const key = ({ at }: Problem): [string, number, number] => [at?.file ?? '', at?.line ?? 0, at?.column ?? 0]
  const [x, y] = [key(a), key(b)]
  return x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[1] - y[1] || x[2] - y[2]
}
