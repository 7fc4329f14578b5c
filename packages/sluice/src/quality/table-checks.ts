/** Checks of a whole table: one scan for everything that can be an aggregate, one more for each key or reference. */
import { isSluiceError, sluiceError } from '../base/errors.ts'
import type { Check } from '../definition/types.ts'
import type { Session } from '../engines/engine.ts'
import type { CheckResult } from '../lake/record.ts'
import { quoteIdentifier } from '../sql/quote.ts'
import { between, checkColumns, checkNames, checkSql, floatingColumns, isRowCheck, literal } from './rules.ts'

/** What is checked, against what. */
export interface TableChecks {
  /** Anything that can stand after FROM: a quoted name, `read_parquet([…])`, a SELECT in parentheses. */
  readonly relation: string
  readonly checks: readonly Check[]
  /** The tables that `reference` and `reconcile` name, each as something that can stand after FROM. */
  readonly related: { readonly [table: string]: string }
  /** What freshness is measured against. */
  readonly now: Date
}

/** What one check measured. */
interface Measure {
  readonly failing: number
  readonly total: number
  readonly detail?: string
}

/** One check's part of the common scan. */
interface Part {
  /** Aggregates over the relation. */
  readonly aggregates: readonly string[]
  /** Aggregates over another relation. */
  readonly other?: { readonly relation: string; readonly aggregates: readonly string[] }
  /** Expressions over the aggregates, by the names that `name` gives them. */
  readonly outer: (own: readonly string[], other: readonly string[]) => readonly string[]
  readonly measure: (values: readonly unknown[], rows: number) => Measure
}

/**
 * Runs checks of every kind over a table and reports each, in their order.
 *
 * A check fails where more rows fail than it tolerates; with severity `warn` it then warns. For `unique` every row of a group counts, not
 * only the second.
 *
 * @example await runTableChecks(session, { relation: '"stage"."sales"', checks, related: {}, now: clock.now() })
 * @throws Quality.CheckInvalid where a check's SQL does not fit the table, or names a table that is not there
 */
export async function runTableChecks(session: Session, input: TableChecks): Promise<readonly CheckResult[]> {
  const { checks } = input
  if (checks.length === 0) return []
  const names = checkNames(checks)
  const floats = await floatsOf(session, input.relation, checks)
  const common = checks.map((check, i) => commonPart(check, names[i]!, input, floats))
  const measures = await runCommon(session, input, common, names)
  const results: CheckResult[] = []
  for (const [i, check] of checks.entries()) {
    const measure = measures.found[i] ?? (await runOwnScan(session, check, names[i]!, input, measures.rows))
    results.push(judge(check, names[i]!, measure))
  }
  return results
}

/**
 * The outcome of a check, from what it measured.
 *
 * @example judge({ kind: 'notNull', column: 'id', maxCount: 1 }, 'notNull:id', { failing: 1, total: 10 }).status // 'passed'
 */
export function judge(check: Check, name: string, { failing, total, detail }: Measure): CheckResult {
  const severity = check.severity ?? 'error'
  const status = isTolerated(check, failing, total) ? 'passed' : severity === 'warn' ? 'warned' : 'failed'
  const words = detail ?? (failing === 0 ? undefined : `${failing} of ${total} rows${tolerance(check)}`)
  return {
    name,
    kind: check.kind,
    columns: checkColumns(check),
    severity,
    status,
    failing,
    total,
    ...(words === undefined ? {} : { detail: words }),
  }
}

/**
 * Whether so many failing rows are tolerated: none where nothing is declared; within both limits where both are.
 *
 * @example isTolerated({ maxShare: 0.3 }, 3, 10) // true
 */
export function isTolerated(
  { maxShare, maxCount }: { readonly maxShare?: number; readonly maxCount?: number },
  failing: number,
  total: number,
): boolean {
  if (maxShare === undefined && maxCount === undefined) return failing === 0
  return failing <= (maxCount ?? Number.POSITIVE_INFINITY) && failing <= (maxShare ?? 1) * total
}

function tolerance({ maxShare, maxCount }: Check): string {
  const limits = [
    ...(maxShare === undefined ? [] : [`${maxShare * 100} %`]),
    ...(maxCount === undefined ? [] : [`${maxCount} rows`]),
  ]
  return limits.length === 0 ? '' : `, tolerated: ${limits.join(' and ')}`
}

async function runCommon(
  session: Session,
  { relation }: TableChecks,
  parts: readonly (Part | undefined)[],
  names: readonly string[],
): Promise<{ rows: number; found: readonly (Measure | undefined)[] }> {
  const from: string[] = []
  const own = ['count(*) AS n']
  const outer = ['n']
  const places = parts.map((part, i) => {
    if (part === undefined) return undefined
    const mine = part.aggregates.map((sql, k) => {
      own.push(`${sql} AS c${i}_${k}`)
      return `c${i}_${k}`
    })
    const others = part.other?.aggregates.map((_, k) => `o${i}_${k}`) ?? []
    if (part.other !== undefined)
      from.push(
        `(SELECT ${part.other.aggregates.map((sql, k) => `${sql} AS o${i}_${k}`).join(', ')} FROM ${part.other.relation})`,
      )
    return part.outer(mine, others).map((sql, k) => {
      outer.push(`${sql} AS x${i}_${k}`)
      return `x${i}_${k}`
    })
  })
  const sql = `SELECT ${outer.join(', ')} FROM ${[`(SELECT ${own.join(', ')} FROM ${relation})`, ...from].join(', ')}`
  const row = await attempt(session, sql, () => blame(session, relation, parts, names))
  const rows = Number(row['n'])
  return {
    rows,
    found: parts.map((part, i) =>
      part?.measure(
        places[i]!.map((name) => row[name]),
        rows,
      ),
    ),
  }
}

/** Finds the check whose SQL does not fit, after all of them together could not be run. */
async function blame(
  session: Session,
  relation: string,
  parts: readonly (Part | undefined)[],
  names: readonly string[],
): Promise<string | undefined> {
  for (const [i, part] of parts.entries()) {
    if (part === undefined) continue
    const scans = [{ relation, aggregates: part.aggregates }, ...(part.other === undefined ? [] : [part.other])]
    for (const scan of scans.filter((one) => one.aggregates.length > 0)) {
      try {
        await session.describe(`SELECT ${scan.aggregates.join(', ')} FROM ${scan.relation}`)
      } catch {
        return names[i]
      }
    }
  }
  return undefined
}

async function attempt(
  session: Session,
  sql: string,
  culprit: () => Promise<string | undefined>,
): Promise<Record<string, unknown>> {
  try {
    const [row] = await session.all(sql)
    return row ?? {}
  } catch (error) {
    if (!isSluiceError(error, 'Engine.Failed')) throw error
    const check = await culprit()
    if (check === undefined) throw error
    throw sluiceError('Quality.CheckInvalid', { check, detail: error.message }, { cause: error })
  }
}

/** The columns of a relation that can hold NaN; asked only where a check has bounds. */
async function floatsOf(session: Session, relation: string, checks: readonly Check[]): Promise<ReadonlySet<string>> {
  if (!checks.some(({ kind }) => kind === 'range' || kind === 'sum')) return new Set()
  return floatingColumns(await session.describe(`SELECT * FROM ${relation}`))
}

function commonPart(check: Check, name: string, input: TableChecks, floats: ReadonlySet<string>): Part | undefined {
  if (isRowCheck(check)) {
    return {
      aggregates: [`count(*) FILTER (WHERE NOT ${checkSql(check, floats)})`],
      outer: (own) => own,
      measure: ([failing], total) => ({ failing: Number(failing), total }),
    }
  }
  switch (check.kind) {
    case 'rowCount':
      return {
        aggregates: [],
        outer: () => [],
        measure: (_, rows) => ({
          failing: rows >= (check.min ?? 0) && rows <= (check.max ?? Number.POSITIVE_INFINITY) ? 0 : 1,
          total: rows,
          detail: `${rows} rows${expected(check.min, check.max)}`,
        }),
      }
    case 'sum': {
      const total = `coalesce(sum(${quoteIdentifier(check.column)}), 0)`
      return {
        aggregates: [total],
        outer: ([value]) => [
          `${value}::VARCHAR`,
          floats.has(check.column)
            ? `(NOT isnan(${value}) AND ${between(value!, check.min, check.max)})`
            : between(value!, check.min, check.max),
        ],
        measure: ([value, holds], rows) => ({
          failing: holds === true ? 0 : 1,
          total: rows,
          detail: `sum ${value}${expected(check.min, check.max)}`,
        }),
      }
    }
    case 'freshness':
      return {
        aggregates: [`epoch_ms(max(${quoteIdentifier(check.column)})::TIMESTAMPTZ)`],
        outer: (own) => own,
        measure: ([newest], rows) => freshness(newest, rows, check.maxAgeHours, input.now),
      }
    case 'reconcile': {
      const aggregate = `(${check.sql}\n)`
      return {
        aggregates: [aggregate],
        other: { relation: relatedTo(check.with, name, input), aggregates: [aggregate] },
        outer: ([own], [other]) => [
          `${own}::VARCHAR`,
          `${other}::VARCHAR`,
          check.tolerance === undefined
            ? `${own} IS NOT DISTINCT FROM ${other}`
            : `coalesce(abs(${own} - ${other}) <= ${literal(check.tolerance)}, ${own} IS NOT DISTINCT FROM ${other})`,
        ],
        measure: ([own, other, holds], rows) => ({
          failing: holds === true ? 0 : 1,
          total: rows,
          detail: `${own} here, ${other} in ${check.with}${check.tolerance === undefined ? '' : `, tolerated: ${check.tolerance}`}`,
        }),
      }
    }
    default:
      return undefined
  }
}

function freshness(newest: unknown, total: number, maxAgeHours: number, now: Date): Measure {
  if (newest === null) return { failing: 1, total, detail: `no value; at most ${maxAgeHours} hours old expected` }
  const hours = (now.getTime() - Number(newest)) / 3_600_000
  return {
    failing: hours <= maxAgeHours ? 0 : 1,
    total,
    detail: `newest is ${hours.toFixed(1)} hours old; at most ${maxAgeHours} expected`,
  }
}

function expected(min: number | string | undefined, max: number | string | undefined): string {
  const limits = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])]
  return limits.length === 0 ? '' : `; ${limits.join(' and ')} expected`
}

async function runOwnScan(
  session: Session,
  check: Check,
  name: string,
  input: TableChecks,
  total: number,
): Promise<Measure> {
  const row = await attempt(session, failingSql(check, name, input), async () => name)
  return { failing: Number(row['failing']), total }
}

/** A SELECT of how many rows fail a check which needs a scan of its own. */
function failingSql(check: Check, name: string, input: TableChecks): string {
  switch (check.kind) {
    case 'unique':
    case 'grain': {
      // Groups need less memory than a window over the rows.
      const keys = check.columns.map(quoteIdentifier)
      const absent = keys.map((key) => `${key} IS NULL`).join(' OR ')
      const groups = `SELECT count(*) AS n, (${absent}) AS absent FROM ${input.relation} GROUP BY ${keys.join(', ')}`
      const counts = check.kind === 'unique' ? 'n > 1 AND NOT absent' : 'n > 1 OR absent'
      return `SELECT coalesce(sum(n) FILTER (WHERE ${counts}), 0) AS failing FROM (${groups})`
    }
    case 'reference': {
      const other = relatedTo(check.to, name, input)
      const same = check.columns.map(
        (column, i) => `o.${quoteIdentifier(check.toColumns[i] ?? column)} = r.${quoteIdentifier(column)}`,
      )
      const present = check.columns.map((column) => `r.${quoteIdentifier(column)} IS NOT NULL`)
      return `SELECT count(*) AS failing FROM ${input.relation} AS r WHERE ${present.join(' AND ')} AND NOT EXISTS (SELECT 1 FROM ${other} AS o WHERE ${same.join(' AND ')})`
    }
    default:
      throw sluiceError('Internal', { why: `a check of kind ${check.kind} has rows of its own` })
  }
}

function relatedTo(table: string, check: string, { related }: Pick<TableChecks, 'related'>): string {
  const relation = related[table]
  if (relation === undefined)
    throw sluiceError('Quality.CheckInvalid', { check, detail: `Table "${table}" is not at hand.` })
  return relation
}
