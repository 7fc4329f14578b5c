import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDrop, sourceOf, type Taken } from '../../../test/sources/drop.ts'
import type { Column, FilesSource } from '../../definition/types.ts'

const columns: { readonly [name: string]: Column } = {
  a: { type: 'text' },
  b: { type: 'integer', nullable: true },
}
const source = (more: Partial<FilesSource>): FilesSource => sourceOf(columns, { quarantine: {}, ...more })

async function take(
  of: FilesSource,
  files: { readonly [name: string]: string },
): Promise<Taken & { readonly refusals: readonly string[] }> {
  await using drop = await openDrop()
  for (const [name, content] of Object.entries(files)) drop.deliver(`inbox/${name}`, content)
  const taken = await drop.take(of)
  return { ...taken, refusals: taken.refused.map(({ input, error }) => `${input.path} ${error.name}`) }
}
const rowsOf = ({ rows }: Taken): unknown => rows.map(({ _file, ...row }) => Object.values(row)).sort()
const fieldsOf = ({ candidate }: Taken): unknown => candidate?.fields.map(({ name, type }) => [name, type])

const files = {
  '1.csv': 'a,b\nx,1\n',
  '2.csv': 'a,b,c\ny,2,new\n',
  '3.csv': 'a\nz\n',
  '4.csv': 'b,c\n4,none\n',
}

test('IN-10: by default, and with freeze, a file with other columns is refused by name, and others go on', async () => {
  for (const drift of [undefined, 'freeze'] as const) {
    const taken = await take(source(drift === undefined ? {} : { drift }), files)
    expect(taken.refusals).toEqual([
      'inbox/2.csv Source.ColumnExtra',
      'inbox/3.csv Source.ColumnMissing',
      'inbox/4.csv Source.ColumnMissing',
    ])
    expect(rowsOf(taken)).toEqual([['x', '1']])
  }
})

test('IN-10: evolve takes new columns as text, columns that may be NULL may be absent, others may not', async () => {
  const taken = await take(source({ drift: 'evolve' }), {
    ...files,
    '5.csv': 'a,b,_row\nq,1,1\n',
    '6.csv': 'a,A,b\nq,w,1\n',
  })
  expect(taken.refusals).toEqual([
    'inbox/4.csv Source.ColumnMissing',
    'inbox/5.csv Source.ColumnExtra',
    'inbox/6.csv Source.ColumnExtra',
  ])
  expect(fieldsOf(taken)).toEqual([
    ['a', 'VARCHAR'],
    ['b', 'INTEGER'],
    ['c', 'VARCHAR'],
    ['_file', 'VARCHAR'],
  ])
  expect(rowsOf(taken)).toEqual([
    ['x', '1', null],
    ['y', '2', 'new'],
    ['z', null, null],
  ])
  expect(taken.candidate!.warnings).toContain('Files brought new columns, which the table takes: "c".')
})

test('IN-10: a file that is refused brings no column', async () => {
  const taken = await take(source({ drift: 'evolve' }), { '1.csv': files['1.csv'], '2.csv': 'b,other\n1,2\n' })
  expect([taken.refusals, fieldsOf(taken)]).toMatchObject([['inbox/2.csv Source.ColumnMissing'], { length: 3 }])
})

test('IN-10: quarantine puts the rows of such a file aside with the columns as reasons, beyond any limit', async () => {
  const taken = await take(source({ drift: 'quarantine' }), files)
  expect(taken.refusals).toEqual([])
  expect(rowsOf(taken)).toEqual([['x', '1']])
  expect(taken.quarantine.map(({ file, bytes, reasons }) => [file, bytes.toString(), ...reasons])).toEqual([
    ['inbox/2.csv', 'y,2,new\n', 'newColumn:c'],
    ['inbox/3.csv', 'z\n', 'missingColumn:b'],
    ['inbox/4.csv', '4,none\n', 'missingColumn:a', 'newColumn:c'],
  ])
  expect(taken.candidate!.accounting).toMatchObject({ read: 4, accepted: 1, quarantined: 3 })
  // A header that has nothing of the contract is none: nobody can say what its rows are.
  expect((await take(source({ drift: 'quarantine' }), { 'x.csv': 'p,q\n1,2\n' })).refusals).toEqual([
    'inbox/x.csv Source.Header',
  ])
  // Rows that are wrong themselves still count.
  expect((await take(source({ drift: 'quarantine' }), { 'x.csv': 'a,b\n1,bad\n' })).refusals).toEqual([
    'inbox/x.csv Quality.TooManyRefused',
  ])
})

test('IN-10: a large file with other columns goes the same ways', async () => {
  const text = `a,b,c\n${Array.from({ length: 9000 }, (_, at) => `${'x'.repeat(120)},${at},c${at}\n`).join('')}`
  const aside = await take(source({ drift: 'quarantine' }), { 'x.csv': text })
  expect(aside.candidate!.accounting).toMatchObject({ read: 9000, accepted: 0, quarantined: 9000 })
  const grown = await take(source({ drift: 'evolve' }), { 'x.csv': text })
  expect([grown.candidate!.accounting.accepted, grown.rows[8999]!['c']]).toEqual([9000, 'c8999'])
})

test('IN-10: JSON Lines: new keys of any line', async () => {
  const lines = { 'x.jsonl': '{"a":"x","b":1}\n{"a":"y","c":{"d":1}}\n{"e":2.50,"a":"z"}\n' }
  const of = (drift: FilesSource['drift'] & string) => source({ drift, format: { kind: 'jsonl' } })
  const grown = await take(of('evolve'), lines)
  expect(rowsOf(grown)).toEqual([
    ['x', '1', null, null],
    ['y', null, '{"d":1}', null],
    ['z', null, null, '2.50'],
  ])
  // A key that no column can be refuses its own line.
  const odd = { 'x.jsonl': '{"a":"x","n":1,"N":2}\n{"a":"y","":3}\n{"a":"z","n":4}\n' }
  expect(rowsOf(await take({ ...of('evolve'), quarantine: { maxShare: 1 } }, odd))).toEqual([['z', null, '4']])
  const aside = await take(of('quarantine'), lines)
  expect(rowsOf(aside)).toEqual([['x', '1']])
  expect(aside.quarantine.map(({ reasons }) => reasons)).toEqual([['newColumn:c'], ['newColumn:e']])
})

test('IN-10: Parquet: new columns as what they are, other types aside', async () => {
  await using drop = await openDrop()
  const make = (name: string, sql: string): Promise<unknown> =>
    drop.session.run(`COPY (${sql}) TO '${join(drop.root, 'inbox', name)}' (FORMAT parquet)`)
  drop.deliver('inbox/keep.txt.part', '')
  await make('1.parquet', `SELECT 'x' AS a, 1::INTEGER AS b`)
  await make('2.parquet', `SELECT 'y' AS a, 2::INTEGER AS b, 1.50::DECIMAL(9,2) AS c`)
  await make('3.parquet', `SELECT 'z' AS a, 3.5::DOUBLE AS b`)
  // No column can be declared as what this one is.
  await make('4.parquet', `SELECT 'w' AS a, 4::INTEGER AS b, [1] AS d`)
  const of = (drift: FilesSource['drift'] & string) =>
    source({ drift, path: 'inbox/*.parquet', format: { kind: 'parquet' } })
  const grown = await drop.take(of('evolve'))
  expect(grown.refused.map(({ input, error }) => [input.path, error.name])).toEqual([
    ['inbox/3.parquet', 'Source.ColumnType'],
    ['inbox/4.parquet', 'Source.ColumnExtra'],
  ])
  expect([fieldsOf(grown), rowsOf(grown)]).toMatchObject([
    [{}, {}, ['c', 'DECIMAL(9,2)'], {}],
    [
      ['x', '1', null],
      ['y', '2', '1.50'],
    ],
  ])
  const aside = await drop.take(of('quarantine'))
  expect(aside.quarantine.map(({ file, bytes, reasons }) => [file, bytes.toString(), ...reasons])).toEqual([
    ['inbox/2.parquet', '{"a":"y","b":2,"c":1.5}', 'newColumn:c'],
    ['inbox/3.parquet', '{"a":"z","b":3.5}', 'columnType:b'],
    ['inbox/4.parquet', '{"a":"w","b":4,"d":[1]}', 'newColumn:d'],
  ])
})

test('a nested column of Parquet is refused under its type', async () => {
  await using drop = await openDrop()
  drop.deliver('inbox/keep', '')
  await drop.session.run(`COPY (SELECT {'x': 1} AS a) TO '${join(drop.root, 'inbox/x.parquet')}' (FORMAT parquet)`)
  const { refused } = await drop.take(sourceOf({ a: 'text' }, { path: 'inbox/*.parquet', format: { kind: 'parquet' } }))
  expect(refused[0]!.error.message).toContain('is STRUCT(x INTEGER), which does not become text')
})
