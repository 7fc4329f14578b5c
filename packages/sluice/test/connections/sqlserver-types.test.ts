/** SR-06 for SQL Server over the protocol double: each type at its edges, in both directions, with no digit altered. */
import { expect, test } from 'vitest'
import type { CallParameter } from '../../src/connections/connection.ts'
import type { ColumnType } from '../../src/definition/types.ts'
import { columns, done, resultSet, returns, rows } from '../doubles/tds/script.ts'
import { startTdsServer } from '../doubles/tds/server.ts'
import { inVariant, types as t, type WireType } from '../doubles/tds/types.ts'
import { collect, connect } from './sqlserver.ts'

/** The SQL type, how it goes over the wire, our type, and values at its edges; where the text differs, what must come out. */
type Case = readonly [
  serverType: string,
  wire: WireType,
  type: ColumnType,
  values: readonly (string | readonly [string, string])[],
]

const nines = '9'.repeat(28)
const moments = [
  '0001-01-01 00:00:00',
  '1899-12-31 23:59:59',
  '1970-01-01 00:00:00',
  '2024-02-29 12:34:56',
  '9999-12-31 23:59:59',
]
const withFraction = (digits: string) => moments.map((moment) => `${moment}${digits === '' ? '' : `.${digits}`}`)

const cases: readonly Case[] = [
  ['tinyint', t.tinyint, 'smallint', ['0', '127', '128', '255']],
  ['smallint', t.smallint, 'smallint', ['-32768', '-1', '0', '32767']],
  ['int', t.int, 'integer', ['-2147483648', '-1', '0', '2147483647']],
  [
    'bigint',
    t.bigint,
    'bigint',
    ['-9223372036854775808', '-9007199254740993', '0', '9007199254740993', '9223372036854775807'],
  ],
  ['bit', t.bit, 'boolean', ['true', 'false']],
  [
    'decimal(38,10)',
    t.decimal(38, 10),
    'decimal(38,10)',
    [
      `${nines}.9999999999`,
      `-${nines}.9999999999`,
      '0.0000000000',
      '-0.0000000001',
      '1234567890123456789012345678.1234567891',
    ],
  ],
  ['decimal(38,0)', t.decimal(38, 0), 'decimal(38,0)', ['9'.repeat(38), `-${'9'.repeat(38)}`, '0']],
  ['decimal(38,38)', t.decimal(38, 38), 'decimal(38,38)', [`0.${'9'.repeat(38)}`, `-0.${'0'.repeat(37)}1`]],
  ['decimal(28,4)', t.decimal(28, 4), 'decimal(28,4)', ['999999999999999999999999.9999', '-0.0001']],
  [
    'decimal(19,4)',
    t.decimal(19, 4),
    'decimal(19,4)',
    ['999999999999999.9999', '12345678901234.5678', '-12345678901234.5678', '900719925474.0993'],
  ],
  ['decimal(9,2)', t.decimal(9, 2), 'decimal(9,2)', ['9999999.99', '-9999999.99', '0.01', '0.00']],
  ['numeric(18,4)', t.numeric(18, 4), 'decimal(18,4)', ['12345678901234.5678', '-0.0001']],
  [
    'money',
    t.money,
    'decimal(19,4)',
    ['922337203685477.5807', '-922337203685477.5808', '12.3456', '100.0700', '-0.0001', '0.0000', '429496.7296'],
  ],
  ['smallmoney', t.smallmoney, 'decimal(10,4)', ['214748.3647', '-214748.3648', '-0.0001']],
  [
    'float',
    t.float,
    'float',
    ['0.1', '-1.7976931348623157e+308', '5e-324', '0.30000000000000004', '-0', '123456789012345680'],
  ],
  ['real', t.real, 'real', ['0.1', '3.4028235e+38', '1e-45', '16777216', '-0.33333334', '1.1754944e-38']],
  ['date', t.date, 'date', ['0001-01-01', '1582-10-10', '1752-09-10', '2024-02-29', '9999-12-31']],
  ['time(0)', t.time(0), 'time', ['00:00:00', '23:59:59']],
  ['time(3)', t.time(3), 'time', ['00:00:00.000', '23:59:59.999', '12:34:56.007']],
  ['time(7)', t.time(7), 'time', ['00:00:00.0000000', '23:59:59.9999999', '12:34:56.1234567', '00:00:00.0000001']],
  [
    'datetime',
    t.datetime,
    'timestamp',
    ['1753-01-01 00:00:00.000', '2024-02-29 23:59:59.997', '9999-12-31 23:59:59.993', '1899-12-31 12:00:00.003'],
  ],
  ['smalldatetime', t.smalldatetime, 'timestamp', ['1900-01-01 00:00:00', '2079-06-06 23:59:00']],
  ['datetime2(0)', t.datetime2(0), 'timestamp', withFraction('')],
  ['datetime2(3)', t.datetime2(3), 'timestamp', withFraction('007')],
  ['datetime2(7)', t.datetime2(7), 'timestamp', [...withFraction('1234567'), ...withFraction('9999999')]],
  [
    'datetimeoffset(7)',
    t.datetimeoffset(7),
    'timestamptz',
    [
      '2024-02-29 23:59:59.1234567+05:30',
      '2024-01-01 00:00:00.0000001-12:00',
      '2024-12-31 23:59:59.9999999+14:00',
      '1969-12-31 23:00:00.0000000-00:30',
      '0001-01-02 00:00:00.0000000+00:00',
      '9999-12-31 09:59:59.9999999-14:00',
    ],
  ],
  ['datetimeoffset(0)', t.datetimeoffset(0), 'timestamptz', ['2024-02-29 23:59:59-03:30', '2024-03-01 00:00:00+14:00']],
  [
    'uniqueidentifier',
    t.uniqueidentifier,
    'uuid',
    [
      '00000000-0000-0000-0000-000000000000',
      '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      ['FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFE', 'ffffffff-ffff-4fff-8fff-fffffffffffe'],
    ],
  ],
  [
    'nvarchar(50)',
    t.nvarchar(50),
    'text',
    ['', ' ', 'žluťoučký kůň', '🐎', "'; DROP TABLE x --", 'a\u0000b', 'line\r\nline', '\uFEFFx'],
  ],
  ['nvarchar(max)', t.nvarchar('max'), 'text', ['', 'x', '🐎'.repeat(30_000)]],
  ['nchar(4)', t.nchar(4), 'text', [['ab', 'ab  ']]],
  ['varchar(50)', t.varchar(50), 'text', ['', 'plain', 'é ÿ']],
  ['varchar(max)', t.varchar('max'), 'text', ['', 'é'.repeat(50_000)]],
  ['char(4)', t.char(4), 'text', [['ab', 'ab  ']]],
  ['varbinary(50)', t.varbinary(50), 'binary', ['', '00', 'deadbeef00']],
  ['varbinary(max)', t.varbinary('max'), 'binary', ['', 'ff'.repeat(100_000)]],
  ['binary(3)', t.binary(3), 'binary', ['000000', 'ffff00']],
  ['xml', t.xml, 'text', ['<a b="1">ž</a>']],
  ['text', t.text, 'text', ['', 'old é']],
  ['ntext', t.ntext, 'text', ['', 'old 🐎']],
  ['image', t.image, 'binary', ['', 'ff00']],
  ['sql_variant', t.variant(inVariant.int), 'text', ['-2147483648']],
  ['sql_variant', t.variant(inVariant.bigint), 'text', ['9223372036854775807']],
  ['sql_variant', t.variant(inVariant.bit), 'text', ['true']],
  ['sql_variant', t.variant(inVariant.float), 'text', ['0.1']],
  ['sql_variant', t.variant(inVariant.decimal(38, 10)), 'text', [`-${nines}.9999999999`, '0.0000000001']],
  ['sql_variant', t.variant(inVariant.money), 'text', ['922337203685477.5807']],
  ['sql_variant', t.variant(inVariant.guid), 'text', ['6f9619ff-8b86-d011-b42d-00c04fc964ff']],
  ['sql_variant', t.variant(inVariant.date), 'text', ['2024-02-29']],
  ['sql_variant', t.variant(inVariant.datetime), 'text', ['2024-02-29 23:59:59.997']],
  ['sql_variant', t.variant(inVariant.time(7)), 'text', ['23:59:59.9999999']],
  ['sql_variant', t.variant(inVariant.datetime2(7)), 'text', ['2024-02-29 23:59:59.1234567']],
  ['sql_variant', t.variant(inVariant.datetimeoffset(7)), 'text', ['2024-02-29 23:59:59.1234567+05:30']],
  ['sql_variant', t.variant(inVariant.varchar), 'text', ['é']],
  ['sql_variant', t.variant(inVariant.nvarchar), 'text', ['🐎']],
  ['sql_variant', t.variant(inVariant.varbinary), 'text', ['deadbeef00']],
]

const given = (value: string | readonly [string, string]) => (typeof value === 'string' ? value : value[0])
const expected = (value: string | readonly [string, string]) => (typeof value === 'string' ? value : value[1])

test('SR-06: every type at its edges arrives as exact text, as rows with and without a null bitmap, beside NULL', async () => {
  const script = (compressed: boolean) => () =>
    cases.flatMap(([, wire, , values]) => [
      columns([
        ['value', wire],
        ['after', t.int],
      ]),
      rows([...values.map((value) => [given(value), '7']), [null, '7'], [null, null]], compressed),
      done(),
    ])
  await using server = await startTdsServer({ procedures: { plain: script(false), compressed: script(true) } })
  await using connection = await connect(server.port)
  for (const procedure of ['plain', 'compressed']) {
    const result = await collect(connection, procedure)
    for (const [i, [serverType, , type, values]] of cases.entries()) {
      expect(result.columns[i]![0]).toEqual({ name: 'value', serverType, type, nullable: true })
      expect(result.rows[i], `${procedure}: ${serverType}`).toEqual([
        ...values.map((value) => [expected(value), '7']),
        [null, '7'],
        [null, null],
      ])
    }
  }
})

test('SR-06: columns that are declared NOT NULL come without lengths, and are exact', async () => {
  const wires = Object.entries(t.notNull)
  const values: Readonly<Record<string, string>> = {
    tinyint: '255',
    smallint: '-32768',
    int: '-2147483648',
    bigint: '9007199254740993',
    bit: 'true',
    real: '0.1',
    float: '0.1',
    money: '922337203685477.5807',
    smallmoney: '-214748.3648',
    datetime: '2024-02-29 23:59:59.997',
    smalldatetime: '2024-02-29 23:59:00',
  }
  const row = wires.map(([name]) => values[name]!)
  await using server = await startTdsServer({ procedures: { p: () => resultSet(wires, [row]) } })
  await using connection = await connect(server.port)
  const result = await collect(connection, 'p')
  expect(result.columns[0]!.map(({ serverType }) => serverType)).toEqual(wires.map(([name]) => name))
  expect(result.rows[0]).toEqual([row])
})

test('SR-06: a cell that cannot be read without loss comes as one that no type takes, with its bytes', async () => {
  const half = t.nvarchar(10)
  await using server = await startTdsServer({
    procedures: { half: () => resultSet([['name', half]], [['ok'], ['a\ud83d'], ['fine']]) },
  })
  await using connection = await connect(server.port)
  const result = await collect(connection, 'half')
  expect(result.rows[0]).toEqual([['ok'], ['\0not UTF-16: 61003dd8'], ['fine']])
  expect(connection.isUsable).toBe(true)
})

const parameters: readonly (readonly [type: ColumnType, value: string | null, onWire: string | null, code: number])[] =
  [
    ['decimal(38,10)', `-${nines}.9999999999`, `-${nines}.9999999999`, 0xa7],
    ['decimal(38,4)', '12345678901234567.89', '12345678901234567.89', 0xa7],
    ['decimal(19,4)', '12.3456', '12.3456', 0xa7],
    ['decimal(19,4)', '100.07', '100.07', 0xa7],
    ['decimal(9,2)', null, null, 0xa7],
    ['bigint', '9223372036854775807', '9223372036854775807', 0x26],
    ['bigint', '-9007199254740993', '-9007199254740993', 0x26],
    ['integer', '-2147483648', '-2147483648', 0x26],
    ['smallint', '32767', '32767', 0x26],
    ['tinyint', '-128', '-128', 0x26],
    ['boolean', 'true', 'true', 0x68],
    ['boolean', null, null, 0x68],
    ['float', '0.1', '0.1', 0x6d],
    ['text', 'žluť 🐎', 'žluť 🐎', 0xe7],
    ['text', '', '', 0xe7],
    ['text', "'; DROP TABLE x --", "'; DROP TABLE x --", 0xe7],
    ['text', 'é'.repeat(4_000), 'é'.repeat(4_000), 0xe7],
    ['text', '🐎'.repeat(50_000), '🐎'.repeat(50_000), 0xe7],
    ['text', null, null, 0xe7],
    ['json', '{"a":1}', '{"a":1}', 0xe7],
    ['date', '2024-02-29', '2024-02-29', 0xa7],
    ['time', '23:59:59.1234567', '23:59:59.1234567', 0xa7],
    ['timestamp', '2024-02-29 23:59:59.1234567', '2024-02-29T23:59:59.1234567', 0xa7],
    ['timestamp', '2024-02-29 23:59:59.120000', '2024-02-29T23:59:59.12', 0xa7],
    ['timestamp', '2024-02-29 20:00:00', '2024-02-29T20:00:00', 0xa7],
    ['timestamp', '2024-02-29T10:00', '2024-02-29T10:00:00', 0xa7],
    ['timestamptz', '2024-02-29 23:59:59.1234567+05:30', '2024-02-29 23:59:59.1234567+05:30', 0x2b],
    ['timestamptz', '2024-02-29T10:00:00Z', '2024-02-29 10:00:00.0000000+00:00', 0x2b],
    ['timestamptz', '2024-02-29 10:00-12:30', '2024-02-29 10:00:00.0000000-12:30', 0x2b],
    ['timestamptz', '0001-01-01 14:00:00.0000001+14:00', '0001-01-01 14:00:00.0000001+14:00', 0x2b],
    ['timestamptz', '9999-12-31 09:59:59.9999999-14:00', '9999-12-31 09:59:59.9999999-14:00', 0x2b],
    ['timestamptz', null, null, 0x2b],
    ['binary', 'deadbeef00', 'deadbeef00', 0xa5],
    ['binary', 'ff'.repeat(9_000), 'ff'.repeat(9_000), 0xa5],
    ['uuid', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'ff19966f868b11d0b42d00c04fc964ff', 0x24],
  ]

test('SR-06, SR-11: parameters stand on the wire as they were given: no double, no rounding, no cut', async () => {
  await using server = await startTdsServer({ procedures: { p: () => [returns(0)] } })
  await using connection = await connect(server.port)
  const bound = parameters.map(([type, value], i): CallParameter => ({ name: `p${i}`, type, value }))
  await collect(connection, 'p', { parameters: bound })
  const [call] = server.calls()
  for (const [i, [type, , onWire, code]] of parameters.entries()) {
    const received = call!.parameters[i]!
    expect([received.name, received.type, received.value], type).toEqual([`@p${i}`, code, onWire])
  }
})

test.each([
  ['decimal(5,2)', '1.234', 'digits'],
  ['decimal(5,2)', '1234.5', 'digits'],
  ['decimal(5,2)', '1e3', 'digits'],
  ['integer', '2147483648', '32 bits'],
  ['bigint', '9223372036854775808', '64 bits'],
  ['bigint', '1.0', '64 bits'],
  ['date', '2023-02-29', 'a day'],
  ['timestamp', '2024-01-01 24:00:00', 'a local time'],
  ['timestamp', '2024-01-01 10:00:00+01:00', 'a local time'],
  ['timestamptz', '2024-01-01 10:00:00', 'offset'],
  ['timestamptz', '2024-01-01 10:00:00+14:30', '14 hours'],
  ['timestamptz', '0001-01-01 00:00:00+01:00', 'offset'],
  ['boolean', '1', 'true or false'],
  ['binary', 'abc', 'hex'],
  ['uuid', 'x', '8-4-4-4-12'],
  ['float', 'NaN', 'a number'],
  ['text', 'a\ud83d', 'whole characters'],
] as const)('SR-06: %s does not take %s, and nothing is sent', async (type, value, why) => {
  await using server = await startTdsServer({ procedures: {} })
  await using connection = await connect(server.port)
  const call = collect(connection, 'p', { parameters: [{ name: 'a', type, value }] })
  await expect(call).rejects.toMatchObject({
    name: 'Connection.ValueInvalid',
    params: { why: expect.stringContaining(why) },
  })
  expect(server.calls()).toEqual([])
})
