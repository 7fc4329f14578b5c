import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectValid } from '../../test/golden/expect-valid.ts'
import { layersOf, planOf } from '../../test/golden/generated.ts'
import { shop } from '../../test/golden/project.ts'
import { registry } from '../base/registry.ts'
import { buildPlan } from '../plan/build.ts'
import type { Plan } from '../plan/types.ts'
import { compileStateMachines } from './compile.ts'
import { byteLength, limits } from './limits.ts'
import { transientErrors } from './states.ts'
import type { StateMachine } from './types.ts'

const { plan } = buildPlan(shop)

/** Every task that the machines would invoke the handler for, in order. */
function tasksOf(machines: readonly StateMachine[]): unknown[] {
  return machines.flatMap(({ definition }) =>
    Object.values(definition.States).flatMap((state) =>
      state.Type === 'Pass' && Array.isArray(state.Result)
        ? state.Result.map((item) => (item as { task: string }).task)
        : [],
    ),
  )
}

test('the validator accepts the master and every layer', () => {
  const machines = compileStateMachines(plan)
  expect(machines.map(({ name }) => name)).toEqual([
    'shop',
    'shop-raw',
    'shop-stage',
    'shop-analytics',
    'shop-bronze',
    'shop-silver',
    'shop-warehouse',
  ])
  expectValid(machines)
})

test('the text follows from the definition, not from what a run has to do', () => {
  const { plan: partial } = buildPlan({ ...shop, options: { ...shop.options, select: ['raw.sales'], force: true } })
  expect(partial.tasks.map(({ action }) => action)).not.toEqual(plan.tasks.map(({ action }) => action))
  expect(compileStateMachines(partial)).toEqual(compileStateMachines(plan))
})

test('what is retried are exactly the transient errors of the registry, and never a timeout', () => {
  const transient = Object.entries(registry).flatMap(([name, { retry }]) => (retry === 'transient' ? [name] : []))
  expect(transientErrors()).toEqual(transient.sort())
  const text = JSON.stringify(compileStateMachines(plan))
  for (const name of transient) expect(text).toContain(`"${name}"`)
  expect(text).not.toContain('States.Timeout')
})

test('any plan compiles to machines with names of their own, which hold each task once, in order', () => {
  fc.assert(
    fc.property(layersOf, fc.integer({ min: 1, max: 40 }), (layers, concurrency) => {
      const generated = planOf(layers)
      const machines = compileStateMachines(generated, { concurrency })
      expect(new Set(machines.map(({ name }) => name)).size).toBe(machines.length)
      expect(tasksOf(machines)).toEqual(generated.tasks.map(({ id }) => id))
    }),
  )
})

test('a large layer is divided over machines, and a large wave over maps, none beyond a limit', () => {
  const large = planOf([{ name: 'stage', waves: [1200, 3, 400] }])
  const machines = compileStateMachines(large)
  expect(machines.map(({ name }) => name)).toEqual(['big', 'big-stage', 'big-stage-2', 'big-stage-3', 'big-stage-4'])
  expect(tasksOf(machines)).toEqual(large.tasks.map(({ id }) => id))
  for (const machine of machines.slice(1)) expect(tasksOf([machine]).length).toBeLessThanOrEqual(limits.tasksPerMachine)
  for (const { definition } of machines) expect(byteLength(definition)).toBeLessThan(limits.definitionBytes)
})

test('limits of AWS are named errors at compile time', () => {
  const named =
    (change: Partial<Plan>): (() => unknown) =>
    () =>
      compileStateMachines({ ...plan, ...change })
  expect(named({ project: 'p'.repeat(81) })).toThrow('characters; AWS Step Functions allows 80')
  const [first] = plan.tasks
  const slow = { ...first!, timeoutSeconds: limits.timeoutSeconds + 1 }
  expect(named({ tasks: [slow, ...plan.tasks.slice(1)] })).toThrow(`The timeout of ${slow.id}`)
  const longNames = planOf([{ name: 'stage', waves: [250] }])
  const rename = (id: string): string => id.padEnd(2000, 'x')
  const tooLong = {
    ...longNames,
    layers: longNames.layers.map(({ name, waves }) => ({ name, waves: waves.map((wave) => wave.map(rename)) })),
    tasks: longNames.tasks.map((task) => ({ ...task, id: rename(task.id) })),
  }
  expect(named(tooLong)).toThrow('The output of state "Tasks 0" of "big-stage"')
})
