/** What no single value shows: options that do not fit each other. An option that would be ignored is refused, as a silent default would be. */
import type { ProcedureInput } from './input.ts'
import type { Check, Column, CsvFormat } from './types.ts'

/** A value that does not fit the others: its key, and what it must be instead. */
export interface Misfit {
  readonly key: string
  readonly expected: string
}

const numeric = ['tinyint', 'smallint', 'integer', 'bigint', 'real', 'float', 'decimal']
const temporal = ['date', 'time', 'timestamp', 'timestamptz']

/** The types that an option of a column is for; options that are not here are for all. */
const optionTypes: { readonly [option in keyof Column]?: readonly string[] } = {
  format: temporal,
  zone: ['timestamp', 'timestamptz'],
  overlap: ['timestamp', 'timestamptz'],
  trueValues: ['boolean'],
  falseValues: ['boolean'],
  decimalSeparator: ['real', 'float', 'decimal'],
  groupSeparator: numeric,
  encoding: ['binary'],
}

/**
 * The options of a column that do not fit its type or each other.
 *
 * @example columnMisfits({ type: 'text', zone: 'Europe/London' }) // [{ key: 'zone', expected: 'left out: …' }]
 */
export function columnMisfits(column: Column): readonly Misfit[] {
  const type = column.type.startsWith('decimal') ? 'decimal' : column.type
  const misplaced = Object.entries(optionTypes).flatMap(([key, types]) =>
    column[key as keyof Column] === undefined || types.includes(type)
      ? []
      : [{ key, expected: `left out, as it is for columns of type ${types.join(', ')}` }],
  )
  if (misplaced.length > 0) return misplaced
  const {
    decimalSeparator = '.',
    groupSeparator,
    trueValues = ['true'],
    falseValues = ['false'],
    overlap,
    zone,
  } = column
  const misfits: Misfit[] = []
  if (groupSeparator === decimalSeparator)
    misfits.push({ key: 'groupSeparator', expected: 'another character than the decimal separator' })
  if (falseValues.some((text) => trueValues.includes(text)))
    misfits.push({ key: 'falseValues', expected: 'other texts than trueValues' })
  if (overlap !== undefined && zone === undefined)
    misfits.push({ key: 'overlap', expected: 'left out, as there is no zone that could have a time twice' })
  return misfits
}

/**
 * The bounds of a check that no value can satisfy, or that are missing.
 *
 * @example checkMisfits({ kind: 'length', column: 'a', min: 3, max: 2 }) // [{ key: 'max', expected: 'at least 3, the min' }]
 */
export function checkMisfits(check: Check): readonly Misfit[] {
  if (check.kind !== 'range' && check.kind !== 'length' && check.kind !== 'rowCount' && check.kind !== 'sum') return []
  const { min, max } = check
  if (min === undefined && max === undefined) return [{ key: 'min', expected: 'a bound, or a "max", or both' }]
  const bothNumbers = typeof min === 'number' && typeof max === 'number'
  return bothNumbers && min > max ? [{ key: 'max', expected: `at least ${min}, the min` }] : []
}

/**
 * The characters of a CSV format that would be read as each other.
 *
 * @example csvMisfits({ kind: 'csv', delimiter: '"' }) // [{ key: 'delimiter', expected: '…' }]
 */
export function csvMisfits({ delimiter = ',', quote = '"', recordEnd = '\n' }: CsvFormat): readonly Misfit[] {
  const expected = 'free of the quote and of what ends a record'
  const taken = ['\n', '\r', recordEnd, ...(quote === '' ? [] : [quote])]
  return taken.some((text) => delimiter.includes(text)) ? [{ key: 'delimiter', expected }] : []
}

/**
 * The options of a procedure that do not fit each other.
 *
 * @example procedureMisfits({ ...source, mode: 'merge' }) // [{ key: 'key', expected: '…' }]
 */
export function procedureMisfits(source: ProcedureInput): readonly Misfit[] {
  const { parameters = {}, output = {}, columns, window, key, mode } = source
  const values = Object.values(parameters).flatMap((value) =>
    typeof value === 'object' && value !== null ? [value] : [],
  )
  const bounds = values.flatMap((value) => ('$window' in value ? [value.$window] : []))
  const each = values.flatMap((value) => ('$each' in value ? [value.$each] : []))
  const misfits: Misfit[] = []
  if (window === undefined && bounds.length > 0)
    misfits.push({ key: 'window', expected: 'a window with its "start", as a parameter takes a bound of it' })
  if (window !== undefined && !bounds.includes('from'))
    misfits.push({ key: 'window', expected: 'left out, as no parameter takes its lower bound ({ $window: from })' })
  if (window?.overlapSeconds && mode !== undefined && mode !== 'merge')
    misfits.push({ key: 'mode', expected: '"merge", as an overlap brings rows twice' })
  if (key === undefined && (mode === 'merge' || window?.overlapSeconds))
    misfits.push({ key: 'key', expected: 'the columns that identify a row, as rows that come twice are known by them' })
  if (window !== undefined && !bounds.includes('to') && (mode ?? (key === undefined ? 'append' : 'merge')) === 'append')
    misfits.push({
      key: 'key',
      expected:
        'the columns that identify a row, as no parameter takes the upper bound of the window ({ $window: to }), and rows beyond it come twice',
    })
  if (each.length > 1)
    misfits.push({
      key: 'parameters',
      expected: 'free of a second { $each }, as there is one call for each value of one column',
    })
  for (const { as } of each) {
    if (as !== undefined && Object.keys(columns).some((name) => name.toLowerCase() === as.toLowerCase()))
      misfits.push({ key: 'parameters', expected: `free of { as: ${as} }, as that is a column of the result` })
  }
  const both = Object.keys(output).find((name) => Object.hasOwn(parameters, name))
  if (both !== undefined) misfits.push({ key: 'output', expected: `free of "${both}", which is a parameter already` })
  return misfits
}
