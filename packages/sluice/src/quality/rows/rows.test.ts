import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isSluiceError } from '../../base/errors.ts'
import type { Check } from '../../definition/types.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { relationOf } from '../../lake/relation.ts'
import { castColumn } from '../casts.ts'
import { quarantineRelation, quarantineWriter, refusedCounter } from '../quarantine.ts'
import { rowContract } from './contract.ts'
import { assertPassed, assertRowCount, judgeRows } from './judge.ts'
import { acceptedFiles, openScan, ruleGroup, typedSql } from './scan.ts'

const engine = duckDbEngine({ memoryLimit: '256MB', threads: 2, tempDirectory: tmpdir() })
const casts = [
  castColumn('id', { type: 'integer' }, '"c0"'),
  castColumn('name', { type: 'text', nullable: true }, '"c1"'),
]
const checks: Check[] = [
  { kind: 'notNull', column: 'name' },
  { kind: 'length', column: 'name', max: 3, severity: 'warn' },
  { kind: 'range', column: 'id', min: 1, action: 'quarantine' },
  { kind: 'unique', columns: ['id'], maxShare: 0.5 },
  { kind: 'unique', columns: ['name'], action: 'stop' },
  { kind: 'rowCount', min: 1 },
]
const names = (of: readonly { readonly name?: string }[]): readonly (string | undefined)[] => of.map(({ name }) => name)

test('a contract says which checks refuse rows, and which are asked of those that are accepted', () => {
  const source = rowContract(casts, {
    checks,
    key: { columns: ['id'], keep: { lastBy: 'name' } },
    refuses: 'rows and keys',
  })
  expect(names(source.rules)).toEqual(['cast:id', 'required:id', 'cast:name', 'notNull:name', 'range:id'])
  expect(source.keys).toMatchObject([
    { name: 'key', columns: ['id'], keep: { lastBy: 'name' } },
    { name: 'unique:id', columns: ['id'], maxShare: 0.5 },
  ])
  expect(names(source.rest)).toEqual(['length:name', 'unique:name', 'rowCount'])
  const changes = rowContract(casts, { checks, refuses: 'rows' })
  expect([changes.keys, names(changes.rest)]).toEqual([[], ['length:name', 'unique:id', 'unique:name', 'rowCount']])
  const model = rowContract([], { checks, refuses: 'declared rows' })
  expect([names(model.rules), names(model.rest).length]).toEqual([['range:id'], 5])
})

test('one scan: good rows go on, every other is handed over with the reasons of the first group that it breaks', async () => {
  await using session = await engine.open()
  const { rules } = rowContract(casts, { checks, refuses: 'rows' })
  const [ofCasts, ofChecks] = [rules.slice(0, 3), rules.slice(3)]
  const refused: (readonly unknown[])[] = []
  const good = openScan(session, [ruleGroup(ofCasts), ruleGroup(ofChecks)], ['"c0"', '"c1"'], (reasons, carried) =>
    refused.push([carried, reasons]),
  )
  const relation = `(VALUES ('1', 'a'), ('x', NULL), ('0', NULL), (NULL, 'b'), ('2', 'c')) t(c0, c1)`
  const rows = await session.all(`SELECT id, name FROM (${good(`(${typedSql(relation, casts)})`)}) ORDER BY id`)
  expect(rows).toEqual([
    { id: 1, name: 'a' },
    { id: 2, name: 'c' },
  ])
  expect(new Set(refused.map((one) => JSON.stringify(one)))).toEqual(
    new Set(['[["x",null],["cast:id"]]', '[["0",null],["notNull:name","range:id"]]', '[[null,"b"],["required:id"]]']),
  )
})

test('without rules nothing is captured, and two scans of a session do not meet', async () => {
  await using session = await engine.open()
  expect(openScan(session, [ruleGroup([])], [], () => expect.fail('nothing is refused'))('t')).toBe('SELECT * FROM t')
  const taken: string[] = []
  const { rules } = rowContract([], { checks: [{ kind: 'row', sql: 'i > 1' }], refuses: 'rows' })
  const [a, b] = ['a', 'b'].map((name) =>
    openScan(session, [ruleGroup(rules)], ['i::VARCHAR'], (_, [i]) => taken.push(`${name}${i}`)),
  )
  await session.all(b!('range(3) t(i)'))
  await session.all(a!('range(2) t(i)'))
  expect(taken.sort()).toEqual(['a0', 'a1', 'b0', 'b1'])
})

test('IN-01: one limit for a file, a call and changes: what was refused, by reason, and what is still safe', () => {
  const contract = rowContract(casts, { checks, refuses: 'rows and keys' })
  const counter = refusedCounter()
  for (const reasons of [['cast:id', 'notNull:name'], ['cast:id'], ['range:id']]) counter.add(reasons)
  const judge = (of: 'file' | 'call' | 'changes', maxShare: number) => {
    try {
      return judgeRows({ what: 'x', of }, contract, { maxShare }, counter.counts(), 10, ' (the first at line 2)')
    } catch (error) {
      return isSluiceError(error) ? [error.name, error.message, error.hint?.slice(0, 20)] : error
    }
  }
  for (const [of, hint] of [
    ['file', 'The delivered file i'],
    ['call', 'Nothing of this call'],
    ['changes', 'The table stays as i'],
  ] as const)
    expect(judge(of, 0.2)).toEqual([
      'Quality.TooManyRefused',
      '"x" was refused as a whole: 3 of 10 rows were refused (30 %), and at most 20 % are allowed. By reason: cast:id 2, range:id 1 (the first at line 2).',
      hint,
    ])
  expect(judge('file', 0.3)).toMatchObject([
    { name: 'cast:id', status: 'refused', failing: 2 },
    { name: 'notNull:name', status: 'refused', failing: 1 },
    { name: 'range:id', status: 'refused', failing: 1 },
    { name: 'unique:id', status: 'passed', failing: 0 },
  ])
})

test('IN-12: a number of rows that is not to be believed, and checks that fail, refuse all of them', () => {
  const rows = { what: 'inbox/a.csv', of: 'file' } as const
  expect(() => assertRowCount(rows, { min: 1 }, 0, [])).toThrow('it has 0 rows, fewer than the minimum of 1')
  expect(assertRowCount(rows, undefined, 0, [])).toBeUndefined()
  const result = { kind: 'sum', columns: [], severity: 'error', total: 2, failing: 1 } as const
  const results = [
    { ...result, name: 'a', status: 'passed' },
    { ...result, name: 'b', status: 'failed' },
  ] as const
  expect(() => assertPassed(rows, results)).toThrow(
    '"inbox/a.csv" was refused as a whole, because checks do not hold: b: 1 of 2 rows.',
  )
  expect(assertPassed(rows, results.slice(0, 1))).toEqual(results.slice(0, 1))
})

test('a row that was never bytes is kept by its values, and written files are rows of the table alone', async () => {
  await using session = await engine.open()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rows-'))
  const quarantine = quarantineWriter(session, folder)
  quarantine.add({ reasons: ['r'], fields: { a: 'é"', b: null } })
  expect(quarantine.counts().rows).toBe(1)
  const written = await quarantine.finish()
  expect(
    await session.all(
      `SELECT _file, _line, decode(_bytes) AS bytes, fields FROM ${await session.from(quarantineRelation([written!]))}`,
    ),
  ).toEqual([{ _file: null, _line: null, bytes: '{"a":"é\\"","b":null}', fields: '{"a":"é\\"","b":null}' }])
  const made = await session.write('SELECT 1 AS a, 2 AS extra', { folder })
  const files = acceptedFiles([...made, { ...made[0]!, rows: 0 }], ['a'])
  expect(files).toMatchObject([{ rows: 1, fields: ['a'], stats: { a: { min: '1', max: '1', nulls: 0 } } }])
  const fields = [{ name: 'a', type: 'INTEGER' }]
  expect(await session.all(`FROM ${await session.from(relationOf({ fields, files }))}`)).toEqual([{ a: 1 }])
  expect(await session.all(`FROM ${await session.from(relationOf({ fields, files: [] }))}`)).toEqual([])
})
