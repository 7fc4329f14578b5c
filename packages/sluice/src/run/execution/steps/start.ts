/** Starts a run: takes the leases of the pipelines that it works on, plans from what is committed, and writes what it is about into the ledger. */
import { sluiceError } from '../../../base/errors.ts'
import type { Plan } from '../../../plan/types.ts'
import type { PlanOptions } from '../../api.ts'
import type { ProjectContext } from '../../context.ts'
import { acquireLease } from '../../ledger/lease.ts'
import { keepIdleRun, type RunStart, startRun } from '../../ledger/ledger.ts'
import { plannedOutcome } from '../../ledger/outcome.ts'
import { holdReserve } from '../../maintenance/reserve.ts'
import { allPipelines, pipelinesOf } from '../../pipelines.ts'
import { planProject } from '../../planning/planning.ts'
import { type Command, commandPlan, commandText } from '../command-plan.ts'
import type { OpenRun } from '../open-run.ts'
import { summaryOf } from '../summary.ts'

/** What a run is started for. */
export interface StartOptions extends PlanOptions {
  /** Of runs that follow each other: the troubles that the ones before have reported. */
  readonly reported?: readonly string[]
  /** In place of the project's tasks: one task of its own. */
  readonly command?: Command
  /** A source whose refused rows are delivered again, and nothing else of it. */
  readonly replay?: string
}

/** A run that was started, and what there is to do. */
export interface Started extends Pick<OpenRun, 'start' | 'plan' | 'lease'> {
  readonly kind: 'nothing' | 'command' | 'tasks'
}

/**
 * Starts.
 *
 * @example const { kind } = await start(context, newId(clock), { select: ['raw.sales'] })
 * @throws Definition.Invalid before anything is written; Run.Busy where a living run works on one of the pipelines
 */
export async function start(context: ProjectContext, runId: string, options: StartOptions): Promise<Started> {
  const { state, clock } = context
  const pipelines = await selected(context, options)
  const lease = await acquireLease(state, pipelines, { clock, owner: runId })
  try {
    const startedAt = clock.now()
    const plan = await planOf(context, options)
    const { reported, command } = options
    const own: RunStart = {
      ...{ id: runId, startedAt: startedAt.toISOString(), pipelines: lease.pipelines, fencingToken: lease.token },
      ...(reported === undefined ? {} : { reported }),
      ...(command === undefined ? {} : { command: commandText(command) }),
    }
    if (plan.tasks.some(({ action }) => action === 'run')) {
      await holdReserve(context.cache)
      await startRun(state, own, plan)
      return { start: own, plan, lease, kind: command === undefined ? 'tasks' : 'command' }
    }
    const outcomes = new Map(plan.tasks.map((task) => [task.id, plannedOutcome(task)]))
    const finishedAt = clock.now()
    const durationMs = finishedAt.getTime() - startedAt.getTime()
    const end = { finishedAt: finishedAt.toISOString(), summary: summaryOf({ plan, outcomes, durationMs }) }
    return { start: await keepIdleRun(state, own, plan, end), plan, lease, kind: 'nothing' }
  } catch (error) {
    await lease.release()
    throw error
  }
}

/** The pipelines whose leases a run needs: those of the tasks that are selected. */
async function selected(context: ProjectContext, options: StartOptions): Promise<readonly string[]> {
  const { command, replay, select = [], exclude = [] } = options
  if (command !== undefined) return pipelinesOf(context, command.table)
  if (replay === undefined && select.length + exclude.length === 0) return allPipelines(context)
  const asked = replay === undefined ? options : { ...options, select: [`${replay}+`] }
  const { tasks } = await soundPlan(context, asked)
  const names = tasks.filter(({ reason }) => reason !== 'not-selected').map(({ pipeline }) => pipeline)
  return names.length > 0 ? names : allPipelines(context)
}

async function planOf(context: ProjectContext, options: StartOptions): Promise<Plan> {
  const { command, replay } = options
  if (command !== undefined) return commandPlan(context, command)
  if (replay === undefined) return soundPlan(context, options)
  const { deliverRefused, replaying } = await import('../../replay.ts')
  const paths = await deliverRefused(context, replay)
  const plan = await soundPlan(replaying(context, replay, paths), { ...options, select: [`${replay}+`] })
  const tasks = plan.tasks.map((task) => (task.id === `ingest:${replay}` ? { ...task, replay: paths } : task))
  return { ...plan, tasks }
}

/** What needs an approval holds back its own table and what depends on it, and nothing else. */
async function soundPlan(context: ProjectContext, options: PlanOptions): Promise<Plan> {
  const { plan, problems } = await planProject(context, options)
  const errors = problems.filter(({ severity, name }) => severity === 'error' && name !== 'Plan.NeedsApproval')
  if (errors.length > 0) throw sluiceError('Definition.Invalid', { count: errors.length }, { problems })
  return plan
}
