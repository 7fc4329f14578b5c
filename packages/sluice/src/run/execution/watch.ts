/** Runs a project again and again: a stream of changes is followed by runs that each take what came since. */
import { isSluiceError } from '../../base/errors.ts'
import type { WatchOptions } from '../api.ts'
import type { ProjectContext } from '../context.ts'
import type { RunEvent, RunSummary } from '../ledger/events.ts'
import { forgetRun } from '../ledger/ledger.ts'
import { executeRun } from './execute.ts'
import { news } from './news.ts'

/** While runs fail, the pause doubles up to this. */
const longestPauseMs = 60_000

/**
 * Runs until the signal aborts. A run that finds nothing to do leaves no trace, and a failure is reported once.
 *
 * @example await watchProject(context, { everyMs: 5000, onCycle: ({ summary }) => …, signal })
 * @throws Definition.Invalid, and whatever else ends a run before it begins; not Run.Busy
 */
export async function watchProject(context: ProjectContext, options: WatchOptions): Promise<void> {
  const { everyMs, onCycle, signal, ...rest } = options
  let reported: readonly string[] = []
  let failing = 0
  let wasBusy = false
  while (signal?.aborted !== true) {
    const events: RunEvent[] = []
    const ended = await unlessBusy(() =>
      executeRun(context, {
        ...rest,
        ...(signal === undefined ? {} : { signal }),
        reported,
        onEvent: (event) => {
          if (event.type !== 'task.progress') events.push(event)
        },
      }),
    )
    failing = ended !== undefined && isFailed(ended.summary) ? failing + 1 : 0
    const nextMs = failing === 0 ? everyMs : Math.max(everyMs, Math.min(everyMs * 2 ** failing, longestPauseMs))
    if (ended === undefined) {
      if (!wasBusy) onCycle({ isBusy: true, events, nextMs })
    } else {
      const found = news(reported, events, ended.summary)
      if (found.isNothing) await forgetRun(context.state, ended.id)
      if (found.isShown) onCycle({ isBusy: false, ...ended, events: found.events, nextMs })
      reported = found.reported
    }
    wasBusy = ended === undefined
    await context.clock.sleep(nextMs, signal)
  }
}

/** A table that waits for somebody is no reason to look more seldom for the others. */
function isFailed({ status, tasks, refusedFiles }: RunSummary): boolean {
  return status === 'failed' && tasks.failed + tasks.skipped + refusedFiles > 0
}

async function unlessBusy<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (isSluiceError(error, 'Run.Busy')) return undefined
    throw error
  }
}
