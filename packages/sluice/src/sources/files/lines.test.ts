import { expect, test } from 'vitest'
import { openDrop, sourceOf, type Taken } from '../../../test/sources/drop.ts'
import type { CsvFormat, FilesSource } from '../../definition/types.ts'
import { dialectOf } from './text/dialect.ts'
import { readRecordsOf } from './text/file-records.ts'

const two = sourceOf({ a: 'text', b: { type: 'integer', nullable: true } })
const withFormat = (format: Omit<CsvFormat, 'kind'>, source: FilesSource = two): FilesSource => ({
  ...source,
  format: { kind: 'csv', ...format },
})

async function takeOne(source: FilesSource, content: string | Uint8Array): Promise<Taken> {
  await using drop = await openDrop()
  drop.deliver('inbox/x.csv', content)
  return await drop.take(source)
}
const values = ({ rows }: Taken): unknown => rows.map(({ a, b }) => [a, b]).sort()
const why = ({ refused }: Taken): unknown => refused.map(({ error }) => [error.name, error.message])

test('lines before the header, comments and a footer are no rows, and the account says how many there were', async () => {
  const text = [
    'Report of "today',
    '"',
    '# made by nobody',
    'a,b',
    'x,1',
    '# it\'s "open',
    '"#y",2',
    'bad,z',
    'Total "of,3',
  ]
  for (const end of ['\n', '\r\n', '\r']) {
    const taken = await takeOne(withFormat({ skip: 2, comment: '#', footer: 'Total' }), text.join(end) + end)
    expect(values(taken)).toEqual([
      ['#y', '2'],
      ['x', '1'],
    ])
    // Places in quarantine are those of the file.
    expect(taken.quarantine).toMatchObject([
      { line: 8, record: 3, offset: text.slice(0, 7).join(end).length + end.length },
    ])
    const { accounting } = taken.candidate!
    expect(accounting).toMatchObject({
      ...{ read: 8, accepted: 2, quarantined: 1, dropped: { skip: 2, comment: 2, footer: 1 } },
      bytes: { header: text.slice(0, 4).join(end).length + end.length },
    })
    expect(accounting.bytes!.total).toBe(accounting.bytes!.header + accounting.bytes!.records)
  }
})

test('a large file with a header, comments and a footer accounts like a small one', async () => {
  const rows = Array.from({ length: 9000 }, (_, at) => `${'x'.repeat(120)}${at},${at === 7000 ? 'bad' : at}`)
  rows.splice(1000, 0, '# here')
  const text = ['made', 'a,b', ...rows, 'sum', 'end'].join('\n')
  const taken = await takeOne(withFormat({ skip: 1, comment: '#', footer: 2 }), text)
  expect(taken.candidate!.accounting).toMatchObject({
    ...{ read: 9004, accepted: 8999, quarantined: 1, dropped: { skip: 1, comment: 1, footer: 2 } },
  })
  expect(taken.quarantine).toMatchObject([{ line: 7004, record: 7001 }])
})

test('files without a header, and in UTF-16, have such lines, too', async () => {
  const bare = await takeOne(withFormat({ header: false, skip: 1, footer: 1 }), 'made\nx,1\ny,2\nend')
  expect([values(bare), bare.candidate!.accounting.bytes]).toMatchObject([
    [
      ['x', '1'],
      ['y', '2'],
    ],
    { header: 5 },
  ])
  for (const encoding of ['utf-16le', 'utf-16be'] as const) {
    const bytes = Buffer.from('\ufeffmade\n#\u20ac\na,b\n\u20ac,1\nEnd,x', 'utf16le')
    const wide = encoding === 'utf-16be' ? bytes.swap16() : bytes
    const taken = await takeOne(withFormat({ encoding, skip: 1, comment: '#', footer: 'End' }), wide)
    expect([why(taken), values(taken)]).toEqual([[], [['\u20ac', '1']]])
  }
})

test('a file that lacks lines which are declared is refused: it was cut, and its last row is no footer', async () => {
  const cut = await takeOne(withFormat({ footer: 'Total' }), 'a,b\nx,1\ny,2\n')
  expect(why(cut)).toEqual([
    [
      'Source.Format',
      '"inbox/x.csv" cannot be read as its format says: it does not end with its footer, which is declared to be a line that begins with "Total": perhaps it was cut. Nothing of it was published.',
    ],
  ])
  const refusedAs = async (format: Omit<CsvFormat, 'kind'>, text: string): Promise<unknown> =>
    (await takeOne(withFormat(format), text)).refused.map(({ error }) => error.message.split('says: ')[1])
  expect(await refusedAs({ footer: 2 }, 'a,b\nx,1\n')).toEqual([expect.stringContaining('declared to be 2 lines')])
  expect(await refusedAs({ footer: 'Total' }, '')).toEqual([expect.stringContaining('perhaps it was cut')])
  expect(await refusedAs({ skip: 3 }, 'made\na,b\n')).toEqual([
    expect.stringContaining('it has 2 lines, and 3 are declared'),
  ])
  // Two lines of a footer that are one record would take a row in their place.
  expect(await refusedAs({ footer: 2 }, 'a,b\nx,1\n"sum\n"end\n')).toEqual([
    expect.stringContaining('a quote of its footer'),
  ])
})

test('a comment ends a file as any other line does: it is the footer, and no row is', async () => {
  const taken = await takeOne(withFormat({ comment: '#', footer: 1 }), 'a,b\nx,1\n# x\ny,2\n# end\n')
  expect(taken.candidate!.accounting).toMatchObject({ accepted: 2, dropped: { comment: 1, footer: 1 } })
  const named = await takeOne(withFormat({ comment: '#', footer: '# end' }), 'a,b\nx,1\n# end')
  expect(named.candidate!.accounting).toMatchObject({ accepted: 1, dropped: { footer: 1 } })
})

test('guards for the number of rows count rows, not lines', async () => {
  const source = { ...withFormat({ skip: 1, footer: 1 }), rowCount: { max: 2 } }
  expect(values(await takeOne(source, 'made\na,b\nx,1\ny,2\nend\n'))).toHaveLength(2)
})

test('an answer does not depend on how the file is divided', () => {
  const format: CsvFormat = { kind: 'csv', skip: 1, comment: '//', footer: 1, delimiter: '+|' }
  const bytes = Buffer.from('made "\n//"c\na+|b\nx+|1\n//\n/+|2\nend')
  const seen: string[] = []
  const totals = readRecordsOf(
    'x',
    bytes,
    { dialect: dialectOf(format) },
    {
      header: (names) => names.length,
      record: ({ ordinal, line, offset, bytes: of }) => seen.push(`${ordinal} ${line} ${offset} ${of}`),
    },
  )
  expect(seen).toEqual(['1 4 17 x+|1', '2 6 25 /+|2'])
  expect(totals).toMatchObject({ records: 2, headerBytes: 17, aside: { skip: 1, comment: 2, footer: 1 } })
})
