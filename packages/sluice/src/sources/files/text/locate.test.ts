import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { dialectOf } from './dialect.ts'
import { fieldTexts } from './field-texts.ts'
import { readRecords } from './file-records.ts'
import { locateByTexts } from './locate.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-locate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const dialect = dialectOf({ kind: 'csv' })
const file = join(folder, 'a.csv')

/** A field as it is written: bare where it can be, or in quotes, with any text inside. */
const field = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[ab é0-9]{0,4}$/) },
  fc
    .string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', 'é', '🦆'), maxLength: 5 })
    .map((text) => `"${text.replaceAll('"', '""')}"`),
)
const table = fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 30 })

test('IN-05: the rows that a scan refused are found back in their places, whatever the chunks, quotes and line ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      fc.integer({ min: 3, max: 64 }),
      async (rows, end, isEnded, chunkBytes) => {
        writeFileSync(file, ['x,y,z', ...rows.map((row) => row.join(','))].join(end) + (isEnded ? end : ''))
        const all: { texts: (string | null)[]; place: unknown }[] = []
        await readRecords(
          file,
          { dialect, fields: 3, chunkBytes },
          {
            header: (names) => names.length,
            record: (record) => {
              const { ordinal, line, offset, length } = record
              expect(record.problem).toBeUndefined()
              all.push({ texts: fieldTexts(record, dialect), place: { record: ordinal, line, offset, length } })
            },
          },
        )
        // Equal records have equal verdicts: every other text of its kind.
        const isRefused = (texts: unknown): boolean => JSON.stringify(texts).length % 2 === 0
        const refused = all.filter(({ texts }) => isRefused(texts))
        const captured = refused.map(({ texts }) => ({ file: 0, record: 0, reasons: ['no'], texts }))
        const found = await locateByTexts(file, dialect, captured, { fields: 3, blankRecords: false, chunkBytes })
        expect(found?.map(({ reasons: _, ...place }) => place)).toEqual(refused.map(({ place }) => place))
      },
    ),
    { numRuns: 300 },
  )
})
