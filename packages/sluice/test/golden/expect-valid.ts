import validate from 'asl-validator'
import { expect } from 'vitest'
import type { StateMachine } from '../../src/statemachine/types.ts'

/** Every machine passes the validator, paths and ARNs included. */
export function expectValid(machines: readonly StateMachine[]): void {
  for (const { name, definition } of machines) {
    const { isValid, errorsText } = validate(definition, { checkArn: true, checkPaths: true })
    expect(isValid, `${name}: ${errorsText('\n')}`).toBe(true)
  }
}
