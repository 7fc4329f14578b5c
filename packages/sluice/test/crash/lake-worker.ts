/**
 * A writer in a process of its own, for the crash suite: `node --import jiti/register lake-worker.ts <root> <mode> [name]`.
 *
 * Its data files are not Parquet inside, only at the ends: what is tested is the protocol, and a process that loads no engine starts fast.
 */
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { isSluiceError } from '../../src/base/errors.ts'
import { acquireLease } from '../../src/run/ledger/lease.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { lakeStory } from './lake-story.ts'

const [root = '', mode = '', name = ''] = process.argv.slice(2)
const storage = diskStorage(join(root, 'lake'))
const state = diskStorage(join(root, 'state'))
const { lake, input, story } = lakeStory(storage, state, openWorkspace(join(root, 'lake')))

/** Ten appends against whoever else appends. */
async function race(): Promise<void> {
  for (let i = 0; i < 10; i++) await lake.commit(await input({ taskKey: `${name}-${i}`, run: name }, [`${name}-${i}`]))
}

/** Is paused where it has not yet asked for its lease, or right after it has. */
async function paused(): Promise<void> {
  const lease = await acquireLease(state, ['project'], { clock: systemClock, owner: 'paused', ttlMs: 300 })
  const stop = (): void => {
    process.stdout.write('stopping\n')
    process.kill(process.pid, 'SIGSTOP')
  }
  const fence = async (): Promise<void> => {
    if (name === 'before') stop()
    await lease.assertHeld()
    if (name === 'after') stop()
  }
  await lake.commit(await input({ taskKey: 'old', fence, fencingToken: lease.token }, ['old']))
  process.stdout.write('committed\n')
}

try {
  if (mode === 'story') await story()
  if (mode === 'race') await race()
  if (mode === 'paused') await paused()
} catch (error) {
  process.stdout.write(`${isSluiceError(error) ? error.name : String(error)}\n`)
  process.exit(1)
}
process.exit(0)
