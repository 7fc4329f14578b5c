/**
 * The TDS double with the suite's procedures, as scripts of what a SQL Server sends for them. `SLUICE_TEST_SQLSERVER_URL` points the same suite at a real
 * one, too: `sqlserver-real.ts`.
 */
import type { ConnectionSettings } from '../../../src/connections/connection.ts'
import { sqlServerConnector } from '../../../src/connections/sqlserver/connector.ts'
import type { ReceivedCall } from '../../doubles/tds/requests.ts'
import {
  columns,
  error,
  message,
  output,
  resultSet,
  returns,
  rows,
  type Script,
  type Step,
  wait,
} from '../../doubles/tds/script.ts'
import { startTdsServer, type TdsServer } from '../../doubles/tds/server.ts'
import { inVariant, type Value, type WireType, types as wire } from '../../doubles/tds/types.ts'
import type { ServerKind, TypeCase } from './server.ts'

const user = 'reader'
const password = 'Reader-Secret-1'

/** The types, for a real server, too. */
export const cases: readonly (TypeCase & { readonly wire: WireType })[] = [
  { declared: 'bit', wire: wire.bit, type: 'boolean', values: ['true', 'false'] },
  { declared: 'tinyint', wire: wire.tinyint, type: 'smallint', values: ['0', '255'] },
  { declared: 'smallint', wire: wire.smallint, type: 'smallint', values: ['-32768', '32767'] },
  { declared: 'int', wire: wire.int, type: 'integer', values: ['-2147483648', '2147483647'] },
  {
    declared: 'bigint',
    wire: wire.bigint,
    type: 'bigint',
    values: ['-9223372036854775808', '9007199254740993', '9223372036854775807'],
  },
  {
    declared: 'decimal(38,18)',
    wire: wire.decimal(38, 18),
    type: 'decimal(38,18)',
    values: [
      '-12345678901234567890.123456789012345678',
      '0.000000000000000001',
      '99999999999999999999.999999999999999999',
    ],
  },
  { declared: 'decimal(9,0)', wire: wire.decimal(9, 0), type: 'decimal(9,0)', values: ['-999999999', '0'] },
  { declared: 'numeric(38,0)', wire: wire.numeric(38, 0), type: 'decimal(38,0)', values: [`-${'9'.repeat(38)}`, '0'] },
  {
    declared: 'money',
    wire: wire.money,
    type: 'decimal(19,4)',
    values: ['-922337203685477.5808', '0.0001', '922337203685477.5807'],
  },
  { declared: 'smallmoney', wire: wire.smallmoney, type: 'decimal(10,4)', values: ['-214748.3648', '214748.3647'] },
  { declared: 'real', wire: wire.real, type: 'real', values: ['1.2345679', '-3.4028235e+38', '1e-45', '0.1'] },
  {
    declared: 'float',
    wire: wire.float,
    type: 'float',
    values: ['0.1', '1.7976931348623157e+308', '5e-324', '-123456789.12345679'],
  },
  { declared: 'date', wire: wire.date, type: 'date', values: ['0001-01-01', '2024-02-29', '9999-12-31'] },
  {
    declared: 'datetime',
    wire: wire.datetime,
    type: 'timestamp',
    values: ['1753-01-01 00:00:00.000', '2024-03-10 02:30:00.003', '9999-12-31 23:59:59.997'],
  },
  {
    declared: 'smalldatetime',
    wire: wire.smalldatetime,
    type: 'timestamp',
    values: ['1900-01-01 00:00:00', '2024-03-31 02:30:00'],
  },
  {
    declared: 'datetime2(7)',
    wire: wire.datetime2(7),
    type: 'timestamp',
    values: ['0001-01-01 00:00:00.0000000', '2024-02-29 23:59:59.1234567', '9999-12-31 23:59:59.9999999'],
  },
  {
    declared: 'datetimeoffset(7)',
    wire: wire.datetimeoffset(7),
    type: 'timestamptz',
    values: [
      '2024-10-27 01:30:00.1234567+05:45',
      '0001-01-01 14:00:00.0000000+14:00',
      '9999-12-31 09:59:59.9999999-14:00',
    ],
  },
  { declared: 'time(7)', wire: wire.time(7), type: 'time', values: ['00:00:00.0000000', '23:59:59.9999999'] },
  {
    declared: 'uniqueidentifier',
    wire: wire.uniqueidentifier,
    type: 'uuid',
    values: ['00112233-4455-6677-8899-aabbccddeeff'],
  },
  { declared: 'varbinary(300)', wire: wire.varbinary(300), type: 'binary', values: ['', '00ff7f80'] },
  { declared: 'varbinary(max)', wire: wire.varbinary('max'), type: 'binary', values: ['', '00', 'c3'.repeat(70_000)] },
  {
    declared: 'nvarchar(300)',
    wire: wire.nvarchar(300),
    type: 'text',
    values: ['', ' spaces ', '\\ \' " ` % _ \n\t', '𝄞🇹🇷e\u0301\ufffd', 'x'.repeat(300)],
  },
  { declared: 'nvarchar(max)', wire: wire.nvarchar('max'), type: 'text', values: ['', 'long '.repeat(60_000)] },
  { declared: 'xml', wire: wire.xml, type: 'text', values: ['<a b="é">1</a>'] },
  {
    declared: 'sql_variant',
    wire: wire.variant(inVariant.nvarchar),
    type: 'text',
    values: ['12345678901234567890.10', ''],
  },
]

export const oddNames = [
  '[x"]];DROP TABLE kept]',
  "it's",
  'back`tick',
  '[[bracket]]]',
  '[a.b]',
  'Ünïcode 名',
  'select',
  '-- comment',
  'n'.repeat(128),
]

const bare = (name: string): string =>
  name.replace(/^\[(.*)\]$/, (_, inside: string) => inside.replaceAll(']]', ']')).toLowerCase()

/** A value as it arrived, as the text that the double takes. */
function arrived({ parameters: [parameter] }: ReceivedCall, type: string): Value {
  const value = parameter?.value ?? null
  if (value === null) return null
  if (type.startsWith('timestamp')) return value.replace('T', ' ')
  if (type !== 'uuid') return value
  const swap = (hex: string) => Buffer.from(hex, 'hex').reverse().toString('hex')
  const [a, b, c, d, e] = [
    value.slice(0, 8),
    value.slice(8, 12),
    value.slice(12, 16),
    value.slice(16, 20),
    value.slice(20),
  ]
  return [swap(a), swap(b), swap(c), d, e].join('-')
}

function* manyRows(count: number): Generator<readonly Value[]> {
  for (let id = 1; id <= count; id++) yield [String(id), `label ${id}`, (id / 7).toFixed(4)]
}

const one: readonly Step[] = resultSet([['a', wire.int]], [['1']])
const ended = [returns(0)]

type Procedures = Record<string, (call: ReceivedCall) => Script>

const procedures: Procedures = {
  many_rows: ({ parameters }) => [
    ...resultSet(
      [
        ['id', wire.int],
        ['label', wire.nvarchar(50)],
        ['amount', wire.decimal(18, 4)],
      ],
      manyRows(Number(parameters[0]?.value)),
    ),
    ...ended,
  ],
  error_before: () => [error(50_000, 'broken before')],
  error_between: () => [...one, error(50_000, 'broken between'), ...one, ...ended],
  error_after: () => [...one, error(50_000, 'broken after'), ...ended],
  error_within: () => [
    columns([['a', wire.int]]),
    rows(Array.from({ length: 5000 }, (_, n) => [String(n)])),
    error(8134, 'Divide by zero error encountered.'),
  ],
  messages: () => [message('only so that you know', 50_000, 10), ...one, ...ended],
  nothing: () => [
    ...resultSet(
      [
        ['id', wire.int],
        ['label', wire.nvarchar(1)],
      ],
      [],
    ),
    ...ended,
  ],
  no_set: () => ended,
  two_sets: () => [
    ...one,
    ...resultSet(
      [
        ['b', wire.nvarchar(1)],
        ['c', wire.nvarchar(1)],
      ],
      [['x', 'y']],
    ),
    ...ended,
  ],
  outputs: ({ parameters }) => [
    ...resultSet([['id', wire.int]], [[parameters[0]?.value ?? null]]),
    returns(7),
    output('total', wire.bigint, '9007199254740993'),
    output('said', wire.nvarchar(50), 'done'),
  ],
  wait_long: () => [...one, wait(30_000), ...one, ...ended],
  deadlock_victim: () => [
    ...one,
    error(1205, 'Transaction was deadlocked, and has been chosen as the deadlock victim.', 13),
  ],
  forbidden: () => [error(229, "The EXECUTE permission was denied on the object 'forbidden'.", 14)],
  short_text: ({ parameters }) => [
    ...resultSet([['answer', wire.nvarchar(4000)]], [[parameters[0]?.value ?? null]]),
    ...ended,
  ],
  long_text: ({ parameters }) => [
    ...resultSet([['answer', wire.nvarchar('max')]], [[parameters[0]?.value ?? null]]),
    ...ended,
  ],
  changes_session: () => ended,
  ...catalog(),
  ...Object.fromEntries(
    cases.flatMap(({ values, wire, type }, index) => [
      [
        `types_${index}`,
        () => [
          ...resultSet(
            [['value', wire]],
            [...values, null].map((value) => [value]),
          ),
          ...ended,
        ],
      ],
      [`echo_${index}`, (call: ReceivedCall) => [...resultSet([['value', wire]], [[arrived(call, type)]]), ...ended]],
    ]),
  ),
  ...Object.fromEntries(
    oddNames.map((name) => [bare(name), () => [...resultSet([['answer', wire.nvarchar(50)]], [['found']]), ...ended]]),
  ),
}

/** What the server's own catalog procedures say of two procedures. */
function catalog(): Procedures {
  const word = wire.nvarchar(128)
  const given = (call: ReceivedCall, name: string) =>
    call.parameters.find((parameter) => parameter.name === `@${name}`)?.value
  const parameters = [
    ['@RETURN_VALUE', '5', 'int'],
    ['@given', '1', 'int'],
    ['@total', '2', 'bigint'],
    ['@said', '2', 'nvarchar'],
  ]
  return {
    sp_stored_procedures: (call) => {
      const named = ['nothing', 'outputs'].filter((name) => (given(call, 'sp_name') ?? name) === name)
      return [
        ...resultSet(
          [
            ['PROCEDURE_OWNER', word],
            ['PROCEDURE_NAME', word],
          ],
          named.map((name) => ['dbo', `${name};1`]),
        ),
        ...ended,
      ]
    },
    sp_sproc_columns: (call) => [
      ...resultSet(
        [
          ['PROCEDURE_OWNER', word],
          ['PROCEDURE_NAME', word],
          ['COLUMN_NAME', word],
          ['COLUMN_TYPE', wire.smallint],
          ['TYPE_NAME', word],
          ['PRECISION', wire.int],
          ['SCALE', wire.smallint],
        ],
        given(call, 'procedure_name') === 'outputs'
          ? parameters.map(([name = '', kind = '', type = '']) => ['dbo', 'outputs;1', name, kind, type, '50', null])
          : [],
      ),
      ...ended,
    ],
    sp_describe_first_result_set: () => [error(11_512, 'The metadata could not be determined.')],
  }
}

/** Beside the driver's settings, calls by name are all that is sent. */
export const ownStatements: readonly RegExp[] = [
  /^(set [a-z_ ]+ [a-z0-9_]+\n?)+$/,
  /^(long_text|two_sets|outputs)$/,
  /^sp_(stored_procedures|sproc_columns|describe_first_result_set)$/,
]

/** What the driver set, as the double heard it: `set dateformat ymd`. */
function sessionSettings(server: () => TdsServer): Procedures {
  return {
    session_settings: () => {
      const set = new Map<string, string>()
      for (const received of server().messages) {
        if (received.kind !== 'batch') continue
        for (const [, name = '', value = ''] of received.text.matchAll(/^set (.+) (\S+)$/gm)) set.set(name, value)
      }
      const word = wire.nvarchar(128)
      return [
        ...resultSet(
          [...set.keys()].map((name) => [name, word]),
          [[...set.values()]],
        ),
        ...ended,
      ]
    },
  }
}

function settingsOf({ port }: TdsServer): ConnectionSettings {
  const fixed = { name: 'erp', kind: 'sqlserver', host: '127.0.0.1', database: 'erp', tls: 'off' } as const
  return { ...fixed, port, user, password, connectTimeoutSeconds: 10 }
}

/** The TDS double. */
export const sqlServer: ServerKind = {
  name: 'sqlserver (double)',
  connector: sqlServerConnector,
  missing: async () => undefined,
  start: async () => {
    const server: TdsServer = await startTdsServer({
      procedures: { ...procedures, ...sessionSettings(() => server) },
      users: { [user]: password },
    })
    return {
      settings: settingsOf(server),
      types: cases,
      parameter: (name) => name,
      oddNames,
      session: {
        ansi_nulls: 'on',
        ansi_null_dflt_on: 'on',
        ansi_padding: 'on',
        ansi_warnings: 'on',
        arithabort: 'on',
        concat_null_yields_null: 'on',
        datefirst: '7',
        dateformat: 'mdy',
        implicit_transactions: 'off',
        language: 'us_english',
        numeric_roundabort: 'off',
        quoted_identifier: 'on',
        textsize: '2147483647',
        'transaction isolation level read': 'committed',
        xact_abort: 'off',
      },
      errorCodes: { before: '50000', between: '50000', after: '50000', within: '8134' },
      returnCode: 7,
      cutsLongValues: false,
      knowsDatabases: false,
      statements: () =>
        server.messages.flatMap((received) =>
          received.kind === 'batch' ? [received.text] : received.kind === 'rpc' ? [received.sentName] : [],
        ),
      ownStatements,
      stop: async () => server[Symbol.asyncDispose](),
    }
  },
  startTls: async (certificate) => {
    const server = await startTdsServer({ procedures, tls: certificate, users: { [user]: password } })
    return { settings: { ...settingsOf(server), host: 'localhost' }, stop: async () => server[Symbol.asyncDispose]() }
  },
}
