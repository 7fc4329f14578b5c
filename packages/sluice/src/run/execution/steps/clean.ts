/** Applies retention once a day, by the run that comes first. What cannot be removed now is removed another day. */
import { isSluiceError } from '../../../base/errors.ts'
import type { ProjectContext } from '../../context.ts'
import { acquireLease } from '../../ledger/lease.ts'
import { allPipelines } from '../../pipelines.ts'
import type { OpenRun } from '../open-run.ts'

const dayMs = 86_400_000

/** A cache: without it, the next run cleans. */
const lastCleanedPath = 'cache/cleaned'

/** @example await cleanDaily(context, run) */
export async function cleanDaily(
  context: ProjectContext,
  { start, lease }: Pick<OpenRun, 'start' | 'lease'>,
): Promise<void> {
  const { state, clock } = context
  const now = clock.now()
  const last = await state.read(lastCleanedPath)
  if (last !== undefined && now.getTime() - Date.parse(new TextDecoder().decode(last)) < dayMs) return
  await lease.assertHeld()
  const others = allPipelines(context).filter((name) => !lease.pipelines.includes(name))
  // What a run on other pipelines has not committed yet would look like garbage: then it is for another day.
  const rest = await acquireLease(state, others, { clock, owner: start.id, unclear: 'busy' }).catch(
    (error: unknown) => {
      if (isSluiceError(error, 'Run.Busy')) return undefined
      throw error
    },
  )
  if (rest === undefined) return
  await using _rest = rest
  await removing().then(({ removeUnneeded }) => removeUnneeded(context, false))
  await state.write(lastCleanedPath, now.toISOString())
}

/** Apart, because the compiler leaves the ending of an import as it is where it is inside a block with `await using`. */
const removing = (): Promise<typeof import('../../maintenance/maintenance.ts')> =>
  import('../../maintenance/maintenance.ts')
