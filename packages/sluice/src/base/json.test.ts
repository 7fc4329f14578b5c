import { expect, test } from 'vitest'
import { canonicalJson, digest } from './json.ts'

test('equal values have one spelling, whatever the order of their keys', () => {
  expect(canonicalJson({ b: [1, { d: 2, c: undefined }], a: null })).toBe('{"a":null,"b":[1,{"d":2}]}')
  expect(digest({ a: 1, b: 2 })).toBe(digest({ b: 2, a: 1 }))
  expect(digest([1, 2])).not.toBe(digest([2, 1]))
})
