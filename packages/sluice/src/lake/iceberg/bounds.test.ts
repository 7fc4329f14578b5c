import { describe, expect, test } from 'vitest'
import { boundOf, daysOf } from './bounds.ts'

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')
const lower = { end: 'lower' } as const
const upper = { end: 'upper' } as const

describe('a bound is', () => {
  test.each([
    // As appendix D of the specification writes them.
    ['boolean', 'false', '00'],
    ['boolean', '1', '01'],
    ['int', '-2147483648', undefined],
    ['int', '-1', 'ffffffff'],
    ['int', '34', '22000000'],
    ['long', '34', '2200000000000000'],
    ['long', '-9223372036854775808', '0000000000000080'],
    ['long', '9223372036854775808', undefined],
    ['float', '0.1', 'cdcccc3d'],
    ['double', '0.1', '9a9999999999b93f'],
    ['double', '-inf', '000000000000f0ff'],
    ['double', 'nan', undefined],
    ['date', '1969-12-31', 'ffffffff'],
    ['date', '0044-03-15 (BC)', undefined],
    ['date', 'infinity', undefined],
    ['time', '22:31:08.000001', '018307e012000000'],
    ['timestamp', '1970-01-01 00:00:00.000001', '0100000000000000'],
    ['timestamp', '1969-12-31 23:59:59.999999', 'ffffffffffffffff'],
    ['timestamptz', '1970-01-01 00:00:01+00', '40420f0000000000'],
    ['timestamptz', '1970-01-01 00:00:01+02', undefined],
    ['string', 'é', 'c3a9'],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 'f79c3e09677c4bbda4793f349cb785e7'],
    ['decimal(9, 2)', '14.20', '058c'],
    ['decimal(9, 2)', '-1.28', '80'],
    ['decimal(9, 2)', '1.28', '0080'],
    ['decimal(9, 2)', '14.2', '058c'],
    ['decimal(9, 2)', '14.205', undefined],
    ['decimal(38, 0)', '0', '00'],
    ['binary', '61', undefined],
  ] as const)('of %s %s: %s', (type, text, bytes) => {
    expect(hex(boundOf(type, text, lower))).toBe(bytes)
  })

  test('the sign of zero: the lower end is before it, the upper one after it', () => {
    expect(hex(boundOf('double', '0.0', lower))).toBe('0000000000000080')
    expect(hex(boundOf('double', '-0.0', upper))).toBe('0000000000000000')
  })

  test('of a file with single floats the number that they are, and not the one that their text is', () => {
    expect(boundOf('double', '0.1', { ...upper, isSingle: true })).toEqual(
      boundOf('double', String(Math.fround(0.1)), upper),
    )
  })

  test('nothing of what is not there, and of nested columns', () => {
    expect(boundOf('int', undefined, lower)).toBeUndefined()
    expect(boundOf({ type: 'list' }, '1', lower)).toBeUndefined()
  })
})

test('days are counted from 1970, of every year of four digits and more', () => {
  expect(['0001-01-01', '1970-01-01', '9999-12-31', '10000-01-01'].map(daysOf)).toEqual([-719162, 0, 2932896, 2932897])
})
