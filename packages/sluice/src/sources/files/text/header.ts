/** Maps the columns that a file has to those that its contract names: by exact name, in any order, repairing nothing. */
import { sluiceError } from '../../../base/errors.ts'
import { printable } from '../../../base/printable.ts'
import type { Column } from '../../../definition/types.ts'

/**
 * The place in the file of each contract column.
 *
 * @example mapHeader('x.csv', ['b', 'a'], { a: { type: 'text' }, b: { type: 'text' } }, 'reject') // [1, 0]
 * @throws Source.Header, Source.ColumnMissing, Source.ColumnExtra
 */
export function mapHeader(
  file: string,
  found: readonly string[],
  columns: { readonly [column: string]: Column },
  extra: 'reject' | 'ignore',
): readonly number[] {
  const expected = Object.entries(columns).map(([name, column]) => column.from ?? name)
  const list = (names: readonly string[]): string => printable(names.map((name) => `"${name}"`).join(', '))
  const fail = (why: string): never => {
    throw sluiceError('Source.Header', { file, why, expected: list(expected), found: list(found) })
  }
  if (!expected.some((name) => found.includes(name))) {
    fail('none of the expected columns is in it; perhaps the file has no header')
  }
  if (found.some((name) => name === '')) fail('a column has no name')
  const twice = found.filter((name, place) => found.indexOf(name) !== place)
  if (twice.length > 0) fail(`${list(twice)} ${twice.length === 1 ? 'is' : 'are'} in it more than once`)
  const missing = expected.filter((name) => !found.includes(name))
  if (missing.length > 0)
    throw sluiceError('Source.ColumnMissing', { file, missing: list(missing), found: list(found) })
  const more = found.filter((name) => !expected.includes(name))
  if (more.length > 0 && extra === 'reject') throw sluiceError('Source.ColumnExtra', { file, extra: list(more) })
  return expected.map((name) => found.indexOf(name))
}
