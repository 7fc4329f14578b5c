import fc from 'fast-check'
import { expect, test } from 'vitest'
import { overlap } from './overlap.ts'

/** A pattern as a regular expression: the independent reading. */
function matcher(pattern: string): RegExp {
  const parts = pattern.split('/').map((part, i, all) => {
    if (part === '**') return i === all.length - 1 ? '.+' : '(?:[^/]+/)*'
    const text = [...part].map((c) => (c === '*' ? '[^/]*' : c === '?' ? '[^/]' : c)).join('')
    return i === all.length - 1 ? text : `${text}/`
  })
  return new RegExp(`^${parts.join('')}$`)
}

const part = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 3 })
const pattern = fc
  .tuple(fc.array(fc.oneof(part, fc.constant('**')), { maxLength: 2 }), part)
  .map(([folders, file]) => [...folders, file].join('/').replaceAll(/\*\*(?=[^/])|(?<=[^/])\*\*/g, '*'))
const path = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 3,
})

test('where a path matches both patterns, they overlap', () => {
  fc.assert(
    fc.property(pattern, pattern, path, (first, second, parts) => {
      const file = parts.join('/')
      if (matcher(first).test(file) && matcher(second).test(file)) expect(overlap(first, second)).toBe(true)
      expect(overlap(first, second)).toBe(overlap(second, first))
    }),
    { numRuns: 5000 },
  )
})

test.each([
  ['inbox/*.csv', 'inbox/archive/**/*', false],
  ['inbox/**/*.csv', 'inbox/archive/**/*', true],
  ['inbox/**/*.csv', 'archive/**/*', false],
  ['./inbox/a.csv', 'inbox/?.csv', true],
  ['a/sales_*.csv', 'a/*_returns.csv', true],
  ['a/sales_*.csv', 'a/returns_*.csv', false],
  ['**/x.csv', 'x.csv', true],
])('%s and %s: %s', (first, second, expected) => {
  expect(overlap(first, second)).toBe(expected)
})
