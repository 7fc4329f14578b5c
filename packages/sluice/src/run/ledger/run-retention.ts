/** Records of runs that nobody needs any more. */
import { crashPoint } from '../../base/crash.ts'
import type { Storage, StoredObject } from '../../storage/storage.ts'
import { forgetRun } from './ledger.ts'

/** Runs kept: the newest so many, and those younger than so many days, whichever keeps more. */
export const runRetention = { runs: 1000, days: 30 } as const

const dayMs = 86_400_000

/**
 * Removes the records of runs beyond their retention; one that is named stays, however old.
 *
 * @example await retireRuns(state, clock.now(), { named: new Set([record.run]), dryRun: false })
 * @param named Runs that kept versions, extractions or loads name.
 */
export async function retireRuns(
  storage: Storage,
  now: Date,
  { named, dryRun }: { readonly named: ReadonlySet<string>; readonly dryRun: boolean },
): Promise<readonly StoredObject[]> {
  // An id begins with the time of its run, so nothing has to be read to know its age.
  const oldest = new Date(now.getTime() - runRetention.days * dayMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const ids = (await storage.folders('runs')).filter((id) => /^\d{8}T\d{6}Z-/.test(id)).sort()
  const removed: StoredObject[] = []
  for (const id of ids.slice(0, -runRetention.runs)) {
    if (id >= oldest || named.has(id)) continue
    removed.push(...(await storage.list(`runs/${id}`)))
    if (dryRun) continue
    crashPoint('run.ledger.before_removal')
    await forgetRun(storage, id)
  }
  return removed
}
