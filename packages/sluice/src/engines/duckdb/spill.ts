/**
 * Where a session spills: a folder of its own. DuckDB names its files alike in every database, so that of two that spill into one folder each writes
 * over what the other has put there: the process crashes, or rows are wrong.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../base/json.ts'
import { thisProcess } from '../../base/process-identity.ts'

let count = 0
const cleaned = new Set<string>()

/**
 * The folder of a new session; DuckDB makes it when it first spills, and removes it when the session ends.
 *
 * @example spillFolder('.sluice/tmp') // '.sluice/tmp/spill-1f0c9a2b-4711-1'
 */
export function spillFolder(base: string): string {
  const { boot, host, pid } = thisProcess()
  // A number of a process means something on its own machine, in its own container.
  const machine = `spill-${sha256(`${boot} ${host}`).slice(0, 8)}`
  if (!cleaned.has(base)) {
    cleaned.add(base)
    mkdirSync(base, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(base))
      if (name.startsWith(machine) && hasEnded(Number(name.split('-')[2])))
        rmSync(join(base, name), { recursive: true, force: true })
  }
  count++
  return join(base, `${machine}-${pid}-${count}`)
}

/** Whether a process is gone, and what it spilled with it. */
function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
