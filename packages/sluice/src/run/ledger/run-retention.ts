/** Records of runs that nobody needs any more. */
import { crashPoint } from '../../base/crash.ts'
import type { RunRetention } from '../../definition/types.ts'
import type { Storage, StoredObject } from '../../storage/storage.ts'
import { forgetRun } from './ledger.ts'

const dayMs = 86_400_000

/**
 * Removes the records of runs beyond their retention; one that is named stays, however old.
 *
 * @example await retireRuns(state, clock.now(), { retention: { runs: 1000, days: 30 }, named: new Set([record.run]), dryRun: false })
 * @param named Runs that kept versions, extractions or loads name.
 */
export async function retireRuns(
  storage: Storage,
  now: Date,
  {
    retention: { runs = 1, days = 0 },
    named,
    dryRun,
  }: { readonly retention: RunRetention; readonly named: ReadonlySet<string>; readonly dryRun: boolean },
): Promise<readonly StoredObject[]> {
  // An id begins with the time of its run, so nothing has to be read to know its age.
  const oldest = new Date(now.getTime() - days * dayMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const ids = (await storage.folders('runs')).filter((id) => /^\d{8}T\d{6}Z-/.test(id)).sort()
  const removed: StoredObject[] = []
  for (const id of ids.slice(0, -runs)) {
    if (id >= oldest || named.has(id)) continue
    removed.push(...(await storage.list(`runs/${id}`)))
    if (dryRun) continue
    crashPoint('run.ledger.before_removal')
    await forgetRun(storage, id)
  }
  return removed
}
