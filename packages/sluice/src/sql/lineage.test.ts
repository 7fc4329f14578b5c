import { describe, expect, test } from 'vitest'
import { type Analyses, dependentsOf, lineageMermaid, lineageTree, traceColumn } from './lineage.ts'

const analyses: Analyses = {
  'stage.sales': {
    columns: [
      { column: 'revenue', from: ['raw.sales.quantity', 'raw.sales.unit_price'] },
      { column: 'one', from: [] },
    ],
  },
  'analytics.fact_sales': { columns: [{ column: 'revenue', from: ['stage.sales.revenue'] }] },
  'analytics.top': { columns: [{ column: 'best', from: ['analytics.fact_sales.Revenue', 'raw.sales.quantity'] }] },
}

describe('column lineage across models', () => {
  test('upstream ends at the columns that no model makes', () => {
    expect(lineageTree(traceColumn(analyses, 'analytics.top.best'))).toBe(
      [
        'analytics.top.best',
        '├─ analytics.fact_sales.Revenue',
        '│  └─ stage.sales.revenue',
        '│     ├─ raw.sales.quantity',
        '│     └─ raw.sales.unit_price',
        '└─ raw.sales.quantity',
        '',
      ].join('\n'),
    )
    expect(traceColumn(analyses, 'stage.sales.one')).toEqual({ column: 'stage.sales.one', next: [] })
  })

  test('downstream ends where nothing more is made', () => {
    expect(lineageTree(dependentsOf(analyses, 'raw.sales.unit_price'))).toBe(
      [
        'raw.sales.unit_price',
        '└─ stage.sales.revenue',
        '   └─ analytics.fact_sales.revenue',
        '      └─ analytics.top.best',
        '',
      ].join('\n'),
    )
  })

  test('a circle ends', () => {
    const circle: Analyses = {
      'a.x': { columns: [{ column: 'c', from: ['a.y.c'] }] },
      'a.y': { columns: [{ column: 'c', from: ['a.x.c'] }] },
    }
    expect(traceColumn(circle, 'a.x.c')).toEqual({
      column: 'a.x.c',
      next: [{ column: 'a.y.c', next: [{ column: 'a.x.c', next: [] }] }],
    })
  })

  test('a diagram has each column and each edge once, and no text that ends a label', () => {
    expect(lineageMermaid(traceColumn(analyses, 'analytics.top.best'), 'upstream')).toBe(
      [
        'flowchart LR',
        '  c0["analytics.top.best"]',
        '  c1["analytics.fact_sales.Revenue"]',
        '  c2["stage.sales.revenue"]',
        '  c3["raw.sales.quantity"]',
        '  c4["raw.sales.unit_price"]',
        '  c1 --> c0',
        '  c2 --> c1',
        '  c3 --> c2',
        '  c4 --> c2',
        '  c3 --> c0',
        '',
      ].join('\n'),
    )
    expect(lineageMermaid({ column: 'a.b."x"', next: [] }, 'downstream')).toContain('["a.b.#34;x#34;"]')
  })
})
