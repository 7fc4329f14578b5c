/** Writes small files of what the run has committed to together. Where that fails, tables are as they are, and another run tries again. */
import type { ProjectContext } from '../../context.ts'
import { errorSummary, type RunEvent } from '../../ledger/events.ts'
import { readOutcomes } from '../../ledger/outcome.ts'
import { keepStep, stamp } from '../../ledger/run-events.ts'
import type { OpenRun } from '../open-run.ts'

/** @example await compactTables(context, run) */
export async function compactTables(
  context: ProjectContext,
  { start, plan, lease, ended, tell }: OpenRun,
): Promise<void> {
  const { id: run, fencingToken } = start
  const made = plan.tasks.filter(({ kind, action }) => (kind === 'ingest' || kind === 'model') && action === 'run')
  const outcomes = await readOutcomes(context.state, run, { tasks: made })
  const events: RunEvent[] = []
  for (const { id: task, table } of made) {
    if (ended.aborted) break
    if (outcomes.get(task)?.status !== 'succeeded') continue
    const compacting = { run, fencingToken, fence: () => lease.assertHeld(), signal: ended }
    try {
      await (await import('../compact.ts')).compactTable(context, table, compacting)
    } catch (error) {
      if (ended.aborted) break
      const message = `small files stay as they are: ${errorSummary(error).message}`
      const event = stamp(run, context.clock.now(), { type: 'task.warning', task, message })
      events.push(event)
      tell(event)
    }
  }
  await keepStep(context.state, run, 'compact', events)
}
