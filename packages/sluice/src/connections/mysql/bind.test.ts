import { expect, test } from 'vitest'
import type { ColumnType } from '../../definition/types.ts'
import { bind } from './bind.ts'
import type { RoutineParameter } from './describe.ts'

const target = (serverType: string, rest: Partial<RoutineParameter> = {}): RoutineParameter => ({
  ...{ name: 'p', mode: 'IN', dataType: serverType.replace(/\W.*/, ''), serverType },
  ...{ maxLength: undefined, precision: undefined, scale: undefined, fraction: undefined },
  ...rest,
})
const bound = (value: string | null, type: ColumnType, to?: RoutineParameter) => bind({ name: 'p', type, value }, to)

test('SR-06: an instant is sent in UTC, with every digit of its second', () => {
  expect(bound('2024-01-01T00:30:00.123456+05:45', 'timestamptz')).toBe('2023-12-31 18:45:00.123456')
  expect(bound('2024-02-29 23:59:59Z', 'timestamptz')).toBe('2024-02-29 23:59:59')
  expect(bound('2024-12-31 20:00-04', 'timestamptz')).toBe('2025-01-01 00:00:00')
})

test('booleans, bytes and bits become what the server stores', () => {
  expect(bound('TRUE', 'boolean')).toBe('1')
  expect(bound('00ff', 'binary')).toEqual(Buffer.from([0, 255]))
  expect(bound('513', 'integer', target('bit(10)', { precision: 10 }))).toEqual(Buffer.from([2, 1]))
  expect(bound(null, 'integer', target('int(11)'))).toBeNull()
})

test.each([
  ['12.345', 'decimal(10,3)', target('decimal(10,2)', { precision: 10, scale: 2 })],
  ['123456789', 'integer', target('decimal(10,2)', { precision: 10, scale: 2 })],
  ['1.5', 'decimal(3,1)', target('int(11)')],
  ['-1', 'integer', target('int(10) unsigned')],
  ['2147483648', 'bigint', target('int(11)')],
  ['2024-01-01 00:00:00.1234567', 'timestamp', target('datetime(6)', { fraction: 6 })],
  ['2024-01-01 00:00:00.5', 'timestamp', target('datetime', { fraction: 0 })],
  ['2024-01-01 12:00:00', 'timestamp', target('date')],
  ['1024', 'integer', target('bit(10)', { precision: 10 })],
  ['1e5', 'integer', undefined],
  ['0x10', 'decimal(5,0)', undefined],
  ['yes', 'boolean', undefined],
  ['abc', 'binary', undefined],
] as const)('SR-06: %s as %s, which the server would alter, is refused', (value, type, to) => {
  expect(() => bound(value, type, to)).toThrow(expect.objectContaining({ name: 'Connection.ValueInvalid' }))
})

test('SR-06: zeros that mean nothing are no reason to refuse', () => {
  expect(bound('12.3400', 'decimal(10,4)', target('decimal(10,2)', { precision: 10, scale: 2 }))).toBe('12.3400')
  expect(bound('2024-01-01 00:00:00.120000', 'timestamp', target('datetime(2)', { fraction: 2 }))).toBeTypeOf('string')
})

test('SR-11: a text that would be cut is refused; characters are counted, not bytes', () => {
  const ten = target('varchar(10)', { maxLength: 10 })
  expect(bound('é𝄞'.repeat(5), 'text', ten)).toBe('é𝄞'.repeat(5))
  expect(() => bound('x'.repeat(11), 'text', ten)).toThrow(
    expect.objectContaining({ name: 'Connection.ValueTooLong', params: { parameter: 'p', length: 11, limit: 10 } }),
  )
})
