import { expect, test } from 'vitest'
import { classifyDrift, fittings, shapeOf } from './drift.ts'
import type { TargetDrift } from './warehouse.ts'

const change = (expected: string, found: string) =>
  classifyDrift([{ name: 'c', type: expected, nullable: true }], [{ name: 'c', type: found }], {})[0]?.change ?? 'fits'

test.each([
  ['INTEGER', 'INTEGER', 'fits'],
  ['INTEGER', 'BIGINT', 'fits'],
  ['BIGINT', 'INTEGER', 'widening'],
  ['UINTEGER', 'INTEGER', 'lossy'],
  ['UINTEGER', 'BIGINT', 'fits'],
  ['INTEGER', 'UBIGINT', 'lossy'],
  ['INTEGER', 'DECIMAL(10,0)', 'fits'],
  ['INTEGER', 'DECIMAL(10,1)', 'lossy'],
  ['DECIMAL(12,3)', 'DECIMAL(14,3)', 'fits'],
  ['DECIMAL(12,3)', 'DECIMAL(12,2)', 'lossy'],
  ['DECIMAL(12,3)', 'DECIMAL(11,2)', 'widening'],
  ['DECIMAL(3,0)', 'BIGINT', 'fits'],
  ['DECIMAL(3,1)', 'BIGINT', 'lossy'],
  ['DOUBLE', 'FLOAT', 'widening'],
  ['DOUBLE', 'DECIMAL(12,3)', 'lossy'],
  ['VARCHAR', 'INTEGER', 'lossy'],
  ['TIMESTAMP', 'DATE', 'widening'],
  ['DATE', 'TIMESTAMP', 'fits'],
  ['DOUBLE', 'INTEGER', 'widening'],
  ['DOUBLE', 'BIGINT', 'lossy'],
  ['VARCHAR', 'VARCHAR(20)', 'widening'],
  ['TIMESTAMP WITH TIME ZONE', 'TIMESTAMP', 'lossy'],
])('WH-12, WH-13: %s into %s: %s', (expected, found, answer) => {
  expect(change(expected, found)).toBe(answer)
})

test('WH-13: a missing column is additive only where nothing can be lost, and never where someone dropped it', () => {
  const missing = (nullable: boolean, options: { altered?: boolean; rewritten?: boolean }) =>
    classifyDrift([{ name: 'c', type: 'DATE', nullable }], [{ name: 'd', type: 'DATE' }], options).map(
      (one) => one.change,
    )
  expect(missing(true, {})).toEqual(['additive', 'destructive'])
  expect(missing(false, {})).toEqual(['lossy', 'destructive'])
  expect(missing(false, { rewritten: true })).toEqual(['additive', 'destructive'])
  expect(missing(true, { altered: true })).toEqual(['destructive', 'destructive'])
})

test('the fingerprint of a table does not depend on the order of its columns', () => {
  const [a, b] = [
    { name: 'a', type: 'DATE' },
    { name: 'b', type: 'TIME' },
  ]
  expect(shapeOf([a, b])).toBe(shapeOf([b, a]))
  expect(shapeOf([a])).not.toBe(shapeOf([{ ...a, type: 'TIME' }]))
})

test('WH-13: one column missing and one too many, of one type, are a renaming; anything else is dropped, added or retyped', () => {
  const of = (kind: TargetDrift['kind'], column: string, expected?: string, found?: string): TargetDrift => ({
    ...{ column, kind, change: 'destructive' },
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  })
  const [missing, extra] = [of('missing', 'b', 'VARCHAR'), of('extra', 'a', undefined, 'VARCHAR')]
  const said = (...drift: TargetDrift[]) => fittings(drift, (type) => type).map(({ statement }) => statement)
  expect(said(missing, extra)).toEqual(['RENAME COLUMN "a" TO "b"'])
  expect(said(missing)).toEqual(['ADD COLUMN "b" VARCHAR'])
  expect(said(missing, of('extra', 'a', undefined, 'INTEGER'))).toEqual(['ADD COLUMN "b" VARCHAR', 'DROP COLUMN "a"'])
  expect(said(missing, extra, of('extra', 'c', undefined, 'VARCHAR'))).toHaveLength(3)
  expect(said(of('retyped', 'n', 'BIGINT', 'INTEGER'))).toEqual(['ALTER COLUMN "n" TYPE BIGINT'])
})
