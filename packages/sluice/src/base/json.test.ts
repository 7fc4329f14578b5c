import { expect, test } from 'vitest'
import { canonicalJson, digest, exactJson } from './json.ts'

test('equal values have one spelling, whatever the order of their keys', () => {
  expect(canonicalJson({ b: [1, { d: 2, c: undefined }], a: null })).toBe('{"a":null,"b":[1,{"d":2}]}')
  expect(digest({ a: 1, b: 2 })).toBe(digest({ b: 2, a: 1 }))
  expect(digest([1, 2])).not.toBe(digest([2, 1]))
})

test('negative zero is written as what it is, wherever it is', () => {
  expect(exactJson({ a: -0, b: [0, -0], c: { d: '-0', e: 'x' }, f: null })).toBe(
    '{"a":-0,"b":[0,-0],"c":{"d":"-0","e":"x"},"f":null}',
  )
  expect(Object.is(JSON.parse(exactJson([-0]))[0], -0)).toBe(true)
})
