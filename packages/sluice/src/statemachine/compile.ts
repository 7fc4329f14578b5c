/** Compiles a plan to the state machines that carry it out, here and on AWS. */
import type { Plan } from '../plan/types.ts'
import { layerMachine, type MachineTask } from './layer.ts'
import { checkLimits, limit, limits } from './limits.ts'
import { machineReference, masterMachine } from './master.ts'
import { type MachineContext, transientErrors } from './states.ts'
import type { StateMachine } from './types.ts'

/** One layer machine to be: a layer, or a part of a large one. */
interface Part {
  readonly layer: string
  readonly waves: readonly (readonly MachineTask[])[]
}

/**
 * The machines of a plan: the master first, then one for each layer, in order; a layer of more than 500 tasks is divided over several.
 * Their text follows from the definition alone: every task is in it, whether this run has anything to do for it or not.
 *
 * @example const [master, ...layers] = compileStateMachines(plan, { concurrency: 4 })
 * @param options `concurrency`: tasks at a time, 2 by default; `transientErrors`: what is tried again, the registry's by default
 * @throws StateMachine.LimitExceeded
 */
export function compileStateMachines(plan: Plan, options: Partial<MachineContext> = {}): readonly StateMachine[] {
  const context: MachineContext = {
    concurrency: options.concurrency ?? 2,
    transientErrors: options.transientErrors ?? transientErrors(),
  }
  const names = new Set([machineName(plan.project, [])])
  const layers = partsOf(plan).map(({ layer, waves }) => {
    const name = unusedName(machineName(plan.project, [layer]), names)
    return { layer, name, definition: layerMachine(layer, waves, context) }
  })
  const machines = [
    {
      name: machineName(plan.project, []),
      definition: masterMachine(
        plan.project,
        layers.map(({ layer, name }) => ({ layer, reference: machineReference(name) })),
        context,
      ),
    },
    ...layers.map(({ name, definition }) => ({ name, definition })),
  ]
  checkLimits(machines)
  return machines
}

function partsOf(plan: Plan): readonly Part[] {
  const timeouts = new Map(plan.tasks.map(({ id, timeoutSeconds }) => [id, timeoutSeconds]))
  for (const [id, seconds] of timeouts) limit(`The timeout of ${id}`, seconds, limits.timeoutSeconds, 'seconds')
  return plan.layers.flatMap(({ name, waves }) =>
    divide(waves.map((wave) => wave.map((task) => ({ task, timeoutSeconds: timeouts.get(task)! })))).map((part) => ({
      layer: name,
      waves: part,
    })),
  )
}

/** Consecutive runs of waves of at most as many tasks as one machine's history can hold; a larger wave is cut. */
function divide(waves: readonly (readonly MachineTask[])[]): readonly (readonly (readonly MachineTask[])[])[] {
  const parts: MachineTask[][][] = []
  let room = 0
  for (const wave of waves) {
    for (let from = 0; from < wave.length; ) {
      if (room === 0) {
        parts.push([])
        room = limits.tasksPerMachine
      }
      const taken = wave.slice(from, from + room)
      parts.at(-1)!.push(taken)
      from += taken.length
      room -= taken.length
    }
  }
  return parts
}

/** Letters, digits, `-` and `_` are what a name may be made of. */
function machineName(project: string, rest: readonly string[]): string {
  return [project, ...rest].map((part) => part.replace(/[^A-Za-z0-9_]+/g, '-')).join('-')
}

function unusedName(name: string, used: Set<string>): string {
  let unused = name
  for (let n = 2; used.has(unused); n++) unused = `${name}-${n}`
  used.add(unused)
  return unused
}
