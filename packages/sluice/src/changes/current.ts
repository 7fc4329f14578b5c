/** One row for each key that lives: the last good change of each key, over the rows that were there before. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Session, WrittenFile } from '../engines/engine.ts'
import { quoteIdentifier, quotePath, readParquetSql } from '../sql/quote.ts'
import { own } from './judge.ts'

/** What was there before, and what came. */
export interface CurrentInput {
  readonly session: Session
  readonly key: readonly string[]
  readonly columns: readonly string[]
  /** Good changes, as the fold wrote them with `foldedSelect`. */
  readonly changes: readonly WrittenFile[]
  /** The files of the version before, by their paths in the lake. */
  readonly before: readonly HeldFile[]
  readonly write: (select: string, folder: string) => Promise<readonly WrittenFile[]>
  /** An empty local folder. */
  readonly folder: string
}

/** A file of the version before. */
export interface HeldFile {
  readonly path: string
  /** Absolute. */
  readonly file: string
  readonly rows: number
  /** A SELECT of its rows, in the columns that are made. */
  readonly sql: string
}

/** The new version, and what became of the changes. */
export interface CurrentRows {
  readonly files: readonly WrittenFile[]
  /** Paths of files of the version before that stay as they are. */
  readonly kept: readonly string[]
  /** Rows of the version before that stay, in whatever file. */
  readonly carried: number
  /** Keys whose last change is a row. */
  readonly accepted: number
  /** Keys whose last change is a delete. */
  readonly deleted: number
  /** Changes that a later one of the same key supersedes. */
  readonly superseded: number
}

const last = 'changes_last'

/** So many small files are written as one, with those that are written anyway. */
const smallFiles = { count: 16, rows: 100_000 }

/**
 * Makes the version.
 *
 * @example await currentRows({ session, key: ['id'], columns, changes, before, write, folder })
 */
export async function currentRows(input: CurrentInput): Promise<CurrentRows> {
  const { session, changes, before, write } = input
  if (changes.length === 0) {
    const carried = sum(before.map(({ rows }) => rows))
    return { files: [], kept: before.map(({ path }) => path), carried, accepted: 0, deleted: 0, superseded: 0 }
  }
  const key = input.key.map(quoteIdentifier).join(', ')
  const columns = input.columns.map(quoteIdentifier).join(', ')
  const all = readParquetSql(changes.map(({ file }) => file))
  await session.run(
    `CREATE OR REPLACE TABLE ${last} AS SELECT ${key}, max(${own.s}) AS ${own.s}, arg_max(${own.op}, ${own.s}) AS ${own.op} FROM ${all} GROUP BY ALL`,
  )
  const [count] = await session.all<{ keys: string; deleted: string }>(
    `SELECT count(*) AS keys, count(*) FILTER (${own.op} = 'D') AS deleted FROM ${last}`,
  )
  const [keys, deleted] = [Number(count?.keys), Number(count?.deleted)]
  const hits = await hitsOf(input)
  const small = before.filter(({ rows }) => rows < smallFiles.rows)
  const touched = new Set(small.length < smallFiles.count ? [] : small)
  for (const [place, file] of before.entries()) if (hits[place]! > 0) touched.add(file)
  const pieces = [
    ...[...touched].map(({ file, sql }) => ({
      file,
      select: `SELECT ${columns} FROM (${sql}) WHERE (${key}) NOT IN (SELECT ${key} FROM ${last})`,
    })),
    ...changes.map(({ file }) => ({
      file,
      select: `SELECT ${columns} FROM ${readParquetSql([file])} WHERE ${own.op} <> 'D' AND (${key}, ${own.s}) IN (SELECT ${key}, ${own.s} FROM ${last} WHERE ${own.op} <> 'D')`,
    })),
  ]
  const files: WrittenFile[] = []
  for (const [place, group] of (await grouped(session, pieces)).entries()) {
    const folder = join(input.folder, `current-${place}`)
    mkdirSync(folder, { recursive: true })
    files.push(...(await write(group.map(({ select }) => select).join(' UNION ALL '), folder)))
  }
  await session.run(`DROP TABLE ${last}`)
  const kept = before.filter((file) => !touched.has(file))
  return {
    files,
    kept: kept.map(({ path }) => path),
    carried: sum(before.map(({ rows }) => rows)) - sum(hits),
    accepted: keys - deleted,
    deleted,
    superseded: sum(changes.map(({ rows }) => rows)) - keys,
  }
}

/** What is written at once: a writer holds a whole row group. */
const groupBytes = 16 << 20

/** Files in groups, by the size of what is in them. */
async function grouped<T extends { readonly file: string }>(
  session: Session,
  pieces: readonly T[],
): Promise<readonly (readonly T[])[]> {
  const sizes = await session.all<{ file: string; bytes: string }>(
    `SELECT file_name AS file, sum(total_uncompressed_size) AS bytes FROM parquet_metadata([${pieces.map(({ file }) => quotePath(file)).join(', ')}]) GROUP BY 1`,
  )
  const bytesOf = new Map(sizes.map(({ file, bytes }) => [file, Number(bytes)]))
  const groups: T[][] = []
  let size = 0
  for (const piece of pieces) {
    const bytes = bytesOf.get(piece.file) ?? 0
    if (groups.length === 0 || size + bytes > groupBytes) {
      groups.push([])
      size = 0
    }
    groups.at(-1)!.push(piece)
    size += bytes
  }
  return groups
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

/** How many rows of each file have one of the keys. */
async function hitsOf({ session, key, before }: CurrentInput): Promise<readonly number[]> {
  if (before.length === 0) return []
  const names = key.map(quoteIdentifier).join(', ')
  const counts = await session.all<{ place: number; hits: string }>(
    before
      .map(
        ({ sql }, place) =>
          `SELECT ${place} AS place, count(*) AS hits FROM (${sql}) WHERE (${names}) IN (SELECT ${names} FROM ${last})`,
      )
      .join(' UNION ALL '),
  )
  const hits = new Map(counts.map((count) => [Number(count.place), Number(count.hits)]))
  return before.map((_, place) => hits.get(place) ?? 0)
}
