import { expect, test } from 'vitest'
import {
  addAccounting,
  assertBalanced,
  exceedsLimits,
  noRows,
  refusedShare,
  rowCountOutside,
  ruleResults,
} from './accounting.ts'
import type { RowRule } from './rule.ts'

const balanced = { read: 10, accepted: 7, quarantined: 2, dropped: { duplicate: 1 } }

test('sums keep every part', () => {
  const bytes = { total: 10, header: 4, records: 6 }
  expect([balanced, { ...balanced, bytes }, { ...noRows, bytes }].reduce(addAccounting, noRows)).toEqual({
    read: 20,
    accepted: 14,
    quarantined: 4,
    dropped: { duplicate: 2 },
    bytes: { total: 20, header: 8, records: 12 },
  })
})

test('one row or one byte that is missing stops everything', () => {
  assertBalanced('a.csv', { ...balanced, bytes: { total: 10, header: 4, records: 6 } }, 7)
  expect(() => assertBalanced('a.csv', { ...balanced, read: 11 }, 7)).toThrow(
    'a.csv: 11 rows were read, but 7 accepted + 2 quarantined + 1 dropped make 10.',
  )
  expect(() => assertBalanced('a.csv', balanced, 6)).toThrow('7 rows were accepted, but the written files hold 6')
  expect(() => assertBalanced('a.csv', { ...balanced, bytes: { total: 11, header: 4, records: 6 } }, 7)).toThrow(
    'the file has 11 bytes',
  )
})

test.each<[string, Parameters<typeof exceedsLimits>, boolean]>([
  ['default: 1 %', [{}, 1, 100], false],
  ['default: more than 1 %', [{}, 2, 100], true],
  ['the share counts from the first row', [{}, 1, 10], true],
  ['default: 1,000 rows', [{}, 1001, 10_000_000], true],
  ['the share alone', [{ maxShare: 0.3 }, 3_000_000, 10_000_000], false],
  ['the share alone, passed', [{ maxShare: 0.3 }, 4, 10], true],
  ['one of three, where the share is of at least 100', [{ minRows: 100 }, 1, 3], false],
  ['two of three, where the share is of at least 100', [{ minRows: 100 }, 2, 3], true],
  ['more rows than the least', [{ minRows: 100, maxShare: 0.3 }, 301, 1000], true],
  ['the rows, whatever the share is of', [{ minRows: 100, maxRows: 0 }, 1, 3], true],
  ['both', [{ maxShare: 0.3, maxRows: 2 }, 3, 10], true],
  ['nothing refused of nothing', [{}, 0, 0], false],
  ['everything refused where everything may be', [{ maxShare: 1 }, 10, 10], false],
])('limits of the quarantine: %s', (_, args, exceeded) => {
  expect(exceedsLimits(...args) !== undefined).toBe(exceeded)
})

test('the row-count guard compares with the mean of the earlier files', () => {
  expect(rowCountOutside({ minShareOfPrevious: 0.5 }, 55, [100, 120])).toBeUndefined()
  expect(rowCountOutside({ minShareOfPrevious: 0.5 }, 54, [100, 120])).toBe(
    '54 rows, fewer than 50 % of the mean before (110)',
  )
  expect(rowCountOutside({ maxShareOfPrevious: 2 }, 221, [100, 120])).toMatch('more than 200 %')
  expect(rowCountOutside({ minShareOfPrevious: 0.5 }, 0, [])).toBeUndefined()
  expect(rowCountOutside({ min: 1 }, 0, [])).toBe('0 rows, fewer than the minimum of 1')
  expect(rowCountOutside({ max: 1 }, 2, [])).toBe('2 rows, more than the maximum of 1')
})

test('row rules: passed where tolerated, refused where quarantined, failed where they stop', () => {
  const rule = (name: string, more: Partial<RowRule> = {}): RowRule => ({
    name,
    kind: 'range',
    columns: [],
    valid: 'true',
    severity: 'error',
    action: 'quarantine',
    ...more,
  })
  const rules = [
    rule('cast:a', { kind: 'cast' }),
    rule('cast:b', { kind: 'cast' }),
    rule('clean'),
    rule('apart'),
    rule('tolerated', { maxShare: 0.3 }),
    rule('too many', { maxCount: 2 }),
    rule('stop', { action: 'stop' }),
    rule('warning', { severity: 'warn' }),
  ]
  const broken = new Map(
    [...rules.keys()].map((i) => [rules[i]!.name, ['cast:b', 'clean'].includes(rules[i]!.name) ? 0 : 3]),
  )
  expect(ruleResults(rules, broken, 10).map(({ name, status }) => [name, status])).toEqual([
    ['cast:a', 'refused'],
    ['clean', 'passed'],
    ['apart', 'refused'],
    ['tolerated', 'passed'],
    ['too many', 'failed'],
    ['stop', 'failed'],
  ])
})

test('a small share is not none', () => {
  expect(refusedShare(1, 4_500_005)).toBe('1 of 4500005 rows refused (less than 0.01 %)')
  expect(refusedShare(3, 5)).toBe('3 of 5 rows refused (60 %)')
})
