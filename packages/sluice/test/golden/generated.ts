/** Plans of any shape, for what is compiled from them. */
import fc from 'fast-check'
import { buildPlan } from '../../src/plan/build.ts'
import type { Plan, PlanTask } from '../../src/plan/types.ts'
import { shop } from './project.ts'

/** A layer's name and the number of tasks in each of its waves. */
export interface LayerShape {
  readonly name: string
  readonly waves: readonly number[]
}

/** Up to four layers with any names, of up to four waves of up to four tasks. */
export const layersOf = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 30 }),
    waves: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 4, selector: ({ name }) => name },
)

/** A plan of the given shape. */
export function planOf(layers: readonly LayerShape[], project = 'big'): Plan {
  const { plan } = buildPlan(shop)
  const tasks: PlanTask[] = layers.flatMap(({ name, waves }) =>
    waves.flatMap((size, wave) =>
      Array.from({ length: size }, (_, n) => ({
        ...plan.tasks[0]!,
        id: `model:${name}.wave_${wave}_table_${n}`,
        layer: name,
        wave,
        timeoutSeconds: 60 + n,
      })),
    ),
  )
  const idsOf = (name: string, wave: number): string[] =>
    tasks.filter((task) => task.layer === name && task.wave === wave).map(({ id }) => id)
  return {
    ...plan,
    project,
    layers: layers.map(({ name, waves }) => ({ name, waves: waves.map((_, wave) => idsOf(name, wave)) })),
    tasks,
  }
}
