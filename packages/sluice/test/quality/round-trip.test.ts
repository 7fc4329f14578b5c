import { listValue } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Column } from '../../src/definition/types.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session } from '../../src/engines/engine.ts'
import { castColumn } from '../../src/quality/casts.ts'
import * as oracle from './oracle.ts'

/** Texts of all types together: what the issue asks for. */
const texts = 50_000

let session: Session

beforeAll(async () => {
  session = await duckDbEngine({ memoryLimit: '512MB', threads: 2 }).open()
})

afterAll(() => session.close())

/** Digits with the lengths and the zeros at which readers go wrong. */
const digits = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[0-9]{1,20}$/) },
  fc.stringMatching(/^0{0,5}[0-9]{1,5}0{0,25}$/),
  fc.stringMatching(/^9{1,40}$/),
)
const sign = fc.constantFrom('', '', '', '-', '+')
const edges = [7, 8, 15, 16, 24, 31, 32, 53, 63, 64].flatMap((bits) =>
  [-1n, 0n, 1n].flatMap((by) => [String(2n ** BigInt(bits) + by), String(-(2n ** BigInt(bits)) + by)]),
)
const integers = fc.oneof(
  fc.constantFrom(...edges),
  fc.tuple(sign, digits).map((parts) => parts.join('')),
  fc.integer().map(String),
)
const decimals = fc.oneof(
  integers,
  fc.tuple(sign, digits, fc.constant('.'), digits).map((parts) => parts.join('')),
  fc
    .tuple(sign, fc.stringMatching(/^[0-9]{0,4}$/), fc.constant('.'), fc.stringMatching(/^[0-9]{0,4}0{0,4}$/))
    .map((parts) => parts.join('')),
)
const floats = fc.oneof(
  decimals,
  fc.double({ noNaN: true }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toExponential(16)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toPrecision(16)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toPrecision(9)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toPrecision(7)),
  fc.tuple(decimals, fc.constantFrom('e', 'E'), sign, fc.nat({ max: 400 })).map((parts) => parts.join('')),
  fc.constantFrom(
    'NaN',
    'Infinity',
    '-inf',
    '5e-324',
    '2.4703282292062327e-324',
    '1.7976931348623157e308',
    '1.7976931348623159e308',
    '2.2250738585072011e-308',
    '1.1754944e-38',
    '1e-45',
    '3.4028235e38',
    '3.4028236e38',
  ),
)
const two = fc.oneof(fc.nat({ max: 99 }), fc.constantFrom(0, 1, 2, 12, 13, 23, 24, 28, 29, 30, 31, 32, 59, 60))
const two0 = two.map((value) => String(value).padStart(2, '0'))
const years = fc
  .oneof(fc.nat({ max: 9999 }), fc.constantFrom(0, 1, 1582, 1900, 2000, 2023, 2024, 9999))
  .map((value) => String(value).padStart(4, '0'))
const likelyMonth = fc.oneof(
  two0,
  fc.integer({ min: 1, max: 12 }).map((value) => String(value).padStart(2, '0')),
)
const isoDates = fc.oneof(
  fc
    .tuple(years, likelyMonth, fc.oneof(two0, fc.constantFrom('01', '15', '28', '29', '30', '31')))
    .map((parts) => parts.join('-')),
  fc.constantFrom(
    '2024-2-3',
    '02024-01-01',
    '2024/01/01',
    '2024-01-01 ',
    '-2024-01-01',
    '20240101',
    '0000-02-29',
    'today',
  ),
)
const hour = fc.oneof(
  two0,
  fc.integer({ min: 0, max: 24 }).map((value) => String(value).padStart(2, '0')),
)
const minute = fc.oneof(
  two0,
  fc.integer({ min: 0, max: 60 }).map((value) => String(value).padStart(2, '0')),
)
const fraction = fc.oneof(
  fc.constant(''),
  fc.stringMatching(/^\.[0-9]{1,9}$/),
  fc.stringMatching(/^\.[0-9]{1,6}0{0,6}$/),
)
const times = fc.oneof(
  fc.tuple(hour, fc.constant(':'), minute).map((parts) => parts.join('')),
  fc.tuple(hour, fc.constant(':'), minute, fc.constant(':'), minute, fraction).map((parts) => parts.join('')),
)
const isoTimestamps = fc
  .tuple(isoDates, fc.constantFrom('T', ' ', 'T', ' ', '  ', 't'), times)
  .map((parts) => parts.join(''))
const any = fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 8 }))

const isoDate = String.raw`(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)`
const isoTime = String.raw`(?<h>\d\d):(?<i>\d\d)(?::(?<s>\d\d)(?:\.(?<f>\d+))?)?`
const asShown = (text: string): string => text

interface Case {
  readonly column: Column
  readonly texts: fc.Arbitrary<string>
  readonly oracle: oracle.Reading
  /** What DuckDB shows, in the oracle's words. */
  readonly shown?: (text: string) => string | undefined
}

const cases: readonly Case[] = [
  { column: { type: 'tinyint' }, texts: integers, oracle: oracle.integer(8) },
  { column: { type: 'smallint' }, texts: integers, oracle: oracle.integer(16) },
  { column: { type: 'integer' }, texts: integers, oracle: oracle.integer(32) },
  { column: { type: 'bigint' }, texts: integers, oracle: oracle.integer(64) },
  { column: { type: 'decimal(5,2)' }, texts: decimals, oracle: oracle.decimal(5, 2), shown: oracle.shownNumber },
  { column: { type: 'decimal(18,0)' }, texts: decimals, oracle: oracle.decimal(18, 0), shown: oracle.shownNumber },
  { column: { type: 'decimal(38,19)' }, texts: decimals, oracle: oracle.decimal(38, 19), shown: oracle.shownNumber },
  { column: { type: 'decimal(4,4)' }, texts: decimals, oracle: oracle.decimal(4, 4), shown: oracle.shownNumber },
  { column: { type: 'float' }, texts: floats, oracle: oracle.double, shown: oracle.shownNumber },
  { column: { type: 'real' }, texts: floats, oracle: oracle.real, shown: oracle.shownReal },
  {
    column: { type: 'boolean' },
    texts: fc.constantFrom('true', 'FALSE', 'True', 't', '1', '0', 'yes', '', ' true'),
    oracle: (text) => (/^(true|false)$/i.test(text) ? text.toLowerCase() : undefined),
  },
  { column: { type: 'date' }, texts: isoDates, oracle: oracle.date(new RegExp(`^${isoDate}$`)) },
  {
    column: { type: 'date', format: 'd.M.yyyy' },
    texts: fc.oneof(
      fc.tuple(fc.oneof(two0, two.map(String)), fc.oneof(two0, two.map(String)), years).map((parts) => parts.join('.')),
      any,
    ),
    oracle: oracle.date(/^(?<d>\d{1,2})\.(?<m>\d{1,2})\.(?<y>\d{4})$/),
  },
  {
    column: { type: 'date', format: 'yyyyMMdd' },
    texts: fc.tuple(years, likelyMonth, two0).map((parts) => parts.join('')),
    oracle: oracle.date(/^(?<y>\d{4})(?<m>\d\d)(?<d>\d\d)$/),
  },
  { column: { type: 'time' }, texts: times, oracle: oracle.time(new RegExp(`^${isoTime}$`)) },
  {
    column: { type: 'timestamp' },
    texts: isoTimestamps,
    oracle: oracle.timestamp(new RegExp(`^${isoDate}[T ]${isoTime}$`)),
  },
  {
    column: { type: 'timestamp', format: 'M/d/yyyy H:mm' },
    texts: fc
      .tuple(two.map(String), two.map(String), years, hour, minute)
      .map(([m, d, y, h, i]) => `${m}/${d}/${y} ${h}:${i}`),
    oracle: oracle.timestamp(/^(?<m>\d{1,2})\/(?<d>\d{1,2})\/(?<y>\d{4}) (?<h>\d{1,2}):(?<i>\d\d)$/),
  },
  {
    column: { type: 'timestamp', format: 'yyyyMMddHHmmss.SSS' },
    texts: fc
      .tuple(years, likelyMonth, two0, hour, minute, minute, fc.stringMatching(/^\.[0-9]{2,4}$/))
      .map((parts) => parts.join('')),
    oracle: oracle.timestamp(/^(?<y>\d{4})(?<m>\d\d)(?<d>\d\d)(?<h>\d\d)(?<i>\d\d)(?<s>\d\d)\.(?<f>\d{3})$/),
  },
  { column: { type: 'text' }, texts: any, oracle: (text) => (text.includes('\0') ? undefined : text) },
  {
    column: { type: 'json' },
    texts: fc.oneof(
      fc.json(),
      fc.json().map((text) => text.slice(0, -1)),
      fc.json().map((text) => text.replaceAll('}', ',}')),
      decimals,
      any,
    ),
    oracle: oracle.json,
  },
  {
    column: { type: 'binary' },
    texts: fc.oneof(fc.stringMatching(/^[0-9a-fA-F]{0,9}$/), any),
    oracle: oracle.binary('hex'),
  },
  {
    column: { type: 'binary', encoding: 'base64' },
    texts: fc.oneof(fc.base64String({ maxLength: 12 }), fc.stringMatching(/^[A-Za-z0-9+/=]{0,8}$/)),
    oracle: oracle.binary('base64'),
  },
  {
    column: { type: 'uuid' },
    texts: fc.oneof(
      fc.uuid(),
      fc.uuid().map((id) => id.toUpperCase()),
      fc.uuid().map((id) => id.replace('-', '')),
    ),
    oracle: (text) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : undefined),
  },
]

/** Reads texts as DuckDB does, under a zone of the session that must not matter. */
async function read(column: Column, given: readonly string[]): Promise<(string | undefined)[]> {
  const cast = castColumn('c', column, 't')
  const shown = column.type === 'binary' ? `hex(${cast.value})` : `(${cast.value})::VARCHAR`
  const rows = await session.all<{ ok: boolean; typed: boolean; v: string | null }>(
    `SELECT ok, typed, v FROM (SELECT i, ${cast.valid} AS ok, ${cast.validTyped} AS typed, ${shown} AS v
       FROM (SELECT *, ${cast.value} AS c FROM (SELECT unnest($1::VARCHAR[]) AS t, generate_subscripts($1::VARCHAR[], 1) AS i))) ORDER BY i`,
    [listValue([...given])],
  )
  expect(rows).toHaveLength(given.length)
  // The cheap question never answers otherwise than the whole one.
  const differing = given.filter((_, i) => rows[i]?.typed !== rows[i]?.ok)
  expect(differing.slice(0, 10)).toEqual([])
  return rows.map(({ ok, v }) => (ok ? (v ?? 'NULL') : undefined))
}

async function compare(
  { column, texts: arbitrary, oracle: reading, shown = asShown }: Case,
  count: number,
  seed: number,
): Promise<number> {
  const given = fc.sample(arbitrary, { numRuns: count, seed })
  const found = await read(column, given)
  const wrong = given.flatMap((text, i) => {
    const expected = reading(text)
    const got = found[i] === undefined ? undefined : shown(found[i])
    return got === expected ? [] : [{ text, expected, got }]
  })
  expect({ seed, wrong: wrong.slice(0, 10) }).toEqual({ seed, wrong: [] })
  return found.filter((value) => value !== undefined).length
}

const seed = Number(process.env['SLUICE_SEED'] ?? 20261120)
const perCase = Math.ceil(texts / cases.length)

test.each(cases.map((one) => [JSON.stringify(one.column), one] as const))(
  'PR-1, IN-13 to IN-17: %s takes and refuses exactly what the oracle does, and alters nothing',
  async (_, one) => {
    const accepted = await compare(one, perCase, seed)
    // Both sides must be well tried.
    expect(accepted).toBeGreaterThan(perCase / 50)
    expect(accepted).toBeLessThanOrEqual(perCase)
  },
)

const zones = [
  'Europe/London',
  'Australia/Lord_Howe',
  'America/New_York',
  'America/Sao_Paulo',
  'Pacific/Apia',
  'Pacific/Auckland',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Europe/Dublin',
  'Asia/Tehran',
  'Antarctica/Troll',
  'Pacific/Chatham',
  'America/St_Johns',
  'UTC',
]

/** Local times near a zone's transitions between 1990 and 2024, on either side: older ones still change between releases of the tz database. */
function nearTransitions(zone: string): fc.Arbitrary<string> {
  const from = Date.UTC(1990, 0, 1)
  const week = 7 * 86_400_000
  const places: number[] = []
  const offset = (instant: number): number => oracle.localTime(zone, instant) - instant
  for (let at = from; at < Date.UTC(2024, 0, 1); at += week) {
    if (offset(at) === offset(at + week)) continue
    let [low, high] = [at, at + week]
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000
      if (offset(middle) === offset(low)) low = middle
      else high = middle
    }
    places.push(high + offset(low), high + offset(high))
  }
  const place = places.length === 0 ? fc.constant(from) : fc.constantFrom(...places)
  return fc
    .tuple(
      place,
      fc.oneof(
        fc.integer({ min: -9000, max: 9000 }),
        fc.constantFrom(-1, 0, 1, -1800, 1800, -3600, 3600),
        fc.integer({ min: -1e8, max: 1e8 }),
      ),
    )
    .map(([local, seconds]) => new Date(local + seconds * 1000).toISOString().slice(0, 19))
}

test.each(zones)('IN-16: %s: gaps refused, overlaps refused or as declared, the rest as Intl has it', async (zone) => {
  const near = nearTransitions(zone)
  for (const overlap of ['reject', 'earlier', 'later'] as const) {
    const accepted = await compare(
      { column: { type: 'timestamptz', zone, overlap }, texts: near, oracle: oracle.zoned(zone, overlap) },
      300,
      seed,
    )
    expect(accepted).toBeGreaterThan(100)
  }
})

test("PR-1: the session's zone changes nothing", async () => {
  const column: Column = { type: 'timestamptz', zone: 'Europe/London', overlap: 'earlier' }
  const given = fc.sample(nearTransitions('Europe/London'), { numRuns: 300, seed })
  const cast = castColumn('c', column, 't')
  const instants = async (): Promise<unknown> =>
    session.all(
      `SELECT i, ${cast.valid} AS ok, epoch_us(${cast.value}) AS v FROM (SELECT unnest($1::VARCHAR[]) AS t, generate_subscripts($1::VARCHAR[], 1) AS i) ORDER BY i`,
      [listValue(given)],
    )
  const pinned = await instants()
  try {
    for (const zone of ['America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia']) {
      await session.run(`SET TimeZone = '${zone}'`)
      expect(await instants()).toEqual(pinned)
    }
  } finally {
    await session.run("SET TimeZone = 'UTC'")
  }
})
