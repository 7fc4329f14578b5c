import { expect, test } from 'vitest'
import { parameterName, procedureName } from './names.ts'

test.each([
  ['usp_x', 'usp_x'],
  ['dbo.usp_x', 'dbo.usp_x'],
  ['erp.dbo.usp_x', 'erp.dbo.usp_x'],
  ['dbo.usp customers', 'dbo.[usp customers]'],
  ['dbo.[usp.customers]', 'dbo.[usp.customers]'],
  ['[a]]b]', '[a]]b]'],
  ['1st', '[1st]'],
  ['@variable', '[@variable]'],
  ['Select.from_x', '[Select].from_x'],
  ['žluť.kůň', 'žluť.kůň'],
  ['x"; DROP TABLE y --', '[x"; DROP TABLE y --]'],
  ['sp_get_customers', 'sp_get_customers'],
  ['sp_executions_of_today', 'sp_executions_of_today'],
  ['x'.repeat(128), 'x'.repeat(128)],
])('SR-11: %s is sent as %s', (name, sent) => {
  expect(procedureName(name)).toBe(sent)
})

test.each(['', '.', 'a.', 'a..b', 'a.b.c.d', '[a', 'a]', '[]', 'a[b]', 'x'.repeat(129), 'a\nb', 'a\u0000', 'a\ud83d'])(
  'SR-11: %j is no name',
  (name) => {
    expect(() => procedureName(name)).toThrow(expect.objectContaining({ name: 'Connection.InvalidName' }))
  },
)

test.each([
  'sp_executesql',
  'SP_EXECUTESQL',
  '[sp_executesql]',
  'master.sys.sp_executesql',
  'sp_executesql;1',
  'sp_executesql ',
  'sp_prepare',
  'sp_prepexec',
  'sp_cursoropen',
  'xp_cmdshell',
  'sp_OACreate',
  'sp_MSforeachtable',
])('SR-11: %s would run a text, and is refused', (name) => {
  expect(() => procedureName(name)).toThrow(expect.objectContaining({ name: 'Connection.InvalidName' }))
})

test('SR-11: parameters are bare names', () => {
  expect([parameterName('a'), parameterName('@a_1'), parameterName('ž')]).toEqual(['a', 'a_1', 'ž'])
  for (const name of ['', '@', 'a b', 'a;', 'x'.repeat(128)])
    expect(() => parameterName(name)).toThrow(expect.objectContaining({ name: 'Connection.InvalidName' }))
})
