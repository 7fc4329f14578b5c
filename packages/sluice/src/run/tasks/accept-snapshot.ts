/** Takes a snapshot that is held: it counts from the next load on. */
import { sluiceError } from '../../base/errors.ts'
import type { Json } from '../../base/json.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'
import { acceptedInstants, acceptInstant } from '../ledger/accepted.ts'
import { targetStates } from '../planning/target-states.ts'

/** @throws Warehouse.SnapshotNotHeld where the last load held no such snapshot */
export async function runAcceptSnapshot(context: TaskContext): Promise<TaskOutcome> {
  const { state, task, run } = context
  const { instant } = task.command as Extract<Command, { kind: 'accept-snapshot' }>
  // An earlier attempt may have come that far.
  if ((await acceptedInstants(state, task.table)).includes(instant)) return { status: 'unchanged' }
  const held = (await targetStates(context))[task.table]?.held ?? []
  const found = held.find((one) => one.instant === instant)
  if (found === undefined) {
    const instants = held.map((one) => one.instant)
    throw sluiceError('Warehouse.SnapshotNotHeld', { target: task.table, instant, held: instants })
  }
  const { keys, before } = found
  await acceptInstant(state, task.table, instant, { run, keys, before })
  return { status: 'succeeded', result: found as unknown as Json }
}
