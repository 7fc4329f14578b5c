import { describe, expect, test } from 'vitest'
import type { ResultColumn } from '../../connections/connection.ts'
import type { ColumnType, ProcedureSource } from '../../definition/types.ts'
import { proposeProcedures, type SeenProcedure } from './crawl.ts'
import { columnNote } from './crawl-notes.ts'
import { proceduresText } from './crawl-text.ts'

const column = (name: string, serverType: string, type: ColumnType, nullable?: boolean): ResultColumn => ({
  ...{ name, serverType, type },
  ...(nullable === undefined ? {} : { nullable }),
})

const seen = (procedure: string, ...sets: (readonly ResultColumn[])[]): SeenProcedure => ({
  ...{ procedure, parameters: [], sets: sets.map((columns, at) => ({ set: at + 1, columns })) },
})

const source = (procedure: string, columns: ProcedureSource['columns'], resultSet = 1): ProcedureSource =>
  ({ kind: 'procedure', connection: 'erp', procedure, resultSet, columns }) as unknown as ProcedureSource

test('a proposal can be pasted: pins, parameters, outputs, and what only a person knows as comments', () => {
  const proposals = proposeProcedures(
    [
      {
        procedure: 'dbo.usp_sales',
        parameters: [
          { name: 'since', serverType: 'datetime2(3)', type: 'timestamp', output: false },
          { name: 'region', serverType: 'nvarchar(10)', type: 'text', output: false },
          { name: 'page', serverType: 'int', type: 'integer', output: false, hasDefault: true },
          { name: 'total', serverType: 'int', type: 'integer', output: true },
          { name: 'rows', serverType: 'refcursor', type: 'text', output: true },
        ],
        sets: [
          {
            set: 1,
            columns: [
              column('id', 'bigint', 'bigint', false),
              column('sold at', 'datetime2(7)', 'timestamp', true),
              column('', 'int', 'integer', true),
            ],
          },
        ],
      },
      { procedure: 'dbo.usp_later', parameters: [], sets: [], note: 'only a call\nshows its columns' },
    ],
    [],
  )
  expect(proceduresText('erp', proposals, { region: "O'Neill" })).toBe(`...procedures('erp', [
  {
    procedure: 'dbo.usp_sales',
    parameters: {
      since: parameter(null, 'timestamp'), // datetime2(3): a constant, windowFrom() or windowTo()
      region: parameter('O\\'Neill', 'text'), // nvarchar(10)
    },
    output: { total: { type: 'integer' } },
    columns: {
      id: { type: 'bigint', serverType: 'bigint' },
      'sold at': { type: 'timestamp', nullable: true, fraction: 'truncate', serverType: 'datetime2(7)' }, // has 100 ns digits: the 7th is cut, as declared; text keeps it, and without fraction timestamp refuses rows that use it
      // int: has no name: the procedure must give it one
    },
    // key: ['id'], // the columns that identify a row
  },
  // dbo.usp_later: only a call\\nshows its columns
]),
`)
})

test('where the server does not say what can be NULL, the proposal says so and refuses nothing', () => {
  const text = proceduresText('erp', proposeProcedures([seen('f', [column('a', 'integer', 'integer')])], []), {})
  expect(text).toContain('The server does not say which columns can be NULL')
  expect(text).toContain("a: { type: 'integer', nullable: true, serverType: 'integer' }")
})

test('what a server calls a thing cannot leave its literal or its comment', () => {
  const evil = "a'\n}, process.exit() //"
  const proposals = proposeProcedures([seen('f', [column(evil, `text /*\n${evil}`, 'text', false)])], [])
  const text = proceduresText('erp', proposals, {}).replace('...procedures', 'procedures').replace(/,\n$/, '')
  const procedures = (_: string, list: readonly { columns: object }[]) => list
  const list = new Function('procedures', `return ${text}`)(procedures) as ReturnType<typeof procedures>
  expect(Object.keys(list[0]?.columns ?? {})).toEqual([evil])
})

test('tables have names that are free; sets after the first have their own', () => {
  const a = [column('a', 'int', 'integer', false)]
  const proposals = proposeProcedures(
    [seen('dbo.usp_x', a, a), seen('hr.usp_x', a), seen('dbo.[usp y]', a), seen('dbo.[a.b]', a)],
    [{ table: 'raw.y', source: source('z', {}) }],
  )
  expect(proposals.map(({ procedure, sets }) => [procedure, ...sets.map(({ table }) => table)])).toEqual([
    ['dbo.usp_x', 'x', 'x_2'],
    ['hr.usp_x', 'x_3'],
    ['dbo.usp y', 'usp y'],
    ['dbo.[a.b]', 'b]'],
  ])
  expect(proposals[3]?.note).toContain('cannot be declared')
  const text = proceduresText('erp', proposals, {})
  expect(text).toContain("procedure: 'dbo.usp_x',\n    table: 'x_2',\n    resultSet: 2,")
})

test('SR-04, SR-05: a set that a source takes is held against it', () => {
  const there = { table: 'raw.customers', source: source('dbo.usp_c', { id: { type: 'integer' } }) }
  const [proposal] = proposeProcedures(
    [seen('dbo.usp_c', [column('id', 'bigint', 'bigint', false), column('phone', 'text', 'text', true)])],
    [there],
  )
  expect(proposal?.sets[0]).toMatchObject({
    against: 'raw.customers',
    table: 'customers',
    diff: [
      { kind: 'retyped', class: 'widening', column: 'id', declared: 'integer', arrived: 'bigint' },
      { kind: 'added', class: 'additive', column: 'phone' },
    ],
  })
})

test('a source that leaves the schema or the database away is known', () => {
  const there = { table: 'raw.c', source: source('usp_c', { id: { type: 'integer' } }) }
  const id = [column('id', 'int', 'integer', false)]
  const against = (...procedures: string[]) =>
    proposeProcedures(
      procedures.map((procedure) => seen(procedure, id)),
      [there],
    ).map(({ sets }) => sets[0]?.against)
  expect(against('dbo.usp_c', 'xusp_c')).toEqual(['raw.c', undefined])
})

describe('notes', () => {
  test.each([
    ['datetime2(7)', 'timestamp', /100 ns digits: the 7th is cut.*timestamp refuses/],
    ['time(7)', 'time', /100 ns digits.*time refuses/],
    ['datetimeoffset(7)', 'timestamptz', /timestamptz refuses/],
    ['datetime2(3)', 'timestamp', /no zone/],
    ['timestamp without time zone', 'timestamp', /no zone/],
    ['numeric', 'text', /no declared size/],
    ['decimal(65,30)', 'text', /more digits/],
    ['double precision', 'float', /approximate/],
    ['sql_variant', 'text', /type for each value/],
    ['char(10)', 'text', /padded/],
    ['timestamp', 'binary', /not a time/],
    ['integer[]', 'text', /stays text/],
    ['decimal(18,4)', 'decimal(18,4)', undefined],
    ['timestamp', 'timestamptz', undefined],
    ['nvarchar(max)', 'text', undefined],
    ['int', 'integer', undefined],
  ] as const)('%s that comes as %s', (serverType, type, note) => {
    const found = columnNote(column('a', serverType, type), [])
    if (note === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(note)
  })
})
