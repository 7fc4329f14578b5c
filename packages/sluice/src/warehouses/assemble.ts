/** The warehouse contract out of what differs between warehouses: dialect, staging and transaction. */
import { crashPoint } from '../base/crash.ts'
import type { Dialect, SqlRunner } from './dialect.ts'
import type { FoundColumn } from './drift.ts'
import { examineTarget } from './examine.ts'
import { findDrift } from './fit.ts'
import { type ForeignKey, referencesAmong } from './foreign-keys.ts'
import { ledgerRows, targetHistory } from './ledger.ts'
import { loadInTransaction } from './load.ts'
import type { LoadSetting } from './load-setting.ts'
import type { LoadInput, LoadResult, TargetFinding, Warehouse } from './warehouse.ts'

/** What a warehouse brings along. */
export interface WarehouseParts {
  readonly dialect: Dialect
  /** Runs statements outside of a load, in one transaction where sessions are not one's own. */
  readonly outside: <T>(work: (sql: SqlRunner) => Promise<T>) => Promise<T>
  /** The columns of a table, in order; empty where there is no such table. */
  readonly columnsOf: (sql: SqlRunner, table: string) => Promise<readonly FoundColumn[]>
  /** What a name stands for; undefined where there is nothing. */
  readonly kindOf: (sql: SqlRunner, table: string) => Promise<string | undefined>
  /** What forbids that the types of columns are changed, in words. */
  readonly blockersOf: (sql: SqlRunner, table: string, columns: readonly string[]) => Promise<readonly string[]>
  readonly foreignKeys: (sql: SqlRunner) => Promise<readonly ForeignKey[]>
  /** Where a target is: schema and name, joined by a point. */
  readonly placeOf: (target: string) => string
  /** Loads in one transaction, see {@link loadAndCommit}; rolled back on an error, and on the abort of the input's signal. */
  readonly load: (input: LoadInput) => Promise<LoadResult>
  /** Of a warehouse that no query can attach. */
  readonly copyOut?: Warehouse['copyOut']
  /** Called once. */
  readonly close: () => Promise<void>
}

/**
 * Makes a warehouse.
 *
 * @example assembleWarehouse({ dialect, outside: (work) => work(session), columnsOf, load, close: () => session.close() })
 */
export function assembleWarehouse({
  dialect,
  outside,
  columnsOf,
  kindOf,
  blockersOf,
  foreignKeys,
  placeOf,
  load,
  copyOut,
  close,
}: WarehouseParts): Warehouse {
  const hasLedger = async (sql: SqlRunner): Promise<boolean> => (await columnsOf(sql, 'sluice.load_ledger')).length > 0
  let closing: Promise<void> | undefined
  const closeOnce = (): Promise<void> => {
    closing ??= close()
    return closing
  }
  return {
    capabilities: { ownSchema: dialect.ownSchema },
    drift: (input) =>
      outside(async (sql) => {
        const history = (await hasLedger(sql)) ? await targetHistory(sql, dialect, input.target) : {}
        const looking = {
          columnsOf: (table: string) => columnsOf(sql, table),
          blockersOf: (table: string, columns: readonly string[]) => blockersOf(sql, table, columns),
          dialect,
        }
        return findDrift(looking, input, history)
      }),
    examine: (targets, deep) =>
      outside(async (sql) => {
        if (!(await hasLedger(sql))) return []
        const looking = {
          ...{ sql, dialect },
          columnsOf: (table: string) => columnsOf(sql, table),
          kindOf: (table: string) => kindOf(sql, table),
        }
        const findings: TargetFinding[] = []
        for (const one of targets) {
          const finding = await examineTarget(looking, one, deep)
          if (finding !== undefined) findings.push(finding)
        }
        return findings
      }),
    references: (targets) => outside(async (sql) => referencesAmong(await foreignKeys(sql), targets, placeOf)),
    load,
    ledger: (filter) => outside(async (sql) => ((await hasLedger(sql)) ? ledgerRows(sql, dialect, filter) : [])),
    query: (statement, params) => outside((sql) => sql.all(statement, params)),
    ...(copyOut === undefined ? {} : { copyOut }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  }
}

/** How a load's transaction begins and ends, where that is more than BEGIN and COMMIT. */
export interface Transaction {
  /** Begins it. @default BEGIN */
  readonly begin?: () => Promise<void>
  /** After it began: locks, say. */
  readonly begun?: () => Promise<void>
  /** @returns another result, where the ledger had to be asked what became of the load */
  readonly commit?: () => Promise<LoadResult | undefined>
}

/** Loads in a transaction of the setting's connection, and commits; on an error the caller rolls back. */
export async function loadAndCommit(
  setting: LoadSetting,
  input: LoadInput,
  {
    begin = () => setting.sql.run('BEGIN'),
    begun,
    commit = () => setting.sql.run('COMMIT').then(() => undefined),
  }: Transaction = {},
): Promise<LoadResult> {
  await begin()
  crashPoint('warehouse.load.after_begin')
  await begun?.()
  const result = await loadInTransaction(setting, input)
  input.signal?.throwIfAborted()
  crashPoint('warehouse.load.before_commit')
  const told = await commit()
  if (told !== undefined) return told
  crashPoint('warehouse.load.after_commit')
  return result
}
