import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openDrop, sourceOf, type Taken } from '../../../test/sources/drop.ts'
import type { Column, ColumnType, FilesSource } from '../../definition/types.ts'
import { diskInbox } from '../../inbox/disk/inbox.ts'
import { readParquetSql } from '../../sql/quote.ts'

const reasonsOf = (taken: Taken): readonly string[] => taken.quarantine.map(({ reasons }) => reasons[0]!)

async function takeTexts(column: ColumnType | Column, texts: readonly string[]): Promise<Taken> {
  await using drop = await openDrop()
  drop.deliver('inbox/x.csv', `v;n\n${texts.map((text, n) => `${text};${n}\n`).join('')}`)
  return await drop.take({ ...sourceOf({ v: column, n: 'integer' }), format: { kind: 'csv', delimiter: ';' } })
}

test('IN-14: numbers of another locale are refused, unless their characters are declared', async () => {
  const texts = ['1.234,56', '1234,56', '€5', '1 234', '12.5']
  const plain = await takeTexts('decimal(12,2)', texts)
  expect(plain.rows.map(({ v }) => v)).toEqual(['12.50'])
  expect(reasonsOf(plain)).toEqual(Array(4).fill('cast:v'))
  const german = await takeTexts({ type: 'decimal(12,2)', decimalSeparator: ',', groupSeparator: '.' }, texts)
  expect(german.rows.map(({ v }) => v).sort()).toEqual(['1234.56', '1234.56'])
  expect(reasonsOf(german)).toEqual(Array(3).fill('cast:v'))
})

test('IN-15: dates that are ambiguous or do not exist are refused; one declared pattern is read, and no other', async () => {
  const texts = ['03/04/2024', '2024-02-30', '0000-01-01', '2024-01-01 24:00', '2024-02-29', '2024-2-9']
  const plain = await takeTexts('date', texts)
  expect(plain.rows.map(({ v }) => v)).toEqual(['2024-02-29'])
  const british = await takeTexts({ type: 'date', format: 'dd/MM/yyyy' }, texts)
  expect(british.rows.map(({ v }) => v)).toEqual(['2024-04-03'])
  expect(british.quarantine).toHaveLength(5)
})

describe('text lands as it was written', () => {
  const marks = [
    '\uFEFF',
    '\u001A',
    '\u00A0',
    '\u2028',
    '\u0085',
    '\u200B',
    '\r',
    '\n',
    '\t',
    ' ',
    '"',
    ',',
    "'",
    '\\',
    ';',
    '$',
    'é',
    '😀',
    'a',
    '0',
    '',
  ]
  const text = fc.array(fc.constantFrom(...marks), { maxLength: 6 }).map((parts) => parts.join(''))
  const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`
  const table = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 12 })

  const formats: readonly [string, Partial<FilesSource>, (rows: readonly (readonly [string, string])[]) => string][] = [
    ['CSV', {}, (rows) => `a,b\n${rows.map((row) => `${row.map(quoted).join(',')}\n`).join('')}`],
    [
      'CSV after a byte order mark',
      {},
      (rows) => `\uFEFFa,b\n${rows.map((row) => `${row.map(quoted).join(',')}\n`).join('')}`,
    ],
    [
      'CSV without a header',
      { format: { kind: 'csv', header: false } },
      (rows) => rows.map((row) => `${row.map(quoted).join(',')}\n`).join(''),
    ],
    [
      'CSV in records that end with CRLF',
      {},
      (rows) => `a,b\r\n${rows.map((row) => `${row.map(quoted).join(',')}\r\n`).join('')}`,
    ],
    [
      'CSV of several delimiting characters',
      { format: { kind: 'csv', delimiter: '||' } },
      (rows) => `a||b\n${rows.map((row) => `${row.map(quoted).join('||')}\n`).join('')}`,
    ],
    [
      'CSV with another escape',
      { format: { kind: 'csv', escape: '\\' } },
      (rows) =>
        `a,b\n${rows.map((row) => `${row.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}\n`).join('')}`,
    ],
    [
      'JSON Lines',
      { format: { kind: 'jsonl' } },
      (rows) => rows.map(([a, b]) => `${JSON.stringify({ a, b })}\n`).join(''),
    ],
  ]

  test.each(formats)('IN-17 IN-18: %s, small and large', async (_, more, write) => {
    await using drop = await openDrop()
    const source: FilesSource = { ...sourceOf({ a: 'text', b: 'text' }), ...more }
    await fc.assert(
      fc.asyncProperty(table, fc.boolean(), async (rows, isLarge) => {
        const all = isLarge ? [...rows, ['x'.repeat(600_000), 'y'.repeat(600_000)] as const] : rows
        rmSync(join(drop.root, 'inbox'), { recursive: true, force: true })
        drop.deliver('inbox/x.csv', write(all))
        const taken = await drop.take(source)
        expect(taken.refused).toEqual([])
        expect(taken.quarantine).toEqual([])
        // By their bytes: on its way into JavaScript a text loses a byte order mark at its beginning.
        const files = readParquetSql(taken.candidate!.files.map(({ localFile }) => localFile))
        const landed = await drop.session.all<{ row: string }>(`SELECT hex(a) || ' ' || hex(b) AS row FROM ${files}`)
        const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase()
        expect(landed.map(({ row }) => row).sort()).toEqual(all.map((row) => row.map(hex).join(' ')).sort())
      }),
      { numRuns: 20 },
    )
  })
})

test('TR-04: a file that is gone before it is read is refused by name, and is no failure after', async () => {
  await using drop = await openDrop()
  drop.deliver('inbox/x.csv', 'a\n1\n')
  const { filesSource } = await import('./source.ts')
  const { systemClock } = await import('../../base/clock.ts')
  const source = filesSource('raw.x', sourceOf({ a: 'integer' }), { inbox: diskInbox(drop.root), clock: systemClock })
  const inputs = await source.discover(new Map())
  rmSync(join(drop.root, 'inbox/x.csv'))
  const signal = new AbortController().signal
  const taken = await source.take(inputs, {
    session: drop.session,
    scratch: drop.root,
    progress: () => {},
    signal,
    run: { id: 'run', startedAt: new Date(0) },
    attempt: 1,
    current: undefined,
  })
  expect(taken.candidate).toBeUndefined()
  expect(taken.refused.map(({ error }) => error.name)).toEqual(['Source.InputChanged'])
  await source.acknowledge([], taken.refused)
  expect(await source.discover(new Map())).toEqual([])
})
