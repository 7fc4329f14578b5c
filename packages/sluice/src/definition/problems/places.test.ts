import { expect, test } from 'vitest'
import { placesInCode } from './places.ts'

const code = `import { pipeline } from 'sluice'

// sources: { sales: 'not this one' }
export default pipeline('retail', {
  sources: {
    orders: files('inbox/orders.csv', { columns: { id: 'integer' } }),
    sales: files('inbox/it\\'s, (sales).csv', {
      /* columns: { id: 'text' } */
      columns: { id: 'integr', 'unit price': decimal(12, 3) },
      checks: [notNull('id'), range('idd', { min: 1 })],
    }),
  },
  tables: { 'stage.sales': { checks: [grain(['a', 'b'])] } },
})
`
const places = placesInCode('pipeline.ts', code)
const text = (path: (string | number)[], token?: string): string => {
  const { line, column, length } = places.at(path, token)
  return code.split('\n')[line! - 1]!.slice(column! - 1, column! - 1 + length!)
}
const line = (path: (string | number)[], token?: string) => places.at(path, token).line

test('a key is found along its path, not where its name comes first', () => {
  expect([line(['sources', 'sales', 'columns', 'id']), text(['sources', 'sales', 'columns', 'id'])]).toEqual([9, 'id'])
  expect([line(['sources', 'orders', 'columns', 'id']), text(['sources', 'orders', 'columns', 'id'])]).toEqual([
    6,
    'id',
  ])
  expect(text(['sources', 'sales', 'columns', 'unit price'])).toBe("'unit price'")
})

test('a value is found by its text, in the piece that the path names', () => {
  expect([
    line(['sources', 'sales', 'columns', 'id'], 'integr'),
    text(['sources', 'sales', 'columns', 'id'], 'integr'),
  ]).toEqual([9, "'integr'"])
  expect(text(['sources', 'sales', 'checks', 1, 'column'], 'idd')).toBe("'idd'")
  expect(text(['tables', 'stage.sales', 'checks', 0], 'b')).toBe("'b'")
})

test('an item of a list is the place where it stands alone', () => {
  expect(text(['sources', 'sales', 'checks', 1])).toBe("range('idd', { min: 1 })")
  expect(text(['sources', 'sales', 'checks', 7])).toBe('checks')
})

test('what cannot be found is told at the nearest piece that can', () => {
  expect(text(['sources', 'sales', 'quarantine', 'maxShare'])).toBe('sales')
  expect(places.at(['nothing'])).toEqual({ file: 'pipeline.ts', line: 1, column: 1, length: 1 })
})
