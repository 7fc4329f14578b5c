/** Whether two path patterns can match the same file. */

/**
 * Whether some path matches both patterns, with `*` and `?` inside a part of the path, and `**` for any number of folders.
 *
 * @example overlap('inbox/*.csv', 'inbox/sales_?.csv') // true
 */
export function overlap(first: string, second: string): boolean {
  const parts = (path: string): string[] => path.replace(/^\.\//, '').split('/')
  return meet(parts(first), parts(second), '**', (a, b) => meet([...a], [...b], '*', meetCharacters))
}

function meetCharacters(a: string, b: string): boolean {
  return a === b || a === '?' || b === '?'
}

/** Whether two sequences have a common word, where `star` stands for any number of items; a table from the ends to the starts. */
function meet(
  a: readonly string[],
  b: readonly string[],
  star: string,
  same: (a: string, b: string) => boolean,
): boolean {
  let below: boolean[] = []
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = []
    for (let j = b.length; j >= 0; j--) {
      const [x, y] = [a[i], b[j]]
      if (x === undefined && y === undefined) row[j] = true
      else if (x === star) row[j] = below[j]! || (y !== undefined && row[j + 1]!)
      else if (y === star) row[j] = row[j + 1]! || (x !== undefined && below[j]!)
      else row[j] = x !== undefined && y !== undefined && same(x, y) && below[j + 1]!
    }
    below = row
  }
  return below[0]!
}
