/** New rows against those that the table holds: what was seen before is dropped, what has changed supersedes. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import type { Lake } from '../../lake/lake.ts'
import type { CommitRecord, DataFile } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'

/** A column of the table that is made. */
export interface MergeColumn {
  readonly name: string
  readonly type: string
}

/** What is compared with what. */
export interface MergeInput {
  readonly session: Session
  readonly lake: Pick<Lake, 'verify'>
  readonly current: CommitRecord
  readonly columns: readonly MergeColumn[]
  /** Identifies a row. */
  readonly key: readonly string[]
  /** An empty local folder. */
  readonly folder: string
}

/**
 * New files without the rows that the table holds already, alike in every column.
 *
 * @returns the files, and how many rows were seen before
 */
export async function dropSeen(
  files: readonly WrittenFile[],
  input: MergeInput,
): Promise<{ readonly files: readonly WrittenFile[]; readonly seen: number }> {
  const { session, columns } = input
  const same = columns.flatMap(({ name, type }) => sameSql(quoteIdentifier(name), type))
  const kept: WrittenFile[] = []
  let seen = 0
  const held = await heldSql(input, input.current.files)
  for (const [at, file] of files.entries()) {
    const folder = join(input.folder, `new-${at}`)
    mkdirSync(folder, { recursive: true })
    const fresh = `SELECT * FROM ${readParquetSql([file.file])} AS n WHERE NOT EXISTS (SELECT 1 FROM ${held} AS o WHERE ${same.join(' AND ')})`
    const [count] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM (${fresh})`)
    const rows = Number(count?.n)
    seen += file.rows - rows
    if (rows === file.rows) kept.push(file)
    else if (rows > 0) kept.push(...(await session.write(fresh, { folder })))
  }
  return { files: kept, seen }
}

/** For DuckDB, a zero is equal to one of the other sign. */
function sameSql(column: string, type: string): readonly string[] {
  const isSame = (value: (row: string) => string): string => `${value('o')} IS NOT DISTINCT FROM ${value('n')}`
  const signs = type === 'DOUBLE' || type === 'FLOAT' ? [isSame((row) => `signbit(${row}.${column})`)] : []
  return [isSame((row) => `${row}.${column}`), ...signs]
}

/** The part of a version that stays, beside new files. */
export interface Carried {
  /** Paths of the files that stay as they are. */
  readonly kept: readonly string[]
  /** What is left of files that held superseded rows. */
  readonly rewritten: readonly WrittenFile[]
  readonly superseded: number
}

const keys = '_sluice_keys'

/** So many files with so few rows are written as one, with the next that are written again: each window adds a file. */
const smallFiles = { count: 32, rows: 100_000 }

/** Finds the table's rows whose keys come anew, and writes the files that hold some of them again without those. */
export async function supersede(files: readonly WrittenFile[], input: MergeInput): Promise<Carried> {
  const { session, current, key } = input
  if (files.length === 0) return { kept: current.files.map(({ path }) => path), rewritten: [], superseded: 0 }
  const names = key.map(quoteIdentifier)
  await session.run(
    `CREATE OR REPLACE TABLE ${keys} AS SELECT ${names.join(', ')} FROM ${readParquetSql(files.map(({ file }) => file))}`,
  )
  const comes = `EXISTS (SELECT 1 FROM ${keys} AS n WHERE ${names.map((name) => `o.${name} IS NOT DISTINCT FROM n.${name}`).join(' AND ')})`
  const small = current.files.filter((file) => file.rows < smallFiles.rows)
  const touched = new Set(small.length < smallFiles.count ? [] : small)
  let superseded = 0
  for (const file of current.files) {
    const [count] = await session.all<{ n: string }>(
      `SELECT count(*) AS n FROM ${await heldSql(input, [file])} AS o WHERE ${comes}`,
    )
    const rows = Number(count?.n)
    if (rows > 0) touched.add(file)
    superseded += rows
  }
  const rewritten: WrittenFile[] = []
  const left = [...touched].reduce((sum, { rows }) => sum + rows, 0) - superseded
  if (left > 0) {
    const folder = join(input.folder, 'carried')
    mkdirSync(folder, { recursive: true })
    const rest = `SELECT * FROM ${await heldSql(input, [...touched])} AS o WHERE NOT ${comes}`
    rewritten.push(...(await session.write(rest, { folder })))
  }
  await session.run(`DROP TABLE ${keys}`)
  return { kept: current.files.flatMap((file) => (touched.has(file) ? [] : [file.path])), rewritten, superseded }
}

/** Rows of a version's files in the columns of the table that is made, with their types; columns that are new to it are NULL. */
async function heldSql({ session, current, columns }: MergeInput, files: readonly DataFile[]): Promise<string> {
  const known = new Set(current.fields.map(({ name }) => name))
  const select = columns.map(
    ({ name, type }) => `${known.has(name) ? quoteIdentifier(name) : 'NULL'}::${type} AS ${quoteIdentifier(name)}`,
  )
  return `(SELECT ${select.join(', ')} FROM ${await session.from(relationOf({ fields: current.fields, files }))})`
}
