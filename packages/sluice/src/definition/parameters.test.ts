import { describe, expect, test } from 'vitest'
import { parameterText, parameterValues } from './parameters.ts'
import { noPlaces } from './problems/places.ts'
import { resolvePipeline } from './resolve.ts'
import type { ColumnType, Project } from './types.ts'

describe('a value is of its type, digit for digit, or it is refused', () => {
  test.each<readonly [ColumnType, string | number | boolean | null, string | undefined]>([
    ['text', '', ''],
    ['text', 'a\0b', undefined],
    ['text', null, undefined],
    ['integer', '2147483647', '2147483647'],
    ['integer', '2147483648', undefined],
    ['integer', '1.5', undefined],
    ['integer', ' 1', undefined],
    ['integer', 7, '7'],
    ['bigint', '-9223372036854775808', '-9223372036854775808'],
    ['bigint', '9223372036854775808', undefined],
    ['decimal(5,2)', '123.45', '123.45'],
    ['decimal(5,2)', '123.456', undefined],
    ['decimal(5,2)', '1234', undefined],
    ['decimal(5,0)', '1.5', undefined],
    ['decimal(2,2)', '0.25', '0.25'],
    ['decimal(2,2)', '', undefined],
    ['float', '-1.5e3', '-1.5e3'],
    ['float', 'NaN', undefined],
    ['boolean', true, 'true'],
    ['boolean', 'yes', undefined],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', '2026-02-29', undefined],
    ['timestamp', '2026-02-01T08:30', '2026-02-01 08:30'],
    ['timestamp', '2026-02-01 24:00', undefined],
    ['timestamp', '2026-02-01 08:30:00.1234567', undefined],
  ])('%s %j', (type, value, text) => {
    const read = parameterText(value, type)
    expect('text' in read ? read.text : undefined).toBe(text)
  })
})

const project = (...pipelines: object[]): Project => ({ pipelines }) as unknown as Project
const [retail, erp] = [
  { name: 'retail', parameters: { since: { type: 'date', default: '2026-01-01' }, top: { type: 'integer' } } },
  { name: 'erp', parameters: { since: { type: 'timestamp' } } },
]

test('one name is a value for every pipeline that declares it; the name with its pipeline is for that one', () => {
  const { values, problems, missing } = parameterValues(project(retail, erp), {
    since: '2026-03-01',
    'erp.since': '2026-03-01 06:00',
    top: 3,
  })
  expect(values).toEqual({ retail: { since: '2026-03-01', top: '3' }, erp: { since: '2026-03-01 06:00' } })
  expect([...problems, ...missing]).toEqual([])
})

test('defaults stand in, what has none is missing, and a project without parameters takes none', () => {
  const { values, missing } = parameterValues(project(retail, erp), {})
  expect(values).toEqual({ retail: { since: '2026-01-01' } })
  expect(missing.map(({ pipeline, parameter }) => `${pipeline}.${parameter}`)).toEqual(['retail.top', 'erp.since'])
  const { problems } = parameterValues(project({ name: 'x' }), { since: '1', toString: '1' })
  expect(problems.map(({ message }) => message)).toEqual([
    'No pipeline has a parameter "since".',
    'No pipeline has a parameter "toString".',
  ])
})

test('CT-07: a declaration that cannot be is a problem; a type alone is one', () => {
  const resolved = (parameters: object) =>
    resolvePipeline({ name: 'x', parameters }, { places: noPlaces('pipeline.yaml'), sqlFiles: [] })
  expect(resolved({ day: 'date' }).pipeline?.parameters).toEqual({ day: { type: 'date' } })
  expect(resolved({}).pipeline?.parameters).toEqual({})
  expect(resolvePipeline({ name: 'x' }, { places: noPlaces('p.yaml'), sqlFiles: [] }).pipeline).not.toHaveProperty(
    'parameters',
  )
  const problems = resolved({
    Day: 'date',
    blob: 'binary',
    from: { type: 'date', default: 'today' },
    other: { type: 'date', fallback: '2026-01-01' },
  }).problems.map(({ message }) => message)
  expect(problems).toHaveLength(4)
  expect(problems[2]).toBe('parameters.from.default must be a date such as 2026-02-01, not "today".')
})
