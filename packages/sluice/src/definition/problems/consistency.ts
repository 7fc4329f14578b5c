/** What no single value shows: options that do not fit each other. An option that would be ignored is refused, as a silent default would be. */
import type { FilesInput, ProcedureInput, Scd2Options } from '../input.ts'
import type { Check, Column, CsvFormat } from '../types.ts'

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
  fraction: ['time', 'timestamp', 'timestamptz'],
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
    format,
    fraction,
    overlap,
    zone,
    optional,
    nullable,
  } = column
  const misfits: Misfit[] = []
  if (groupSeparator === decimalSeparator)
    misfits.push({ key: 'groupSeparator', expected: 'another character than the decimal separator' })
  if (falseValues.some((text) => trueValues.includes(text)))
    misfits.push({ key: 'falseValues', expected: 'other texts than trueValues' })
  if (optional === true && nullable !== true)
    misfits.push({
      key: 'optional',
      expected: 'left out, or the column nullable: true, as it is NULL where it is absent',
    })
  if (overlap !== undefined && zone === undefined)
    misfits.push({ key: 'overlap', expected: 'left out, as there is no zone that could have a time twice' })
  if (fraction === 'truncate' && format !== undefined)
    misfits.push({ key: 'fraction', expected: 'left out, as the format says how many digits a second has' })
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
 * The options of a history that do not fit each other: snapshots tell their instants and what is absent, and have no late ones.
 *
 * @example scd2Misfits({ mode: 'scd2', from: 'a.b', key: 'k', snapshot: 'd', deletes: 'absence' }) // [{ key: 'deletes', expected: '…' }]
 */
export function scd2Misfits(load: Scd2Options): readonly Misfit[] {
  if (load.snapshot === undefined) {
    const misfits: Misfit[] = []
    for (const key of ['allowEmpty', 'minShareOfPrevious'] as const)
      if (load[key] !== undefined) misfits.push({ key, expected: 'left out without a "snapshot"' })
    // What is absent has no row that could say when it went: it would be the clock of the run, amid dates of the data.
    if (load.deletes === 'absence' && load.effective !== undefined)
      misfits.push({
        key: 'deletes',
        expected: `a column that says so; or name the date of full deliveries as "snapshot" in place of "effective": an absent row does not say when it went`,
      })
    return misfits
  }
  const others = ['effective', 'sequence', 'deletes', 'late'] as const
  const isKey = [load.key].flat().includes(load.snapshot)
  return [
    ...others
      .filter((key) => load[key] !== undefined)
      .map((key) => ({ key, expected: `left out beside "snapshot", which says it all: ${load.snapshot}` })),
    ...(isKey ? [{ key: 'snapshot', expected: 'no part of the key, as a key is the same in all snapshots' }] : []),
  ]
}

/**
 * The characters of a CSV format that would be read as each other.
 *
 * @example csvMisfits({ kind: 'csv', delimiter: '"' }) // [{ key: 'delimiter', expected: '…' }]
 */
export function csvMisfits({
  delimiter = ',',
  quote = '"',
  recordEnd = '\n',
  comment = '',
}: CsvFormat): readonly Misfit[] {
  const ends = ['\n', '\r', recordEnd]
  const quotes = quote === '' ? [] : [quote]
  const misfits: Misfit[] = []
  if ([...ends, ...quotes].some((text) => delimiter.includes(text)))
    misfits.push({ key: 'delimiter', expected: 'free of the quote and of what ends a record' })
  // Rows whose first field is empty or quoted would be comments.
  if (ends.some((text) => comment.includes(text)) || [delimiter, ...quotes].some((text) => comment.startsWith(text)))
    misfits.push({ key: 'comment', expected: 'a text that no row begins with: no quote, delimiter or line end' })
  return misfits
}

/**
 * The options of a source of files that would be ignored: without a header there are no names to find columns by.
 *
 * @example filesMisfits({ columns: { a: { type: 'text', aliases: ['b'] } }, format: { kind: 'csv', header: false } }) // [{ key: 'columns', … }]
 */
export function filesMisfits({
  columns,
  format,
  drift = 'freeze',
}: Pick<FilesInput, 'columns' | 'format' | 'drift'>): readonly Misfit[] {
  const ignores = typeof format === 'object' && format.extraColumns === 'ignore'
  if (drift === 'evolve' && ignores)
    return [{ key: 'drift', expected: "freeze or quarantine beside extraColumns: 'ignore', or extraColumns left out" }]
  const isNamed = typeof format === 'string' || format?.kind !== 'csv' || format.header !== false
  if (isNamed) return []
  if (drift !== 'freeze')
    return [{ key: 'drift', expected: 'left out, as files without a header have no names of columns' }]
  const isByName = (column: unknown): boolean =>
    typeof column === 'object' && column !== null && ('aliases' in column || 'optional' in column)
  const expected = 'free of aliases and optional, as files without a header have no names of columns'
  return Object.values(columns).some(isByName) ? [{ key: 'columns', expected }] : []
}

/**
 * The options of a procedure that do not fit each other.
 *
 * @example procedureMisfits({ ...source, mode: 'merge' }) // [{ key: 'key', expected: '…' }]
 */
export function procedureMisfits(source: ProcedureInput): readonly Misfit[] {
  const { parameters = {}, output = {}, columns } = source
  const both = Object.keys(output).find((name) => Object.hasOwn(parameters, name))
  const each = Object.values(parameters).flatMap((value) =>
    typeof value === 'object' && value !== null && '$each' in value ? [value.$each] : [],
  )
  const names = Object.keys(columns).map((name) => name.toLowerCase())
  const taken = each.find(({ as }) => as !== undefined && names.includes(as.toLowerCase()))?.as
  const wrong = (key: string, expected: string, when: boolean): readonly Misfit[] => (when ? [{ key, expected }] : [])
  return [
    ...windowMisfits(source),
    ...keyMisfits(source),
    ...wrong(
      'parameters',
      'free of a second { $each }, as there is one call for each value of one column',
      each.length > 1,
    ),
    ...wrong('parameters', `free of { as: ${taken} }, as that is a column of the result`, taken !== undefined),
    ...wrong('output', `free of "${both}", which is a parameter already`, both !== undefined),
  ]
}

/** Rows are merged by their keys: one that is NULL would stand for all that have none. */
function keyMisfits({ columns, key, mode, window }: ProcedureInput): readonly Misfit[] {
  if (key === undefined || (mode ?? (window === undefined ? 'replace' : 'merge')) !== 'merge') return []
  const nullable = [key].flat().find((name) => {
    const column = Object.hasOwn(columns, name) ? columns[name] : undefined
    return typeof column === 'object' && column.nullable === true
  })
  const expected = `made of columns that are not nullable, as rows are merged by it: not "${nullable}"`
  return nullable === undefined ? [] : [{ key: 'key', expected }]
}

function windowMisfits({ parameters = {}, window, key, mode }: ProcedureInput): readonly Misfit[] {
  const bounds = Object.values(parameters).flatMap((value) =>
    typeof value === 'object' && value !== null && '$window' in value ? [value.$window] : [],
  )
  const known = 'the columns that identify a row'
  if (window === undefined) {
    if (bounds.length > 0)
      return [{ key: 'window', expected: 'a window with its "start", as a parameter takes a bound of it' }]
    return mode === 'merge' && key === undefined ? [{ key: 'key', expected: `${known}, as rows are merged by it` }] : []
  }
  if (!bounds.includes('from'))
    return [{ key: 'window', expected: 'left out, as no parameter takes its lower bound ({ $window: from })' }]
  const overlaps = (window.overlapSeconds ?? 0) > 0
  if (overlaps && mode !== undefined && mode !== 'merge')
    return [{ key: 'mode', expected: '"merge", as an overlap brings rows twice' }]
  if (key === undefined && (overlaps || mode === 'merge'))
    return [{ key: 'key', expected: `${known}, as rows that come twice are known by it` }]
  // Without an upper bound, a call brings rows that the next one brings again.
  if (!bounds.includes('to') && (mode ?? (key === undefined ? 'append' : 'merge')) === 'append')
    return [{ key: 'key', expected: `${known}, as no parameter takes the upper bound of the window ({ $window: to })` }]
  return []
}
