import { expect, test } from 'vitest'
import { resolvePipeline } from '../resolve.ts'
import { noPlaces } from './places.ts'

/** What is wrong with a column, a check or a format of a source. */
function wrong(more: { column?: unknown; check?: unknown; format?: unknown; fileDate?: string }): string[] {
  const { column = 'integer', check, format, fileDate } = more
  const source = {
    kind: 'files',
    path: 'in/a.csv',
    columns: { a: column },
    ...(check === undefined ? {} : { checks: [check] }),
    ...(format === undefined ? {} : { format }),
    ...(fileDate === undefined ? {} : { fileDate }),
  }
  const { problems } = resolvePipeline(
    { name: 'p', sources: { s: source } },
    { places: noPlaces('p.ts'), sqlFiles: [] },
  )
  return problems.map(({ message }) => message.replace(/^sources\.s\./, ''))
}

test('CT-07: an option that would be ignored is refused', () => {
  expect(wrong({ column: { type: 'text', zone: 'Europe/London', trueValues: ['Y'] } })).toEqual([
    'columns.a.zone must be left out, as it is for columns of type timestamp, timestamptz, not "Europe/London".',
    'columns.a.trueValues must be left out, as it is for columns of type boolean, not a list.',
  ])
  expect(wrong({ column: { type: 'integer', decimalSeparator: ',' } })[0]).toContain('of type real, float, decimal')
  expect(wrong({ column: { type: 'timestamp', overlap: 'earlier' } })[0]).toContain('there is no zone')
  expect(wrong({ column: { type: 'date', fraction: 'truncate' } })[0]).toContain('time, timestamp, timestamptz')
  expect(wrong({ column: { type: 'time', format: 'HH:mm', fraction: 'truncate' } })[0]).toContain('fraction must be')
})

test('options that contradict each other are refused', () => {
  expect(wrong({ column: { type: 'decimal(9,2)', groupSeparator: '.' } })[0]).toContain(
    'groupSeparator must be another',
  )
  expect(wrong({ column: { type: 'boolean', trueValues: ['1'], falseValues: ['1'] } })[0]).toContain('falseValues')
  expect(wrong({ check: { kind: 'range', column: 'a', min: 3, max: 2 } })[0]).toContain('max must be at least 3')
  expect(wrong({ check: { kind: 'rowCount' } })[0]).toContain('needs a "min"')
  expect(wrong({ format: { kind: 'csv', delimiter: "'", quote: "'" } })[0]).toContain('delimiter must be free of')
  expect(wrong({ format: { kind: 'csv', delimiter: '&|\n' } })[0]).toContain('delimiter must be free of')
  for (const comment of ['"', ',x', 'a\n'])
    expect(wrong({ format: { kind: 'csv', comment } })[0]).toContain('comment must be a text that no row begins with')
  expect(wrong({ column: { type: 'text', optional: true } })[0]).toContain(
    'optional must be left out, or the column null',
  )
  const nameless = { kind: 'csv', header: false }
  expect(wrong({ column: { type: 'text', aliases: ['b'] }, format: nameless })[0]).toContain('columns must be free of')
  expect(wrong({ fileDate: 'MM-dd' })[0]).toContain('fileDate must be a pattern')
})

test('options that fit are taken', () => {
  expect(wrong({ column: { type: 'decimal(12, 2)', decimalSeparator: ',', groupSeparator: '.' } })).toEqual([])
  expect(wrong({ column: { type: 'timestamptz', format: 'd.M.yyyy', zone: 'UTC', overlap: 'later' } })).toEqual([])
  expect(wrong({ column: { type: 'text', nulls: ['-'], trim: true } })).toEqual([])
  expect(wrong({ check: { kind: 'range', column: 'a', min: '2.5' } })).toEqual([])
  expect(wrong({ format: { kind: 'csv', delimiter: '+|', recordEnd: '&|', quote: '' } })).toEqual([])
  expect(wrong({ column: { type: 'text', nullable: true, optional: true, aliases: ['b'] }, format: 'csv' })).toEqual([])
  expect(wrong({ format: { kind: 'csv', header: false } })).toEqual([])
  expect(wrong({ fileDate: 'yyyyMMdd' })).toEqual([])
})

test('what becomes of other columns is declared once, and only of files that name theirs', () => {
  const drift = (more: object): string[] =>
    resolvePipeline(
      {
        name: 'p',
        sources: { s: { kind: 'files', path: 'in/a.csv', columns: { a: 'text' }, drift: 'evolve', ...more } },
      },
      { places: noPlaces('p.ts'), sqlFiles: [] },
    ).problems.map(({ message }) => message)
  expect(drift({})).toEqual([])
  expect(drift({ format: { kind: 'csv', header: false } })[0]).toContain('drift must be left out')
  expect(drift({ format: { kind: 'csv', extraColumns: 'ignore' } })[0]).toContain('drift must be freeze or quarantine')
})
