/** Folds of change logs that were made from the model of a server, for tests. */
import { mkdirSync } from 'node:fs'
import { currentRows } from '../../src/changes/current.ts'
import { foldChanges, foldedSelect, historySelect } from '../../src/changes/fold.ts'
import { openJudge, type RowShape } from '../../src/changes/judge.ts'
import type { Session, WrittenFile } from '../../src/engines/engine.ts'
import { quarantineWriter } from '../../src/quality/quarantine.ts'
import { quoteIdentifier, readParquetSql } from '../../src/sql/quote.ts'
import { keyText, type ModelTable, type Row } from '../cdc/model.ts'

/** What is declared of a table of the model. */
export function shapeOf({ relation, key }: ModelTable): RowShape {
  const columns = relation.columns.map(({ name }) => [name, { type: 'text', nullable: !key.includes(name) }] as const)
  return { key, columns: Object.fromEntries(columns), transforms: {}, checks: [] }
}

/** A SELECT of files. */
export const filesSql = (files: readonly string[]): string => `SELECT * FROM ${readParquetSql(files)}`

/** Folds parts of a log; those before are its beginning. */
export async function fold(
  session: Session,
  table: string,
  shape: RowShape,
  as: 'history' | 'current',
  log: {
    readonly before: readonly string[]
    readonly parts: readonly { readonly files: readonly string[]; readonly rows: number }[]
  },
  folder: string,
): Promise<{ readonly files: readonly WrittenFile[]; readonly read: number; readonly refused: number }> {
  mkdirSync(folder)
  const quarantine = quarantineWriter(session, folder)
  const judge = await openJudge(session, shape, quarantine, { table, hasPositions: true })
  const parts = log.parts.filter(({ files }) => files.length > 0)
  const names = judge.columns.map(({ name }) => quoteIdentifier(name))
  const all = [...log.before, ...parts.flatMap(({ files }) => files)]
  if (all.length === 0) return { files: [], read: 0, refused: 0 }
  const folded = await foldChanges({
    session,
    judge,
    table: { table, key: shape.key },
    columns: Object.keys(shape.columns),
    log: filesSql(all),
    parts: parts.map(({ files, rows }) => ({ sql: filesSql(files), rows })),
    select: [...names, ...(as === 'history' ? historySelect : foldedSelect)].join(', '),
    folder,
    progress: () => {},
  })
  return { ...folded, refused: quarantine.counts().rows }
}

/** The rows of a table after some changes, over those of before. */
export async function applyCurrent(
  session: Session,
  shape: RowShape,
  changes: readonly WrittenFile[],
  before: readonly WrittenFile[],
  folder: string,
): Promise<readonly WrittenFile[]> {
  mkdirSync(folder)
  const made = await currentRows({
    session,
    key: shape.key,
    columns: Object.keys(shape.columns),
    changes,
    before: before.map(({ file, rows }) => ({ path: file, file, rows, sql: filesSql([file]) })),
    write: (select, target) => session.write(select, { folder: target }),
    folder,
  })
  const kept = new Set(made.kept)
  const files = [...before.filter(({ file }) => kept.has(file)), ...made.files].filter(({ rows }) => rows > 0)
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  if (rows !== made.accepted + made.carried)
    throw new Error(`${rows} rows, ${made.accepted} + ${made.carried} accounted for`)
  return files
}

/** Rows by key, as the model has them. */
export function byKey(table: ModelTable, rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [keyText(table, row), row]))
}
