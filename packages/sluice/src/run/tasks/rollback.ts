/** Makes the next version of a table with the content of an earlier one. */
import type { TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'

/** @throws Lake.UnknownVersion where the version is not kept */
export async function runRollback(context: TaskContext): Promise<TaskOutcome> {
  const { lake, task, run, attempt, fencingToken, fence } = context
  const { version } = task.command as Extract<Command, { kind: 'rollback' }>
  // An earlier attempt may have come as far as its commit.
  const current = await lake.current(task.table)
  const isDone = current?.run === run && current.rollbackOf === version
  const record = isDone
    ? current
    : await lake.rollback({ table: task.table, version, run, attempt, fencingToken, fence })
  return { status: 'succeeded', version: record.version }
}
