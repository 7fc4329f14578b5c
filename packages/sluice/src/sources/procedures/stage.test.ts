import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { CallSink, Cell, Connection } from '../../connections/connection.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import type { Session } from '../../engines/engine.ts'
import { quarantineWriter } from '../../quality/quarantine.ts'
import { readParquetSql } from '../../sql/quote.ts'
import { runCall } from './call.ts'
import { copiedSql, longestRecord } from './copied.ts'
import { callContract, openScanner } from './scan.ts'
import { openStage } from './stage.ts'

const inTurn = <T>(work: () => Promise<T>): Promise<T> => work()
const never = new AbortController().signal
const engine = duckDbEngine({ memoryLimit: '256MB', threads: 2, tempDirectory: tmpdir() })
const folders: string[] = []
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'sluice-stage-'))
  folders.push(made)
  return made
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true })
})

const source: ProcedureSource = {
  kind: 'procedure',
  connection: 'erp',
  procedure: 'dbo.usp_x',
  parameters: { region: { $each: { table: 'raw.regions', column: 'region', type: 'text', as: 'region' } } },
  columns: { id: { type: 'integer' }, name: { type: 'text', nullable: true } },
  resultSet: 1,
  evolve: 'none',
  mode: 'replace',
  output: {},
  returnCodes: [0],
  messages: 'record',
  checks: [{ kind: 'length', column: 'name', max: 8 }],
  quarantine: { maxShare: 1 },
  timeoutSeconds: 60,
}

async function staging(session: Session) {
  const scratch = folder()
  const quarantine = quarantineWriter(session, scratch)
  return { scratch, quarantine, scanner: openScanner(session, callContract(source), quarantine) }
}

const columnar = (rows: readonly (readonly Cell[])[]): readonly (readonly Cell[])[] =>
  [0, 1].map((column) => rows.map((row) => row[column] as Cell))

/** What a procedure's text may hold: line ends, quotes, commas, nothing at all. */
const text = fc
  .oneof(
    fc.constantFrom('', ',', '"', '""', '\r\n', '\n', '\r', '\\N', 'NULL', ' ', 'é😀', "'"),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  )
  .filter((one) => !one.includes('\0'))
const row = fc.tuple(
  fc.oneof(fc.integer().map(String), fc.constantFrom('x', '', '1.5', '99999999999')),
  fc.option(text),
)

const isGood = ([id, name]: readonly Cell[]): boolean =>
  /^-?\d{1,10}$/.test(id as string) && [...(name ?? '')].length <= 8

test('IN-08, SR-06: every text lands as it is or is refused whole, in its place, by batches and by copied files', async () => {
  await using session = await engine.open()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(row, { maxLength: 6 }), { maxLength: 4 }), async (batches) => {
      const rows = batches.flat()
      const { scratch, quarantine, scanner } = await staging(session)
      const stage = openStage({ session, inTurn, scanner, folder: scratch, call: 'c', columns: 2, constants: ["E'U"] })
      for (const batch of batches) await stage.add(columnar(batch), batch.length)
      const staged = await stage.finish()
      expect(staged.rows).toBe(rows.length)
      await expectRows(session, staged.files, rows)
      expect(quarantine.counts().rows).toBe(rows.length - rows.filter(isGood).length)
      const refused = await quarantine.finish()
      if (refused !== undefined) {
        const places = await session.all<{ place: string }>(
          `SELECT _record AS place FROM ${readParquetSql([refused.localFile])} ORDER BY 1`,
        )
        expect(places.map(({ place }) => Number(place))).toEqual(
          rows.flatMap((one, at) => (isGood(one) ? [] : [at + 1])),
        )
      }

      const copied = await staging(session)
      const file = join(copied.scratch, 'copied.csv')
      const csv = (cell: Cell): string => (cell === null ? '' : `"${cell.replaceAll('"', '""')}"`)
      // Columns arrive in another order, with one that is not declared between them.
      writeFileSync(file, rows.map(([id, name]) => `${csv(name as Cell)},"extra\n",${csv(id as Cell)}\n`).join(''))
      const into = folder()
      const relation = copiedSql(file, 3, [2, 0], ["E'U"], await longestRecord(file))
      const files = rows.length === 0 ? [] : await copied.scanner.scan(relation, 'c', into)
      await expectRows(
        session,
        files.filter((one) => one.rows > 0),
        rows,
      )
      expect(copied.quarantine.counts().rows).toBe(rows.length - rows.filter(isGood).length)
    }),
    { numRuns: 25 },
  )
})

async function expectRows(
  session: Session,
  files: readonly { readonly file: string }[],
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  const found =
    files.length === 0
      ? []
      : await session.all(
          `SELECT id::VARCHAR AS id, name, region FROM ${readParquetSql(files.map(({ file }) => file))}`,
        )
  const sorted = (list: readonly unknown[]): readonly string[] => list.map((one) => JSON.stringify(one)).sort()
  const good = rows.filter(isGood).map(([id, name]) => ({ id: String(Number(id)), name, region: "E'U" }))
  expect(sorted(found)).toEqual(sorted(good))
}

test('SR-13: a result of any size goes through in parts, and the driver waits while one is written', async () => {
  await using session = await engine.open()
  const { scratch, quarantine, scanner } = await staging(session)
  const stage = openStage({ session, inTurn, scanner, folder: scratch, call: 'c', columns: 2, constants: ['EU'] })
  const batch = columnar(Array.from({ length: 2048 }, (_, n) => [String(n), 'name']))
  let waits = 0
  for (let n = 0; n < 250; n++) {
    const wait = stage.add(batch, 2048)
    if (wait !== undefined) waits++
    await wait
  }
  const { rows, files } = await stage.finish()
  expect(rows).toBe(512_000)
  expect(files.map((file) => file.rows).reduce((a, b) => a + b, 0)).toBe(512_000)
  expect(files.length).toBe(3)
  expect(readdirSync(scratch).length).toBe(3)
  expect(waits).toBeGreaterThan(0)
  expect(quarantine.counts().rows).toBe(0)
})

test('IN-08: a refused row has its own number, in whatever order the engine keeps what it was given', async () => {
  await using session = await engine.open()
  for (let time = 0; time < 20; time++) {
    const { scratch, quarantine, scanner } = await staging(session)
    const stage = openStage({ session, inTurn, scanner, folder: scratch, call: 'c', columns: 2, constants: ['EU'] })
    const ids = Array.from({ length: 5000 }, (_, n) => (n % 1000 === 999 ? `none ${n + 1}` : String(n)))
    await stage.add([ids, ids.map(() => 'name')], ids.length)
    await stage.finish()
    const refused = await quarantine.finish()
    const found = await session.all<{ record: string; id: string }>(
      `SELECT _record AS record, fields->>'id' AS id FROM ${readParquetSql([refused!.localFile])} ORDER BY 1`,
    )
    expect(found).toEqual([1000, 2000, 3000, 4000, 5000].map((n) => ({ record: `${n}`, id: `none ${n}` })))
  }
})

test('what goes wrong with a part is told to the driver, and to who waits for the end', async () => {
  await using session = await engine.open()
  const { scratch, scanner } = await staging(session)
  const stage = openStage({ session, inTurn, scanner, folder: scratch, call: 'c', columns: 2, constants: ['EU'] })
  await stage.add([['1'], ['\ud800']], 1)
  await expect(stage.finish()).rejects.toMatchObject({ name: 'Engine.TextBroken' })
  expect(() => stage.add([['1'], ['a']], 1)).toThrow()
})

test('SR-13: long records of a copied file are measured, however they end', async () => {
  await using session = await engine.open()
  const { scanner, scratch } = await staging(session)
  const file = join(scratch, 'copied.csv')
  const long = '"",\n'.repeat(900_000)
  writeFileSync(file, `"x","1",\n"${long}","2",\n"","3",\n`)
  const longest = await longestRecord(file)
  expect(longest).toBeGreaterThan(3_600_000)
  expect(longest).toBeLessThan(3_700_000)
  const [written] = await scanner.scan(copiedSql(file, 3, [1, 2], ['EU'], longest), 'c', folder())
  expect(written?.rows).toBe(3)
  writeFileSync(file, '"1",\n'.repeat(1000))
  expect(await longestRecord(file)).toBe(2_097_152)
})

test('IN-19: a copied record that is too long is told without a word of it', async () => {
  await using session = await engine.open()
  const { scanner, scratch, quarantine } = await staging(session)
  const columns = [
    { name: 'id', type: 'integer', serverType: 'integer' },
    { name: 'name', type: 'text', serverType: 'text' },
  ] as const
  const connection = {
    async copy(_call: unknown, file: string, sink: Pick<CallSink, 'columns'>) {
      sink.columns(1, columns)
      writeFileSync(file, `"1","${'secret'.repeat(6_000_000)}"\n`)
      return { rows: [1], output: {} }
    },
  } as unknown as Connection
  const context = { source, session, inTurn, scanner, quarantine, otherSets: new Set<number>(), signal: never }
  const told = { ...context, onRows: () => {}, onMessage: () => {} }
  const error = await runCall(
    (work) => work(connection),
    { parameters: [], columns: { region: 'EU' } },
    scratch,
    told,
  ).catch((e) => e)
  expect(error).toMatchObject({ name: 'Source.RecordTooLong', params: { bytes: 36_000_007 } })
  expect(inspect(error, { depth: 9 })).not.toContain('secretsecret')
})
