/** What rows came to: limits, checks and the account of all of them; or why none of them is published. */
import { sluiceError } from '../../base/errors.ts'
import type { FilesSource, QuarantineLimits } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { CheckResult } from '../../lake/record.ts'
import { exceedsLimits, rowCountOutside, ruleResults } from '../accounting.ts'
import type { RefusedCounts } from '../quarantine.ts'
import { runTableChecks, type TableChecks } from '../table-checks.ts'
import type { RowContract } from './contract.ts'

/** Whose rows they are: what is refused where they are refused as a whole. */
export interface RowsOf {
  /** A file's name, a procedure, a table. */
  readonly what: string
  readonly of: 'file' | 'call' | 'changes' | 'table'
}

/**
 * Judges rows by how many of them were refused, and why.
 *
 * @example judgeRows({ what: 'dbo.usp_sales', of: 'call' }, contract, source.quarantine, quarantine.counts, read)
 * @param where the first refused row, in words
 * @returns the results of casts that refused something, and of all row checks and keys
 * @throws Quality.TooManyRefused, Quality.ChecksFailed
 */
export function judgeRows(
  rows: RowsOf,
  { rules, keys }: Pick<RowContract, 'rules' | 'keys'>,
  limits: QuarantineLimits,
  refused: RefusedCounts,
  read: number,
  where = '',
): readonly CheckResult[] {
  const limit = exceedsLimits(limits, refused.rows, read)
  if (limit !== undefined) {
    const reasons = Object.entries(refused.reasons).map(([reason, count]) => `${reason} ${count}`)
    throw tooManyRefused(rows, limit, `${reasons.join(', ')}${where}`)
  }
  return assertPassed(rows, ruleResults([...rules, ...keys], refused.broken, read))
}

/** Rows that are refused as a whole, since too many of them were. @example throw tooManyRefused(rows, '2 of 3 rows were refused') */
export function tooManyRefused({ what, of }: RowsOf, limit: string, reasons = 'not counted'): Error {
  return sluiceError('Quality.TooManyRefused', { what, of, limit, reasons })
}

/**
 * Runs the checks of a contract that are asked of accepted rows.
 *
 * @example await checkAccepted(session, rows, contract, { relation, related: {}, now })
 * @throws Quality.ChecksFailed, Quality.CheckInvalid
 */
export async function checkAccepted(
  session: Session,
  rows: RowsOf,
  { rest }: Pick<RowContract, 'rest'>,
  over: Omit<TableChecks, 'checks'>,
): Promise<readonly CheckResult[]> {
  return assertPassed(rows, await runTableChecks(session, { ...over, checks: rest }))
}

/**
 * The results, where none of them failed.
 *
 * @example assertPassed({ what: 'stage.sales', of: 'table' }, results)
 * @throws Quality.ChecksFailed
 */
export function assertPassed(rows: RowsOf, results: readonly CheckResult[]): readonly CheckResult[] {
  const error = checksFailed(rows, results)
  if (error !== undefined) throw error
  return results
}

/** Why rows are refused by the results of checks; undefined where none failed. @example checksFailed(rows, results)?.message */
export function checksFailed({ what, of }: RowsOf, results: readonly CheckResult[]): Error | undefined {
  const failed = results.filter(({ status }) => status === 'failed')
  if (failed.length === 0) return undefined
  const checks = failed.map(({ name, detail, failing, total }) => `${name}: ${detail ?? `${failing} of ${total} rows`}`)
  return sluiceError('Quality.ChecksFailed', { what, of, checks })
}

/**
 * Asks whether the number of rows is credible.
 *
 * @example assertRowCount(rows, source.rowCount, 12, [100, 120])
 * @param previous of those before
 * @throws Quality.RowCount
 */
export function assertRowCount(
  { what, of }: RowsOf,
  guard: FilesSource['rowCount'],
  rows: number,
  previous: readonly number[],
): void {
  const why = guard === undefined ? undefined : rowCountOutside(guard, rows, previous)
  if (why !== undefined) throw sluiceError('Quality.RowCount', { what, of, why })
}
