/** The tables in which a warehouse remembers its loads: schema `sluice`, written in the transaction of the load itself. */
import { contentTable } from './content.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { LoadInput, LoadLedgerRow, LoadResult } from './warehouse.ts'

/** Where the ledger's tables are: the dialect knows. */
type Place = Pick<Dialect, 'ownSchema'>

/** The statements that make the ledger's tables where they are missing; their schema is there. */
export const ledgerTables = (dialect: Dialect): readonly string[] => {
  const { ownSchema } = dialect
  return [
    `CREATE TABLE IF NOT EXISTS ${ownSchema}.load_ledger (
     load_id VARCHAR NOT NULL PRIMARY KEY, target VARCHAR NOT NULL, ordinal BIGINT NOT NULL, mode VARCHAR NOT NULL, version BIGINT NOT NULL,
     definition VARCHAR NOT NULL,
     run VARCHAR NOT NULL, attempt INTEGER NOT NULL, fencing_token BIGINT NOT NULL, loaded_at VARCHAR NOT NULL,
     shape VARCHAR NOT NULL, result VARCHAR NOT NULL)`,
    `CREATE TABLE IF NOT EXISTS ${ownSchema}.load_keys (target VARCHAR NOT NULL, key_value VARCHAR NOT NULL, row_count BIGINT NOT NULL, fingerprint VARCHAR NOT NULL)`,
    `CREATE TABLE IF NOT EXISTS ${ownSchema}.load_batches (target VARCHAR NOT NULL, batch VARCHAR NOT NULL, load_id VARCHAR NOT NULL, row_count BIGINT NOT NULL)`,
    contentTable(dialect),
  ]
}

/** What the ledger knows of a target before a load. */
export interface TargetHistory {
  readonly loads: number
  readonly newestToken: number
  /** The columns as the newest load left them, see `shapeOf`. */
  readonly shape?: string
  readonly loadId?: string
  /** What the newest load did. */
  readonly last?: LoadResult
}

/** Asks the ledger about a target. */
export async function targetHistory(sql: SqlRunner, { ownSchema }: Place, target: string): Promise<TargetHistory> {
  const [row] = await sql.all<{
    loads: string
    newest: string
    load_id: string
    shape: string
    result: string
  }>(
    `SELECT ordinal AS loads, max(fencing_token) OVER () AS newest, load_id, shape, result
     FROM ${ownSchema}.load_ledger WHERE target = $1 ORDER BY ordinal DESC LIMIT 1`,
    [target],
  )
  if (row === undefined) return { loads: 0, newestToken: 0 }
  const { loads, newest, load_id: loadId, shape, result } = row
  return { loads: Number(loads), newestToken: Number(newest), loadId, shape, last: JSON.parse(result) as LoadResult }
}

/** Newest first. */
export async function ledgerRows(
  sql: SqlRunner,
  { ownSchema }: Place,
  filter: { readonly target?: string; readonly loadId?: string },
): Promise<readonly LoadLedgerRow[]> {
  const rows = await sql.all<Record<string, string>>(
    `SELECT load_id, target, version, definition, run, loaded_at, result FROM ${ownSchema}.load_ledger
     WHERE (CAST($1 AS VARCHAR) IS NULL OR target = $1) AND (CAST($2 AS VARCHAR) IS NULL OR load_id = $2)
     ORDER BY loaded_at DESC, ordinal DESC`,
    [filter.target ?? null, filter.loadId ?? null],
  )
  return rows.map((row) => ({
    loadId: row['load_id']!,
    target: row['target']!,
    version: Number(row['version']),
    definition: row['definition']!,
    run: row['run']!,
    loadedAt: row['loaded_at']!,
    result: JSON.parse(row['result']!) as LoadResult,
  }))
}

/** The columns of a target are others, and fit: the ledger takes them over. */
export async function updateShape(
  sql: SqlRunner,
  { ownSchema }: Place,
  { target, shape, ordinal }: { readonly target: string; readonly shape: string; readonly ordinal: number },
): Promise<void> {
  await sql.run(`UPDATE ${ownSchema}.load_ledger SET shape = $1 WHERE target = $2 AND ordinal = $3`, [
    shape,
    target,
    ordinal,
  ])
}

/** Writes the ledger row of a load, the last statement before COMMIT; where the same was loaded before and is written again, in place of that row. */
export async function insertLedgerRow(
  sql: SqlRunner,
  { ownSchema }: Place,
  input: LoadInput,
  row: {
    readonly result: LoadResult
    readonly shape: string
    readonly loadedAt: string
    /** The how-manieth load of its target this is, from 1. */
    readonly ordinal: number
  },
): Promise<void> {
  if (row.result.rewritten === true)
    await sql.run(`DELETE FROM ${ownSchema}.load_ledger WHERE load_id = $1`, [input.loadId])
  await sql.run(
    `INSERT INTO ${ownSchema}.load_ledger (load_id, target, ordinal, mode, version, definition, run, attempt, fencing_token, loaded_at, shape, result)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      input.loadId,
      input.target,
      row.ordinal,
      input.load.mode,
      input.version,
      input.definition,
      input.run,
      input.attempt,
      input.fencingToken,
      row.loadedAt,
      row.shape,
      JSON.stringify(row.result),
    ],
  )
}
