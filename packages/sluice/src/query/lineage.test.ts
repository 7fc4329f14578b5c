import { expect, test } from 'vitest'
import { marketplace } from '../../test/golden/changes.ts'
import { erp } from '../../test/golden/procedures.ts'
import type { ReadContext } from '../run/api.ts'
import { lineageOf, tableEdges } from './lineage.ts'

test('a procedure is where its table comes from, with the table whose values it is called for; a copy reads what it copies', () => {
  const edges = tableEdges(erp.project, erp.analysis).map(({ from, to }) => `${from} -> ${to}`)
  expect(edges).toEqual([
    'erp:dbo.usp_regions -> raw.regions',
    'erp:dbo.usp_sales -> raw.sales',
    'raw.regions -> raw.sales',
    'old_erp:reports.regions -> raw.old_regions',
    'raw.regions -> stage.regions',
    'raw.sales -> stage.sales',
    'stage.sales -> warehouse.sales',
  ])
})

test('a log comes from the tables that it captures, and a looked-up key from its dimension', async () => {
  const edges = tableEdges(marketplace.project, marketplace.analysis).map(({ from, to }) => `${from} -> ${to}`)
  expect(edges).toEqual([
    'oltp:public.customers -> raw.shop',
    'oltp:public.orders -> raw.shop',
    'raw.shop -> stage.customers',
    'raw.shop -> stage.customer_history',
    'raw.shop -> stage.orders',
    'stage.orders -> warehouse.fact_orders',
    'warehouse.dim_customer -> warehouse.fact_orders',
    'stage.customer_history -> warehouse.dim_customer',
  ])
  const project = {
    definition: marketplace.project,
    problems: [],
    analysis: async () => marketplace.analysis,
    tables: async () => [],
  } as unknown as ReadContext
  const { up } = await lineageOf(project, 'fact_orders.customer_sk')
  expect(up).toEqual([{ from: 'warehouse.dim_customer.surrogate_key', to: 'warehouse.fact_orders.customer_sk' }])
})
