import fc from 'fast-check'
import { expect, test } from 'vitest'
import { column } from '../../test/golden/project.ts'
import { classifyColumns } from './classify.ts'

test('equal schemas have no changes, and a change there and back is named both ways', () => {
  const type = fc.constantFrom('INTEGER', 'BIGINT', 'VARCHAR', 'DATE', 'DECIMAL(10,2)')
  const schema = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), type, nullable: fc.boolean() }),
    {
      selector: ({ name }) => name,
    },
  )
  fc.assert(
    fc.property(schema, schema, (before, after) => {
      expect(classifyColumns(before, before)).toEqual([])
      const there = classifyColumns(before, after)
      const back = classifyColumns(after, before)
      expect(there.length === 0).toBe(back.length === 0)
      expect(there.length).toBe(back.length)
      // Safe both ways would mean equal.
      if (there.length > 0 && there.every((one) => one.class === 'widening' || one.class === 'additive'))
        expect(back.every((one) => one.class === 'widening' || one.class === 'additive')).toBe(false)
    }),
  )
})

test('a nullable column is additive; one that needs a value is not, for the rows that are there', () => {
  const id = column('id', 'INTEGER', false)
  expect(classifyColumns([id], [id, column('note')])).toEqual([
    { column: 'note', change: 'added', class: 'additive', to: 'VARCHAR' },
  ])
  expect(classifyColumns([id], [id, column('note', 'VARCHAR', false)])).toEqual([
    { column: 'note', change: 'added', class: 'lossy', to: 'VARCHAR NOT NULL' },
  ])
})

test('a removed column and an added one at its place, of its type, are one rename; elsewhere they are two changes', () => {
  const [id, last] = [column('id', 'INTEGER'), column('last', 'DATE')]
  const renamed = classifyColumns([id, column('amount', 'DOUBLE'), last], [id, column('total', 'DOUBLE'), last])
  expect(renamed).toEqual([{ column: 'amount', change: 'renamed', class: 'destructive', from: 'amount', to: 'total' }])
  const moved = classifyColumns([id, column('amount', 'DOUBLE'), last], [id, last, column('total', 'DOUBLE')])
  expect(moved.map(({ change, class: kind }) => [change, kind])).toEqual([
    ['removed', 'destructive'],
    ['added', 'additive'],
  ])
})

test('NULL allowed is widening, NULL forbidden is lossy', () => {
  const [strict, loose] = [column('id', 'INTEGER', false), column('id', 'INTEGER', true)]
  expect(classifyColumns([strict], [loose])[0]).toMatchObject({ change: 'nullability', class: 'widening', to: 'NULL' })
  expect(classifyColumns([loose], [strict])[0]).toMatchObject({ change: 'nullability', class: 'lossy', to: 'NOT NULL' })
})
