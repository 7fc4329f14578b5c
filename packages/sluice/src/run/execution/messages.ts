/** The notifications of a run that has ended. Pure. */
import type { Notification } from '../../notifications/notifier.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import type { RunSummary } from '../ledger/events.ts'
import type { LagEvent } from '../ledger/lag.ts'
import type { Outcome } from '../ledger/outcome.ts'

/** A run that has ended. */
export interface EndedRun {
  readonly id: string
  readonly project: string
  /** When they are sent. */
  readonly at: string
  readonly plan: Plan
  readonly summary: RunSummary
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Whether its end is sent; its alerts are in any case. */
  readonly isSent: boolean
  readonly alerts: readonly LagEvent[]
  /** Tables that wait and were not reported before, with their tasks. */
  readonly waiting: readonly { readonly task: string; readonly table: string }[]
}

/**
 * The notifications of a run, or of some pipelines of it.
 *
 * @example notificationsOf(run, ['retail'])
 */
export function notificationsOf(run: EndedRun, pipelines: readonly string[]): readonly Notification[] {
  const base = { at: run.at, project: run.project, run: run.id }
  const tasks = run.plan.tasks.filter((task) => pipelines.includes(task.pipeline))
  const alerts = tasks.flatMap((task) => alertNotification(base, run, task))
  if (!run.isSent) return alerts
  const ofTasks = tasks.flatMap((task) => taskNotification(base, run, task))
  const failed = tasks.filter(({ id }) => failureOf(run, id) !== undefined)
  const refused = tasks.reduce((sum, task) => sum + (run.outcomes.get(task.id)?.refused ?? 0), 0)
  const waiting = run.waiting.filter(({ task }) => tasks.some(({ id }) => id === task)).map(({ table }) => table)
  // A pipeline's own notifiers hear of that pipeline: another one's failure is not its own.
  const troubled = tasks.some((task) =>
    ['failed', 'skipped', 'cancelled'].includes(run.outcomes.get(task.id)?.status ?? 'cancelled'),
  )
  const status =
    run.summary.status === 'cancelled' ? 'cancelled' : troubled || refused + waiting.length > 0 ? 'failed' : 'succeeded'
  const error = failed[0] === undefined ? undefined : failureOf(run, failed[0].id)
  const { read, accepted, quarantined, dropped } = run.summary.rows
  return [
    ...alerts,
    ...ofTasks,
    {
      ...base,
      id: `${run.id}/${pipelines.join('+')}/${status}`,
      pipeline: pipelines.join(', '),
      status,
      summary: summaryLine(pipelines, status, run.summary, failed, refused, waiting),
      rows: { read, accepted, quarantined, dropped },
      ...(error === undefined ? {} : { error: { code: error.code, name: error.name, message: error.message } }),
      next:
        status === 'succeeded'
          ? `sluice runs show ${run.id}`
          : failed.length > 0
            ? `sluice retry ${run.id}`
            : waiting.length > 0
              ? 'sluice cdc status'
              : `sluice runs logs ${run.id}`,
    },
  ]
}

const failureOf = ({ outcomes }: EndedRun, task: string): Outcome['error'] => {
  const outcome = outcomes.get(task)
  return outcome?.status === 'failed' ? outcome.error : undefined
}

/** A source that is beyond an alert's limit: sent as a failure is, though its run may be well. */
function alertNotification(
  base: Pick<Notification, 'at' | 'project' | 'run'>,
  run: EndedRun,
  { id: task, pipeline, table }: PlanTask,
): Notification[] {
  return run.alerts.flatMap(({ task: of, error }): Notification[] => {
    if (of !== task || error === undefined) return []
    const { code, name, message } = error
    const id = `${run.id}/${task}/alert`
    const alert = { ...base, id, pipeline, task, status: 'alert', summary: message } as const
    return [{ ...alert, error: { code, name, message }, next: `sluice cdc status ${table}` }]
  })
}

function taskNotification(
  base: Pick<Notification, 'at' | 'project' | 'run'>,
  run: EndedRun,
  task: PlanTask,
): Notification[] {
  const outcome = run.outcomes.get(task.id)
  if (outcome === undefined || (outcome.status !== 'succeeded' && outcome.status !== 'failed')) return []
  const error = failureOf(run, task.id)
  const of = outcome.accounting
  return [
    {
      ...base,
      id: `${run.id}/${task.id}/${outcome.status}`,
      pipeline: task.pipeline,
      task: task.id,
      status: outcome.status,
      summary: `${task.id} ${outcome.status}${outcome.version === undefined ? '' : `, version ${outcome.version}`}`,
      ...(of === undefined
        ? {}
        : {
            rows: {
              read: of.read,
              accepted: of.accepted,
              quarantined: of.quarantined,
              dropped: Object.values(of.dropped).reduce((sum, count) => sum + count, 0),
            },
          }),
      ...(error === undefined ? {} : { error: { code: error.code, name: error.name, message: error.message } }),
      next: `sluice runs logs ${run.id} ${task.id}`,
    },
  ]
}

function summaryLine(
  pipelines: readonly string[],
  status: string,
  summary: RunSummary,
  failed: readonly PlanTask[],
  refused: number,
  waiting: readonly string[],
): string {
  const { rows } = summary
  const equation = `${rows.read} rows read = ${rows.accepted} accepted + ${rows.quarantined} quarantined${rows.dropped > 0 ? ` + ${rows.dropped} dropped` : ''}`
  const trouble = [
    ...(failed.length > 0 ? [`${failed.length} failed: ${failed.map((task) => task.id).join(', ')}`] : []),
    ...(refused > 0 ? [`${refused} ${refused === 1 ? 'file' : 'files'} refused`] : []),
    ...(waiting.length > 0 ? [`${waiting.length === 1 ? 'a table waits' : 'tables wait'}: ${waiting.join(', ')}`] : []),
  ]
  return `${pipelines.join(', ')} ${status}: ${[equation, ...trouble].join('; ')}`
}
