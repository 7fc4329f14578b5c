/** Files of one pattern whose headers differ: one contract for all of them, by other names of columns and by columns that may be absent. Pure. */
import { namesInWords } from '../text/header.ts'

/** The header of a file. */
export interface FileHeader {
  readonly file: string
  readonly columns: readonly string[]
}

/** A column of the contract for all files. */
export interface SharedColumn {
  readonly name: string
  /** What other headers call it. */
  readonly aliases: readonly string[]
  /** Whether a file has it under no name. */
  readonly optional: boolean
}

/**
 * The columns of all files, in the order in which they first come. Two names are one column where they differ in case, spaces and punctuation only,
 * and no file has both.
 *
 * @example sharedColumns([{ file: 'a', columns: ['unit_price'] }, { file: 'b', columns: ['Unit Price', 'tax'] }])
 * // [{ name: 'unit_price', aliases: ['Unit Price'], optional: false }, { name: 'tax', aliases: [], optional: true }]
 */
export function sharedColumns(headers: readonly FileHeader[]): readonly SharedColumn[] {
  const names = [...new Set(headers.flatMap(({ columns }) => columns))]
  const groups = new Map<string, string[]>()
  for (const name of names) groups.set(plain(name), [...(groups.get(plain(name)) ?? []), name])
  const isOne = (group: readonly string[]): boolean =>
    headers.every(({ columns }) => group.filter((name) => columns.includes(name)).length <= 1)
  const columns = [...groups.values()].flatMap((group) => (isOne(group) ? [group] : group.map((name) => [name])))
  return columns.map(([name = '', ...aliases]) => ({
    name,
    aliases,
    optional: !headers.every(({ columns: has }) => [name, ...aliases].some((one) => has.includes(one))),
  }))
}

/** A name without what people write differently; of a name without letters and digits, the name. */
function plain(name: string): string {
  return (
    name
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '') || name
  )
}

/** At most so many headers are listed. */
const listed = 10

/**
 * The different headers, the most common first, as lines of a comment; none where all are the same.
 *
 * @example headersInWords([{ file: 'a.csv', columns: ['id'] }, { file: 'b.csv', columns: ['Id'] }])[0] // '2 files have 2 different headers:'
 */
export function headersInWords(headers: readonly FileHeader[]): readonly string[] {
  const byText = new Map<string, FileHeader[]>()
  for (const header of headers) {
    const text = JSON.stringify(header.columns)
    byText.set(text, [...(byText.get(text) ?? []), header])
  }
  if (byText.size < 2) return []
  const groups = [...byText.values()].sort((a, b) => b.length - a.length)
  const lines = groups.slice(0, listed).map((files) => {
    const [{ file, columns }, ...others] = files as [FileHeader, ...FileHeader[]]
    return `  ${file}${others.length === 0 ? '' : ` and ${others.length} more`}: ${namesInWords(columns)}`
  })
  const more = groups.length > listed ? [`  and ${groups.length - listed} more`] : []
  return [`${headers.length} files have ${groups.length} different headers:`, ...lines, ...more]
}
