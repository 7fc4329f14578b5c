import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dataLimits, readData } from './read-data.ts'

const problemsOf = (file: string, text: string) =>
  readData(file, text).problems.map(({ message, at }) => `${at?.line}:${at?.column} ${message}`)

describe('CT-06: hostile definitions are refused, each with its place', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
    .join('\n')}`
  test.each<[string, string, string, RegExp]>([
    ['an alias bomb', 'p.yaml', bomb, /^1:1 .*alias/i],
    [
      'too many aliases',
      'p.yaml',
      `a: &a 1\nb: [${Array(101).fill('*a').join(', ')}]`,
      /^2:\d+ .*more than 100 aliases/,
    ],
    ['__proto__ in YAML', 'p.yaml', 'name: x\n__proto__:\n  polluted: true', /^2:1 .*"__proto__" is not allowed/],
    [
      '__proto__ in JSON',
      'p.json',
      '{"name": "x",\n "__proto__": {"polluted": true}}',
      /^2:2 .*"__proto__" is not allowed/,
    ],
    ['a merge key', 'p.yaml', 'a: &a {x: 1}\nb:\n  <<: *a', /^3:3 .*merge keys/],
    ['a duplicate key in YAML', 'p.yaml', 'name: a\nname: b', /^2:1 .*unique/],
    ['a duplicate key in JSON', 'p.json', '{"name": "a",\n "name": "b"}', /^2:2 .*unique/],
    ['a tab as indentation', 'p.yaml', 'a:\n\tb: 1', /^2:1 .*tab/i],
    ['NaN', 'p.yaml', 'a: .nan', /^1:4 .*not a number that JSON has/],
    ['infinity', 'p.yaml', 'a: -.inf', /^1:4 .*not a number that JSON has/],
    ['a number that JSON cannot hold', 'p.json', '{"a": 1e999}', /^1:7 .*not a number that JSON has/],
    ['an unknown tag', 'p.yaml', 'a: !!js/function "() => 1"', /^1:4 .*tag/i],
    ['comments in JSON', 'p.json', '{"a": 1} // no', /^1:\d+ /],
    ['a trailing comma in JSON', 'p.json', '{"a": 1,}', /not JSON/],
    ['two documents', 'p.yaml', 'a: 1\n---\nb: 2', /^\d+:\d+ .*multiple documents/i],
    ['deep brackets', 'p.json', '['.repeat(100_000), /nested deeper than 64/],
    [
      'deep indentation',
      'p.yaml',
      Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /nested deeper than 64/,
    ],
    ['ten megabytes', 'p.yaml', `a: ${'x'.repeat(10_000_000)}`, /longer than 1000000 characters/],
  ])('%s', (_what, file, text, expected) => {
    const problems = problemsOf(file, text)
    expect(problems.length).toBeGreaterThan(0)
    expect(problems[0]).toMatch(expected)
    expect(readData(file, text).value).toBeUndefined()
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

test('tabs between the tokens of JSON are fine, and places are those of the file', () => {
  const { value, places, problems } = readData('p.json', '{\n\t"name": "retail",\n\t"layers": ["raw"]\n}')
  expect(problems).toEqual([])
  expect(value).toEqual({ name: 'retail', layers: ['raw'] })
  expect(places.at(['layers'])).toMatchObject({ line: 3, column: 2 })
  expect(places.at(['layers', 0])).toMatchObject({ line: 3, column: 13 })
})

test('a few aliases are fine', () => {
  const { value, problems } = readData('p.yaml', 'a: &text {type: text}\nb: *text')
  expect(problems).toEqual([])
  expect(value).toEqual({ a: { type: 'text' }, b: { type: 'text' } })
})

test('FZ-3: any JSON value is read as JSON.parse reads it, or refused for a reason that is its own', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value)
      const read = readData('p.json', text)
      const forbidden = /"(__proto__|constructor|prototype|<<)":/.test(text)
      if (!forbidden) expect(read.problems).toEqual([])
      if (read.problems.length === 0) expect(read.value).toEqual(JSON.parse(text))
    }),
    { numRuns: 500 },
  )
})

test('FZ-3: no text makes the reader throw', () => {
  const pieces = fc.constantFrom(
    'a: ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&a ',
    '*a',
    '<<: ',
    '!x ',
    '|',
    '>',
    '\t',
    '#',
    '%',
    '---',
    '\0',
    '1',
    'é',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), fc.constantFrom('p.yaml', 'p.json'), (parts, file) => {
      const read = readData(file, parts.join(''))
      expect(Array.isArray(read.problems)).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test('the limits are those that the error explains', () => {
  expect(dataLimits).toEqual({ characters: 1_000_000, depth: 64, aliases: 100 })
})
