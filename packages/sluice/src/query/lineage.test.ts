import { expect, test } from 'vitest'
import { erp } from '../../test/golden/procedures.ts'
import { tableEdges } from './lineage.ts'

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
