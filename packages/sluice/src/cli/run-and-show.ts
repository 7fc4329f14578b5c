/** Runs something that tells events, shows it while it happens, and sums it up: shared by run, retry and replay. */
import type { OpenProject, RunOptions } from '../run/api.ts'
import type { Context } from './command.ts'
import { nextAfterRun, summaryLines } from './render/run-summary.ts'
import { showRun } from './render/run-view.ts'

/**
 * Shows a run to its end and gives the exit code: 0 when it succeeded, 1 when anything failed.
 *
 * @example return runAndShow(context, (watching) => project.run(watching))
 */
export async function runAndShow(
  context: Context,
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
    await terminal.next(nextAfterRun(view), true)
  }
  return ended.summary.status === 'succeeded' ? 0 : 1
}
