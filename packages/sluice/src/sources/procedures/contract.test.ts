import { expect, test } from 'vitest'
import type { Column, ColumnType } from '../../definition/types.ts'
import { differencesText, isTaken, matchContract } from './contract.ts'

const arriving = (name: string, serverType: string, type: ColumnType) => ({ name, serverType, type })
const id = arriving('id', 'int', 'integer')
const name = arriving('name', 'nvarchar(50)', 'text')
const price = arriving('price', 'decimal(10,2)', 'decimal(10,2)')
const columns = { id: { type: 'integer' }, name: { type: 'text' }, price: { type: 'decimal(10,2)' } } as const

const kinds = (declared: { readonly [name: string]: Column }, came: readonly ReturnType<typeof arriving>[]) =>
  matchContract(declared, came).differences.map((one) => `${one.kind} ${one.class} ${one.column}`)

test('what was declared, in its order, is no difference', () => {
  expect(matchContract(columns, [id, name, price])).toEqual({ positions: [0, 1, 2], differences: [] })
})

test.each<
  [
    title: string,
    declared: { readonly [name: string]: Column },
    came: readonly ReturnType<typeof arriving>[],
    found: string[],
  ]
>([
  ['an added column', columns, [id, name, price, arriving('phone', 'nvarchar(20)', 'text')], ['added additive phone']],
  [
    'one added in the middle',
    columns,
    [id, arriving('phone', 'nvarchar(20)', 'text'), name, price],
    ['added additive phone'],
  ],
  ['a reordered column', columns, [name, id, price], ['reordered additive id']],
  ['a wider integer', columns, [arriving('id', 'bigint', 'bigint'), name, price], ['retyped widening id']],
  [
    'a wider decimal',
    columns,
    [id, name, arriving('price', 'decimal(18,6)', 'decimal(18,6)')],
    ['retyped widening price'],
  ],
  [
    'more fraction for fewer digits',
    columns,
    [id, name, arriving('price', 'decimal(10,4)', 'decimal(10,4)')],
    ['retyped lossy price'],
  ],
  ['a date for a decimal', columns, [id, name, arriving('price', 'date', 'date')], ['retyped lossy price']],
  ['a double for a decimal', columns, [id, name, arriving('price', 'float', 'float')], ['retyped lossy price']],
  ['text for a decimal', columns, [id, name, arriving('price', 'varchar(20)', 'text')], ['retyped lossy price']],
  [
    'a time with a zone for one without',
    { at: { type: 'timestamp' } },
    [arriving('at', 'datetimeoffset(7)', 'timestamptz')],
    ['retyped lossy at'],
  ],
  ['a missing column', columns, [id, name], ['missing destructive price']],
  [
    'a renamed column, by name',
    columns,
    [id, price, arriving('Name', 'nvarchar(50)', 'text')],
    ['renamed destructive name'],
  ],
  [
    'a renamed column, by place and type',
    columns,
    [id, name, arriving('amount', 'decimal(10,2)', 'decimal(10,2)')],
    ['renamed destructive price'],
  ],
  [
    'another column in the place of a missing one',
    columns,
    [id, name, arriving('on', 'date', 'date')],
    ['missing destructive price', 'added additive on'],
  ],
  ['a name that comes twice', columns, [id, name, price, name], ['repeated destructive name']],
  ['a column without a name', columns, [id, name, price, arriving('', 'int', 'integer')], ['unnamed destructive ']],
])('SR-04, SR-05: %s', (_title, declared, came, found) => {
  expect(kinds(declared, came)).toEqual(found)
})

test('SR-05: a narrower or unbounded type is at home in a declared one; text takes every type', () => {
  expect(kinds({ n: { type: 'bigint' } }, [arriving('n', 'int', 'integer')])).toEqual([])
  expect(kinds({ n: { type: 'text' } }, [arriving('n', 'datetime2(7)', 'text')])).toEqual([])
  expect(kinds({ n: { type: 'text' } }, [arriving('n', 'int', 'integer')])).toEqual([])
  // No narrower type holds them, and the exact decoder decides about every value.
  expect(kinds({ n: { type: 'timestamp' } }, [arriving('n', 'datetime2(7)', 'text')])).toEqual([])
  expect(kinds({ n: { type: 'decimal(12,3)' } }, [arriving('n', 'numeric', 'text')])).toEqual([])
  // Declared as a text that is to be read.
  expect(kinds({ n: { type: 'date', format: 'dd.MM.yyyy' } }, [arriving('n', 'varchar(10)', 'text')])).toEqual([])
})

test.each([
  ['nvarchar(50)', 'nvarchar(50)', undefined],
  ['decimal(10,2)', 'DECIMAL(10, 2)', undefined],
  ['nvarchar(50)', 'nvarchar(100)', 'widening'],
  ['nvarchar(50)', 'nvarchar(max)', 'widening'],
  ['nvarchar(50)', 'nvarchar(20)', 'lossy'],
  ['nvarchar(50)', 'varchar(50)', 'lossy'],
  ['int', 'bigint', 'widening'],
  ['bigint', 'int', 'lossy'],
  ['decimal(10,2)', 'decimal(18,6)', 'widening'],
  ['decimal(10,2)', 'decimal(9,2)', 'lossy'],
  ['decimal(10,2)', 'numeric(12,2)', 'widening'],
  ['int', 'integer', undefined],
  ['int', 'decimal(12,2)', 'widening'],
  ['int', 'decimal(9,0)', 'lossy'],
  ['datetime2(7)', 'datetime2(3)', 'lossy'],
  ['datetime2(3)', 'datetime', 'lossy'],
])('SR-05: the pinned type %s, and %s comes: %s', (pinned, came, kind) => {
  const found = matchContract({ v: { type: 'text', serverType: pinned } }, [arriving('v', came, 'text')]).differences
  expect(found[0]?.class).toBe(kind)
})

test('which differences a source takes', () => {
  const taken = (evolve: 'none' | 'additive' | 'widening') =>
    (['additive', 'widening', 'lossy', 'destructive'] as const).filter((kind) => isTaken({ class: kind }, evolve))
  expect(taken('none')).toEqual([])
  expect(taken('additive')).toEqual(['additive'])
  expect(taken('widening')).toEqual(['additive', 'widening'])
})

test('`from` names the arriving column', () => {
  expect(matchContract({ a: { type: 'integer', from: 'id' } }, [id])).toEqual({ positions: [0], differences: [] })
})

test('SR-05: the differences as a table, and what to paste', () => {
  const came = [
    arriving('id', 'bigint', 'bigint'),
    arriving('full name', 'nvarchar(90)', 'text'),
    price,
    arriving('Name', 'nvarchar(50)', 'text'),
  ]
  expect(differencesText(matchContract(columns, came).differences)).toBe(
    `  difference  class        column     declared  arrived
  retyped     widening     id         integer   bigint
  renamed     destructive  name       name      Name nvarchar(50)
  added       additive     full name  (none)    nvarchar(90)
In \`columns\`, to take what arrives:
  id: 'bigint'
  name: { type: 'text', from: 'Name' }
  'full name': nullable('text')`,
  )
})
