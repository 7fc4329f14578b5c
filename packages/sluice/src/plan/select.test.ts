import { expect, test } from 'vitest'
import { shop } from '../../test/golden/project.ts'
import { buildPlan } from './build.ts'
import { selectTasks } from './select.ts'

const { tasks } = buildPlan(shop).plan

const selected = (select: readonly string[], exclude: readonly string[] = []): readonly string[] =>
  [...selectTasks(tasks, select, exclude).ids].map((id) => id.slice(id.indexOf(':') + 1)).sort()

test.each([
  [['stage.sales'], ['stage.sales']],
  [['sales'], ['raw.sales', 'stage.sales']],
  [['*sales'], ['analytics.fact_sales', 'fact_sales', 'raw.sales', 'stage.sales']],
  [['+stage.daily'], ['raw.sales', 'stage.daily', 'stage.sales']],
  [['stage.daily+'], ['analytics.fact_sales', 'fact_sales', 'silver.coverage', 'stage.daily']],
  [['+silver.coverage+'], ['bronze.inventory', 'raw.sales', 'silver.coverage', 'stage.daily', 'stage.sales']],
  [['stock:*'], ['bronze.inventory', 'silver.coverage']],
  [['stock:cov*'], ['silver.coverage']],
  [['pipeline:stock'], ['bronze.inventory', 'silver.coverage']],
  [['layer:stage'], ['stage.daily', 'stage.sales']],
  [['ingest:raw.sales'], ['raw.sales']],
  [
    ['layer:bronze', 'dim_store'],
    ['analytics.dim_store', 'bronze.inventory', 'dim_store'],
  ],
])('%j selects %j', (select, expected) => {
  expect(selected(select)).toEqual(expected)
})

test('excluding is taken from what is selected, or from everything', () => {
  expect(selected(['layer:stage'], ['daily'])).toEqual(['stage.sales'])
  expect(selected([], ['pipeline:retail'])).toEqual(['bronze.inventory', 'silver.coverage'])
})

test('a selector that names nothing is a problem with a suggestion', () => {
  const { ids, problems } = selectTasks(tasks, ['+fact_slaes'], ['layer:stag'])
  expect(ids.size).toBe(0)
  expect(problems.map(({ name, suggestion }) => [name, suggestion])).toEqual([
    ['Plan.UnknownSelector', 'fact_sales'],
    ['Plan.UnknownSelector', 'layer:stage'],
  ])
})
