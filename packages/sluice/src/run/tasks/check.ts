/** Checks a candidate before it is published: keeps refused rows apart where a check says so, then judges what is left. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from '../../definition/types.ts'
import type { Session, WriteOptions, WrittenFile } from '../../engines/engine.ts'
import { runTableChecks, splitSql } from '../../quality/table-checks.ts'
import type { Candidate } from '../../sources/source.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'
import type { TaskContext } from '../context.ts'

/** A model's output on the way to being published. */
export type ModelCandidate = Omit<Candidate, 'inputs'>

/**
 * The relation of a candidate's files, with its columns alone.
 *
 * @example `SELECT count(*) FROM ${candidateSql(candidate)}`
 */
export function candidateSql(candidate: Pick<Candidate, 'fields' | 'files'>): string {
  const columns = candidate.fields.map(({ name, type }) => ({ name: quoteIdentifier(name), type }))
  if (candidate.files.length === 0)
    return `(SELECT ${columns.map(({ name, type }) => `NULL::${type} AS ${name}`).join(', ')} WHERE false)`
  const files = readParquetSql(candidate.files.map((file) => file.localFile))
  return `(SELECT ${columns.map(({ name }) => name).join(', ')} FROM ${files})`
}

/**
 * Runs a table's checks over its candidate.
 *
 * @param rewrite writes a SELECT over the candidate again, in the table's own partitions
 * @returns the candidate with results, and without the rows that went to quarantine
 */
export async function checkCandidate(
  context: TaskContext,
  session: Session,
  candidate: ModelCandidate,
  checks: readonly Check[],
  rewrite: (sql: string, folder: string) => Promise<ModelCandidate['files']>,
): Promise<ModelCandidate> {
  if (checks.length === 0) return candidate
  const scratch = await context.scratch('checked')
  const kept = await quarantineRows(session, candidate, checks, scratch, rewrite)
  // Before anything is taken out, so that the thresholds see every failing row.
  const quarantining = new Set(checks.filter((check) => check.action === 'quarantine'))
  const related = await relatedTables(context, checks)
  const now = context.clock.now()
  const before = await runTableChecks(session, {
    relation: candidateSql(candidate),
    checks: checks.filter((check) => quarantining.has(check)),
    related,
    now,
  })
  const after = await runTableChecks(session, {
    relation: candidateSql(kept),
    checks: checks.filter((check) => !quarantining.has(check)),
    related,
    now,
  })
  const declaredLimits = new Map(
    checks
      .filter((check) => quarantining.has(check))
      .map((check, index) => [before[index], check.maxShare !== undefined || check.maxCount !== undefined]),
  )
  const quarantined = before.map((result) =>
    result.status === 'failed' && declaredLimits.get(result) !== true
      ? { ...result, status: 'warned' as const }
      : result,
  )
  return { ...kept, checks: [...candidate.checks, ...quarantined, ...after] }
}

async function quarantineRows(
  session: Session,
  candidate: ModelCandidate,
  checks: readonly Check[],
  scratch: string,
  rewrite: (sql: string, folder: string) => Promise<ModelCandidate['files']>,
): Promise<ModelCandidate> {
  const split = splitSql(checks)
  if (split === undefined) return candidate
  const relation = candidateSql(candidate)
  const folder = join(scratch, 'quarantine')
  await mkdir(folder, { recursive: true })
  const struct = candidate.fields
    .map(({ name }) => `${quoteIdentifier(name)} := r.${quoteIdentifier(name)}::VARCHAR`)
    .join(', ')
  const [file] = await session.write(
    `SELECT NULL::VARCHAR AS _file, NULL::BIGINT AS _line, NULL::BIGINT AS _record, NULL::BIGINT AS _offset,
       encode(to_json(struct_pack(${struct}))::VARCHAR) AS _bytes, NULL::BLOB AS _header, ${split.reasons} AS reasons, to_json(struct_pack(${struct})) AS fields
     FROM ${relation} AS r WHERE NOT ${split.predicate}`,
    { folder },
  )
  if (file === undefined || file.rows === 0) return candidate
  const good = join(scratch, 'accepted')
  await mkdir(good, { recursive: true })
  const files = await rewrite(`SELECT * FROM ${relation} WHERE ${split.predicate}`, good)
  const reasons = await session.all<{ reason: string; n: string }>(
    `SELECT reasons[1] AS reason, count(*) AS n FROM ${readParquetSql([file.file])} GROUP BY ALL ORDER BY ALL`,
  )
  return {
    ...candidate,
    files,
    quarantine: [
      {
        localFile: file.file,
        rows: file.rows,
        reasons: Object.fromEntries(reasons.map(({ reason, n }) => [reason, Number(n)])),
      },
    ],
    accounting: {
      ...candidate.accounting,
      accepted: candidate.accounting.accepted - file.rows,
      quarantined: file.rows,
    },
  }
}

/** The tables that checks name, as their newest versions: the plan has them made before. */
export async function relatedTables(context: TaskContext, checks: readonly Check[]): Promise<Record<string, string>> {
  const names = new Set(
    checks.flatMap((check) =>
      check.kind === 'reference' ? [check.to] : check.kind === 'reconcile' ? [check.with] : [],
    ),
  )
  const related: Record<string, string> = {}
  for (const name of names) {
    const record = await context.lake.current(name)
    if (record === undefined) continue
    await context.lake.verify(record)
    related[name] = `(${await context.lake.latestSql(record)})`
  }
  return related
}

/** Written files as a candidate's: without empty ones, with statistics of the table's own columns. */
export function candidateFiles(written: readonly WrittenFile[], columns: readonly string[]): ModelCandidate['files'] {
  return written
    .filter((file) => file.rows > 0)
    .map(({ file, rows, partition, stats }) => ({
      localFile: file,
      rows,
      ...(partition === undefined ? {} : { partition }),
      stats,
      fields: columns,
    }))
}

/** How the engine partitions what a table declares; years and months exist only as partitions. */
export function partitionColumns(
  partition: { readonly kind: 'value' | 'yearMonth'; readonly column: string } | undefined,
): Pick<WriteOptions, 'partitionBy' | 'partitionsOnly'> {
  if (partition === undefined) return {}
  if (partition.kind === 'value') return { partitionBy: [partition.column] }
  return { partitionBy: ['year', 'month'], partitionsOnly: true }
}
