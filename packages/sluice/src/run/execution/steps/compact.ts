/**
 * Keeps the tables of the run's pipelines in order: removes refused rows that are older than a rule allows, writes small files of what the run has
 * committed to together, and what a run before could not write for other engines. Where that fails, tables are as they are, and another run tries again.
 */
import type { ProjectContext } from '../../context.ts'
import { errorSummary, type NewRunEvent, type RunEvent } from '../../ledger/events.ts'
import { readOutcomes } from '../../ledger/outcome.ts'
import { keepStep, stamp } from '../../ledger/run-events.ts'
import { ageOut } from '../../maintenance/dismiss.ts'
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
  const add = (event: NewRunEvent): void => {
    const stamped = stamp(run, context.clock.now(), event)
    events.push(stamped)
    tell(stamped)
  }
  const fence = (): Promise<void> => lease.assertHeld()
  const tables = [...new Set(plan.tasks.flatMap(({ kind, table }) => (kind === 'load' ? [] : [table])))]
  try {
    for (const aged of await ageOut(context, tables, { run, fencingToken, fence, dryRun: false }))
      add({ type: 'quarantine.aged-out', ...aged })
  } catch (error) {
    add({ type: 'task.warning', task: 'quarantine', message: `nothing is aged out: ${errorSummary(error).message}` })
  }
  for (const { id: task, table } of made) {
    if (ended.aborted) break
    if (outcomes.get(task)?.status !== 'succeeded') continue
    const compacting = { run, fencingToken, fence, signal: ended }
    try {
      await (await import('../compact.ts')).compactTable(context, table, compacting)
    } catch (error) {
      if (ended.aborted) break
      const message = `small files stay as they are: ${errorSummary(error).message}`
      add({ type: 'task.warning', task, message })
    }
  }
  for (const { kind, table, action } of plan.tasks)
    if (kind !== 'load' && action === 'skip' && !ended.aborted)
      await describeLate(context, table).catch(() => undefined)
  await keepStep(context.state, run, 'compact', events)
}

/** A version whose writer died before its Iceberg metadata was there. */
async function describeLate({ lake }: ProjectContext, table: string): Promise<void> {
  const status = (await lake.iceberg(table))?.status
  if (status === 'behind' || status === 'moved') await lake.syncIceberg(table)
}
