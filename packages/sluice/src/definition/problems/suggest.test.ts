import { expect, test } from 'vitest'
import { suggest } from './suggest.ts'

test.each([
  ['amout', 'amount'],
  ['AMOUNT', 'amount'],
  ['analytics.fact_sale', 'analytics.fact_sales'],
  ['zzz', undefined],
  ['x', undefined],
])('%s means %s', (wrong, meant) => {
  expect(suggest(wrong, ['price', 'amount', 'id', 'analytics.fact_sales'])).toBe(meant)
})
