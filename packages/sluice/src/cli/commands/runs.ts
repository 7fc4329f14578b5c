/** `sluice runs` */
import { sluiceError } from '../../base/errors.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import { openReads, owner, type Reads } from '../../query/reads.ts'
import type { OpenProject, RunInfo } from '../../run/api.ts'
import type { Context, Run } from '../command.ts'
import { writeList } from '../render/rows.ts'
import { runLine } from '../render/run-line.ts'
import { afterEvent, emptyRun } from '../render/run-state.ts'
import { nextAfterRun, summaryLines } from '../render/run-summary.ts'
import { count, duration, visibleLines } from '../render/text.ts'

const actions = ['list', 'show', 'logs', 'cancel'] as const

export const run: Run<'runs'> = async (context, { action = 'list', run: id, task, limit }) => {
  await using project = await context.openToRead()
  const reads = openReads(project, owner())
  if (action === 'list') await list(context, reads, limit)
  else if (action === 'cancel') await cancel(context, project, reads, id)
  else if (action === 'show') await show(context, project, reads, await reads.run(id))
  else if (action === 'logs') {
    const { id: found } = await reads.run(id)
    if (context.terminal.json) {
      await context.terminal.out.json(await reads.events(found, task))
      return 0
    }
    const text = await reads.log(found, task)
    await context.terminal.out.write(
      text === '' || text.endsWith('\n') ? visibleLines(text) : `${visibleLines(text)}\n`,
    )
  } else {
    const suggestion = suggest(action, actions)
    const params = { option: 'The first argument', value: action, expected: `one of ${actions.join(', ')}` }
    throw sluiceError('Cli.BadValue', params, suggestion === undefined ? {} : { suggestion })
  }
  return 0
}

async function cancel(
  { terminal }: Context,
  project: OpenProject,
  reads: Reads,
  id: string | undefined,
): Promise<void> {
  const running = (await reads.runs(50)).filter(({ status }) => status === 'running')
  const found = id ?? running[0]?.id
  if (found === undefined) throw sluiceError('Cli.MissingArgument', { argument: 'run', command: 'runs cancel' })
  await project.cancel(found)
  if (terminal.json) await terminal.out.json({ run: found })
  else await terminal.note(`Run ${found} is asked to end; what is committed stays.`)
  await terminal.next(`sluice runs show ${found}`)
}

async function list({ terminal }: Context, reads: Reads, limit: number): Promise<void> {
  const runs = await reads.runs(limit)
  if (runs.length === 0) await terminal.note('There are no runs yet.')
  const number = { align: 'right' } as const
  const columns = [
    { key: 'run' },
    { key: 'status' },
    { key: 'pipelines' },
    { key: 'what' },
    { key: 'started' },
    { key: 'took', ...number },
    { key: 'read', ...number },
    { key: 'quarantined', ...number },
    { key: 'failed', ...number },
  ]
  await writeList(terminal, columns, runs, ({ id, status, pipelines, command, startedAt, summary }) => ({
    run: id,
    status,
    pipelines: pipelines.join(', '),
    what: command ?? 'run',
    started: startedAt,
    took: summary === undefined ? '' : duration(summary.durationMs),
    read: summary === undefined ? '' : count(summary.rows.read),
    quarantined: summary === undefined ? '' : count(summary.rows.quarantined),
    failed: summary === undefined ? '' : count(summary.tasks.failed),
  }))
  await terminal.next(runs.length === 0 ? 'sluice run' : `sluice runs show ${runs[0]!.id}`)
}

async function show({ terminal }: Context, project: OpenProject, reads: Reads, info: RunInfo): Promise<void> {
  const events = await reads.events(info.id)
  if (terminal.json) return terminal.out.json({ ...info, events })
  for (const event of events) {
    const line =
      event.type === 'task.progress' || event.type === 'task.started' ? undefined : runLine(event, terminal.out.paint)
    if (line !== undefined) await terminal.out.line(line)
  }
  const view = events.reduce(afterEvent, emptyRun)
  if (view.summary === undefined) return terminal.out.line(`Run ${info.id} is ${info.status}.`)
  await terminal.out.write(`${summaryLines(view, terminal.out.paint, terminal.out.columns).join('\n')}\n`)
  await terminal.next(nextAfterRun(view, project.definition))
}
