/** Sluice's own records as rows: what `sluice.*` is in a query. */
import type { ExtractionLog } from '../lake/extractions.ts'
import { operationOf } from '../lake/record/refused.ts'
import type { CommitRecord, InputReference } from '../lake/record.ts'
import type { RunInfo } from './api.ts'

/** What `sluice.*` is made from. */
export interface SystemTables {
  readonly runs: readonly RunInfo[]
  /** All kept versions of all tables. */
  readonly versions: readonly CommitRecord[]
  /** The newest of each table. */
  readonly extractions: readonly ExtractionLog[]
}

type Row = Record<string, unknown>

/** The columns of each system table, in DuckDB's types. */
export const systemColumns = {
  runs: 'run VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, status VARCHAR, pipelines VARCHAR[], rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT, rows_dropped BIGINT, rows_loaded BIGINT, duration_ms BIGINT',
  lag: 'run VARCHAR, started_at TIMESTAMPTZ, "table" VARCHAR, connection VARCHAR, slot VARCHAR, lag_bytes BIGINT, lag_seconds DOUBLE, kept_bytes BIGINT, level VARCHAR',
  versions:
    '"table" VARCHAR, version BIGINT, committed_at TIMESTAMPTZ, operation VARCHAR, run VARCHAR, rows BIGINT, bytes BIGINT, files BIGINT, files_kept BIGINT, rows_read BIGINT, rows_quarantined BIGINT, definition VARCHAR',
  checks:
    '"table" VARCHAR, version BIGINT, "check" VARCHAR, kind VARCHAR, columns VARCHAR[], severity VARCHAR, status VARCHAR, failing BIGINT, total BIGINT, detail VARCHAR',
  files:
    '"table" VARCHAR, version BIGINT, file VARCHAR, sha256 VARCHAR, bytes BIGINT, file_date DATE, rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT',
  inputs: '"table" VARCHAR, version BIGINT, kind VARCHAR, input VARCHAR, input_version BIGINT, rows BIGINT',
  extractions:
    '"table" VARCHAR, run VARCHAR, connection VARCHAR, procedure VARCHAR, attempt BIGINT, status VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, parameters JSON, window_from VARCHAR, window_to VARCHAR, calls BIGINT, rows BIGINT, bytes BIGINT, messages VARCHAR[], more_messages BIGINT, error_code VARCHAR, error VARCHAR, return_code BIGINT, output JSON, version BIGINT',
} as const

/**
 * The rows of each system table, by its columns.
 *
 * @example systemRows({ runs, versions, extractions }).versions.length
 */
export function systemRows({ runs, versions, extractions }: SystemTables): {
  readonly [table in keyof typeof systemColumns]: readonly Row[]
} {
  // A compaction took and checked nothing: what is told of it is told of the version whose rows it has, while that is kept.
  const kept = new Set(versions.map(({ table, version }) => `${table} ${version}`))
  const made = versions.filter(({ table, compacted }) => !kept.has(`${table} ${compacted?.of}`))
  return {
    runs: runs.map((run) => ({
      run: run.id,
      started_at: run.startedAt,
      finished_at: run.finishedAt ?? null,
      status: run.status,
      pipelines: run.pipelines,
      rows_read: run.summary?.rows.read ?? null,
      rows_accepted: run.summary?.rows.accepted ?? null,
      rows_quarantined: run.summary?.rows.quarantined ?? null,
      rows_dropped: run.summary?.rows.dropped ?? null,
      rows_loaded: run.summary?.rows.loaded ?? null,
      duration_ms: run.summary?.durationMs ?? null,
    })),
    lag: runs.flatMap(({ id, startedAt, summary }) =>
      (summary?.lag ?? []).map(({ bytes, seconds, keptBytes, ...of }) => ({
        ...{ ...of, run: id, started_at: startedAt, lag_bytes: bytes, kept_bytes: keptBytes },
        lag_seconds: seconds ?? null,
      })),
    ),
    versions: versions.map((record) => ({
      table: record.table,
      version: record.version,
      committed_at: record.compacted?.at ?? record.committedAt,
      operation: operationOf(record),
      run: record.compacted?.run ?? record.run,
      rows: record.rows,
      bytes: record.bytes,
      files: record.files.length,
      files_kept: record.files.filter(({ addedIn }) => addedIn < record.version).length,
      rows_read: record.accounting.read,
      rows_quarantined: record.accounting.quarantined,
      definition: record.definition,
    })),
    checks: made.flatMap((record) =>
      record.checks.map((check) => ({ ...check, table: record.table, version: record.version, check: check.name })),
    ),
    files: made.flatMap((record) =>
      record.inputs.flatMap((input) =>
        input.kind === 'file'
          ? [
              {
                table: record.table,
                version: record.version,
                file: input.path,
                sha256: input.sha256,
                bytes: input.bytes,
                file_date: input.fileDate ?? null,
                rows_read: input.accounting.read,
                rows_accepted: input.accounting.accepted,
                rows_quarantined: input.accounting.quarantined,
              },
            ]
          : [],
      ),
    ),
    inputs: made.flatMap((record) =>
      record.inputs.map((input) => ({ table: record.table, version: record.version, ...inputRow(input) })),
    ),
    extractions: extractions.flatMap(extractionRows),
  }
}

function inputRow(input: InputReference): Row {
  const { kind } = input
  if (kind === 'table') return { kind, input: input.table, input_version: input.version }
  if (kind === 'file') return { kind, input: input.path, rows: input.accounting.read }
  if (kind === 'changes') return { kind, input: `${input.connection}: ${input.slot} to ${input.to}`, rows: input.rows }
  return { kind, input: `${input.connection}: ${input.procedure}`, rows: input.rows }
}

/** A row an attempt. One that another attempt followed has failed, whether or not it could say so. */
function extractionRows(log: ExtractionLog): readonly Row[] {
  const { table, run, connection, procedure, version, window, calls } = log
  return log.attempts.map((attempt, at) => {
    const isLast = at === log.attempts.length - 1
    return {
      table,
      run,
      connection,
      procedure,
      attempt: attempt.attempt,
      status: isLast ? log.status : 'failed',
      started_at: attempt.startedAt,
      finished_at: attempt.finishedAt,
      parameters: calls,
      window_from: window?.from,
      window_to: window?.to,
      calls: attempt.calls,
      rows: attempt.rows,
      bytes: attempt.bytes,
      messages: attempt.messages.map(({ text }) => text),
      more_messages: attempt.moreMessages ?? 0,
      error_code: attempt.error?.code,
      error: attempt.error?.message,
      return_code: attempt.returnCode,
      output: attempt.output,
      version: isLast ? version : undefined,
    }
  })
}
