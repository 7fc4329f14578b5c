/** Runs something that tells events, shows it while it happens, and sums it up: shared by run, retry and replay. */
import { type ErrorEntry, registry } from '../base/registry.ts'
import type { OpenProject, RunOptions } from '../run/api.ts'
import type { Context } from './command.ts'
import type { RunView } from './render/run-state.ts'
import { nextAfterRun, summaryLines } from './render/run-summary.ts'
import { showRun } from './render/run-view.ts'

/**
 * Shows a run to its end and gives its exit code.
 *
 * @example return runAndShow(context, project, (watching) => project.run(watching))
 */
export async function runAndShow(
  context: Context,
  { definition }: Pick<OpenProject, 'definition'>,
  start: (watching: Pick<RunOptions, 'onEvent' | 'signal'>) => ReturnType<OpenProject['run']>,
): Promise<number> {
  const { terminal } = context
  const display = showRun(terminal)
  let ended: Awaited<ReturnType<OpenProject['run']>>
  try {
    ended = await start({ onEvent: display.onEvent, signal: context.signal })
  } catch (error) {
    display.end()
    throw error
  }
  // The summary is the run's own, also where no event told it.
  const view = { ...display.end(), id: ended.id, summary: ended.summary }
  if (!terminal.json) {
    const { paint, columns } = terminal.out
    await terminal.out.write(`${summaryLines(view, paint, columns).join('\n')}\n`)
    await terminal.next(nextAfterRun(view, definition), true)
  }
  return exitOf(view)
}

/**
 * The exit code of a run that has ended: 0 when it succeeded, 3 when it failed by nothing but refusals of outside systems, else 1.
 *
 * @example exitOf(view) // 3: its only failed task could not log in
 */
export function exitOf({ summary, tasks, refused }: RunView): number {
  if (summary?.status === 'succeeded') return 0
  const failed = tasks.filter(({ status }) => status === 'failed')
  const outside = failed.every(({ finished }) => exits.get(finished?.error?.name ?? '') === 3)
  return summary?.status === 'failed' && failed.length > 0 && outside && refused.length === 0 ? 3 : 1
}

const exits = new Map(Object.entries<ErrorEntry<never>>(registry).map(([name, { exit }]) => [name, exit]))
