import { expect, test } from 'vitest'
import { leftAt } from './failover.ts'

test('CD-08: the history of a timeline says where each one before it was left', () => {
  const history = '# comment\n1\t0/3000148\tno recovery target specified\n\n2\t1/5A\tbefore 2026-01-01 00:00:00+00\n'
  expect(leftAt(history, 1)).toBe(0x3000148n)
  expect(leftAt(history, 2)).toBe(0x1_0000_005an)
  expect(leftAt(history, 3)).toBeUndefined()
  expect(leftAt('', 1)).toBeUndefined()
})
