import { expect, test } from 'vitest'
import { compareShapes } from './shape-change.ts'
import { waitingName } from './waiting.ts'
import { parseTableName, tableName } from './wire/relation.ts'

type Column = { name: string; typeOid: number; typeName?: string; typeModifier: number; isKey: boolean }
const column = (name: string, typeOid = 25, typeModifier = -1, more: Partial<Column> = {}): Column => ({
  ...{ name, typeOid, typeModifier, isKey: name === 'id', ...more },
})
const shape = (columns: readonly Column[], key = ['id'], replicaIdentity = 'default'): string =>
  JSON.stringify({ replicaIdentity, key, columns })
const numeric = (precision: number, scale: number): number => ((precision << 16) | scale) + 4

const before = shape([column('id', 23), column('v'), column('n', 1700, numeric(10, 2)), column('s', 1043, 14)])
const change = (columns: readonly Column[], key = ['id'], filled: readonly string[] = []) =>
  compareShapes(before, shape(columns, key), new Set(filled))
const [id, v, n, s] = [column('id', 23), column('v'), column('n', 1700, numeric(10, 2)), column('s', 1043, 14)]

test('a shape is the same whatever the order of its columns, its identity, and the oids of types that have names', () => {
  expect(change([v, n, id, s])).toEqual({ kind: 'same', reasons: [] })
  expect(compareShapes(before, shape([id, v, n, s], ['id'], 'full')).kind).toBe('same')
  const mood = (oid: number) => shape([id, column('m', oid, -1, { typeName: 'public.mood' })])
  expect(compareShapes(mood(20_000), mood(20_001)).kind).toBe('same')
})

test('CD-16: an added column and a wider one are more of the same; a column that was filled is not', () => {
  expect(change([id, v, n, s, column('new')])).toEqual({ kind: 'additive', reasons: ['column "new" was added'] })
  expect(change([id, v, column('n', 1700, numeric(12, 2)), column('s', 1043, 24)]).kind).toBe('additive')
  expect(change([id, v, column('n', 1700, -1), column('s', 1043, -1)]).kind).toBe('additive')
  expect(change([id, v, n, s, column('new')], ['id'], ['new'])).toEqual({
    kind: 'breaking',
    reasons: [
      'column "new" was added with a value for the rows that were there: those before have none in the log, until sluice cdc resnapshot brings it',
    ],
  })
})

test('CD-17: what earlier rows may not follow is breaking', () => {
  expect(change([id, v, s]).reasons).toEqual(['column "n" was dropped or renamed'])
  expect(change([id, column('v', 23), n, s]).reasons).toEqual(['column "v" has another type'])
  const other = (one: Column): string => change([id, v, n, s].map((was) => (was.name === one.name ? one : was))).kind
  expect(other(column('n', 1700, numeric(12, 4)))).toBe('breaking')
  expect(other(column('n', 1700, numeric(8, 2)))).toBe('breaking')
  expect(other(column('s', 1043, 9))).toBe('breaking')
  expect(change([id, v, n, s], ['id', 'v']).reasons).toEqual(['rows are known by id, v and no longer by id'])
})

test('a table that waits has a name that no table has', () => {
  expect(waitingName('public.orders')).toBe('public.orders.waiting')
  for (const [schema, name] of [
    ['public', 'orders'],
    ['a.b', 'c'],
    ['a', 'b"c'],
    ['public.orders', 'waiting'],
  ] as const) {
    expect(parseTableName(tableName(schema, name))).toEqual({ schema, name })
    expect(tableName(schema, name)).not.toBe(waitingName('public.orders'))
  }
})
