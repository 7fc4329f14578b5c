/**
 * A digest of rows whatever their order, that adds up over files: whether new rows are the ones a table holds is found without reading those.
 *
 * Every row has two hashes of 64 bits; a file's digest is the two sums of them, and a table's is the sum of its files'. Rows that are there
 * twice count twice. It finds changes, it does not defend against somebody who looks for a collision. DuckDB's `hash` costs a scan; a
 * cryptographic digest of every row as text costs four times as much as writing the file. It may change with DuckDB's version: then contents
 * count as different once, and are written again.
 */
import { quoteIdentifier, readParquetSql } from '../sql/quote.ts'
import type { DataFile } from './record.ts'

/** What contents are asked of: an engine's session. Its zone is UTC. */
export interface ContentReader {
  all<T>(sql: string): Promise<T[]>
}

const half = 1n << 64n

/**
 * The content of each of some local Parquet files, in their order.
 *
 * @example const [content] = await contentOf(session, ['/scratch/part-0.parquet'], ['id', 'name'])
 * @param columns The names, in the table's order: they are of the digest by their place alone.
 */
export async function contentOf(
  reader: ContentReader,
  files: readonly string[],
  columns: readonly string[],
): Promise<readonly string[]> {
  if (files.length === 0) return []
  const relation = readParquetSql(files, `filename = '_sluice_file'`)
  const select = `SELECT ${columns.map(quoteIdentifier).join(', ')} FROM ${relation}`
  const described = await reader.all<{ column_name: string; column_type: string }>(`DESCRIBE ${select}`)
  const types = described.map((column) => column.column_type)
  const rows = await reader.all<{ file: string; first: string; second: string }>(
    `SELECT _sluice_file AS file, ${contentSql(columns.map((name, at) => ({ name, type: types[at] ?? '' })))} ` +
      `FROM ${relation} GROUP BY ALL`,
  )
  const found = new Map(rows.map(({ file, first, second }) => [file, encode(BigInt(first), BigInt(second))]))
  // A file without rows is in no group.
  return files.map((file) => found.get(file) ?? encode(0n, 0n))
}

/**
 * The content of a query's rows.
 *
 * @example await contentOfRows(session, `SELECT * FROM ${await session.from(relationOf(record))}`, ['id', 'name']) === addContents(record.files)
 * @param columns The names, in the table's order: they are of the digest by their place alone.
 */
export async function contentOfRows(reader: ContentReader, sql: string, columns: readonly string[]): Promise<string> {
  const select = `SELECT ${columns.map(quoteIdentifier).join(', ')} FROM (${sql})`
  const described = await reader.all<{ column_name: string; column_type: string }>(`DESCRIBE ${select}`)
  const [sums] = await reader.all<{ first: string | null; second: string | null }>(
    `SELECT ${contentSql(columns.map((name, at) => ({ name, type: described[at]?.column_type ?? '' })))} FROM (${sql})`,
  )
  return encode(BigInt(sums?.first ?? 0), BigInt(sums?.second ?? 0))
}

/**
 * The content of several files together; undefined where one of them has none.
 *
 * @example addContents(record.files) === addContents(candidate.files)
 */
export function addContents(files: readonly Pick<DataFile, 'content'>[]): string | undefined {
  return addDigests(files.map(({ content }) => content ?? ''))
}

/**
 * The sum of digests of 32 hexadecimal digits, half by half; undefined where one of them is none.
 *
 * @example addDigests([a, b]) === addDigests([b, a])
 */
export function addDigests(digests: readonly string[]): string | undefined {
  let [first, second] = [0n, 0n]
  for (const digest of digests) {
    const [, a, b] = /^([0-9a-f]{16})([0-9a-f]{16})$/.exec(digest) ?? []
    if (a === undefined || b === undefined) return undefined
    first += BigInt(`0x${a}`)
    second += BigInt(`0x${b}`)
  }
  return encode(first, second)
}

/**
 * Whether two sets of files hold the same rows, in any order and any division into files. False where a file's content is not known.
 *
 * @example sameContent(current.files, candidate.files)
 */
export function sameContent(
  before: readonly Pick<DataFile, 'rows' | 'content'>[],
  after: readonly Pick<DataFile, 'rows' | 'content'>[],
): boolean {
  const content = addContents(before)
  return content !== undefined && content === addContents(after) && countRows(before) === countRows(after)
}

/**
 * The two sums, as columns `first` and `second` of an aggregate over rows that have these columns.
 *
 * @example `SELECT day, ${contentSql([{ name: 'id', type: 'INTEGER' }])} FROM sales GROUP BY day`
 */
export function contentSql(columns: readonly { readonly name: string; readonly type: string }[]): string {
  const values = columns.flatMap(({ name, type }) => hashed(quoteIdentifier(name), type)).join(', ')
  // Hashed once more: `hash` of several columns ends with an XOR, and sums of those miss values that rows of a table have swapped.
  return `sum(hash(hash(${values})))::VARCHAR AS first, sum(hash(hash(1, ${values})))::VARCHAR AS second`
}

/** What of a value is hashed: `hash` knows neither the sign of a zero nor, of what is wider than 64 bits, which half is which. */
function hashed(name: string, type: string): readonly string[] {
  if (type === 'DOUBLE' || type === 'FLOAT') return [name, `signbit(${name})`]
  const wide = /^DECIMAL\((?:19|[23]\d),/.test(type)
  const plain =
    /^(BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|VARCHAR|BLOB|DATE|TIME|TIMESTAMP[^[]*|DECIMAL\(\d+,\s*\d+\))$/
  return [wide || !plain.test(type) ? `${name}::VARCHAR` : name]
}

function encode(first: bigint, second: bigint): string {
  return [first, second].map((sum) => (sum % half).toString(16).padStart(16, '0')).join('')
}

function countRows(files: readonly Pick<DataFile, 'rows'>[]): number {
  return files.reduce((total, file) => total + file.rows, 0)
}
