import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Drop, openDrop, sourceOf, type Taken } from '../../../test/sources/drop.ts'
import type { ColumnType, FilesSource } from '../../definition/types.ts'
import { diskInbox } from '../../inbox/disk/inbox.ts'
import { JsonLineProblem, jsonLineReader } from './text/json-line.ts'

const two = sourceOf({ a: 'text', b: { type: 'integer', nullable: true } })
const texts = sourceOf({ a: { type: 'text', nullable: true }, b: { type: 'text', nullable: true } })

/** Delivers one file and takes it. */
async function takeOne(
  source: FilesSource,
  content: string | Uint8Array,
  name = 'x.csv',
): Promise<Taken & { error: string | undefined }> {
  await using drop = await openDrop()
  drop.deliver(`inbox/${name}`, content)
  const taken = await drop.take(source)
  return { ...taken, error: taken.refused[0]?.error.name }
}

const reasonsOf = (taken: Taken): readonly string[] => taken.quarantine.map(({ reasons }) => reasons[0]!)
const values = (taken: Taken): unknown => taken.rows.map(({ a, b }) => [a, b]).sort()

describe('structure', () => {
  test('IN-01 IN-05: a ragged record is refused by itself, with its bytes and place; padded only where declared', async () => {
    const text = 'a,b\nx,1\ny\nz,3,4\n'
    const taken = await takeOne(two, text)
    expect(values(taken)).toEqual([['x', '1']])
    expect(taken.quarantine.map(({ bytes, line, record, offset }) => [bytes.toString(), line, record, offset])).toEqual(
      [
        ['y\n', 3, 2, 8],
        ['z,3,4\n', 4, 3, 10],
      ],
    )
    const padded = await takeOne({ ...two, format: { kind: 'csv', ragged: 'pad' } }, text)
    expect(values(padded)).toEqual([
      ['x', '1'],
      ['y', null],
    ])
    expect(reasonsOf(padded)).toEqual(['structure:ragged'])
  })

  test('IN-01: beyond the limits the whole file is refused, others go on', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/bad.csv', 'a,b\nx,one\ny,2\n')
    drop.deliver('inbox/good.csv', 'a,b\nx,1\n')
    const source = { ...two, quarantine: {} }
    const taken = await drop.take(source)
    expect(taken.refused.map(({ input, error }) => [input.path, error.name])).toEqual([
      ['inbox/bad.csv', 'Quality.TooManyRefused'],
    ])
    expect(values(taken)).toEqual([['x', '1']])
    expect(taken.candidate!.accounting).toMatchObject({ read: 1, accepted: 1, quarantined: 0 })
    await drop.acknowledge(source, taken)
    expect(readdirSync(join(drop.root, 'error')).sort()).toEqual([
      'bad.csv',
      'bad.csv.report.json',
      'bad.csv.report.txt',
    ])
    expect(readFileSync(join(drop.root, 'error/bad.csv'), 'utf8')).toBe('a,b\nx,one\ny,2\n')
    const report = JSON.parse(readFileSync(join(drop.root, 'error/bad.csv.report.json'), 'utf8'))
    expect(report.error.message).toBe(
      '"inbox/bad.csv" was refused as a whole: 1 of 2 rows were refused (50 %), and at most 1 % are allowed. By reason: cast:b 1 (the first at line 2).',
    )
    expect(readdirSync(join(drop.root, 'archive'))).toEqual(['good.csv'])
  })

  test('a check counts the rows of every file of the delivery, also where only some refuse a row', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/1.csv', 'a,b\nx,1\ny,2\n')
    drop.deliver('inbox/2.csv', 'a,b\nx,one\ny,2\n')
    const taken = await drop.take({ ...two, quarantine: { maxShare: 0.5 } })
    expect(taken.candidate!.checks).toMatchObject([
      { name: 'cast:b', failing: 1, total: 4, detail: '1 of 4 rows refused (25 %)' },
    ])
  })

  test('IN-02: a quote that is never closed is one refused record to the end; beyond 1 MiB it refuses the file', async () => {
    const taken = await takeOne(two, 'a,b\nx,1\n"y,2\nz,3\n')
    expect(taken.quarantine.map(({ bytes }) => bytes.toString())).toEqual(['"y,2\nz,3\n'])
    expect(taken.candidate!.accounting.bytes).toEqual({ total: 17, header: 4, records: 13 })
    const large = await takeOne(two, `a,b\nx,1\n"${'y,2\n'.repeat(300_000)}`)
    expect(large.error).toBe('Source.UnterminatedQuote')
  })

  test('IN-03: a quote inside a field, or text after a closing quote, refuses that record only', async () => {
    const taken = await takeOne(texts, 'a,b\nx"y,1\n"x"y,2\n "z",3\n"o""k",4\n')
    expect(values(taken)).toEqual([['o"k', '4']])
    expect(reasonsOf(taken)).toEqual(['structure:quote', 'structure:quote', 'structure:quote'])
  })

  test('IN-04: line ends inside quotes are data, also where they are the first in the file; LF and CRLF may mix', async () => {
    expect(values(await takeOne(texts, 'a,b\n"p\r\nq",1\nr,2\n'))).toEqual([
      ['p\r\nq', '1'],
      ['r', '2'],
    ])
    expect(values(await takeOne(texts, 'a,b\r\n"p\nq",1\r\nr,2\n'))).toEqual([
      ['p\nq', '1'],
      ['r', '2'],
    ])
    expect(values(await takeOne(texts, 'a,b\r1,2\r3,4\r'))).toEqual([
      ['1', '2'],
      ['3', '4'],
    ])
  })

  test('IN-06: bytes that are not UTF-8 refuse their record; a declared encoding reads them', async () => {
    const bytes = Buffer.from('a,b\ncaf\xe9,1\nok,2\n', 'latin1')
    expect(reasonsOf(await takeOne(texts, bytes))).toEqual(['structure:encoding'])
    const declared = await takeOne({ ...texts, format: { kind: 'csv', encoding: 'windows-1252' } }, bytes)
    expect(values(declared)).toEqual([
      ['café', '1'],
      ['ok', '2'],
    ])
  })

  test('IN-07: a byte order mark is taken off once; UTF-16 is refused with the line that accepts it, and read where declared', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/x.csv', '\ufeffa,b\n\ufeffx,1\n')
    const { candidate } = await drop.take(texts)
    const [row] = await drop.session.all(`SELECT strlen(a)::VARCHAR AS bytes FROM '${candidate!.files[0]!.localFile}'`)
    expect(row).toEqual({ bytes: '4' })
    const wide = Buffer.from('\ufeffa,b\nşx,1\n"q\n",2\n', 'utf16le')
    const refused = await takeOne(texts, wide)
    expect(refused.error).toBe('Source.EncodingDetected')
    expect(refused.refused[0]!.error.hint).toContain("encoding: 'utf-16le'")
    const read = await takeOne({ ...texts, format: { kind: 'csv', encoding: 'utf-16le' } }, wide)
    expect(values(read)).toEqual([
      ['q\n', '2'],
      ['şx', '1'],
    ])
    expect(read.candidate!.accounting.bytes).toEqual({ total: wide.length, header: 10, records: wide.length - 10 })
  })

  test('IN-08 IN-19: NUL and records beyond the limits are refused by themselves', async () => {
    expect(reasonsOf(await takeOne(texts, 'a,b\nx\0,1\n"y\0",2\nz,3\n'))).toEqual([
      'structure:control',
      'structure:control',
    ])
    const source = { ...texts, limits: { maxRecordBytes: 3_000_000, maxFieldBytes: 1000 } }
    const taken = await takeOne(source, `a,b\n${'x'.repeat(1001)},1\nok,2\n${'y'.repeat(4_000_000)},3\nok,4\n`)
    expect(reasonsOf(taken)).toEqual(['structure:tooLarge', 'structure:tooLarge'])
    expect(values(taken)).toEqual([
      ['ok', '2'],
      ['ok', '4'],
    ])
  })

  test('IN-09: columns are found by name; a name that is there twice, is empty or differs in case is refused', async () => {
    expect(values(await takeOne(texts, 'b,a\n1,x\n'))).toEqual([['x', '1']])
    expect((await takeOne(texts, 'a,b,a\n1,2,3\n')).error).toBe('Source.Header')
    expect((await takeOne(texts, 'a,b,\n1,2,3\n')).error).toBe('Source.Header')
    expect((await takeOne(texts, 'A,b\n1,2\n')).error).toBe('Source.ColumnMissing')
  })

  test('IN-11: a first row of data, where a header is declared, is refused with a word of why', async () => {
    const { error, rows, refused } = await takeOne(texts, 'x,1\ny,2\n')
    expect([error, rows]).toEqual(['Source.Header', []])
    expect(refused[0]!.error.message).toContain('perhaps the file has no header')
  })

  const drifting = sourceOf({
    a: { type: 'text', from: 'A', aliases: ['a', 'Name'] },
    b: { type: 'integer', nullable: true, optional: true },
  })

  test('IN-10: headers of several times are one contract: other names are declared, optional columns are NULL where absent', async () => {
    for (const size of [1, 100_000]) {
      await using drop = await openDrop()
      const many = (row: string): string => `${row}\n`.repeat(size)
      drop.deliver('inbox/1.csv', `A,b\n${many('x,1')}`)
      drop.deliver('inbox/2.csv', `b,a\n${many('2,y')}`)
      drop.deliver('inbox/3.csv', `Name\n${many('zzzzzzzzzzzzzzzz')}`)
      const taken = await drop.take({ ...drifting, checks: [{ kind: 'range', column: 'b', max: 9 }] })
      expect(taken.refused).toEqual([])
      expect(new Set(taken.rows.map(({ a, b }) => `${a} ${b}`))).toEqual(
        new Set(['x 1', 'y 2', 'zzzzzzzzzzzzzzzz null']),
      )
      expect(taken.candidate!.accounting).toMatchObject({ read: 3 * size, accepted: 3 * size, quarantined: 0 })
    }
    const refused = async (content: string) => (await takeOne(drifting, content)).refused[0]!.error.message
    expect(await refused('A,a\nx,1\n')).toContain('"A", "a" are names of one column')
    expect(await refused('b\n1\n')).toContain('has no column "A"')
    expect(await refused('A,c\nx,1\n')).toContain('has "c", which its contract does not name')
  })

  test('IN-10: so in JSON Lines and in Parquet', async () => {
    const lines: FilesSource = { ...drifting, format: { kind: 'jsonl' } }
    const text = '{"A":"x","b":1}\n{"Name":"y"}\n{"a":"z","A":"z"}\n'
    const taken = await takeOne(lines, text)
    expect([values(taken), reasonsOf(taken)]).toEqual([
      [
        ['x', '1'],
        ['y', null],
      ],
      ['structure:json'],
    ])
    await using drop = await openDrop()
    const write = (sql: string, name: string) =>
      drop.session.run(`COPY (${sql}) TO '${join(drop.root, 'inbox', name)}' (FORMAT parquet)`)
    drop.deliver('inbox/.keep', '')
    await write("SELECT 'x' AS A, 1 AS b", '1.parquet')
    await write("SELECT 'y' AS Name", '2.parquet')
    const both = await drop.take({ ...drifting, format: { kind: 'parquet' } })
    expect([both.refused, values(both)]).toEqual([[], values(taken)])
  })

  test('IN-11: a wrong delimiter is guessed at, and nothing is read by it', async () => {
    const header = (found: string, source = texts) => takeOne(source, `${found}\nx;1\n`)
    const said = (delimiter: string) => `the file seems to be delimited by '${delimiter}'`
    for (const [found, delimiter] of [
      ['a;b', ';'],
      ['"a";"b"', ';'],
      ['a\tb', '\\t'],
      ['a|b,c', '|'],
      ['p;q', ';'],
    ] as const) {
      const { error, rows, refused } = await header(found)
      expect([error, rows]).toEqual(['Source.Header', []])
      expect(refused[0]!.error.message).toContain(said(delimiter))
    }
    const semicolons: FilesSource = { ...texts, format: { kind: 'csv', delimiter: ';' } }
    expect((await header('a,b', semicolons)).refused[0]!.error.message).toContain(said(','))
    for (const found of ['x', 'p,q', 'p:q;r'])
      expect((await header(found)).refused[0]!.error.message).toContain('perhaps the file has no header')
  })

  test('IN-09: names are found in either Unicode form; what looks alike and is not is shown as escapes', async () => {
    const accented = sourceOf({ a: 'text', b: { type: 'text', from: 'r\u00e9f' } })
    expect(values(await takeOne(accented, 'a,re\u0301f\nx,1\n'))).toEqual([['x', '1']])
    const lines: FilesSource = { ...accented, format: { kind: 'jsonl' } }
    expect(values(await takeOne(lines, '{"a":"x","re\u0301f":"1"}\n'))).toEqual([['x', '1']])
    expect(reasonsOf(await takeOne(lines, '{"a":"x","re\u0301f":"1","r\u00e9f":"2"}\n'))).toEqual(['structure:json'])
    const twice = await takeOne(accented, 'a,re\u0301f,r\u00e9f\nx,1,2\n')
    expect(twice.refused[0]!.error.message).toContain(
      '"réf" is in it more than once. Expected: "a", "réf". Found: "a", "re\\u{301}f", "réf"',
    )
    const spaced = await takeOne(texts, 'a,b\u00a0,\u043e\u0301\nx,1,2\n')
    expect(spaced.refused[0]!.error.message).toContain('Found: "a", "b\\u{a0}", "о́"')
  })

  test('IN-19: a header of a million columns, or of huge names, is refused in a few lines', async () => {
    const wide = await takeOne(two, `${Array.from({ length: 1_000_000 }, (_, at) => `c${at}`).join()}\n`)
    expect(wide.error).toBe('Source.Header')
    expect(wide.refused[0]!.error.message).toMatch(/has 1000000 columns, and at most 4096 .* and 999980 more\.$/)
    const long = await takeOne(two, `a,b,${'x'.repeat(500_000)}\n`)
    expect(long.error).toBe('Source.ColumnExtra')
    const keys = await takeOne({ ...two, format: { kind: 'jsonl' } }, `{"${'x'.repeat(500_000)}":1}\n`)
    for (const { message } of [wide, long].map(({ refused }) => refused[0]!.error))
      expect(message.length).toBeLessThan(1_000)
    expect(keys.quarantine.length).toBe(1)
  })

  test('IN-10: a column too few or too many refuses the file; declared, one too many is left out', async () => {
    expect((await takeOne(texts, 'a\n1\n')).error).toBe('Source.ColumnMissing')
    expect((await takeOne(texts, 'a,b,c\n1,2,3\n')).error).toBe('Source.ColumnExtra')
    const ignoring = { ...texts, format: { kind: 'csv', extraColumns: 'ignore' } as const }
    expect(values(await takeOne(ignoring, 'c,a,b\n9,1,2\n'))).toEqual([['1', '2']])
  })

  test('IN-12: empty and header-only files are taken with 0 rows and a warning; the row count guard decides', async () => {
    for (const content of ['', 'a,b\n', '\ufeff']) {
      const taken = await takeOne(texts, content)
      expect(taken.candidate).toMatchObject({
        accounting: { read: 0, accepted: 0 },
        inputs: [{ bytes: expect.anything() }],
      })
      expect(taken.candidate!.warnings[0]).toContain('W_EMPTY')
    }
    expect((await takeOne({ ...texts, rowCount: { min: 1 } }, 'a,b\n')).error).toBe('Quality.RowCount')
  })

  test('IN-17 IN-18: texts are byte-identical; only an empty field without quotes is NULL', async () => {
    const taken = await takeOne(texts, 'a,b\n00123,+1\n-0,1.10\n,""\nNULL, x \n')
    expect(new Set(taken.rows.map(({ a, b }) => JSON.stringify([a, b])))).toEqual(
      new Set(['["00123","+1"]', '["-0","1.10"]', '[null,""]', '["NULL"," x "]']),
    )
  })

  test('several characters delimit fields and end records, where declared', async () => {
    const format = { kind: 'csv', delimiter: '+|', recordEnd: '&|\n', header: false, quote: '' } as const
    const taken = await takeOne({ ...texts, format }, 'x+y+|"1&|\nz\n+|2&|\n')
    expect(values(taken)).toEqual([
      ['x+y', '"1'],
      ['z\n', '2'],
    ])
  })
})

describe('files as a whole', () => {
  test('IN-21: gzip is read whole, all its members, or refused', async () => {
    const packed = gzipSync('a,b\nx,1\n')
    const name = 'x.csv.gz'
    expect(values(await takeOne(two, Buffer.concat([packed, gzipSync('y,2\n')]), name))).toEqual([
      ['x', '1'],
      ['y', '2'],
    ])
    expect((await takeOne(two, packed.subarray(0, -5), name)).error).toBe('Source.ArchiveCorrupt')
    expect((await takeOne(two, Buffer.concat([packed, Buffer.alloc(9)]), name)).error).toBe('Source.ArchiveCorrupt')
  })

  test('IN-21: gzip is unpacked under any name, and other kinds of file are refused by their names', async () => {
    const text = 'a,b\nx,1\n'
    const packed = gzipSync(text)
    for (const name of ['x.csv.GZ', 'x.csv', 'x'])
      expect(values(await takeOne(texts, packed, name))).toEqual([['x', '1']])
    const unpacked: FilesSource = { ...texts, format: { kind: 'csv', compression: 'none' } }
    const parquet: FilesSource = { ...texts, format: { kind: 'parquet' } }
    const hex = (bytes: string) => Buffer.concat([Buffer.from(bytes, 'hex'), Buffer.from(text)])
    for (const [source, content, words, hint] of [
      [unpacked, packed, 'a gzip file', "leave out compression: 'none'"],
      [texts, hex('504b0304'), 'a zip file', 'Unpack'],
      [texts, hex('425a6839314159265359'), 'a bzip2 file', 'Unpack'],
      [texts, hex('fd377a585a00'), 'an xz file', 'Unpack'],
      [unpacked, hex('28b52ffd'), 'a zstd file', "leave out compression: 'none'"],
      [texts, hex('d0cf11e0a1b11ae1'), 'an Excel file', 'convert'],
      [texts, hex('50415231'), 'a parquet file', "format: { kind: 'parquet' }"],
      [texts, gzipSync(hex('504b0304')), 'a zip file', 'Unpack'],
      [texts, gzipSync(packed), 'a gzip file', 'Unpack'],
      [parquet, packed, 'a gzip file', 'Unpack'],
    ] as const) {
      const { refused } = await takeOne(source, content)
      expect(refused[0]!.error).toMatchObject({ name: 'Source.FileKind' })
      expect(refused[0]!.error.message).toContain(`is ${words} by its first bytes`)
      expect(refused[0]!.error.hint).toContain(hint)
    }
    for (const content of ['', text, 'PK,b\nx,1\n', 'BZh9,b\nx,1\n']) {
      const { error } = await takeOne(texts, content, 'x.csv.gz')
      expect([content, error]).toEqual([content, 'Source.ArchiveCorrupt'])
      expect((await takeOne(texts, content)).error).not.toBe('Source.FileKind')
    }
  })

  test('IN-07: UTF-16 without a byte order mark is recognised, in either order, and read where declared', async () => {
    const little = Buffer.from('a,b\nx,1\n', 'utf16le')
    for (const [encoding, content] of [
      ['utf-16le', little],
      ['utf-16be', Buffer.from(little).swap16()],
    ] as const) {
      const { refused } = await takeOne(texts, content)
      expect(refused[0]!.error.hint).toContain(`format: { encoding: '${encoding}' }`)
      expect(values(await takeOne({ ...texts, format: { kind: 'csv', encoding } }, content))).toEqual([['x', '1']])
    }
  })

  test('IN-20: gzip that grows beyond the limit is refused', async () => {
    const taken = await takeOne(two, gzipSync(Buffer.alloc(40_000_000)), 'x.csv.gz')
    expect([taken.error, taken.rows]).toEqual(['Source.CompressionLimit', []])
  })

  test('IN-23: temporary names are left, and files without their marker wait', async () => {
    await using drop = await openDrop()
    for (const name of ['x.csv.part', '.x.csv', 'x.tmp']) drop.deliver(`inbox/${name}`, 'a,b\n')
    drop.deliver('inbox/y.csv', 'a,b\n')
    const source = { ...texts, ready: { marker: '.done' } }
    const first = await drop.take(source)
    expect(first.inputs.map(({ path, decision }) => [path, decision])).toEqual([['inbox/y.csv', 'waiting']])
    expect(first.candidate).toBeUndefined()
    drop.deliver('inbox/y.csv.done', '')
    expect((await drop.take(source)).inputs.map(({ decision }) => decision)).toEqual(['take'])
    const stable = { ...texts, ready: { stableSeconds: 3600 } }
    expect((await drop.take(stable)).inputs.map(({ decision }) => decision)).toEqual(['waiting', 'waiting'])
  })

  test('IN-25: the same content is known by any name; the policies say otherwise', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/x.csv', 'a,b\nx,1\n')
    const first = await drop.take(two)
    const known = new Map(first.inputs.map(({ id, path }) => [id, path]))
    const decide = async (source: FilesSource): Promise<string> =>
      (await drop.take(source, known)).inputs.map(({ decision, error }) => error ?? decision).join()
    expect(await decide(two)).toBe('known')
    drop.deliver('inbox/y.csv', 'a,b\nx,1\n')
    expect(await decide(two)).toBe('known,known')
    expect(await decide({ ...two, duplicateContent: 'error' })).toBe('known,Source.DuplicateContent')
    expect(await decide({ ...two, duplicateContent: 'append' })).toBe('known,take')
    drop.deliver('inbox/x.csv', 'a,b\nz,2\n')
    expect(await decide(two)).toBe('take,known')
    expect(await decide({ ...two, changedContent: 'error' })).toBe('Source.ChangedContent,known')
  })

  test('IN-24: a file that is replaced after its discovery is not published', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/x.csv', 'a,b\nx,1\n')
    const { filesSource } = await import('./source.ts')
    const { systemClock } = await import('../../base/clock.ts')
    const source = filesSource('raw.x', two, { inbox: diskInbox(drop.root), clock: systemClock })
    const inputs = await source.discover(new Map())
    writeFileSync(join(drop.root, 'inbox/x.csv'), 'a,b\ny,2\n')
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
    expect(taken.refused.map(({ error }) => error.name)).toEqual(['Source.InputChanged'])
    await source.acknowledge([], taken.refused)
    expect(existsSync(join(drop.root, 'inbox/x.csv'))).toBe(true)
  })

  test('IN-28: rows that share a key inside a file are all refused, or the first or last by a column wins', async () => {
    const text = 'a,b\nx,1\ny,2\nx,3\n,4\n,5\n'
    const nullable = sourceOf({ a: { type: 'text', nullable: true }, b: 'integer' })
    const none = await takeOne({ ...nullable, key: { columns: ['a'], keep: 'none' } }, text)
    expect(new Set(none.rows.map(({ b }) => b))).toEqual(new Set(['2', '4', '5']))
    expect(none.quarantine.map(({ record, reasons }) => [record, reasons])).toEqual([
      [1, ['key']],
      [3, ['key']],
    ])
    const last = await takeOne({ ...nullable, key: { columns: ['a'], keep: { lastBy: 'b' } } }, text)
    expect(last.quarantine.map(({ record }) => record)).toEqual([1])
    const first = await takeOne({ ...nullable, key: { columns: ['a'], keep: { firstBy: 'b' } } }, text)
    expect(first.quarantine.map(({ record, reasons }) => [record, reasons])).toEqual([[3, ['key']]])
    // Of two rows with the same place in the order, neither is kept; one without a place is kept only where it is alone.
    const ordered = sourceOf({ a: 'text', b: { type: 'integer', nullable: true } })
    const tied = await takeOne(
      { ...ordered, key: { columns: ['a'], keep: { firstBy: 'b' } } },
      'a,b\nx,1\nx,1\nx,2\ny,\ny,3\nz,\n',
    )
    expect(tied.quarantine.map(({ record }) => record)).toEqual([1, 2, 3, 4])
    expect(tied.rows.map(({ a, b }) => [a, b])).toEqual([
      ['y', '3'],
      ['z', null],
    ])
  })

  test('IN-15: a date that two declared patterns read differently is refused as ambiguous', async () => {
    const dates = sourceOf({ a: 'text', b: { type: 'date', format: ['d/M/yyyy', 'M/d/yyyy', 'yyyy-MM-dd'] } })
    const taken = await takeOne(dates, 'a,b\nx,13/4/2024\ny,3/4/2024\nz,2024-02-29\nv,4/4/2024\nw,2023-02-29\n')
    expect(values(taken)).toEqual([
      ['v', '2024-04-04'],
      ['x', '2024-04-13'],
      ['z', '2024-02-29'],
    ])
    expect(taken.quarantine.map(({ line, reasons }) => [line, ...reasons])).toEqual([
      [3, 'ambiguous:b', 'cast:b'],
      [6, 'cast:b'],
    ])
  })

  test('IN-29: hostile names are read and escaped, links are not followed, patterns stay below the project', async () => {
    await using drop = await openDrop()
    const name = `a\n\u001b[31m$(touch x)';"\u202e.csv`
    drop.deliver(`inbox/${name}`, 'a,b\nx,1\n')
    drop.deliver('outside.csv', 'a,b\ny,2\n')
    symlinkSync(join(drop.root, 'outside.csv'), join(drop.root, 'inbox/link.csv'))
    const taken = await drop.take({ ...two, quarantine: { maxShare: 0 } })
    expect(values(taken)).toEqual([['x', '1']])
    expect(taken.rows[0]!['_file']).toBe(`inbox/${name}`)
    await drop.acknowledge(two, taken)
    expect(readdirSync(join(drop.root, 'archive'))).toEqual([name])
    await expect(drop.take({ ...two, path: '../*.csv' })).rejects.toMatchObject({ name: 'Source.Path' })
  })

  test('a file moves once, never over another, and a repeated acknowledgement changes nothing', async () => {
    await using drop = await openDrop()
    drop.deliver('archive/x.csv', 'earlier')
    drop.deliver('inbox/x.csv', 'a,b\nx,1\n')
    const taken = await drop.take(two)
    await drop.acknowledge(two, taken)
    await drop.acknowledge(two, taken)
    expect(readdirSync(join(drop.root, 'archive')).sort()).toEqual(['x.2.csv', 'x.csv'])
    expect(readFileSync(join(drop.root, 'archive/x.csv'), 'utf8')).toBe('earlier')
  })

  test('files count in the order of the dates in their names; a name without one is refused', async () => {
    await using drop = await openDrop()
    drop.deliver('inbox/b_2024-01-01.csv', 'a,b\nx,1\n')
    drop.deliver('inbox/a_2024-02-01.csv', 'a,b\nx,2\n')
    drop.deliver('inbox/c_2024-02-30.csv', 'a,b\nx,3\n')
    const source = { ...two, fileDate: 'yyyy-MM-dd' }
    const taken = await drop.take(source)
    expect(taken.refused.map(({ error }) => error.name)).toEqual(['Source.FileDate'])
    expect(taken.candidate!.inputs.map((input) => input.kind === 'file' && input.fileDate)).toEqual([
      '2024-01-01',
      '2024-02-01',
    ])
    const newest = await drop.take({ ...source, mode: 'replace' })
    expect(values(newest)).toEqual([['x', '2']])
    expect(newest.candidate!.warnings).toHaveLength(1)
  })
})

describe('a large file, which DuckDB reads itself', () => {
  const lines = Array.from({ length: 60_000 }, (_, at) => `"name ${at}",${at % 1000 === 7 ? 'bad' : at}`)
  const text = `a,b\n${lines.join('\n')}\n`

  async function check(drop: Drop, more: Partial<FilesSource>): Promise<void> {
    drop.deliver('inbox/x.csv', text)
    const taken = await drop.take({ ...two, ...more })
    expect(taken.candidate!.accounting).toMatchObject({ read: 60_000, accepted: 59_940, quarantined: 60 })
    expect(taken.quarantine[1]).toMatchObject({ record: 1008, line: 1009, reasons: ['cast:b'] })
    expect(taken.quarantine[1]!.bytes.toString()).toBe('"name 1007",bad\n')
    expect(taken.quarantine[1]!.offset).toBe(text.indexOf('"name 1007"'))
  }

  test('IN-13: refused rows are found back by their bytes', async () => {
    await using drop = await openDrop()
    await check(drop, {})
  })

  test('with row numbers, by their numbers', async () => {
    await using drop = await openDrop()
    await check(drop, { rowNumbers: true })
  })
})

describe('JSON Lines', () => {
  const source: FilesSource = {
    ...sourceOf({
      id: 'decimal(38,0)',
      name: { type: 'text', nullable: true },
      tags: { type: 'json', nullable: true },
    }),
    format: { kind: 'jsonl' },
  }
  const take = (text: string) => takeOne(source, text, 'x.jsonl')

  test('IN-27: numbers keep every digit, and what is no proper object is refused by itself', async () => {
    const good = '{"id":12345678901234567890123456789012345678,"name":"\\u00e9\\"","tags":[1,{"a":2.50}]}'
    const deep = `{"id":1,"tags":${'['.repeat(70)}${']'.repeat(70)}}`
    const bad = ['{"id":1', '[1]', '{"id":1,"id":2}', '{"id":1,"__proto__":{}}', '{"id":1.5}', deep]
    const taken = await take(`${good}\n${bad.join('\n')}\n`)
    expect(taken.rows).toMatchObject([
      { id: '12345678901234567890123456789012345678', name: 'é"', tags: '[1,{"a":2.50}]' },
    ])
    expect(reasonsOf(taken)).toEqual([...Array(4).fill('structure:json'), 'cast:id', 'structure:json'])
  })

  test('half of a surrogate pair refuses its row: a replacement would make different texts equal', async () => {
    const taken = await take(
      ['{"id":1,"name":"Hi \\ud83d"}', '{"id":2,"name":"Hi \\ude00"}', '{"id":3,"name":"\\ud83d\\ude00"}', ''].join(
        '\n',
      ),
    )
    expect(taken.rows).toMatchObject([{ id: '3', name: '😀' }])
    expect(reasonsOf(taken)).toEqual(['structure:encoding', 'structure:encoding'])
  })

  test('in a column of JSON a text stays a text, whatever it spells', async () => {
    const values = ['"12"', '12', '"true"', '"null"', '"{\\"a\\":1}"', '"hello"', '"007"', '""', '"\\u00e9"']
    const taken = await take(
      [...values.map((value, id) => `{"id":${id},"tags":${value}}`), '{"id":9,"tags":null}', ''].join('\n'),
    )
    expect(taken.quarantine).toEqual([])
    const byId = new Map(taken.rows.map(({ id, tags }) => [Number(id), tags]))
    expect(values.map((_, id) => byId.get(id))).toEqual(values)
    expect(byId.get(9)).toBeNull()
  })

  test('several objects on a line are refused, and the reason is told', async () => {
    const taken = await take('{"id":1}{"id":2}\n{"id":3}\n')
    expect(reasonsOf(taken)).toEqual(['structure:severalObjects'])
    expect(taken.rows).toMatchObject([{ id: '3' }])
    const read = jsonLineReader({ id: { type: 'integer' } }, 'reject')
    for (const line of ['{"id":1} {"id":2}', '{"id":1}{', '{"id":1}, x']) {
      expect((read(line) as JsonLineProblem).detail).toMatch(/one object is expected on a line/)
    }
    for (const line of ['{"id":1', '{"a\\x":1}', '{"id', '{', '', '{"id":1]'])
      expect(read(line)).toBeInstanceOf(JsonLineProblem)
  })
})

describe('Parquet', () => {
  const source: FilesSource = { ...sourceOf({ n: 'integer', s: 'text' }), format: { kind: 'parquet' } }

  async function takeSelect(sql: string, like: FilesSource = source): Promise<Taken & { error: string | undefined }> {
    await using drop = await openDrop()
    drop.deliver('inbox/keep', '')
    await drop.session.run(`COPY (${sql}) TO '${drop.root}/inbox/x.parquet' (FORMAT parquet)`)
    const taken = await drop.take({ ...like, path: 'inbox/*.parquet' })
    return { ...taken, error: taken.refused[0]?.error.name }
  }

  test('IN-27: types are equal or widen; rows are checked; a false end is refused', async () => {
    const taken = await takeSelect("SELECT * FROM (VALUES (1::SMALLINT, 'x'), (NULL, 'y'), (3, NULL)) t(n, s)")
    expect(taken.rows).toMatchObject([{ n: '1', s: 'x' }])
    expect(taken.quarantine.map(({ record, reasons }) => [record, reasons[0]])).toEqual([
      [2, 'required:n'],
      [3, 'required:s'],
    ])
    expect(taken.quarantine[0]!.bytes.toString()).toBe('{"n":null,"s":"y"}')
    expect((await takeSelect("SELECT 1::BIGINT AS n, 'x' AS s")).error).toBe('Source.ColumnType')
    expect((await takeSelect('SELECT 1 AS n')).error).toBe('Source.ColumnMissing')
    const garbage = await takeOne({ ...source, path: 'inbox/*.parquet' }, 'PAR1 this is not Parquet', 'x.parquet')
    expect(garbage.error).toBe('Source.Format')
  })

  test.each<[found: string, declared: ColumnType, text: string]>([
    ["DATE '2024-02-29'", 'timestamp', '2024-02-29 00:00:00'],
    ["TIMESTAMP_MS '2024-02-29 23:59:59.999'", 'timestamp', '2024-02-29 23:59:59.999'],
    ['(-32768)::SMALLINT', 'real', '-32768.0'],
    ['4294967295::UINTEGER', 'bigint', '4294967295'],
    ['2147483647::INTEGER', 'float', '2147483647.0'],
    ['0.1::FLOAT', 'float', '0.10000000149011612'],
    ['2147483647::INTEGER', 'decimal(12,2)', '2147483647.00'],
    ['999999999::DECIMAL(9,0)', 'integer', '999999999'],
    ['0.01::DECIMAL(12,2)', 'decimal(14,4)', '0.0100'],
  ])('IN-27: %s becomes a %s: the lattice of all', async (found, type, text) => {
    const like: FilesSource = { ...sourceOf({ n: type }), format: { kind: 'parquet' } }
    expect((await takeSelect(`SELECT ${found} AS n`, like)).rows).toMatchObject([{ n: text }])
  })

  test('IN-27: a date beyond what the declared timestamp holds refuses its row, not the file', async () => {
    const like: FilesSource = { ...sourceOf({ n: 'timestamp' }), format: { kind: 'parquet' } }
    const taken = await takeSelect("SELECT * FROM (VALUES (DATE '2024-01-01'), (DATE '5881580-07-10')) t(n)", like)
    expect(taken.rows).toMatchObject([{ n: '2024-01-01 00:00:00' }])
    expect(taken.quarantine.map(({ record, reasons }) => [record, reasons])).toEqual([[2, ['cast:n']]])
  })
})
