/**
 * Turns at a file that only one process may have open: tasks of runs may be in several processes. A turn is a file created exclusively; it says who
 * has it, so that nobody waits for a process that has ended. The file's own lock decides: a turn only saves a task from failing by it.
 */
import { open, readFile, rm } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { type ProcessIdentity, processState, thisProcess } from '../base/process-identity.ts'

/** Between two looks whether it is free. */
const lookEveryMs = 50

/**
 * Waits for a turn; it ends when it is disposed of.
 *
 * @example await using _turn = await takeTurn('.sluice/warehouse.turn', clock, signal)
 */
export async function takeTurn(path: string, clock: Clock, signal?: AbortSignal): Promise<AsyncDisposable> {
  while (signal?.aborted !== true) {
    if (await create(path)) return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
    if (await isLeft(path)) await rm(path, { force: true })
    else await clock.sleep(lookEveryMs, signal)
  }
  // Whoever stopped waiting does no work either: what it opens next has the same signal.
  return { [Symbol.asyncDispose]: async () => {} }
}

async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(JSON.stringify(thisProcess()))
    await file.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether its process has ended. One that was just created says nothing yet, and is looked at again. */
async function isLeft(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  if (text === '') return false
  try {
    return processState(JSON.parse(text) as ProcessIdentity) !== 'alive'
  } catch {
    return false
  }
}
