import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileStateMachines } from '../../src/statemachine/compile.ts'
import { expectValid } from './expect-valid.ts'
import { layersOf, planOf } from './generated.ts'

test('the validator accepts the machines of any plan', () => {
  fc.assert(
    fc.property(layersOf, fc.integer({ min: 1, max: 40 }), (layers, concurrency) =>
      expectValid(compileStateMachines(planOf(layers), { concurrency })),
    ),
    { numRuns: 30 },
  )
})

test('and those of layers that are divided over machines and maps', () => {
  expectValid(compileStateMachines(planOf([{ name: 'stage', waves: [1200, 3, 400] }])))
})

test('the validator can say no: a transition to nowhere, a path that is none', () => {
  const [machine] = compileStateMachines(planOf([]))
  const states = machine!.definition.States
  const lost = { ...states, Finish: { ...states['Finish']!, Next: 'Nowhere' } } as typeof states
  const bent = { ...states, Finish: { ...states['Finish']!, ResultPath: '$.[' } } as typeof states
  for (const States of [lost, bent])
    expect(() => expectValid([{ name: 'broken', definition: { ...machine!.definition, States } }])).toThrow()
})
