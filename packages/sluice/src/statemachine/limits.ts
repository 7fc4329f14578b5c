/** The limits of AWS Step Functions that a plan could pass, checked before anything runs or is deployed. */
import { sluiceError } from '../base/errors.ts'
import type { StateMachine } from './types.ts'

/**
 * Quotas of AWS Step Functions, standard workflows.
 * https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
 */
export const limits = {
  /** Bytes of a state's input or output. */
  payloadBytes: 262_144,
  /** Bytes of a definition. */
  definitionBytes: 1_048_576,
  /** Characters of a state's or a machine's name. */
  nameLength: 80,
  /**
   * Tasks of one layer machine. An execution's history holds 25,000 events; a task that fails at every attempt, is settled and
   * then told of leaves fewer than 50, every retry of all three included.
   */
  tasksPerMachine: 500,
  /** Tasks of one Map: its items and its results are payloads. */
  tasksPerMap: 250,
  /** Seconds that a task may take: 20 days, within what a timer of 2^31 milliseconds can wait. */
  timeoutSeconds: 1_728_000,
} as const

/**
 * Refuses machines that AWS would refuse.
 *
 * @example checkLimits(machines)
 * @throws StateMachine.LimitExceeded
 */
export function checkLimits(machines: readonly StateMachine[]): void {
  for (const { name, definition } of machines) {
    limit(`The name of state machine "${name}"`, name.length, limits.nameLength, 'characters')
    limit(`The definition of state machine "${name}"`, byteLength(definition), limits.definitionBytes, 'bytes')
    for (const [state, { Type, ...fields }] of Object.entries(definition.States))
      if (Type === 'Pass' && 'Result' in fields)
        limit(`The output of state "${state}" of "${name}"`, byteLength(fields.Result), limits.payloadBytes, 'bytes')
  }
}

/**
 * Refuses one figure above its limit.
 *
 * @example limit('The timeout of load:fact', 90, limits.timeoutSeconds, 'seconds')
 * @throws StateMachine.LimitExceeded
 */
export function limit(what: string, found: number, most: number, unit: string): void {
  if (found > most) throw sluiceError('StateMachine.LimitExceeded', { what, found, limit: most, unit })
}

/**
 * The bytes of a value as JSON in UTF-8, which is how AWS counts.
 *
 * @example byteLength({ a: 'ä' }) // 10
 */
export function byteLength(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
