/** Write, check, then publish: commits a candidate as the next version, or throws and leaves the current one as it is. */
import { sluiceError } from '../../base/errors.ts'
import type { Session } from '../../engines/engine.ts'
import { completeFile } from '../../engines/parquet-footer.ts'
import type { CommitInput } from '../../lake/lake.ts'
import type { CheckResult, CommitRecord } from '../../lake/record.ts'
import type { Candidate } from '../../sources/source.ts'
import type { TaskContext } from '../context.ts'

/** What only the task knows. */
export type PublishOptions = Pick<CommitInput, 'taskKey' | 'operation' | 'expectedParent' | 'sql' | 'monthOf'>

/**
 * Commits a candidate; already committed under the same task key, it is left as it is.
 *
 * @throws Quality.ChecksFailed where a check of severity error does not hold
 * @throws Lake.Conflict where another writer was faster
 */
export async function publish(
  context: TaskContext,
  session: Session,
  candidate: Candidate,
  options: PublishOptions,
): Promise<CommitRecord> {
  const { task, emit } = context
  assertChecks(context, candidate.checks)
  for (const message of candidate.warnings) emit({ type: 'task.warning', task: task.id, message })
  const { record } = await context.lake.commit({
    ...options,
    table: task.table,
    definition: task.definition,
    run: context.run,
    attempt: context.attempt,
    fencingToken: context.fencingToken,
    fence: context.fence,
    verifyFile: (file, fields) => completeFile(session, file, fields),
    fields: candidate.fields,
    files: candidate.files,
    ...(candidate.kept === undefined ? {} : { kept: candidate.kept }),
    ...(candidate.watermark === undefined ? {} : { watermark: candidate.watermark }),
    inputs: candidate.inputs,
    accounting: candidate.accounting,
    checks: candidate.checks,
    quarantine: candidate.quarantine,
    warnings: candidate.warnings,
  })
  return record
}

/**
 * Tells the outcome of every check.
 *
 * @throws Quality.ChecksFailed where a check of severity error does not hold
 */
export function assertChecks(context: TaskContext, checks: readonly CheckResult[]): void {
  for (const check of checks) emitCheck(context, check)
  const failed = checks.filter((check) => check.status === 'failed')
  if (failed.length === 0) return
  throw sluiceError('Quality.ChecksFailed', {
    table: context.task.table,
    checks: failed.map((check) => `${check.name}: ${check.detail ?? `${check.failing} of ${check.total} rows`}`),
  })
}

function emitCheck(context: TaskContext, check: CheckResult): void {
  context.emit({
    type: 'quality.result',
    task: context.task.id,
    check: check.name,
    status: check.status,
    failing: check.failing,
    total: check.total,
    ...(check.detail === undefined ? {} : { detail: check.detail }),
  })
}
