/** Write, check, then publish: commits a candidate as the next version, or throws and leaves the current one as it is. */
import type { Session } from '../../engines/engine.ts'
import { completeFile } from '../../engines/parquet-footer.ts'
import type { CommitInput } from '../../lake/lake.ts'
import type { CheckResult, CommitRecord } from '../../lake/record.ts'
import { assertPassed } from '../../quality/rows/judge.ts'
import type { Candidate } from '../../sources/source.ts'
import type { TaskContext } from '../context.ts'
import { rewriteOlder } from '../execution/rewrite.ts'

/** What only the task knows. */
export interface PublishOptions
  extends Pick<CommitInput, 'taskKey' | 'operation' | 'expectedParent' | 'sql' | 'monthOf' | 'dismissed'> {
  /** The version whose files stay, in columns that may be others now. */
  readonly grows?: CommitRecord | undefined
}

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
  { grows, ...options }: PublishOptions,
): Promise<CommitRecord> {
  const { task, emit } = context
  assertChecks(context, candidate.checks)
  for (const message of candidate.warnings) emit({ type: 'task.warning', task: task.id, message })
  const rewritten = grows === undefined ? [] : await rewriteOlder(context, grows, candidate)
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
    ...(rewritten.length === 0 ? {} : { rewritten }),
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
  assertPassed({ what: context.task.table, of: 'table' }, checks)
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
