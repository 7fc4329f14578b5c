import { expect, test } from 'vitest'
import { quoteIdentifier, routineName } from './names.ts'

test('SR-11: a name is one or two parts; a part with a point or a backtick stands in backticks', () => {
  expect(routineName('customers')).toEqual({ database: undefined, name: 'customers' })
  expect(routineName('shop.customers')).toEqual({ database: 'shop', name: 'customers' })
  expect(routineName('`a.b`.`c``d`')).toEqual({ database: 'a.b', name: 'c`d' })
  expect(routineName('x"];DROP TABLE t')).toEqual({ database: undefined, name: 'x"];DROP TABLE t' })
})

test.each(['', '.', 'a.', 'a..b', 'a.b.c', '``', '`a', 'a`b', 'end ', 'n\0l', '𝄞', 'n'.repeat(65)])(
  'SR-11: %j is no name',
  (name) => {
    expect(() => routineName(name)).toThrow(expect.objectContaining({ name: 'Connection.InvalidName' }))
  },
)

test('SR-11: a quoted name has no way out', () => {
  expect(quoteIdentifier('a`; DROP TABLE t; --')).toBe('`a``; DROP TABLE t; --`')
})
