import fc from 'fast-check'
import { expect, test } from 'vitest'
import { column } from '../../test/golden/project.ts'
import { classifyColumns, classifyType } from './classify.ts'

test.each([
  // Spellings of one type, in the definition, DuckDB and PostgreSQL.
  ['text', 'VARCHAR', undefined],
  ['float', 'DOUBLE', undefined],
  ['FLOAT', 'real', undefined],
  ['decimal(12,2)', 'NUMERIC(12, 2)', undefined],
  ['timestamptz', 'TIMESTAMP WITH TIME ZONE', undefined],
  ['binary', 'BYTEA', undefined],
  // No value can change.
  ['INTEGER', 'BIGINT', 'widening'],
  ['UINTEGER', 'BIGINT', 'widening'],
  ['INTEGER', 'DOUBLE', 'widening'],
  ['INTEGER', 'DECIMAL(10,0)', 'widening'],
  ['INTEGER', 'DECIMAL(12,2)', 'widening'],
  ['DECIMAL(9,0)', 'INTEGER', 'widening'],
  ['DECIMAL(12,2)', 'DECIMAL(14,3)', 'widening'],
  ['FLOAT', 'DOUBLE', 'widening'],
  ['DATE', 'TIMESTAMP', 'widening'],
  ['TIMESTAMP_MS', 'TIMESTAMP', 'widening'],
  ['VARCHAR(10)', 'VARCHAR(20)', 'widening'],
  ['VARCHAR(10)', 'VARCHAR', 'widening'],
  // Some values would.
  ['BIGINT', 'INTEGER', 'lossy'],
  ['BIGINT', 'DOUBLE', 'lossy'],
  ['BIGINT', 'UBIGINT', 'lossy'],
  ['INTEGER', 'DECIMAL(10,2)', 'lossy'],
  ['INTEGER', 'FLOAT', 'lossy'],
  ['DECIMAL(10,0)', 'INTEGER', 'lossy'],
  ['DECIMAL(14,3)', 'DECIMAL(14,2)', 'lossy'],
  ['DECIMAL(12,2)', 'DECIMAL(12,4)', 'lossy'],
  ['DECIMAL(12,2)', 'DOUBLE', 'lossy'],
  ['DOUBLE', 'DECIMAL(38,10)', 'lossy'],
  ['TIMESTAMP', 'DATE', 'lossy'],
  ['TIMESTAMP', 'TIMESTAMP_NS', 'lossy'],
  ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'lossy'],
  ['INTEGER', 'VARCHAR', 'lossy'],
  ['VARCHAR', 'VARCHAR(20)', 'lossy'],
  // The values are something else.
  ['VARCHAR', 'INTEGER', 'destructive'],
  ['VARCHAR', 'DATE', 'destructive'],
  ['BOOLEAN', 'DATE', 'destructive'],
  ['INTEGER[]', 'INTEGER', 'destructive'],
  ['STRUCT(a INTEGER)', 'STRUCT(b INTEGER)', 'destructive'],
])('SR-05: %s to %s is %s', (from, to, expected) => {
  expect(classifyType(from, to)).toBe(expected)
})

test('a widening keeps every integer', () => {
  const bounds = {
    TINYINT: [-128n, 127n],
    SMALLINT: [-32768n, 32767n],
    INTEGER: [-(2n ** 31n), 2n ** 31n - 1n],
    BIGINT: [-(2n ** 63n), 2n ** 63n - 1n],
    UTINYINT: [0n, 255n],
    USMALLINT: [0n, 65535n],
    UINTEGER: [0n, 2n ** 32n - 1n],
    UBIGINT: [0n, 2n ** 64n - 1n],
  } as const
  const name = fc.constantFrom(...(Object.keys(bounds) as (keyof typeof bounds)[]))
  fc.assert(
    fc.property(name, name, (from, to) => {
      const fits = bounds[from][0] >= bounds[to][0] && bounds[from][1] <= bounds[to][1]
      expect(classifyType(from, to)).toBe(from === to ? undefined : fits ? 'widening' : 'lossy')
    }),
  )
  const decimal = fc.integer({ min: 1, max: 38 }).chain((p) => fc.tuple(fc.constant(p), fc.integer({ min: 0, max: p })))
  fc.assert(
    fc.property(name, decimal, (from, [p, s]) => {
      const most = 10n ** BigInt(p - s) - 1n
      const fits = bounds[from][1] <= most && -bounds[from][0] <= most
      expect(classifyType(from, `DECIMAL(${p},${s})`)).toBe(fits ? 'widening' : 'lossy')
    }),
  )
})

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
