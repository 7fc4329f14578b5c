import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareLsn, parseLsn, printLsn } from './lsn.ts'

test('a position is read and written as the server does', () => {
  expect(parseLsn('16/B374D848')).toBe(0x16_b374d848n)
  expect(printLsn(0x16_b374d848n)).toBe('16/B374D848')
  expect(printLsn(parseLsn('0/0'))).toBe('0/0')
  expect(printLsn(parseLsn('FFFFFFFF/FFFFFFFF'))).toBe('FFFFFFFF/FFFFFFFF')
})

test('every position survives, and sorts as a number, not as text', () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (lsn) => parseLsn(printLsn(lsn)) === lsn))
  expect(['1/0', '0/FF', '0/100'].map(parseLsn).sort(compareLsn).map(printLsn)).toEqual(['0/FF', '0/100', '1/0'])
})

test.each(['', '0', '0/', '/0', '0/G', '0/123456789', '0/0 ', '-1/0'])('%j is no position', (text) => {
  expect(() => parseLsn(text)).toThrow(expect.objectContaining({ name: 'Source.ChangeProtocol' }))
})
