/** Makes the next version of a table with the content of an earlier one. */
import { isSluiceError } from '../../base/errors.ts'
import { missingVersions, witnessesIn } from '../../lake/record/witnesses.ts'
import type { ProjectContext, TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'
import { intactTables } from '../intact.ts'
import { loadWitnesses } from '../planning/load-witnesses.ts'
import { targetStates } from '../planning/target-states.ts'

/** @throws Lake.UnknownVersion where the version is not kept */
export async function runRollback(context: TaskContext): Promise<TaskOutcome> {
  const { lake, task, run, attempt, fencingToken, fence } = context
  const { version } = task.command as Extract<Command, { kind: 'rollback' }>
  // An earlier attempt may have come as far as its commit.
  const current = await lake.current(task.table).catch((error: unknown) => {
    // It is what a rollback is a way out of.
    if (isSluiceError(error, 'Lake.VersionMissing')) return undefined
    throw error
  })
  const isDone = current?.run === run && current.rollbackOf === version
  const record = isDone
    ? current
    : await lake.rollback({
        ...{ table: task.table, version, run, attempt, fencingToken, fence },
        after: await highestSeen(context, task.table),
      })
  return { status: 'succeeded', version: record.version }
}

/** The highest number that others have seen of a table, where that is higher than what is left of it. */
async function highestSeen(context: ProjectContext, table: string): Promise<number> {
  const [newest] = await context.lake.versions(table, () => undefined)
  if (newest === undefined) return 0
  const { records } = await intactTables(context.lake)
  const loads = await loadWitnesses(context, await targetStates(context), [newest])
  const [missing] = missingVersions([newest], [...witnessesIn(records), ...loads])
  return missing?.highest ?? 0
}
