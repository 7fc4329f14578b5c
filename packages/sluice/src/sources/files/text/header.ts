/** Maps the columns that a file has to those that its contract names: by declared names, in any order, repairing nothing. */
import { sluiceError } from '../../../base/errors.ts'
import { distinct, printable } from '../../../base/printable.ts'
import type { Column } from '../../../definition/types.ts'

/**
 * The names that a contract column may have in a file.
 *
 * @example namesInFile('id', { type: 'text', aliases: ['Id'] }) // ['id', 'Id']
 */
export function namesInFile(name: string, { from = name, aliases = [] }: Column): readonly string[] {
  return [from, ...aliases]
}

/**
 * The place in the file of each contract column, -1 for an optional one that is absent. A name may write an accented letter as one character or as two: Unicode has them be equal, and
 * nobody sees which.
 *
 * @example mapHeader('x.csv', ['b', 'a'], { a: { type: 'text' }, b: { type: 'text' } }, 'reject') // [1, 0]
 * @param delimiter of a file whose header is text: where another one fits, the refusal says so
 * @param differs takes what is missing or new, where that does not refuse the file
 * @throws Source.Header, Source.ColumnMissing, Source.ColumnExtra
 */
export function mapHeader(
  file: string,
  found: readonly string[],
  columns: { readonly [column: string]: Column },
  extra: 'reject' | 'ignore',
  delimiter?: string,
  differs?: (reasons: readonly string[]) => void,
): readonly number[] {
  const wanted = Object.entries(columns).map(([name, column]) => namesInFile(name, column))
  const expected = wanted.flat()
  const fail = (why: string): never => {
    throw sluiceError('Source.Header', { file, why, expected: namesInWords(expected), found: namesInWords(found) })
  }
  const places = new Map<string, number>()
  const twice: string[] = []
  for (const [place, name] of found.entries()) {
    if (places.has(composed(name))) twice.push(name)
    else places.set(composed(name), place)
  }
  if (!expected.some((name) => places.has(composed(name)))) {
    const other = delimiter === undefined ? undefined : otherDelimiter(found.join(delimiter), delimiter, expected)
    const perhaps = other === undefined ? 'perhaps the file has no header' : seemsDelimitedBy(other)
    fail(`none of the expected columns is in it; ${perhaps}`)
  }
  if (found.some((name) => name === '')) fail('a column has no name')
  if (twice.length > 0) fail(`${namesInWords(twice)} ${twice.length === 1 ? 'is' : 'are'} in it more than once`)
  const present = wanted.map((names) => names.filter((name) => places.has(composed(name))))
  const several = present.find((names) => new Set(names.map(composed)).size > 1)
  if (several !== undefined) fail(`${namesInWords(several)} are names of one column`)
  const required = Object.values(columns).map(({ optional }) => optional !== true)
  const missing = wanted.flatMap(([name], place) => (required[place] && present[place]!.length === 0 ? [name!] : []))
  if (missing.length > 0 && differs === undefined) {
    throw sluiceError('Source.ColumnMissing', { file, missing: namesInWords(missing), found: namesInWords(found) })
  }
  const known = new Set(expected.map(composed))
  const more = found.filter((name) => !known.has(composed(name)))
  const extras = extra === 'reject' ? more : []
  if (extras.length > 0 && differs === undefined) {
    throw sluiceError('Source.ColumnExtra', { file, extra: namesInWords(more) })
  }
  if (missing.length + extras.length > 0) differs?.(driftReasons(missing, extras))
  return present.map(([name]) => (name === undefined ? -1 : places.get(composed(name))!))
}

/**
 * The reason of a row with a column that its contract does not have.
 *
 * @example newColumn('discount') // 'newColumn:discount'
 */
export const newColumn = (name: string): string => `newColumn:${beginning(name)}`

/** What a row says of a header that drifted: a few names, as they come with each row. */
function driftReasons(missing: readonly string[], extras: readonly string[]): readonly string[] {
  const reasons = [...missing.map((name) => `missingColumn:${beginning(name)}`), ...extras.map(newColumn)]
  return reasons.slice(0, said.names)
}

/**
 * Whether a row was refused for the columns of its file, and not for itself.
 *
 * @example isOfDrift(['newColumn:discount']) // true
 */
export function isOfDrift([reason = '']: readonly string[]): boolean {
  return /^(?:missingColumn|newColumn|columnType):/.test(reason)
}

const composed = (name: string): string => name.normalize('NFC')

/** What a message says of names: so many of them, and so much of each. */
const said = { names: 20, characters: 100 }

/**
 * Names for a message: a few of many, the beginning of long ones, and what does not show as an escape.
 *
 * @example namesInWords(['a', 'b']) // '"a", "b"'
 */
export function namesInWords(names: readonly string[]): string {
  const list = names.slice(0, said.names).map((name) => `"${beginning(name)}"`)
  const more = names.length - list.length
  return more === 0 ? list.join(', ') : `${list.join(', ')} and ${more} more`
}

function beginning(name: string): string {
  const part = [...name.slice(0, said.characters * 2)].slice(0, said.characters).join('')
  return name.length > part.length ? `${distinct(part)}…` : distinct(part)
}

const seemsDelimitedBy = (other: string): string => {
  const shown = printable(other)
  return `the file seems to be delimited by '${shown}', which is declared with format: { delimiter: '${shown}' }`
}

/**
 * What the first record says of its delimiter, where it is not well formed because text follows a closing quote.
 *
 * @example delimiterInWords('"a";"b"') // "the file seems to be delimited by ';', …"
 */
export function delimiterInWords(record: string): string | undefined {
  const other = /^"[^"]*"([,;\t|:^~])"/.exec(record)?.[1]
  return other === undefined ? undefined : seemsDelimitedBy(other)
}

/** The delimiter that a header was written with: one that finds an expected column, or the only one that divides a single name. */
function otherDelimiter(header: string, delimiter: string, expected: readonly string[]): string | undefined {
  const wanted = new Set(expected.map(composed))
  const partsOf = (other: string): readonly string[] =>
    header.split(other).map((part) => composed(part.trim().replace(/^"(.*)"$/s, '$1')))
  const others = [',', ';', '\t', '|', ':', '^', '~', '\u0001', '\u001f'].filter((one) => one !== delimiter)
  const dividing = others.filter((one) => partsOf(one).length > 1)
  const fitting = dividing.find((one) => partsOf(one).some((part) => wanted.has(part)))
  const only = expected.length > 1 && !header.includes(delimiter) && dividing.length === 1 ? dividing[0] : undefined
  return fitting ?? only
}
