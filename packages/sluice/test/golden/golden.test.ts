/** What a rich project compiles to, word for word. After an intended change: npx vitest run --project suite packages/sluice/test/golden -u */
import { expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { explainPlan } from '../../src/plan/explain.ts'
import type { PlanInput } from '../../src/plan/types.ts'
import { compileStateMachines } from '../../src/statemachine/compile.ts'
import { marketplace } from './changes.ts'
import { erp } from './procedures.ts'
import { afterRun, column, shop } from './project.ts'

/** Golden text must not change because somebody added an error to the registry. */
const transientErrors = ['Engine.DiskFull', 'Run.Busy']

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
const lines = (text: readonly string[]): string => `${text.join('\n')}\n`

/** A second day: new files, a changed contract, a model with another column. */
function secondDay(): PlanInput {
  const settled = afterRun(shop)
  return {
    ...settled,
    columns: {
      ...settled.columns,
      'raw.sales': [column('id', 'BIGINT', false), column('amount', 'DECIMAL(14,2)'), column('note')],
      'raw.stores': [column('id', 'INTEGER', false), column('total', 'DECIMAL(12,2)')],
    },
    intake: {
      ...settled.intake,
      'raw.sales': { take: 2, bytes: 1_234_567, known: 0, waiting: 0, refuse: 1 },
      'raw.stores': { take: 1, bytes: 900, known: 0, waiting: 0, refuse: 0 },
    },
  }
}

test('the plan of a first run', async () => {
  const result = buildPlan(shop)
  await expect(json(result.plan)).toMatchFileSnapshot('golden/first-plan.json')
  await expect(lines(explainPlan(result))).toMatchFileSnapshot('golden/first-plan.txt')
})

test('the plan of a second day, with changes of schema', async () => {
  const result = buildPlan(secondDay())
  await expect(json(result)).toMatchFileSnapshot('golden/second-plan.json')
  await expect(lines(explainPlan(result))).toMatchFileSnapshot('golden/second-plan.txt')
  await expect(lines(explainPlan(result, { verbose: true }))).toMatchFileSnapshot('golden/second-plan-verbose.txt')
})

test('the state machines', async () => {
  for (const { name, definition } of compileStateMachines(buildPlan(shop).plan, { transientErrors }))
    await expect(json(definition)).toMatchFileSnapshot(`golden/${name}.asl.json`)
})

test('the plan of procedures: on the first day, and on any other', async () => {
  const first = buildPlan(erp)
  expect(first.problems).toEqual([])
  await expect(json(first.plan)).toMatchFileSnapshot('golden/procedures-plan.json')
  const later = buildPlan(afterRun(erp))
  await expect(lines([...explainPlan(first), '', ...explainPlan(later)])).toMatchFileSnapshot(
    'golden/procedures-plan.txt',
  )
})

test('the plan of changes: on the first day, and on any other; facts are loaded after the dimension that they look up', async () => {
  const first = buildPlan(marketplace)
  expect(first.problems).toEqual([])
  const later = buildPlan(afterRun(marketplace))
  await expect(lines([...explainPlan(first), '', ...explainPlan(later)])).toMatchFileSnapshot('golden/changes-plan.txt')
  const [, ...machines] = compileStateMachines(first.plan, { transientErrors })
  const warehouse = machines.find(({ name }) => name === 'shop-warehouse')
  await expect(json(warehouse?.definition)).toMatchFileSnapshot('golden/changes-warehouse.asl.json')
})
