/** Row accounting: read = accepted + quarantined + dropped, always, and the limits beyond which a file is refused as a whole. */
import { sluiceError } from '../base/errors.ts'
import type { FilesSource, QuarantineLimits } from '../definition/types.ts'
import type { CheckResult, RowAccounting } from '../lake/record.ts'
import type { RowRule } from './rule.ts'
import { isTolerated } from './table-checks.ts'

/** The accounting of nothing: what sums start from. */
export const noRows: RowAccounting = { read: 0, accepted: 0, quarantined: 0, dropped: {} }

/**
 * Adds two accountings; bytes are kept where either has them.
 *
 * @example files.map((file) => file.accounting).reduce(addAccounting, noRows)
 */
export function addAccounting(a: RowAccounting, b: RowAccounting): RowAccounting {
  const dropped: Record<string, number> = { ...a.dropped }
  for (const [reason, rows] of Object.entries(b.dropped)) dropped[reason] = (dropped[reason] ?? 0) + rows
  const bytes =
    a.bytes === undefined || b.bytes === undefined
      ? (a.bytes ?? b.bytes)
      : {
          total: a.bytes.total + b.bytes.total,
          header: a.bytes.header + b.bytes.header,
          records: a.bytes.records + b.bytes.records,
        }
  return {
    read: a.read + b.read,
    accepted: a.accepted + b.accepted,
    quarantined: a.quarantined + b.quarantined,
    dropped,
    ...(bytes === undefined ? {} : { bytes }),
  }
}

/**
 * Asserts that no row and no byte is missing, in production too.
 *
 * @example assertBalanced('inbox/sales.csv', accounting, written.reduce((sum, file) => sum + file.rows, 0))
 * @param writtenRows what the written files say they hold, counted independently of the accounting
 * @throws Quality.RowsUnaccounted, Quality.RowsMissing, Quality.BytesUnaccounted
 */
export function assertBalanced(what: string, accounting: RowAccounting, writtenRows: number): void {
  const { read, accepted, quarantined, bytes } = accounting
  const dropped = Object.values(accounting.dropped).reduce((sum, rows) => sum + rows, 0)
  if (read !== accepted + quarantined + dropped)
    throw sluiceError('Quality.RowsUnaccounted', { what, read, accepted, quarantined, dropped })
  if (accepted !== writtenRows) throw sluiceError('Quality.RowsMissing', { what, accepted, written: writtenRows })
  if (bytes !== undefined && bytes.total !== bytes.header + bytes.records)
    throw sluiceError('Quality.BytesUnaccounted', { what, ...bytes })
}

/**
 * Why a file has too many refused rows; undefined where it has not.
 *
 * A limit that is exactly reached is not passed. The share counts from the first row: one bad row of ten is 10 %, however small the file; unless
 * `minRows` says of how many rows it is at least. Where only `maxShare` is declared it alone counts.
 *
 * @example exceedsLimits({ maxShare: 0.3 }, 4, 10) // '4 of 10 rows were refused (40 %), and at most 30 % are allowed'
 */
export function exceedsLimits(limits: QuarantineLimits, refused: number, total: number): string | undefined {
  const maxShare = limits.maxShare ?? 0.01
  const maxRows = limits.maxRows ?? (limits.maxShare === undefined ? 1000 : Number.POSITIVE_INFINITY)
  if (refused > maxRows) return `${refused} rows were refused, and at most ${maxRows} are allowed`
  const { minRows = 1 } = limits
  if (refused > maxShare * Math.max(total, minRows)) {
    const least = total < minRows ? ` of ${minRows} rows` : ''
    return `${refused} of ${total} rows were refused (${percent(refused / total)}), and at most ${percent(maxShare)}${least} are allowed`
  }
  return undefined
}

/**
 * Why the number of rows of a file or a call is not credible; undefined where it is. Shares are of the mean of the earlier ones; without any they
 * are not asked.
 *
 * @example rowCountOutside({ minShareOfPrevious: 0.5 }, 10, [100, 120])
 * // '10 rows, fewer than 50 % of the mean before (110)'
 */
export function rowCountOutside(
  guard: NonNullable<FilesSource['rowCount']>,
  rows: number,
  previous: readonly number[],
): string | undefined {
  if (guard.min !== undefined && rows < guard.min) return `${rows} rows, fewer than the minimum of ${guard.min}`
  if (guard.max !== undefined && rows > guard.max) return `${rows} rows, more than the maximum of ${guard.max}`
  if (previous.length === 0) return undefined
  const mean = previous.reduce((sum, one) => sum + one, 0) / previous.length
  const { minShareOfPrevious: low, maxShareOfPrevious: high } = guard
  const shown = `the mean before (${Number(mean.toFixed(1))})`
  if (low !== undefined && rows < low * mean) return `${rows} rows, fewer than ${percent(low)} of ${shown}`
  if (high !== undefined && rows > high * mean) return `${rows} rows, more than ${percent(high)} of ${shown}`
  return undefined
}

/** @example refusedShare(3, 5) // '3 of 5 rows refused (60 %)' */
export function refusedShare(failing: number, total: number): string {
  return `${failing} of ${total} rows refused (${percent(failing / total)})`
}

function percent(share: number): string {
  const shown = Number((share * 100).toFixed(2))
  return shown === 0 && share > 0 ? 'less than 0.01 %' : `${shown} %`
}

/**
 * The outcome of row rules on a source: its refused rows are out of the version already, so a check that refused some has passed where it
 * tolerates so many, has refused them where it declares nothing, and has failed (which stops the file) beyond its limit or with action `stop`.
 *
 * Casts and presence are in the reasons of the quarantine, and only those that refused something are reported. Rules of severity `warn` are
 * left out: they are counted on the accepted rows, with `runTableChecks`.
 *
 * @example ruleResults(rules, new Map([['range:quantity', 3]]), 100)
 * @param broken rows by rule: how many break it, whatever else they break
 */
export function ruleResults(
  rules: readonly RowRule[],
  broken: ReadonlyMap<string, number>,
  total: number,
): readonly CheckResult[] {
  return rules
    .filter((rule) => rule.severity === 'error')
    .map((rule): CheckResult => {
      const failing = broken.get(rule.name) ?? 0
      const declared = rule.maxShare !== undefined || rule.maxCount !== undefined
      const tolerated = isTolerated(rule, failing, total)
      const status =
        failing === 0 || (declared && tolerated) ? 'passed' : rule.action === 'stop' || declared ? 'failed' : 'refused'
      return {
        name: rule.name,
        kind: rule.kind,
        columns: rule.columns,
        severity: rule.severity,
        status,
        failing,
        total,
        ...(failing === 0 ? {} : { detail: refusedShare(failing, total) }),
      }
    })
    .filter((result) => result.failing > 0 || (result.kind !== 'cast' && result.kind !== 'required'))
}
