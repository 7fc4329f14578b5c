import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dialectOf } from '../../src/sources/files/text/dialect.ts'
import { fieldTexts } from '../../src/sources/files/text/field-texts.ts'
import type { FileRecord } from '../../src/sources/files/text/file-record.ts'
import { readRecordsOf } from '../../src/sources/files/text/file-records.ts'
import { openDrop, sourceOf } from './drop.ts'

/** One record of a generated file: its bytes, and whether it is good, with its values where it is. */
interface Generated {
  readonly bytes: Buffer
  readonly values?: readonly (string | null)[]
  readonly problem?: string
}

const columns = ['a', 'b', 'c']

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
const plainText = fc.stringMatching(/^[a-zA-Z0-9 éüß😀'=+@.:-]{1,8}$/u)
const wildText = fc.stringMatching(/^[a-z ",\n\r;é😀]{0,8}$/u)

const field: fc.Arbitrary<{ text: string; value: string | null }> = fc.oneof(
  { weight: 4, arbitrary: plainText.map((text) => ({ text, value: text })) },
  { weight: 2, arbitrary: wildText.map((text) => ({ text: quoted(text), value: text })) },
  { weight: 1, arbitrary: fc.constant({ text: '', value: null }) },
)

const goodRecord = (end: string): fc.Arbitrary<Generated> =>
  fc.tuple(field, field, field).map((fields) => ({
    bytes: Buffer.from(fields.map(({ text }) => text).join(',') + end),
    values: fields.map(({ value }) => value),
  }))

const badRecord = (end: string): fc.Arbitrary<Generated> =>
  fc
    .oneof(
      fc.tuple(plainText, plainText).map((fields) => bad(fields.join(','), 'ragged')),
      fc.tuple(plainText, plainText, plainText, plainText).map((fields) => bad(fields.join(','), 'ragged')),
      plainText.map((text) => bad(`${text},x"y,z`, 'quote')),
      plainText.map((text) => bad(`"${text}"z,x,y`, 'quote')),
      plainText.map((text) => bad(`${text},\0,y`, 'control')),
      fc.constant({
        bytes: Buffer.concat([Buffer.from('x,'), Buffer.from([0xe9]), Buffer.from(`,z${end}`)]),
        problem: 'encoding',
      }),
    )
    .map((record) =>
      record.problem === 'encoding' ? record : { ...record, bytes: Buffer.concat([record.bytes, Buffer.from(end)]) },
    )

const bad = (text: string, problem: string): Generated => ({ bytes: Buffer.from(text), problem })

interface GeneratedFile {
  readonly bytes: Buffer
  readonly records: readonly Generated[]
}

const generatedFile: fc.Arbitrary<GeneratedFile> = fc
  .record({
    end: fc.constantFrom('\n', '\r\n'),
    mark: fc.boolean(),
    unterminated: fc.option(plainText, { freq: 8 }),
  })
  .chain(({ end, mark, unterminated }) =>
    fc
      .array(fc.oneof({ weight: 4, arbitrary: goodRecord(end) }, { weight: 1, arbitrary: badRecord(end) }), {
        maxLength: 12,
      })
      .map((records) => {
        const all: Generated[] = [...records]
        if (unterminated !== null) {
          all.push({ bytes: Buffer.from(`x,"${unterminated},never closed${end}1,2,3`), problem: 'unterminatedQuote' })
        }
        const head = Buffer.from(`${mark ? '\ufeff' : ''}${columns.join(',')}${end}`)
        return { bytes: Buffer.concat([head, ...all.map(({ bytes }) => bytes)]), records: all }
      }),
  )

const keyOf = (values: readonly (string | null)[]): string => JSON.stringify(values)

describe('malformed CSVs with known truth', () => {
  test('IN-01 IN-02 IN-03 IN-04 IN-06 IN-07 IN-08: 5,000 files: every byte and every row accounts, good rows equal the truth', async () => {
    await using drop = await openDrop()
    const files = fc.sample(generatedFile, { numRuns: 5000, ...(seed === undefined ? {} : { seed }) })
    for (const [at, { bytes }] of files.entries()) drop.deliver(`inbox/${at}.csv`, bytes)
    const source = sourceOf(
      Object.fromEntries(columns.map((name) => [name, { type: 'text', nullable: true } as const])),
      { duplicateContent: 'append', rowNumbers: true },
    )
    const taken = await drop.take(source)
    expect(taken.refused).toEqual([])
    const rows = new Map<string, Map<number, string>>()
    for (const row of taken.rows) {
      const of = rows.get(row['_file']!) ?? new Map<number, string>()
      rows.set(row['_file']!, of.set(Number(row['_row']), keyOf(columns.map((name) => row[name]!))))
    }
    const refused = new Map<string, (typeof taken.quarantine)[number]>()
    for (const row of taken.quarantine) refused.set(`${row.file}#${row.record}`, row)
    const inputs = new Map(taken.candidate!.inputs.map((input) => [input.kind === 'file' ? input.path : '', input]))
    let [good, lost] = [0, 0]
    for (const [at, file] of files.entries()) {
      const path = `inbox/${at}.csv`
      const input = inputs.get(path)!
      if (input.kind !== 'file') throw new TypeError('a file is an input of kind file')
      expect(input.accounting.bytes!.total).toBe(file.bytes.length)
      expect(input.accounting.bytes!.header + input.accounting.bytes!.records).toBe(file.bytes.length)
      expect(input.accounting.read).toBe(file.records.length)
      let offset = input.accounting.bytes!.header
      for (const [place, record] of file.records.entries()) {
        if (record.values !== undefined) {
          good++
          expect(rows.get(path)?.get(place + 1)).toBe(keyOf(record.values))
        } else {
          lost++
          const row = refused.get(`${path}#${place + 1}`)!
          expect(row.reasons).toEqual([`structure:${record.problem}`])
          expect(row.bytes.equals(record.bytes)).toBe(true)
          expect(row.offset).toBe(offset)
          expect(row.line).toBe(
            file.bytes
              .subarray(0, offset)
              .toString('latin1')
              .split(/\r\n|\r|\n/).length,
          )
        }
        offset += record.bytes.length
      }
    }
    expect(taken.rows.length).toBe(good)
    expect(taken.quarantine.length).toBe(lost)
    expect(good).toBeGreaterThan(10_000)
  })

  test('IN-04: well-formed files read as csv-parse reads them', () => {
    const wellFormed = fc
      .tuple(
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 10 }),
      )
      .map(([end, rows]) => ({ end, text: rows.map((row) => row.map(({ text }) => text).join(',')).join(end) + end }))
    fc.assert(
      fc.property(wellFormed, ({ end, text }) => {
        const theirs = parse(text, { record_delimiter: end, relax_column_count: false }) as string[][]
        expect(split(Buffer.from(text)).map(({ values }) => values.map((value) => value ?? ''))).toEqual(theirs)
      }),
      { numRuns: 2000 },
    )
  })

  test('the splitter answers alike whatever the chunks', async () => {
    await using drop = await openDrop()
    const { readRecords } = await import('../../src/sources/files/text/file-records.ts')
    await fc.assert(
      fc.asyncProperty(generatedFile, fc.integer({ min: 1, max: 40 }), async ({ bytes }, chunkBytes) => {
        drop.deliver('chunked.csv', bytes)
        const chunked: unknown[] = []
        const totals = await readRecords(
          `${drop.root}/chunked.csv`,
          { dialect, fields: 3, chunkBytes },
          { header: (names) => names.length, record: (record) => chunked.push(seen(record)) },
        )
        const whole: unknown[] = []
        const once = readRecordsOf(
          'x',
          bytes,
          { dialect, fields: 3 },
          {
            header: (names) => names.length,
            record: (record) => whole.push(seen(record)),
          },
        )
        expect(chunked).toEqual(whole)
        expect(totals).toEqual(once)
      }),
      { numRuns: 500 },
    )
  })
})

const seed = process.env['SLUICE_SEED'] === undefined ? undefined : Number(process.env['SLUICE_SEED'])
const dialect = dialectOf({ kind: 'csv' })

function seen(record: FileRecord): unknown {
  const { ordinal, line, offset, length, problem } = record
  return { ordinal, line, offset, length, problem, values: problem === undefined ? fieldTexts(record, dialect) : [] }
}

function split(bytes: Buffer): { values: (string | null)[] }[] {
  const rows: { values: (string | null)[] }[] = []
  readRecordsOf(
    'x',
    bytes,
    { dialect: { ...dialect, header: false }, blankRecords: true },
    {
      record: (record) => rows.push({ values: fieldTexts(record, dialect) }),
    },
  )
  return rows
}
