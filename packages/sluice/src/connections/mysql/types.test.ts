import { expect, test } from 'vitest'
import type { Cell } from '../connection.ts'
import type { Field } from './connect.ts'
import { columnOf, readRow } from './types.ts'

const field = (columnType: number, rest: Partial<Field> = {}): Field => ({
  ...{ name: 'c', columnType, columnLength: 0, characterSet: 45, decimals: 0, flags: 0 },
  ...rest,
})

/** Reads a row of one value, or NULL, from its bytes in hex. */
function read(of: Field, hex: string | null): Cell {
  const buffer = Buffer.from(hex === null ? '0004' : `0000${hex}`, 'hex')
  const cells: Cell[][] = [[]]
  readRow({ buffer, offset: 0, end: buffer.length }, [columnOf(of)], cells, 'shop')
  return cells[0]?.[0] as Cell
}

test('SR-06: dates and times have the digits that they have, zeros among them', () => {
  expect(read(field(12, { decimals: 6 }), '00')).toBe('0000-00-00 00:00:00.000000')
  expect(read(field(10), '04e8070000')).toBe('2024-00-00')
  expect(read(field(12, { decimals: 3 }), '0be807021d173b3bc0d40100')).toBe('2024-02-29 23:59:59.120')
  expect(read(field(7), '07e807021d173b3b')).toBe('2024-02-29 23:59:59+00:00')
  expect(read(field(11, { decimals: 6 }), '0c0122000000163b3b3f420f00')).toBe('-838:59:59.999999')
  expect(read(field(11), '00')).toBe('00:00:00')
})

test('SR-06: numbers at their ends', () => {
  expect(read(field(8, { flags: 32 }), 'ffffffffffffffff')).toBe('18446744073709551615')
  expect(read(field(8), '0000000000000080')).toBe('-9223372036854775808')
  expect(read(field(4), '52069e3f')).toBe('1.2345679')
  expect(read(field(4), '01000000')).toBe('1e-45')
  expect(read(field(5), '0000000000000080')).toBe('-0')
  expect(read(field(8), null)).toBeNull()
})

test('types are spelled as the server declares them', () => {
  const spelled = (of: Field) => [columnOf(of).serverType, columnOf(of).type]
  expect(spelled(field(246, { columnLength: 20, decimals: 4 }))).toEqual(['decimal(18,4)', 'decimal(18,4)'])
  expect(spelled(field(246, { columnLength: 67, decimals: 30 }))).toEqual(['decimal(65,30)', 'text'])
  expect(spelled(field(253, { columnLength: 80 }))).toEqual(['varchar(20)', 'text'])
  expect(spelled(field(252, { columnLength: 65_535, characterSet: 63 }))).toEqual(['blob', 'binary'])
  expect(spelled(field(16, { columnLength: 1 }))).toEqual(['bit(1)', 'boolean'])
  expect(spelled(field(1, { flags: 32 }))).toEqual(['tinyint unsigned', 'smallint'])
})

test('what cannot be read whole is refused, not guessed', () => {
  const refused = expect.objectContaining({ name: 'Connection.Protocol' })
  expect(() => read(field(253), '02c328')).toThrow(refused)
  expect(read(field(253), '03efbfbd')).toBe('\ufffd')
  expect(() => read(field(3), '0100000000')).toThrow(refused)
})
