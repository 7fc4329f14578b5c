/** Keys within what is taken at once: rows that share one are refused, since nobody can say which of them is right. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'
import type { QuarantineWriter } from '../quarantine.ts'
import type { RowKey } from './contract.ts'

const twice = '_sluice_twice'

/** What rows are taken out of. */
export interface RefuseTwice {
  readonly session: Session
  readonly keys: readonly RowKey[]
  readonly quarantine: QuarantineWriter
  /** What the rows came from, as quarantine names it. */
  readonly source: string
  /** An empty local folder, for files that are written again. */
  readonly folder: string
}

/**
 * Takes rows whose key comes twice out of written files, into quarantine: they are found again by their values.
 *
 * @example const unique = await refuseTwice(files, { session, keys: contract.keys, quarantine, source: 'dbo.usp_sales', folder })
 * @returns the files without those rows
 */
export async function refuseTwice(files: readonly WrittenFile[], input: RefuseTwice): Promise<readonly WrittenFile[]> {
  let left = files
  for (const [at, key] of input.keys.entries()) {
    if (left.length > 0) left = await refuseKey(left, key, { ...input, folder: join(input.folder, String(at)) })
  }
  return left
}

async function refuseKey(
  files: readonly WrittenFile[],
  { name, columns }: RowKey,
  { session, quarantine, source, folder }: RefuseTwice,
): Promise<readonly WrittenFile[]> {
  const names = columns.map(quoteIdentifier)
  const all = readParquetSql(files.map(({ file }) => file))
  await session.run(
    `CREATE OR REPLACE TABLE ${twice} AS SELECT ${names.join(', ')} FROM ${all} WHERE ${presentSql(columns)} GROUP BY ALL HAVING count(*) > 1`,
  )
  const isTwice = `(${names.join(', ')}) IN (SELECT (${names.join(', ')}) FROM ${twice})`
  const left: WrittenFile[] = []
  for (const [at, file] of files.entries()) {
    const rows = readParquetSql([file.file])
    let refused = 0
    for await (const batch of session.stream(`SELECT COLUMNS(*)::VARCHAR FROM ${rows} WHERE ${isTwice}`)) {
      refused += batch.length
      for (const fields of batch as readonly Record<string, string | null>[])
        quarantine.add({ file: source, line: 0, record: 0, offset: 0, reasons: [name], fields })
    }
    if (refused === 0) left.push(file)
    else if (file.rows > refused) {
      const target = join(folder, String(at))
      mkdirSync(target, { recursive: true })
      left.push(...(await session.write(`SELECT * FROM ${rows} WHERE NOT ${isTwice}`, { folder: target })))
    }
  }
  await session.run(`DROP TABLE ${twice}`)
  return left
}

/** Whether any key comes twice in one file of a delivery, whose name is in the column `_file`. */
export async function anyTwice(
  session: Session,
  keys: readonly RowKey[],
  written: readonly WrittenFile[],
): Promise<boolean> {
  const files = readParquetSql(written.map(({ file }) => file))
  for (const { columns } of keys) {
    const group = ['_file', ...columns.map(quoteIdentifier)].join(', ')
    const [row] = await session.all(
      `SELECT 1 FROM ${files} WHERE ${presentSql(columns)} GROUP BY ${group} HAVING count(*) > 1 LIMIT 1`,
    )
    if (row !== undefined) return true
  }
  return false
}

/**
 * Whether a row's key is another row's of the same file, and this row is not the one that is kept.
 *
 * @example brokenSql(key, '"_sluice_file"')
 */
export function brokenSql({ columns, keep = 'none' }: RowKey, file: string): string {
  const same = `PARTITION BY ${[file, ...columns.map(quoteIdentifier)].join(', ')}`
  const isTwice = `count(*) OVER (${same}) > 1`
  if (keep === 'none') return `(${presentSql(columns)} AND ${isTwice})`
  const [by, order] =
    'firstBy' in keep ? [quoteIdentifier(keep.firstBy), 'ASC'] : [quoteIdentifier(keep.lastBy), 'DESC']
  // A row without a value is neither first nor last, and of two that share the value nobody can say which of them it is.
  const isKept = `rank() OVER (${same} ORDER BY ${by} ${order} NULLS LAST) = 1 AND count(*) OVER (${same}, ${by}) = 1`
  return `(${presentSql(columns)} AND ${isTwice} AND NOT (${isKept}))`
}

const presentSql = (columns: readonly string[]): string =>
  columns.map((column) => `${quoteIdentifier(column)} IS NOT NULL`).join(' AND ')
