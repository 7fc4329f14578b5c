import { expect, test } from 'vitest'
import type { Check } from '../definition/types.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { castColumn } from './casts.ts'
import type { RowRule } from './rule.ts'
import { acceptSql, checkSql, decodeMask, isRowCheck, rowRules } from './rules.ts'

const engine = duckDbEngine({ memoryLimit: '256MB', threads: 1 })

const checks: readonly Check[] = [
  { kind: 'notNull', column: 'customer' },
  { kind: 'rowCount', min: 1 },
  { kind: 'range', column: 'quantity', min: 1 },
  { kind: 'row', sql: "invoice NOT LIKE 'C%' -- cancelled", name: 'not cancelled' },
  { kind: 'oneOf', column: 'country', values: ['UK', "Côte d'Ivoire"], severity: 'warn' },
]
const casts = [
  castColumn('invoice', { type: 'text' }, '"c0"'),
  castColumn('quantity', { type: 'integer' }, '"c1"'),
  castColumn('customer', { type: 'text', nullable: true }, '"c2"'),
  castColumn('country', { type: 'text' }, '"c3"'),
]

test('casts and presence come by column, then checks as declared; table checks are left out', () => {
  expect(rowRules(casts, checks, { defaultAction: 'quarantine' }).map((rule) => rule.name)).toEqual([
    'cast:invoice',
    'required:invoice',
    'cast:quantity',
    'required:quantity',
    'cast:customer',
    'cast:country',
    'required:country',
    'notNull:customer',
    'range:quantity',
    'not cancelled',
    'oneOf:country',
  ])
})

test('one scan keeps good rows and captures every reason of the others; a warning refuses nothing', async () => {
  await using session = await engine.open()
  const rules = rowRules(casts, checks, { defaultAction: 'quarantine' })
  const { predicate, masks } = acceptSql(rules)
  expect(masks.length).toBe(1)
  const refused: [string | null | undefined, readonly string[]][] = []
  session.capture('refuse', (bits, fields) => refused.push([fields[0], decodeMask([bits], rules)]))
  const typed = casts.map((cast) => `${cast.value} AS "${cast.name}"`).join(', ')
  const kept = await session.all<{ invoice: string }>(
    `SELECT invoice FROM (SELECT *, ${typed} FROM (VALUES
       ('A1', '1', 'x', 'UK'), ('A2', '1.5', NULL, 'UK'), ('C3', '0', 'x', 'UK'), ('A4', NULL, 'x', 'Mars'), ('A5', '7', 'x', 'Mars')
     ) t(c0, c1, c2, c3)) WHERE CASE WHEN ${predicate} THEN true ELSE refuse(${masks[0]}, [c0, c1, c2, c3]) END ORDER BY 1`,
  )
  expect(kept.map((row) => row.invoice)).toEqual(['A1', 'A5'])
  expect(Object.fromEntries(refused)).toEqual({
    A2: ['cast:quantity', 'notNull:customer'],
    C3: ['range:quantity', 'not cancelled'],
    A4: ['required:quantity'],
  })
})

test('more than 64 rules: each keeps its own bit', async () => {
  await using session = await engine.open()
  const rules = Array.from(
    { length: 200 },
    (_, i): RowRule => ({
      name: `r${i}`,
      kind: 'row',
      columns: [],
      valid: `(i <> ${i})`,
      severity: 'error',
      action: 'quarantine',
    }),
  )
  const { masks, predicate } = acceptSql(rules)
  const rows = await session.all<Record<string, string | boolean>>(
    `SELECT ${predicate} AS ok, ${masks.map((sql, i) => `${sql} AS m${i}`).join(', ')} FROM range(201) t(i) ORDER BY i`,
  )
  rows.forEach((row, i) => {
    const found = [0, 1, 2, 3].map((k) => BigInt(row[`m${k}`] as string))
    expect([row['ok'], decodeMask(found, rules)]).toEqual(i === 200 ? [true, []] : [false, [`r${i}`]])
  })
})

test.each<[Check, string, readonly string[], readonly string[]]>([
  [{ kind: 'range', column: 'c', min: -1, max: 2.5 }, 'DECIMAL(9,3)', ['-1', '2.5'], ['-1.001', '2.501']],
  [{ kind: 'range', column: 'c', min: '2024-01-01' }, 'DATE', ['2024-01-01'], ['2023-12-31']],
  [{ kind: 'length', column: 'c', min: 1, max: 2 }, 'VARCHAR', ['é', '🦆🦆'], ['', 'abc']],
  [{ kind: 'pattern', column: 'c', pattern: "[A-Z]'\\d+" }, 'VARCHAR', ["A'1"], ["A'", "xA'1", "A'1\n"]],
  [{ kind: 'oneOf', column: 'c', values: ['a', "b'"] }, 'VARCHAR', ['a', "b'"], ['A', '']],
  [{ kind: 'oneOf', column: 'c', values: [1, 2] }, 'INTEGER', ['1'], ['3']],
  [{ kind: 'oneOf', column: 'c', values: [] }, 'INTEGER', [], ['3']],
  [
    { kind: 'format', column: 'c', format: 'email' },
    'VARCHAR',
    ["o'x@a.bc", 'a+b@x-y.de'],
    ['a@b', '@a.bc', 'a b@c.de', 'a@-b.c'],
  ],
  [
    { kind: 'format', column: 'c', format: 'url' },
    'VARCHAR',
    ['https://a.b/c?d#e', 'http://x'],
    ['ftp://a', 'https://', 'https://a b'],
  ],
  [{ kind: 'format', column: 'c', format: 'uuid' }, 'VARCHAR', ['550e8400-e29b-41d4-a716-446655440000'], ['550e8400']],
  [
    { kind: 'format', column: 'c', format: 'ipv4' },
    'VARCHAR',
    ['0.0.0.0', '255.1.2.3'],
    ['256.0.0.1', '1.2.3', '01.2.3.4'],
  ],
  [{ kind: 'format', column: 'c', format: 'date' }, 'VARCHAR', ['2024-02-29'], ['2023-02-29', '2024-2-9']],
  [{ kind: 'format', column: 'c', format: 'digits' }, 'VARCHAR', ['0123'], ['-1', '', '١']],
  [{ kind: 'row', sql: 'c > 1 OR c IS NULL -- why' }, 'INTEGER', ['2'], ['1']],
])('%o: NULL passes, the rest as declared', async (check, type, good, bad) => {
  await using session = await engine.open()
  if (!isRowCheck(check)) throw new TypeError('a row check was expected')
  const sql = checkSql(check)
  for (const [text, expected] of [[null, true], ...good.map((t) => [t, true]), ...bad.map((t) => [t, false])]) {
    const [row] = await session.all(`SELECT ${sql} AS ok FROM (SELECT $1::${type} AS c)`, [text])
    expect([text, row]).toEqual([text, { ok: expected }])
  }
})
