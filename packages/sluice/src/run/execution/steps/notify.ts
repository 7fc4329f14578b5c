/** Sends how a run ended: to the project's notifiers as a whole, to each pipeline's about that pipeline. The topic has a state of its own in the text. */
import type { Notifier } from '../../../definition/types.ts'
import { dispatch, notifierFor } from '../../../notifications/dispatch.ts'
import type { ProjectContext } from '../../context.ts'
import { readEnvironment, resolveText } from '../../definition/secrets.ts'
import type { NewRunEvent, RunEvent } from '../../ledger/events.ts'
import { rememberLag } from '../../ledger/lag.ts'
import { readEnd } from '../../ledger/ledger.ts'
import { readOutcomes } from '../../ledger/outcome.ts'
import { keepStep, readEvents, stamp } from '../../ledger/run-events.ts'
import { type EndedRun, notificationsOf } from '../messages.ts'
import { news } from '../news.ts'
import type { OpenRun } from '../open-run.ts'

/** Sends what has to be sent; what cannot be delivered becomes an event, and changes nothing about the run. @example await notify(context, run) */
export async function notify(context: ProjectContext, { start, plan, tell }: OpenRun): Promise<void> {
  const { state, clock, project } = context
  const end = await readEnd(state, start.id, start)
  // A run that was succeeded leaves the word to its successor.
  if (end === undefined || end.summary.error?.name === 'Run.Fenced') return
  const outcomes = await readOutcomes(state, start.id, plan)
  const lags = [...outcomes.values()].flatMap(({ lag }) => lag ?? [])
  const { isSent, events } = news(start.reported, (await readEvents(state, start.id)) ?? [], end.summary)
  const run: EndedRun = {
    ...{ id: start.id, project: project.config.name, at: clock.now().toISOString() },
    ...{ plan, summary: end.summary, outcomes, isSent },
    alerts: lags.filter(({ level, isNew }) => level === 'alert' && isNew),
    waiting: events.flatMap((event) =>
      event.type === 'task.refused' && event.what === 'table' ? [{ task: event.task, table: event.input }] : [],
    ),
  }
  if (run.isSent || run.alerts.length > 0) {
    const sent = await send(context, run)
    const stamped = sent.map((event): RunEvent => stamp(start.id, clock.now(), event))
    for (const event of stamped) tell(event)
    await keepStep(state, start.id, 'notify', stamped)
  }
  // After it was sent: what a crash takes between the two is sent twice, and not never.
  await rememberLag(state, lags)
}

async function send(context: ProjectContext, run: EndedRun): Promise<readonly NewRunEvent[]> {
  const { config, pipelines } = context.project
  const groups = [
    { notifiers: config.notifications, pipelines: [...new Set(run.plan.tasks.map((task) => task.pipeline))] },
    ...pipelines.map((pipeline) => ({ notifiers: pipeline.notifications, pipelines: [pipeline.name] })),
  ].filter(({ notifiers }) => notifiers.length > 0)
  if (groups.length === 0) return []
  const environment = await readEnvironment(context.root, config)
  const open = (definition: Notifier): ReturnType<typeof notifierFor> =>
    notifierFor(definition, {
      resolve: (text) => resolveText(text, environment),
      root: context.root,
      print: context.print,
      clock: context.clock,
    })
  const events: NewRunEvent[] = []
  for (const group of groups) {
    const signal = new AbortController().signal
    for (const { kind, id, error } of await dispatch(group.notifiers, notificationsOf(run, group.pipelines), {
      open,
      signal,
    })) {
      if (error === undefined) events.push({ type: 'notification.sent', kind, id })
      else {
        const { code, name, message, retryable } = error
        events.push({ type: 'notification.failed', kind, id, error: { code, name, message, retryable } })
      }
    }
  }
  return events
}
