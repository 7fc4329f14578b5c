import fc from 'fast-check'
import { expect, test } from 'vitest'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { classify, holds, icebergPromotes, isReadAs } from './lattice.ts'
import { parseType } from './parse.ts'

test.each([
  // Spellings of one type, in the definition, DuckDB and PostgreSQL.
  ['text', 'VARCHAR', 'same'],
  ['float', 'DOUBLE', 'same'],
  ['FLOAT', 'real', 'same'],
  ['decimal(12,2)', 'NUMERIC(12, 2)', 'same'],
  ['timestamptz', 'TIMESTAMP WITH TIME ZONE', 'same'],
  ['binary', 'BYTEA', 'same'],
  // No value can change.
  ['INTEGER', 'BIGINT', 'widening'],
  ['UINTEGER', 'BIGINT', 'widening'],
  ['INTEGER', 'DOUBLE', 'widening'],
  ['INTEGER', 'DECIMAL(10,0)', 'widening'],
  ['INTEGER', 'DECIMAL(12,2)', 'widening'],
  ['DECIMAL(9,0)', 'INTEGER', 'widening'],
  ['DECIMAL(12,2)', 'DECIMAL(14,3)', 'widening'],
  ['FLOAT', 'DOUBLE', 'widening'],
  ['SMALLINT', 'FLOAT', 'widening'],
  ['UTINYINT', 'UBIGINT', 'widening'],
  ['DECIMAL(15,0)', 'DOUBLE', 'widening'],
  ['DECIMAL(38,0)', 'HUGEINT', 'widening'],
  ['DATE', 'TIMESTAMP', 'widening'],
  ['TIMESTAMP_MS', 'TIMESTAMP', 'widening'],
  ['TIMESTAMP_S', 'TIMESTAMP', 'widening'],
  ['VARCHAR(10)', 'VARCHAR(20)', 'widening'],
  ['VARCHAR(10)', 'VARCHAR', 'widening'],
  ['INTEGER[]', 'BIGINT[]', 'widening'],
  ['INTEGER[3]', 'BIGINT[]', 'widening'],
  ['MAP(VARCHAR, DATE)', 'MAP(VARCHAR, TIMESTAMP)', 'widening'],
  ['STRUCT(a INTEGER, "b, c" FLOAT)', 'STRUCT(a BIGINT, "b, c" DOUBLE)', 'widening'],
  // Some values would.
  ['BIGINT', 'INTEGER', 'lossy'],
  ['BIGINT', 'DOUBLE', 'lossy'],
  ['DECIMAL(16,0)', 'DOUBLE', 'lossy'],
  ['HUGEINT', 'DECIMAL(38,0)', 'lossy'],
  ['BIGINT', 'UBIGINT', 'lossy'],
  ['INTEGER', 'DECIMAL(10,2)', 'lossy'],
  ['INTEGER', 'FLOAT', 'lossy'],
  ['DECIMAL(10,0)', 'INTEGER', 'lossy'],
  ['DECIMAL(14,3)', 'DECIMAL(14,2)', 'lossy'],
  ['DECIMAL(12,2)', 'DECIMAL(12,4)', 'lossy'],
  ['DECIMAL(12,2)', 'DOUBLE', 'lossy'],
  ['DOUBLE', 'DECIMAL(38,10)', 'lossy'],
  ['TIMESTAMP', 'DATE', 'lossy'],
  ['TIMESTAMP', 'TIMESTAMP_NS', 'lossy'],
  ['DATE', 'TIMESTAMP_MS', 'lossy'],
  ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'lossy'],
  ['INTEGER', 'VARCHAR', 'lossy'],
  ['VARCHAR', 'VARCHAR(20)', 'lossy'],
  // The values are something else.
  ['VARCHAR', 'INTEGER', 'destructive'],
  ['VARCHAR', 'DATE', 'destructive'],
  ['BOOLEAN', 'DATE', 'destructive'],
  ['INTEGER[]', 'INTEGER', 'destructive'],
  ['BIGINT[]', 'BIGINT[3]', 'destructive'],
  ['BOOLEAN', 'INTEGER', 'destructive'],
  ["ENUM('a', 'B')", "ENUM('a', 'b')", 'destructive'],
  ['STRUCT(a INTEGER)', 'STRUCT(b INTEGER)', 'destructive'],
])('SR-05: %s to %s is %s', (from, to, expected) => {
  expect(classify(from, to)).toBe(expected)
})

test('a widening keeps every integer', () => {
  const bounds = {
    TINYINT: [-128n, 127n],
    SMALLINT: [-32768n, 32767n],
    INTEGER: [-(2n ** 31n), 2n ** 31n - 1n],
    BIGINT: [-(2n ** 63n), 2n ** 63n - 1n],
    UTINYINT: [0n, 255n],
    USMALLINT: [0n, 65535n],
    UINTEGER: [0n, 2n ** 32n - 1n],
    UBIGINT: [0n, 2n ** 64n - 1n],
  } as const
  const name = fc.constantFrom(...(Object.keys(bounds) as (keyof typeof bounds)[]))
  fc.assert(
    fc.property(name, name, (from, to) => {
      const fits = bounds[from][0] >= bounds[to][0] && bounds[from][1] <= bounds[to][1]
      expect(classify(from, to)).toBe(from === to ? 'same' : fits ? 'widening' : 'lossy')
    }),
  )
  const decimal = fc.integer({ min: 1, max: 38 }).chain((p) => fc.tuple(fc.constant(p), fc.integer({ min: 0, max: p })))
  fc.assert(
    fc.property(name, decimal, (from, [p, s]) => {
      const most = 10n ** BigInt(p - s) - 1n
      const fits = bounds[from][1] <= most && -bounds[from][0] <= most
      expect(classify(from, `DECIMAL(${p},${s})`)).toBe(fits ? 'widening' : 'lossy')
    }),
  )
})

test.each([
  ['INTEGER', 'BIGINT', true],
  ['TINYINT', 'INTEGER', true],
  ['FLOAT', 'DOUBLE', true],
  ['DECIMAL(9,2)', 'DECIMAL(38,2)', true],
  ['VARCHAR', 'text', true],
  ['BIGINT', 'INTEGER', false],
  ['BIGINT', 'HUGEINT', false],
  ['UINTEGER', 'BIGINT', false],
  ['INTEGER', 'DOUBLE', false],
  ['SMALLINT', 'FLOAT', false],
  ['INTEGER', 'DECIMAL(10,0)', false],
  ['DECIMAL(9,0)', 'BIGINT', false],
  ['DECIMAL(9,2)', 'DECIMAL(10,3)', false],
  ['DATE', 'TIMESTAMP', false],
  ['TIMESTAMP_MS', 'TIMESTAMP', false],
  ['INTEGER', 'VARCHAR', false],
  ['INTEGER[]', 'BIGINT[]', false],
])('Iceberg v2: %s read as %s: %s', (from, to, known) => {
  expect(icebergPromotes(from, to)).toBe(known)
})

test('whatever its text, a type is itself, and text of any length spells it', () => {
  fc.assert(
    fc.property(fc.string(), (spelled) => {
      expect(holds(spelled, spelled)).toBe(true)
      expect(isReadAs('VARCHAR', spelled)).toBe(true)
      expect(parseType(` ${spelled} `)).toEqual(parseType(spelled))
    }),
  )
})

/** Each type with values of it, as DuckDB writes and reads them: its ends, and what is next to where another type ends. */
const integers = (least: bigint, most: bigint): readonly string[] => {
  const ends = [7n, 8n, 15n, 16n, 24n, 31n, 32n, 53n, 63n, 64n].flatMap((bits) => [
    2n ** bits - 1n,
    2n ** bits,
    2n ** bits + 1n,
  ])
  const found = [0n, 1n, ...ends, ...ends.map((end) => -end)].filter((value) => value > least && value < most)
  return [least, most, ...found].map(String)
}
const decimals = (precision: number, scale: number): readonly string[] => {
  const spell = (units: bigint): string => {
    const digits = units.toString().padStart(scale + 1, '0')
    return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  }
  const most = 10n ** BigInt(precision) - 1n
  return [0n, 1n, most, most - 1n, most / 2n + 1n, most / 3n].flatMap((units) => [spell(units), `-${spell(units)}`])
}
const floats = ['0', '-0', 'nan', 'inf', '-inf', '1', '0.1', '16777217', '1e-45', '3.4028235e38', '-1.17549435e-38']
const dates = [
  '1970-01-01',
  '0001-01-01',
  '9999-12-31',
  '0044-03-15 (BC)',
  '290309-12-22 (BC)',
  '294247-01-09',
  '1677-09-20',
  '2262-04-13',
]
const moments = (...fractions: readonly string[]): readonly string[] => [
  ...dates
    .filter((day) => !day.startsWith('290309'))
    .flatMap((day) => {
      const [date, era = ''] = day.split(' ')
      return fractions.map((fraction) => `${date}${era && ` ${era}`} 23:59:59${fraction}`)
    }),
]
const samples: { readonly [type: string]: readonly string[] } = {
  TINYINT: integers(-(2n ** 7n), 2n ** 7n - 1n),
  SMALLINT: integers(-(2n ** 15n), 2n ** 15n - 1n),
  INTEGER: integers(-(2n ** 31n), 2n ** 31n - 1n),
  BIGINT: integers(-(2n ** 63n), 2n ** 63n - 1n),
  HUGEINT: integers(-(2n ** 127n), 2n ** 127n - 1n),
  UTINYINT: integers(0n, 2n ** 8n - 1n),
  USMALLINT: integers(0n, 2n ** 16n - 1n),
  UINTEGER: integers(0n, 2n ** 32n - 1n),
  UBIGINT: integers(0n, 2n ** 64n - 1n),
  UHUGEINT: integers(0n, 2n ** 128n - 1n),
  'DECIMAL(4,1)': decimals(4, 1),
  'DECIMAL(9,0)': decimals(9, 0),
  'DECIMAL(10,0)': decimals(10, 0),
  'DECIMAL(12,2)': decimals(12, 2),
  'DECIMAL(15,0)': decimals(15, 0),
  'DECIMAL(16,0)': decimals(16, 0),
  'DECIMAL(18,3)': decimals(18, 3),
  'DECIMAL(20,0)': decimals(20, 0),
  'DECIMAL(38,0)': decimals(38, 0),
  'DECIMAL(38,10)': decimals(38, 10),
  'DECIMAL(38,38)': decimals(38, 38),
  FLOAT: floats,
  DOUBLE: [...floats, '9007199254740993', '1.7976931348623157e308', '5e-324', '0.30000000000000004'],
  BOOLEAN: ['true', 'false'],
  VARCHAR: ['', ' ', '1', '01', '1.50', 'true', 'é\u{1F600}', '2024-02-29', 'null', "it's", '{"a": 1}', '\\x00'],
  JSON: ['{"b":1.10,"a":[null,""],"b":2}', '1.0', '"é"', 'null'],
  BLOB: ['', '\\x00\\xFF', 'plain'],
  UUID: [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  ],
  "ENUM('b', 'a')": ['a', 'b'],
  DATE: [...dates, 'infinity', '-infinity'],
  TIME: ['00:00:00', '23:59:59.999999', '24:00:00'],
  TIME_NS: ['00:00:00.000000001', '12:00:00'],
  'TIME WITH TIME ZONE': ['00:00:00+00', '23:59:59.999999-15:59:59'],
  TIMESTAMP_S: moments(''),
  TIMESTAMP_MS: moments('', '.999'),
  TIMESTAMP: [...moments('', '.999', '.999999'), 'infinity', '-infinity'],
  TIMESTAMP_NS: ['1970-01-01 00:00:00.000000001', '1677-09-22 00:00:00', '2262-04-11 23:47:16.854775806'],
  'TIMESTAMP WITH TIME ZONE': ['1969-12-31 23:59:59.999999+00', '2024-03-31 02:30:00+01', '-infinity'],
  INTERVAL: ['1 month', '30 days', '720 hours'],
  BIT: ['0', '1', '00000001'],
  'INTEGER[]': ['[]', '[NULL]', '[1, -2147483648]'],
  'BIGINT[]': ['[9223372036854775807]', '[]'],
  'INTEGER[2]': ['[1, 2]', '[NULL, 2147483647]'],
  'STRUCT(a INTEGER)': ["{'a': 2147483647}", "{'a': NULL}"],
  'STRUCT(a BIGINT)': ["{'a': 9223372036854775807}"],
  'STRUCT(a BIGINT, b DATE)': ["{'a': 1, 'b': 1970-01-01}"],
  'MAP(INTEGER, DATE)': ['{1=0001-01-01}', '{}'],
  'MAP(BIGINT, TIMESTAMP)': ['{9223372036854775807=1970-01-01 00:00:00.000001}'],
}

/** Why the lattice says no where every sample comes back from DuckDB. */
const stricter: readonly { readonly why: string; readonly is: (from: string, to: string) => boolean }[] = [
  {
    why: 'a text has neither order nor arithmetic',
    is: (_, to) => ['VARCHAR', 'JSON', 'BLOB'].includes(to) || to.startsWith('ENUM'),
  },
  { why: 'a truth is no number', is: (from) => from === 'BOOLEAN' },
  {
    why: 'a row of bits, or of the digits of an identity, is no number',
    is: (from, to) => [from, to].some((type) => ['BIT', 'UUID'].includes(type)),
  },
  {
    why: 'no number with a fraction is exact in binary: it comes back by rounding',
    is: (from, to) => /^DECIMAL\(\d+,[1-9]/.test(from) && ['FLOAT', 'DOUBLE'].includes(to),
  },
  {
    why: 'a local time is in no zone',
    is: (from, to) => [from, to].some((type) => type.endsWith('WITH TIME ZONE')),
  },
  {
    why: 'members that are added are NULL, which is a column added, not a type widened',
    is: (from, to) => from.startsWith('STRUCT(a') && to === 'STRUCT(a BIGINT, b DATE)',
  },
  { why: 'times of nanoseconds are of DuckDB alone', is: (from, to) => from === 'TIME' && to === 'TIME_NS' },
]

test('SR-05: the lattice agrees with what DuckDB casts there and back, over all pairs of types', async () => {
  await using session = await duckDbEngine({ memoryLimit: '256MB', threads: 2 }).open()
  const types = Object.keys(samples)
  const found: Record<string, boolean> = {}
  for (const from of types) {
    const values = (samples[from] ?? []).map((value) => `('${value.replaceAll("'", "''")}')`).join(', ')
    await session.run(`CREATE OR REPLACE TABLE t AS SELECT CAST(v AS ${from}) AS v FROM (VALUES ${values}) s(v)`)
    for (const to of types) {
      // By its text, too: a zero equals one of the other sign.
      const back = `TRY_CAST(TRY_CAST(v AS ${to}) AS ${from})`
      const sql = `SELECT bool_and(coalesce(${back} = v AND ${back}::VARCHAR = v::VARCHAR, false)) AS ok FROM t`
      const row = await session.all<{ ok: boolean }>(sql).catch(() => [{ ok: false }])
      found[`${from} -> ${to}`] = row[0]?.ok === true
    }
  }
  const differs = types.flatMap((from) =>
    types.flatMap((to) => {
      const [lattice, duckDb] = [holds(to, from), found[`${from} -> ${to}`]]
      if (lattice === duckDb) return []
      const why = lattice ? undefined : stricter.find((one) => one.is(from, to))?.why
      return why === undefined
        ? [`${from} -> ${to}: ${lattice ? 'held here, lost by DuckDB' : 'refused here, kept by DuckDB'}`]
        : []
    }),
  )
  expect(differs).toEqual([])
  expect(types.length).toBeGreaterThan(30)
  for (const { why, is } of stricter)
    expect(
      types.some((from) => types.some((to) => !holds(to, from) && found[`${from} -> ${to}`] && is(from, to))),
      why,
    ).toBe(true)
})

test('a date beyond what a timestamp holds is no other date: its cast fails', async () => {
  await using session = await duckDbEngine({ memoryLimit: '256MB', threads: 2 }).open()
  for (const day of ['5881580-07-10', '294247-01-11', '290309-12-21 (BC)'])
    await expect(session.all(`SELECT CAST(DATE '${day}' AS TIMESTAMP) AS t`), day).rejects.toThrow()
})
