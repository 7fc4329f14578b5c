/** Random histories of a server, through its bytes, the log and the stage, into a dimension: its versions are the changes that were, whatever the runs. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Load } from '../../src/definition/types.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import type { Session, WrittenFile } from '../../src/engines/engine.ts'
import { duckDbDialect } from '../../src/warehouses/duckdb/dialect.ts'
import { openDuckDbWarehouse } from '../../src/warehouses/duckdb/warehouse.ts'
import { brokenInvariants, invariantsSql } from '../../src/warehouses/scd2/invariants.ts'
import { scd2Shape } from '../../src/warehouses/scd2/shape.ts'
import type { LoadInput, Warehouse } from '../../src/warehouses/warehouse.ts'
import { type History, history, type ModelTable, runHistory } from '../cdc/model.ts'
import { readingSelects, selectOf } from '../conformance/select-relation.ts'
import { type DeliveredLog, type Delivery, deliver, delivery, type Moment } from './deliveries.ts'
import { filesSql, fold, shapeOf } from './folding.ts'

/** Histories that share a load: each has rows of its own, so that a load costs little. Acceptance asks for 2,000; the gate takes fewer. */
const together = 20
const rounds = Math.ceil(Number(process.env['SLUICE_HISTORIES'] ?? 20) / together)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 2 ** 31)

const folder = mkdtempSync(join(tmpdir(), 'sluice-dimension-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const engine = readingSelects(duckDbEngine({ memoryLimit: '1GB', threads: 1 }))
let number = 0
const own = (): string => {
  const path = join(folder, `${number++}`)
  mkdirSync(path)
  return path
}

/** Loads that a history is cut into. */
const loads = 5

/** A history, its delivery, and after how many loads more each batch of its log is loaded. */
interface Story {
  readonly past: History
  readonly how: Delivery
  readonly steps: readonly number[]
}
const story: fc.Arbitrary<Story> = fc.record({
  past: history,
  how: delivery,
  steps: fc.array(fc.constantFrom(0, 1, 1, 2), { minLength: 1, maxLength: 6, size: 'max' }),
})

const dimension = (target: string, track?: readonly string[]) => ({
  target,
  load: {
    mode: 'scd2',
    from: 'stage.history',
    key: ['of', 'id', 'part'],
    ...(track === undefined ? {} : { track }),
    effective: '_effective_at',
    sequence: '_sequence',
    deletes: { column: '_op', value: 'D' },
    columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
  } as const satisfies Load,
  tracked: track ?? ['value', 'large'],
})
const dimensions = [dimension('of_all'), dimension('of_some', ['value'])]

const columns = [
  ...['of', 'id', 'part'].map((name) => ({ name, type: 'VARCHAR', nullable: false })),
  ...['value', 'large', '_op'].map((name) => ({ name, type: 'VARCHAR', nullable: true })),
  { name: '_sequence', type: 'DECIMAL(38,0)', nullable: false },
  { name: '_effective_at', type: 'TIMESTAMP WITH TIME ZONE', nullable: false },
]

/** A table of a history, as it is loaded. */
interface Told {
  readonly of: string
  readonly table: ModelTable
  readonly log: DeliveredLog
  readonly effective: ReadonlyMap<bigint, bigint>
  /** The files of its history by load, and the moment that each load comes to. */
  readonly files: readonly (readonly WrittenFile[])[]
  readonly ends: readonly (Moment | undefined)[]
}

/** Makes the log and the histories of its tables, load by load. */
async function tell({ past, how, steps }: Story, name: string): Promise<readonly Told[]> {
  const server = runHistory(past)
  await using session = await engine.open()
  const log = await deliver(session, own(), server, how)
  let at = -1
  const loadOf = log.batches.map((_, batch) => {
    at += batch === 0 ? 1 : steps[batch % steps.length]!
    return Math.min(at, loads - 1)
  })
  const effective = await effectiveTimes(session, log)
  const told: Told[] = []
  for (const table of server.tables) {
    const files: (readonly WrittenFile[])[] = []
    const ends: (Moment | undefined)[] = []
    for (let load = 0; load < loads; load++) {
      const parts = log.batches.filter((_, batch) => loadOf[batch] === load)
      const before = log.batches.filter((_, batch) => loadOf[batch]! < load).flatMap((batch) => batch.files)
      files.push(
        (await fold(session, table.table, shapeOf(table), 'history', { before, parts }, join(own(), 'folded'))).files,
      )
      ends.push(log.ends[loadOf.findLastIndex((one) => one <= load)])
    }
    told.push({ of: `${name} ${table.table}`, table, log, effective, files, ends })
  }
  return told
}

/** When each moment took effect, by the log: all changes of a moment at once, and later than those before. */
async function effectiveTimes(session: Session, log: DeliveredLog): Promise<ReadonlyMap<bigint, bigint>> {
  if (log.batches.length === 0) return new Map()
  const rows = await session.all<{ lsn: string; at: string; times: string }>(
    `SELECT _lsn::VARCHAR AS lsn, min(epoch_us(_effective_at))::VARCHAR AS at, count(DISTINCT _effective_at)::VARCHAR AS times
     FROM (${filesSql(log.batches.flatMap(({ files }) => files))}) GROUP BY 1 ORDER BY min(_lsn)`,
  )
  const times = rows.map(({ lsn, at }) => [BigInt(lsn), BigInt(at)] as const)
  expect(rows.filter((row) => row.times !== '1')).toEqual([])
  for (const [place, [lsn, at]] of times.entries()) {
    if (place > 0) expect(at).toBeGreaterThan(times[place - 1]![1])
    expect(at).toBeGreaterThanOrEqual(log.moments.find((moment) => moment.lsn === lsn)!.committedAt)
  }
  return new Map(times)
}

/** A version, in one text: its key, values, times in microseconds, and whether it holds. */
type Version = readonly (string | boolean | null)[]

const rowOf = ({ of }: Told, key: string, row: { readonly [column: string]: string | null }) => {
  const { id, part = '' } = JSON.parse(key) as { id: string; part?: string }
  return [of, id, part, row['value'] ?? null, row['large'] ?? null] as const
}

/** What the dimension must have of a table: from what the server had after each commit, without regard to how it came. */
function versionsOf(told: Told, tracked: readonly string[]): Version[] {
  const versions: Version[] = []
  const open = new Map<string, { row: { readonly [column: string]: string | null }; from: bigint }>()
  const close = (key: string, to: bigint | undefined): void => {
    const version = open.get(key)!
    versions.push([...rowOf(told, key, version.row), `${version.from}`, `${to ?? null}`, to === undefined])
    open.delete(key)
  }
  for (const { lsn, state } of told.log.moments) {
    const at = told.effective.get(lsn)
    // A transaction without a change of a captured table is not in the log.
    if (at === undefined) continue
    const rows = state.get(told.table.table)!
    for (const key of [...open.keys()]) if (!rows.has(key)) close(key, at)
    for (const [key, row] of rows) {
      const version = open.get(key)
      if (version !== undefined && tracked.every((name) => version.row[name] === row[name])) version.row = row
      else {
        if (version !== undefined) close(key, at)
        open.set(key, { row, from: at })
      }
    }
  }
  for (const key of [...open.keys()]) close(key, undefined)
  return versions
}

/** Rows of a history by table and key, in an order. */
const inOrder = <T extends readonly unknown[]>(rows: readonly T[]): readonly T[] =>
  rows
    .map((row) => [JSON.stringify(row), row] as const)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([, row]) => row)

const versionSql = `of, id, part, value, "large", epoch_us(effective_date)::VARCHAR AS since,
  CASE WHEN NOT is_current_record THEN epoch_us(expiry_date)::VARCHAR ELSE 'null' END AS until, is_current_record`

async function found(warehouse: Warehouse, sql: string): Promise<ReadonlyMap<string, Version[]>> {
  const rows = (await warehouse.query(sql)).map((row) => Object.values(row) as unknown as Version)
  const by = new Map<string, Version[]>()
  for (const row of rows) by.set(row[0] as string, [...(by.get(row[0] as string) ?? []), row])
  return by
}

function inputOf(
  told: readonly Told[],
  first: number,
  last: number,
  at: (typeof dimensions)[number],
  id: string,
): LoadInput {
  const selects = told.flatMap(({ of, table, files }) => {
    const some = files.slice(first, last + 1).flat()
    const part = table.key.length === 2 ? 'part' : `''`
    const from = filesSql(some.map(({ file }) => file)).replace(
      'SELECT *',
      `SELECT '${of}' AS of, id, ${part} AS part, value, "large", _op, _sequence, _effective_at`,
    )
    return some.length === 0 ? [] : [from]
  })
  const none = `SELECT ${columns.map(({ name, type }) => `NULL::${type} AS "${name}"`).join(', ')} WHERE false`
  const rows = told
    .flatMap(({ files }) => files.slice(first, last + 1).flat())
    .reduce((sum, file) => sum + file.rows, 0)
  return {
    ...{ loadId: id, target: at.target, load: at.load, definition: 'd', columns, version: last + 1, rows },
    ...{
      committedAt: '2026-01-01T00:00:00Z',
      relation: selectOf(selects.length === 0 ? none : selects.join(' UNION ALL ')),
    },
    ...{ run: 'run', attempt: 1, fencingToken: 1 },
  }
}

test(`CD-01, CD-03, CD-12, CD-13, CD-15, CD-24: ${rounds * together} histories: a version for each change that was, and no other, whatever the runs`, async () => {
  const stories = fc.sample(story, { numRuns: rounds * together, seed })
  for (let round = 0; round < rounds; round++) {
    const some = stories.slice(round * together, (round + 1) * together)
    const told: Told[] = []
    for (const [at, one] of some.entries()) told.push(...(await tell(one, `${at}`)))
    const why = ({ of }: Told): string =>
      `table ${of} of seed ${seed}, round ${round}: ${JSON.stringify(some[Number(of.split(' ')[0])])}`
    for (const one of dimensions) await checkDimension(told, one, why)
    for (const made of readdirSync(folder)) rmSync(join(folder, made), { recursive: true })
  }
})

async function checkDimension(
  told: readonly Told[],
  of: (typeof dimensions)[number],
  why: (told: Told) => string,
): Promise<void> {
  const path = join(own(), 'apart.duckdb')
  const open = () => openDuckDbWarehouse({ path, engine, clock: systemClock })
  let warehouse = await open()
  let loaded = 0
  const load = (first: number, last: number) => warehouse.load(inputOf(told, first, last, of, `${loaded++}`))
  const nothing = { inserted: 0, updated: 0, deleted: 0 }
  try {
    for (let at = 0; at < loads; at++) {
      await load(at, at)
      // The same again; all of it again; nothing at all.
      if (at % 2 === 0) expect(await load(at, at)).toMatchObject(nothing)
      if (at === 3) expect(await load(0, at)).toMatchObject(nothing)
      if (at === 1) expect(await load(loads, loads)).toMatchObject({ read: 0, ...nothing })
      const current = await found(
        warehouse,
        `SELECT of, id, part, value, "large" FROM ${of.target} WHERE is_current_record`,
      )
      for (const one of told) {
        const rows = [...(one.ends[at]?.state.get(one.table.table) ?? [])].map(([key, row]) => rowOf(one, key, row))
        expect(inOrder(current.get(one.of) ?? []), why(one)).toEqual(inOrder(rows))
      }
      await warehouse.close()
      warehouse = await open()
    }
    const versions = await found(warehouse, `SELECT ${versionSql} FROM ${of.target}`)
    for (const one of told) {
      expect(inOrder(versions.get(one.of) ?? []), why(one)).toEqual(inOrder(versionsOf(one, of.tracked)))
      checkAsOf(one, versions.get(one.of) ?? [], of.tracked, why)
    }
    const asked = async <T>(sql: string) => (await warehouse.query(sql)) as T[]
    const invariants = invariantsSql(scd2Shape(inputOf([], 0, 0, of, ''), duckDbDialect), `"${of.target}"`)
    expect(await brokenInvariants({ all: asked }, invariants)).toEqual([])
    // At once, in a warehouse of its own: the same to the last surrogate.
    await using whole = await openDuckDbWarehouse({ path: join(own(), 'whole.duckdb'), engine, clock: systemClock })
    await whole.load(inputOf(told, 0, loads, of, 'whole'))
    const rows = `SELECT * FROM ${of.target} ORDER BY sk`
    expect(await warehouse.query(rows)).toEqual(await whole.query(rows))
  } finally {
    await warehouse.close()
  }
}

/** The versions that hold at each moment are the rows that the server had. */
function checkAsOf(
  told: Told,
  versions: readonly Version[],
  tracked: readonly string[],
  why: (told: Told) => string,
): void {
  const shown = (row: Version): Version => (tracked.includes('large') ? row.slice(0, 5) : row.slice(0, 4))
  for (const { lsn, state } of told.log.moments) {
    const at = told.effective.get(lsn)
    if (at === undefined) continue
    const holds = versions.filter(
      ([, , , , , since, until]) => BigInt(since as string) <= at && (until === 'null' || at < BigInt(until as string)),
    )
    const rows = [...state.get(told.table.table)!].map(([key, row]) => rowOf(told, key, row))
    expect(inOrder(holds.map(shown)), why(told)).toEqual(inOrder(rows.map(shown)))
  }
}
