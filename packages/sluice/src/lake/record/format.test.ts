/** Format 3 of the commit record: what is written is what is read, what was written before is understood, and a record says what it added. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../base/clock.ts'
import { sha256 } from '../../base/json.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { type CommitInput, type Lake, openLake } from '../lake.ts'
import type { CommitRecord, InputReference } from '../record.ts'
import { decodeRecord, encodeRecord, partitionValues } from './encode.ts'
import { sealJson } from './sealed-json.ts'
import { upgrade } from './upgrade.ts'

const table = 'raw.t'
const path = 'raw/t/_versions/000000000001.json'
let root: string
let storage: Storage
let lake: Lake

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-format-'))
  storage = diskStorage(join(root, 'lake'))
  lake = openLake(storage, systemClock)
})

const input = (name: string): InputReference => ({
  ...{ kind: 'file', path: `inbox/${name}.csv`, sha256: sha256(name), bytes: 1 },
  accounting: { read: 1, accepted: 1, quarantined: 0, dropped: {} },
})

let files = 0
function localFile(): string {
  const file = join(root, `${files++}.parquet`)
  // The engine is not asked: Parquet at its ends is enough for the lake.
  writeFileSync(file, `PAR1${files} PAR1 PAR1`)
  return file
}

/** Commits a row of one file, and what was refused of it. */
async function commit(names: readonly string[], more: Partial<CommitInput> = {}): Promise<CommitRecord> {
  const quarantine = more.quarantine ?? []
  const made: CommitInput = {
    ...{ table, operation: 'append', taskKey: `${files}`, definition: 'd', run: 'r', attempt: 1, fencingToken: 1 },
    fence: async () => undefined,
    verifyFile: async () => ({ rows: 1 }),
    fields: [{ name: 'a', type: 'INTEGER', nullable: true }],
    files: [{ localFile: localFile(), rows: 1, stats: { a: { nulls: 0, min: '1', max: '1' } }, fields: ['a'] }],
    inputs: names.map(input),
    ...{ quarantine, checks: [] },
    accounting: { read: 1 + quarantine.length, accepted: 1, quarantined: quarantine.length, dropped: {} },
    ...more,
  }
  return (await lake.commit(made)).record
}

const refusedOne = (): Partial<CommitInput> => ({
  quarantine: [{ localFile: localFile(), rows: 1, reasons: { bad: 1 } }],
})
const rollback = (version: number) =>
  lake.rollback({ table, version, run: 'r', attempt: 1, fencingToken: 1, fence: async () => undefined })
const storedBytes = async (version: number): Promise<number> =>
  (await storage.read(`raw/t/_versions/${String(version).padStart(12, '0')}.json`))!.length

async function compact(): Promise<CommitRecord> {
  const { version, files, rows } = (await lake.current(table))!
  const made = { localFile: localFile(), rows, stats: {} }
  return lake.compact({
    ...{ table, run: 'c', version, merges: [{ files, made }], fencingToken: 1 },
    fence: async () => undefined,
    verifyFile: async () => ({ rows }),
  })
}

const sample: CommitRecord = {
  ...{
    format: 3,
    table,
    uuid: 'u',
    version: 1,
    parent: 0,
    committedAt: '2026-01-01T00:00:00.000Z',
    operation: 'append',
  },
  ...{ taskKey: 'k', definition: 'd', run: 'r', attempt: 1, fencingToken: 1, rows: 3, bytes: 30 },
  fields: [
    { id: 1, name: 'day', type: 'DATE', nullable: true },
    { id: 5, name: 'City', type: 'VARCHAR', nullable: true },
    { id: 2, name: 'tags', type: 'VARCHAR[]', nullable: true, nested: [{ id: 6, name: 'element', type: 'VARCHAR' }] },
  ],
  nextFieldId: 7,
  monthOf: 1,
  files: [
    {
      ...{ path: 'raw/t/data/a-1-00000000/part-0.parquet', rows: 1, bytes: 10, sha256: 's', addedIn: 1, content: 'c' },
      partition: { year: '1969', month: '12' },
      stats: { day: { nulls: 0, min: '1969-12-31', max: '1969-12-31', values: 1, bytes: 33 }, City: { nulls: 1 } },
      fields: ['day', 'City', 'tags'],
      hasFieldIds: true,
    },
    {
      ...{ path: 'raw/t/data/a-1-00000000/part-1.parquet', rows: 2, bytes: 20, sha256: 's', addedIn: 1 },
      partition: { year: null, month: null },
      stats: { City: { nulls: 0, max: '', nans: 0 } },
      fields: ['day', 'city'],
      types: { city: 'INTEGER' },
      merged: { from: 1, identity: 'i' },
    },
    {
      ...{ path: 'raw/t/data/a-1-00000000/part-2.parquet', rows: 2, bytes: 20, sha256: 's', addedIn: 1 },
      partition: { City: 'Ås', other: null },
      stats: {},
      fields: ['day', 'City', 'tags'],
    },
  ],
  inputs: [input('a')],
  known: { runs: [[{ path: 'p', entries: 1, first: 'a', last: 'b' }]], recent: [['a', 'b', 1]] },
  accounting: { read: 3, accepted: 3, quarantined: 0, dropped: {} },
  checks: [],
  quarantine: [],
  refused: { runs: [], recent: [] },
}

test('CT-01: a record is read as it was written; what files have in common is written once, and statistics by field id', () => {
  const text = encodeRecord(sample)
  expect(decodeRecord(Buffer.from(text), path)).toEqual(sample)
  const stored = JSON.parse(text) as {
    shapes: unknown[]
    files: { shape: number; partition: unknown; stats: unknown }[]
  }
  expect(stored.shapes).toHaveLength(3)
  expect(stored.files.map(({ shape, partition, stats }) => [shape, partition, stats])).toEqual([
    [0, [-1], { 1: [0, '1969-12-31', '1969-12-31', 1, null, 33], 5: [1] }],
    [1, [null], { 5: [0, null, '', null, 0] }],
    [2, ['Ås', null], {}],
  ])
})

test('a partition has its transform, the id of its column and a typed value', () => {
  expect(partitionValues(sample, { year: '2010', month: '12' })).toEqual({
    fields: [{ transform: 'month', field: 1 }],
    values: [491],
  })
  expect(partitionValues(sample, { city: 'x' })).toEqual({
    fields: [{ transform: 'identity', field: 5, name: 'city' }],
    values: ['x'],
  })
})

test('any record is read as it was written', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 8 })
  const names = ['a', 'B c', 'é"', '__proto__x']
  const stats = fc.record(
    { nulls: fc.nat(), min: text, max: text, values: fc.nat(), nans: fc.nat(), bytes: fc.nat() },
    { requiredKeys: ['nulls'] },
  )
  const month = fc.record({
    year: fc.integer({ min: -9999, max: 9999 }).map(String),
    month: fc.integer({ min: 1, max: 12 }),
  })
  const file = fc.record(
    {
      ...{ path: text, rows: fc.nat(), bytes: fc.nat(), sha256: text, addedIn: fc.nat() },
      stats: fc.dictionary(fc.constantFrom(...names), stats),
      fields: fc.subarray(names),
      types: fc.dictionary(fc.constantFrom(...names), fc.constantFrom('INTEGER', 'DATE')),
      partition: fc.oneof(
        fc.dictionary(fc.constantFrom(...names), fc.option(text)),
        month.map(({ year, month }) => ({ year, month: String(month).padStart(2, '0') })),
      ),
    },
    { requiredKeys: ['path', 'rows', 'bytes', 'sha256', 'addedIn', 'stats', 'fields'] },
  )
  fc.assert(
    fc.property(fc.array(file, { maxLength: 5 }), (made) => {
      const fields = names.map((name, at) => ({ id: at + 1, name, type: 'INTEGER', nullable: true }))
      const record = { ...sample, fields, files: made as CommitRecord['files'] }
      // As JSON has it: fast-check's objects have no prototype.
      expect(decodeRecord(Buffer.from(encodeRecord(record)), path)).toEqual(JSON.parse(JSON.stringify(record)))
    }),
  )
})

/** A record as the code before format 3 wrote it. */
function older(more: object): Uint8Array {
  const { uuid: _u, monthOf: _m, known: _k, refused: _r, ...rest } = sample
  const [first] = sample.files
  const { hasFieldIds: _f, ...file } = first!
  const stats = { day: { nulls: 0, min: '1969-12-01', max: '1969-12-31' }, tags: { nulls: 1 } }
  return Buffer.from(sealJson({ ...rest, format: 1, files: [{ ...file, inputs: ['x'], stats }], ...more }))
}

test('CT-04: formats 1 and 2 become what the code works with', () => {
  const quarantine = [{ path: 'q', rows: 1, bytes: 1, sha256: 's', reasons: { bad: 1 } }]
  const record = decodeRecord(older({ quarantine, knownInputs: { abc: 'inbox/a.csv' } }), path)
  expect(record).toMatchObject({ format: 3, monthOf: 1, known: { runs: [], recent: [['abc', 'inbox/a.csv', 0]] } })
  expect(record.quarantine).toEqual([{ ...quarantine[0], addedIn: 1, definition: 'd' }])
  expect(record.files[0]).not.toHaveProperty('inputs')
  expect(record.files[0]!.stats['day']).toEqual({ nulls: 0, min: '1969-12-01', max: '1969-12-31' })
  expect(decodeRecord(older({ format: 2 }), path)).toMatchObject({ format: 3, version: 1 })
  expect(decodeRecord(older({}), path).known).toBeUndefined()
  // What it is turned into is what is written from then on.
  expect(decodeRecord(Buffer.from(encodeRecord(record)), path)).toEqual(record)
})

test('whose months an older table is split by is known where one date alone fits, and otherwise not', () => {
  const fields = [...sample.fields, { id: 6, name: 'until', type: 'TIMESTAMP', nullable: true }]
  const { monthOf: _, ...withoutMonth } = sample
  const file = (stats: object, month = '12') => ({ ...sample.files[0]!, partition: { year: '1969', month }, stats })
  const monthOf = (of: readonly object[]) => upgrade({ ...withoutMonth, format: 1, fields, files: of as never }).monthOf
  const [before, within] = [
    { nulls: 0, min: '1969-11-30', max: '1969-12-01' },
    { nulls: 0, min: '1969-12-01', max: '1969-12-31' },
  ]
  expect(monthOf([file({ day: within, until: before })])).toBe(1)
  expect(monthOf([file({ day: within, until: within })])).toBeUndefined()
  expect(
    monthOf([
      file({ day: within, until: within }),
      file({ day: before, until: { nulls: 0, min: '1969-11-30 23:00:00', max: '1969-11-30 23:59:59' } }, '11'),
    ]),
  ).toBe(6)
  expect(monthOf([file({})])).toBeUndefined()
})

test('IN-25: a record says which inputs it added, not which there are: 10,000 earlier ones add next to nothing', async () => {
  const many = Array.from({ length: 10_000 }, (_, at) => `file ${at}`)
  await commit(many)
  const { version } = await commit(['next'])
  const small = await storedBytes(version)
  for (let at = 0; at < 40; at++) await commit([`more ${at}`])
  const { version: last } = await compact()
  expect(small).toBeLessThan(3_000)
  // Forty more, all of whose files became one: as many as a record repeats, and the names of a few parts.
  expect(await storedBytes(last)).toBeLessThan(8_000)
  const known = await lake.knownInputs(table)
  expect(known.size).toBe(10_041)
  expect(known.get(sha256('file 77'))).toBe('inbox/file 77.csv')
})

test('an input is found by its digest without reading all of them', async () => {
  await commit(Array.from({ length: 10_000 }, (_, at) => `file ${at}`))
  await commit(['next'])
  const read: string[] = []
  const watched = { ...storage, read: (one: string) => storage.read(read[read.push(one) - 1]!) }
  const found = await openLake(watched, systemClock).knownInputs(table, [sha256('file 9999'), sha256('other')])
  expect([...found]).toEqual([[sha256('file 9999'), 'inbox/file 9999.csv']])
  const parts = (await storage.list('raw/t/_parts')).length
  expect(parts).toBe(3)
  expect(read.filter((path) => path.includes('_parts')).length).toBeLessThanOrEqual(2)
})

test('LK-03: a damaged or missing part is found before it is believed', async () => {
  await commit(Array.from({ length: 100 }, (_, at) => `file ${at}`))
  await commit(['next'])
  const [part] = await storage.list('raw/t/_parts')
  const bytes = Buffer.from((await storage.read(part!.path))!)
  bytes[bytes.length >> 1]! ^= 1
  await storage.write(part!.path, bytes)
  await expect(lake.knownInputs(table)).rejects.toMatchObject({ name: 'Lake.RecordCorrupt' })
  await storage.remove(part!.path)
  await expect(lake.knownInputs(table)).rejects.toMatchObject({ name: 'Lake.RecordCorrupt' })
})

test('P5: refused rows of a table that grows stay when their version has aged out, and leave when it is replaced', async () => {
  await commit(['a'], refusedOne())
  for (let at = 0; at < 40; at++) await commit([`${at}`], at % 2 === 0 ? refusedOne() : {})
  await lake.collectGarbage({ retention: () => ({ versions: 1 }), graceMs: 0 })
  const current = (await lake.current(table))!
  expect((await lake.versions(table)).length).toBe(1)
  const refused = await lake.refused(current)
  expect(refused.map(({ addedIn }) => addedIn).reverse()).toEqual([
    1,
    ...Array.from({ length: 20 }, (_, at) => at * 2 + 2),
  ])
  expect(new Set(refused.map(({ definition }) => definition))).toEqual(new Set(['d']))
  for (const file of refused) expect(await storage.stat(file.path)).toBeDefined()
  await compact()
  expect(await lake.refused((await lake.current(table))!)).toEqual(refused)
  await commit(['z'], { operation: 'replace' })
  await lake.collectGarbage({ retention: () => ({ versions: 1 }), graceMs: 0 })
  expect(await lake.refused((await lake.current(table))!)).toEqual([])
  expect(await storage.list('raw/t/quarantine')).toEqual([])
})

test('P5: a rollback answers for what its version answered for, and not for what it undid', async () => {
  await commit(['a'], refusedOne())
  await commit(['b'], refusedOne())
  await commit(['c'], refusedOne())
  const record = await rollback(2)
  expect((await lake.refused(record)).map(({ addedIn }) => addedIn)).toEqual([2, 1])
})

test('a table keeps its uuid', async () => {
  const { uuid } = await commit(['a'])
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  await commit(['b'])
  for (const record of [await compact(), await rollback(1), await commit(['c'], { operation: 'replace' })])
    expect(record.uuid).toBe(uuid)
})

test('nested columns have ids for their parts, which stay with them', async () => {
  const type = "STRUCT(a INTEGER, \"b, c\" MAP(VARCHAR, ENUM('(', ','))[])"
  const file = (): CommitInput['files'] => [{ localFile: localFile(), rows: 1, stats: {}, fields: ['s'] }]
  const of = async (spelled: string) => {
    const fields = [{ name: 's', type: spelled, nullable: true }]
    return commit([], { operation: 'replace', fields, files: file() })
  }
  const first = await of(type)
  expect(first.fields[0]!.nested).toEqual([
    { id: 2, name: 'a', type: 'INTEGER' },
    {
      ...{ id: 3, name: 'b, c', type: "MAP(VARCHAR, ENUM('(', ','))[]" },
      nested: [
        {
          ...{ id: 4, name: 'element', type: "MAP(VARCHAR, ENUM('(', ','))" },
          nested: [
            { id: 5, name: 'key', type: 'VARCHAR' },
            { id: 6, name: 'value', type: "ENUM('(', ',')" },
          ],
        },
      ],
    },
  ])
  const second = await of('STRUCT(z INTEGER[3], a BIGINT)')
  expect(second.fields[0]).toMatchObject({
    id: 1,
    nested: [
      { id: 7, name: 'z', nested: [{ id: 8 }] },
      { id: 2, name: 'a' },
    ],
  })
  expect(second.nextFieldId).toBe(9)
})

type Doing = 'append' | 'many' | 'replace' | 'rollback' | 'compact' | 'collect'

test('IN-25, LK-13: the inputs that a table knows are those of a plain set, whatever is done with it', {
  timeout: 120_000,
}, async () => {
  const doing = fc.tuple(
    fc.constantFrom<Doing>('append', 'many', 'replace', 'rollback', 'compact', 'collect'),
    fc.nat(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(doing, { minLength: 3, maxLength: 14 }), async (all) => {
      storage = diskStorage(mkdtempSync(join(root, 'lake-')))
      lake = openLake(storage, systemClock)
      /** Known inputs and refused rows by version; and the newest of them. */
      const known: ReadonlyMap<string, string>[] = [new Map()]
      const refused: (readonly number[])[] = [[]]
      let name = 0
      for (const [what, number] of all) {
        const version = known.length
        if (what === 'collect') {
          await lake.collectGarbage({ retention: () => ({ versions: 1 + (number % 4) }), graceMs: 0 })
          continue
        }
        const kept = (await lake.versions(table)).map((record) => record.version)
        if ((what === 'rollback' || what === 'compact') && kept.length === 0) continue
        if (what === 'rollback') {
          const target = kept[number % kept.length]!
          await rollback(target)
          known.push(known[target]!)
          refused.push(refused[target]!)
          continue
        }
        if (what === 'compact') {
          if (!['append', 'compact'].includes((await lake.current(table))!.operation)) continue
          await compact()
          known.push(known.at(-1)!)
          refused.push(refused.at(-1)!)
          continue
        }
        const names = Array.from({ length: what === 'many' ? 1 + (number % 90) : 1 }, () => `${name++}`)
        const isBad = number % 3 === 0
        await commit(names, { operation: what === 'replace' ? 'replace' : 'append', ...(isBad ? refusedOne() : {}) })
        known.push(new Map([...known.at(-1)!, ...names.map((one) => [sha256(one), `inbox/${one}.csv`] as const)]))
        refused.push([...(what === 'replace' ? [] : refused.at(-1)!), ...(isBad ? [version] : [])])
      }
      if (known.length === 1) return
      expect(new Map([...(await lake.knownInputs(table))].sort())).toEqual(new Map([...known.at(-1)!].sort()))
      const files = await lake.refused((await lake.current(table))!)
      expect(files.map(({ addedIn }) => addedIn).reverse()).toEqual(refused.at(-1))
      for (const file of files) expect(await storage.stat(file.path)).toBeDefined()
      // Nothing but what is named is left.
      await lake.collectGarbage({ retention: () => ({ versions: 1 }), graceMs: 0 })
      expect((await lake.knownInputs(table)).size).toBe(known.at(-1)!.size)
    }),
    { numRuns: 10 },
  )
})
