/**
 * Named crash points: one at every durable boundary, so that a test can kill the process exactly there.
 *
 * `SLUICE_CRASH=lake.commit.before_create#2` sends SIGKILL at the second hit of that point;
 * `SLUICE_CRASH_LIST=<file>` appends every hit to a file, which is how the crash suite discovers what to sweep.
 * Without either variable a crash point does nothing.
 */
import { appendFileSync } from 'node:fs'

const target = process.env['SLUICE_CRASH']
const listing = process.env['SLUICE_CRASH_LIST']
const hits = new Map<string, number>()

/**
 * Marks a durable boundary.
 *
 * @example crashPoint('lake.commit.before_create')
 * @param name `<folder>.<operation>.<moment>`, permanent: the crash suite names its cases by it.
 */
export function crashPoint(name: string): void {
  if (target === undefined && listing === undefined) return
  const hit = (hits.get(name) ?? 0) + 1
  hits.set(name, hit)
  if (listing !== undefined) appendFileSync(listing, `${name}#${hit}\n`)
  if (target === `${name}#${hit}`) process.kill(process.pid, 'SIGKILL')
}
