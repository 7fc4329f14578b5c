import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isSluiceError } from '../base/errors.ts'
import type { Column } from '../definition/types.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import type { Session } from '../engines/engine.ts'
import { castColumn } from './casts.ts'

let session: Session

beforeAll(async () => {
  session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
})

afterAll(() => session.close())

/** What a text becomes: its value as DuckDB writes it, `null` where it means NULL, `undefined` where it is refused. */
async function read(column: Column, texts: readonly (string | null)[]): Promise<(string | null | undefined)[]> {
  const cast = castColumn('c', column, 't')
  const shown = cast.type === 'BLOB' ? `hex(${cast.value})` : `(${cast.value})::VARCHAR`
  const rows = await session.all<{ ok: boolean; same: boolean; v: string | null; typed: string }>(
    `SELECT ${cast.valid} AS ok, ${cast.validTyped} AS same, ${shown} AS v, typeof(${cast.value}) AS typed
     FROM (SELECT *, ${cast.value} AS c FROM (SELECT unnest($1::VARCHAR[]) AS t, generate_subscripts($1::VARCHAR[], 1) AS i)) ORDER BY i`,
    [await list(texts)],
  )
  expect(rows).toHaveLength(texts.length)
  for (const row of rows) expect([row.ok, row.same]).toEqual([row.ok === true, row.ok])
  expect(new Set(rows.map((row) => row.typed))).toEqual(new Set([cast.type === 'JSON' ? 'JSON' : cast.type]))
  return rows.map((row) => (row.ok ? row.v : undefined))
}

async function list(texts: readonly (string | null)[]): Promise<unknown> {
  const { listValue } = await import('@duckdb/node-api')
  return listValue(texts as string[])
}

interface Case {
  readonly name: string
  readonly column: Column
  /** Text to value. */
  readonly takes: { readonly [text: string]: string | null }
  readonly refuses: readonly string[]
}

const same = (...texts: string[]): { [text: string]: string } => Object.fromEntries(texts.map((text) => [text, text]))

const cases: readonly Case[] = [
  {
    name: 'IN-17, IN-08: text stays as it is, byte for byte; NUL is refused',
    column: { type: 'text' },
    takes: same('00123', '+1', '-0', '1.10', '', ' a ', '\t', '=1+1', 'NULL', 'é\u00a0\u{1f600}', "it's"),
    refuses: ['\0', 'a\0b'],
  },
  {
    name: 'IN-13: integers',
    column: { type: 'integer' },
    takes: { '0': '0', '-0': '0', '007': '7', '+1': '1', '2147483647': '2147483647', '-2147483648': '-2147483648' },
    refuses: [
      '',
      ' 1',
      '1 ',
      '1.5',
      '1.0',
      '1e3',
      '0x1F',
      '1_000',
      '1,000',
      '2147483648',
      '-2147483649',
      '--1',
      '+',
      '١',
      '1\n',
      'NaN',
    ],
  },
  { name: 'IN-13: tinyint', column: { type: 'tinyint' }, takes: same('127', '-128'), refuses: ['128', '-129'] },
  { name: 'IN-13: smallint', column: { type: 'smallint' }, takes: same('32767', '-32768'), refuses: ['32768'] },
  {
    name: 'IN-13: bigint',
    column: { type: 'bigint' },
    takes: same('9223372036854775807', '-9223372036854775808'),
    refuses: ['9223372036854775808', '1e18'],
  },
  {
    name: 'IN-13: decimals neither round nor overflow',
    column: { type: 'decimal(5,2)' },
    takes: {
      '1.10': '1.10',
      '1.1000': '1.10',
      '999.99': '999.99',
      '.5': '0.50',
      '-0.01': '-0.01',
      '00012': '12.00',
      '+3': '3.00',
    },
    refuses: ['1.005', '1000', '999.995', '1.', '.', '', '1e2', '1,5', '$1', '1.1.1', '0.001'],
  },
  {
    name: 'decimal without whole digits',
    column: { type: 'decimal(2,2)' },
    takes: { '0.25': '.25', '.25': '.25', '0': '.00' },
    refuses: ['1', '1.25'],
  },
  {
    name: 'decimal without fraction',
    column: { type: 'decimal(38,0)' },
    takes: { '99999999999999999999999999999999999999': '99999999999999999999999999999999999999', '7.00': '7' },
    refuses: ['7.5', '100000000000000000000000000000000000000'],
  },
  {
    name: 'IN-13: a double takes what it can hold, in its shortest or its 17-digit text',
    column: { type: 'float' },
    takes: {
      '0.1': '0.1',
      '1e22': '1e+22',
      '-1.5E-3': '-0.0015',
      '0.30000000000000004': '0.30000000000000004',
      '0.10000000000000001': '0.1',
      '123456789012345': '123456789012345.0',
      '9007199254740992': '9007199254740992.0',
      '5e-324': '5e-324',
      '1.7976931348623157e308': '1.7976931348623157e+308',
      '-0': '-0.0',
      '0e999': '0.0',
    },
    refuses: [
      '1234567890123456789',
      '9007199254740993',
      '1e309',
      '1e-400',
      '3e-324',
      'NaN',
      'Infinity',
      'inf',
      '',
      ' 1',
      '1_0',
      '0x1p3',
      '1.',
      '1e',
      '0.1000000000000000055',
    ],
  },
  {
    name: 'IN-13: a real',
    column: { type: 'real' },
    takes: { '0.1': '0.1', '16777216': '16777216.0', '0.100000001': '0.1' },
    refuses: ['16777217', '3.5e38', '0.123456781', '1e-46'],
  },
  {
    name: 'IN-14: numbers of a declared locale',
    column: { type: 'decimal(12,2)', decimalSeparator: ',', groupSeparator: '.' },
    takes: { '1.234,56': '1234.56', '1234,56': '1234.56', '1.234.567': '1234567.00', '0,5': '0.50', ',5': '0.50' },
    refuses: ['1,234.56', '12.34', '1.2345', '1234.567,00', '.234', '1..234', '1.234,567'],
  },
  {
    name: 'IN-14: grouped integers',
    column: { type: 'integer', groupSeparator: ',' },
    takes: { '1,234,567': '1234567', '12': '12' },
    refuses: ['1,2', ',123', '12,3456'],
  },
  {
    name: 'IN-14: a float with a comma',
    column: { type: 'float', decimalSeparator: ',' },
    takes: { '1,5': '1.5', '-2,5e3': '-2500.0' },
    refuses: ['1.5'],
  },
  {
    name: 'booleans',
    column: { type: 'boolean' },
    takes: { true: 'true', FALSE: 'false', True: 'true' },
    refuses: ['1', '0', 't', 'yes', ''],
  },
  {
    name: 'declared booleans',
    column: { type: 'boolean', trueValues: ['Y', '1'], falseValues: ['N'] },
    takes: { Y: 'true', '1': 'true', N: 'false' },
    refuses: ['y', 'true', '0'],
  },
  {
    name: 'IN-15: ISO dates',
    column: { type: 'date' },
    takes: same('2024-02-29', '0001-01-01', '9999-12-31'),
    refuses: [
      '2023-02-29',
      '2024-02-30',
      '0000-01-01',
      '2024-1-2',
      '03/04/2024',
      '2024-13-01',
      '20240101',
      '2024-01-01 ',
      '10000-01-01',
      '-2024-01-01',
      'infinity',
      'epoch',
      '2024-01-01T00:00',
    ],
  },
  {
    name: 'IN-15: a declared date',
    column: { type: 'date', format: 'dd.MM.yyyy' },
    takes: { '03.04.2024': '2024-04-03' },
    refuses: ['3.4.2024', '30.02.2024', '03/04/2024', '01.01.0000', ' 03.04.2024'],
  },
  {
    name: 'IN-15: month names',
    column: { type: 'date', format: 'd MMM yyyy' },
    takes: { '5 Jan 2024': '2024-01-05', '29 feb 2024': '2024-02-29' },
    refuses: ['5 January 2024', '30 Feb 2024', '5 Foo 2024'],
  },
  {
    name: 'IN-15: digits without separators',
    column: { type: 'date', format: 'yyyyMMdd' },
    takes: { '20240229': '2024-02-29' },
    refuses: ['2024022', '20230229'],
  },
  {
    name: 'IN-15: several patterns, of which each text has one meaning',
    column: { type: 'date', format: ['dd.MM.yyyy', 'yyyy-MM-dd', 'd MMM yyyy'] },
    takes: { '03.04.2024': '2024-04-03', '2024-02-29': '2024-02-29', '5 Jan 2024': '2024-01-05' },
    refuses: ['3.4.2024', '30.02.2024', '2023-02-29', '03/04/2024', ''],
  },
  {
    name: 'IN-15: a text that two patterns read as different dates is refused, one that they read alike is not',
    column: { type: 'date', format: ['M/d/yyyy', 'd/M/yyyy'] },
    takes: { '4/4/2024': '2024-04-04', '13/4/2024': '2024-04-13', '4/13/2024': '2024-04-13' },
    refuses: ['3/4/2024', '03/04/2024', '13/13/2024', '30/2/2024'],
  },
  {
    name: 'IN-16: several patterns of local times in a zone',
    column: {
      ...{ type: 'timestamptz', format: ['d/M/yyyy H:mm', 'yyyy-MM-dd HH:mm:ss', 'M/d/yyyy H:mm'] },
      zone: 'Europe/London',
    },
    takes: { '31/3/2024 3:30': '2024-03-31 02:30:00+00', '2024-01-05 10:00:01': '2024-01-05 10:00:01+00' },
    refuses: ['31/3/2024 1:30', '1/2/2024 10:00', '27/10/2024 1:30'],
  },
  {
    name: 'IN-15: times',
    column: { type: 'time' },
    takes: { '23:59:59.999999': '23:59:59.999999', '10:30': '10:30:00', '00:00:00.1000000': '00:00:00.1' },
    refuses: ['24:00', '24:00:00', '23:60', '10:00:60', '1:00', '10:00:00.1234567', '10:00+01'],
  },
  {
    name: 'a declared time',
    column: { type: 'time', format: 'h:mm a' },
    takes: { '12:00 AM': '00:00:00', '12:30 pm': '12:30:00', '1:05 PM': '13:05:00' },
    refuses: ['13:00 PM', '0:30 AM', '1:05'],
  },
  {
    name: 'IN-15, IN-16: timestamps keep their text',
    column: { type: 'timestamp' },
    takes: {
      '2024-01-01T10:00': '2024-01-01 10:00:00',
      '2024-01-01 10:00:00.123456': '2024-01-01 10:00:00.123456',
      '2024-01-01 10:00:00.1230000': '2024-01-01 10:00:00.123',
    },
    refuses: [
      '2024-01-01',
      '2024-01-01T24:00:00',
      '2024-01-01T10:00:60',
      '2024-01-01T10:00:00Z',
      '2024-01-01T10:00:00+02:00',
      '2024-01-01 10:00:00.1234567',
      '2024-02-30 00:00:00',
    ],
  },
  {
    name: 'IN-15: a declared timestamp',
    column: { type: 'timestamp', format: 'M/d/yyyy H:mm' },
    takes: { '12/1/2010 8:26': '2010-12-01 08:26:00', '02/03/2024 07:05': '2024-02-03 07:05:00' },
    refuses: ['2/30/2024 1:00', '13/1/2024 1:00', '1/1/2024 24:00', '1/1/24 1:00', '1/1/2024 1:5', '001/1/2024 1:00'],
  },
  {
    name: 'fractions of a declared length',
    column: { type: 'timestamp', format: "yyyy-MM-dd'T'HH:mm:ss.SSSSSSS" },
    takes: { '2024-01-01T10:00:00.1234560': '2024-01-01 10:00:00.123456' },
    refuses: ['2024-01-01T10:00:00.1234567', '2024-01-01T10:00:00.123456'],
  },
  {
    name: "the seventh digit of SQL Server's datetime2 is cut where it is declared",
    column: { type: 'timestamp', fraction: 'truncate' },
    takes: {
      '2024-01-01 10:00:00.1234567': '2024-01-01 10:00:00.123456',
      '1969-12-31 23:59:59.9999999': '1969-12-31 23:59:59.999999',
      '2024-01-01 10:00:00.1234560': '2024-01-01 10:00:00.123456',
      '2024-01-01 10:00:00.5': '2024-01-01 10:00:00.5',
    },
    refuses: ['2024-01-01 10:00:00.1234567x', '2024-01-01 10:00:00.12345678Z', '2024-01-01.1234567'],
  },
  {
    name: 'the same of datetimeoffset(7)',
    column: { type: 'timestamptz', fraction: 'truncate' },
    takes: { '2024-01-01 10:00:00.9999999+02:00': '2024-01-01 08:00:00.999999+00' },
    refuses: ['2024-01-01 10:00:00.9999999'],
  },
  {
    name: 'the same of time(7)',
    column: { type: 'time', fraction: 'truncate' },
    takes: { '23:59:59.9999999': '23:59:59.999999' },
    refuses: ['24:00:00.0000000'],
  },
  {
    name: 'IN-16: a zone without `timestamptz` keeps the local time, but it must exist',
    column: { type: 'timestamp', zone: 'Europe/London' },
    takes: { '2024-10-27T01:30': '2024-10-27 01:30:00' },
    refuses: ['2024-03-31T01:30'],
  },
  {
    name: 'IN-16: instants',
    column: { type: 'timestamptz' },
    takes: {
      '2024-01-01T10:00:00Z': '2024-01-01 10:00:00+00',
      '2024-01-01T10:00:00.5-05:30': '2024-01-01 15:30:00.5+00',
      '2024-01-01T10:00:00+02': '2024-01-01 08:00:00+00',
    },
    refuses: ['2024-01-01T10:00:00', '2024-01-01T10:00:00+25:00', '2024-01-01T24:00:00Z', '0000-01-01T00:00:00Z'],
  },
  {
    name: 'IN-16: a declared offset',
    column: { type: 'timestamptz', format: 'dd/MM/yyyy HH:mm:ss XXX' },
    takes: {
      '01/02/2024 10:00:00 Z': '2024-02-01 10:00:00+00',
      '01/02/2024 10:00:00 -05:30': '2024-02-01 15:30:00+00',
    },
    refuses: ['01/02/2024 10:00:00', '01/02/2024 10:00:00 -0530'],
  },
  {
    name: 'IN-16: local text of a zone: gap and overlap refused',
    column: { type: 'timestamptz', zone: 'Europe/London' },
    takes: {
      '2024-07-01T12:00': '2024-07-01 11:00:00+00',
      '2024-10-27T00:59': '2024-10-26 23:59:00+00',
      '2024-10-27T02:00': '2024-10-27 02:00:00+00',
      '2024-03-31T02:00': '2024-03-31 01:00:00+00',
    },
    refuses: [
      '2024-03-31T01:00',
      '2024-03-31T01:59:59.999999',
      '2024-10-27T01:00',
      '2024-10-27T01:59:59',
      '2024-07-01T12:00:00Z',
    ],
  },
  {
    name: 'IN-16: overlap, earlier',
    column: { type: 'timestamptz', zone: 'Australia/Lord_Howe', overlap: 'earlier' },
    takes: {
      '2024-04-07T01:45': '2024-04-06 14:45:00+00',
      '2024-04-07T02:00': '2024-04-06 15:30:00+00',
      '2024-04-07T01:29': '2024-04-06 14:29:00+00',
    },
    refuses: ['2024-10-06T02:15'],
  },
  {
    name: 'IN-16: overlap, later',
    column: { type: 'timestamptz', zone: 'Australia/Lord_Howe', overlap: 'later' },
    takes: { '2024-04-07T01:45': '2024-04-06 15:15:00+00' },
    refuses: ['2024-10-06T02:00'],
  },
  {
    name: 'json stays as it is written',
    column: { type: 'json' },
    takes: same('{"a": 1.10}', '[]', 'null', '" "', '1e400', '{"nan": "inf,]"}', '12345678901234567890123'),
    refuses: ['', '{a:1}', '[1,]', '{"a":1,}', 'NaN', '[Infinity]', '-inf', '1 2', '01', "{'a':1}", '"\n"'],
  },
  {
    name: 'binary, hex',
    column: { type: 'binary' },
    takes: { '': '', '00ff': '00FF', AbCd: 'ABCD' },
    refuses: ['0', '0g', '0x00', ' 00', '\\x00'],
  },
  {
    name: 'binary, base64',
    column: { type: 'binary', encoding: 'base64' },
    takes: { '': '', 'AAE=': '0001', 'AA==': '00', '+/+/': 'FBFFBF' },
    refuses: ['A', 'AAE', 'AAF=', 'AB==', 'AAE=\n', 'A-_A'],
  },
  {
    name: 'uuid',
    column: { type: 'uuid' },
    takes: { '550E8400-e29b-41d4-a716-446655440000': '550e8400-e29b-41d4-a716-446655440000' },
    refuses: ['550e8400e29b41d4a716446655440000', '{550e8400-e29b-41d4-a716-446655440000}', ''],
  },
  {
    name: 'IN-18: declared NULL tokens',
    column: { type: 'integer', nulls: ['', 'NA'] },
    takes: { '': null, NA: null, '1': '1' },
    refuses: ['na', ' ', 'NULL'],
  },
  {
    name: 'IN-18: tokens in text',
    column: { type: 'text', nulls: ['NA'] },
    takes: { '': '', NA: null, 'NA ': 'NA ' },
    refuses: [],
  },
  {
    name: 'declared trimming',
    column: { type: 'integer', trim: true, nulls: ['-'] },
    takes: { ' 1\t': '1', '\u00a02\ufeff': '2', ' - ': null },
    refuses: ['1 1', ' '],
  },
]

describe('strict casts', () => {
  test.each(cases)('$name', async ({ column, takes, refuses }) => {
    const texts = Object.keys(takes)
    expect(Object.fromEntries((await read(column, texts)).map((value, i) => [texts[i], value]))).toEqual(takes)
    expect(
      refuses.length === 0 ? [] : await read(column, refuses).then((v) => refuses.filter((_, i) => v[i] !== undefined)),
    ).toEqual([])
  })

  test('IN-18: NULL of the format is NULL in every type, valid and absent', async () => {
    for (const { column } of cases) {
      expect(await read(column, [null])).toEqual([null])
      const cast = castColumn('c', column, 'NULL::VARCHAR')
      expect(await session.all(`SELECT ${cast.present} AS p, ${cast.valid} AS v`)).toEqual([{ p: false, v: true }])
    }
  })

  test('a value never raises, whatever the text', async () => {
    for (const column of cases.map((one) => one.column))
      await read(column, [
        '',
        '\0',
        'é',
        '9'.repeat(400),
        '-'.repeat(9),
        '[',
        '['.repeat(99999),
        '99999-99-99T99:99:99Z',
      ])
  })
})

test.each<[string, Column]>([
  ['a zone that is none', { type: 'timestamptz', zone: 'Mars/Base' }],
  ['an offset as zone', { type: 'timestamptz', zone: '+02:00' }],
  ['a date with a zone', { type: 'date', zone: 'UTC' }],
  ['a pattern with a time for a date', { type: 'date', format: 'yyyy-MM-dd HH:mm' }],
  ['local text for an instant', { type: 'timestamptz', format: 'yyyy-MM-dd HH:mm' }],
  ['an offset and a zone', { type: 'timestamptz', format: 'yyyy-MM-dd HH:mmXXX', zone: 'UTC' }],
  ['an offset for a timestamp', { type: 'timestamp', format: 'yyyy-MM-dd HH:mmXXX' }],
  ['an unknown letter', { type: 'date', format: 'YYYY-MM-dd' }],
  ['an unknown letter in one of several', { type: 'date', format: ['yyyy-MM-dd', 'YYYY-MM-dd'] }],
  ['minutes for months', { type: 'date', format: 'yyyy-mm-dd' }],
  ['digits that run into each other', { type: 'date', format: 'yyyyMd' }],
  ['h without a', { type: 'time', format: 'h:mm' }],
  ['equal separators', { type: 'float', decimalSeparator: ',', groupSeparator: ',' }],
  ['too wide a decimal', { type: 'decimal(39,0)' }],
  ['only true values', { type: 'boolean', trueValues: ['Y'] }],
  ['a text both true and false', { type: 'boolean', trueValues: ['Y'], falseValues: ['Y'] }],
])('a declaration that cannot be read is refused: %s', (_, column) => {
  let caught: unknown
  try {
    castColumn('c', column, 't')
  } catch (error) {
    caught = error
  }
  expect(isSluiceError(caught, 'Quality.ColumnInvalid')).toBe(true)
})
