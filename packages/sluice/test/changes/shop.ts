/** A project with tables of changes, over a log that a test writes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach } from 'vitest'
import { newId, systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openLake } from '../../src/lake/lake.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { type ChangeLogWriter, changeLogWriter } from '../../src/sources/cdc/log-writer.ts'
import { transactionAssembler } from '../../src/sources/cdc/transactions.ts'
import { textImage } from '../../src/sources/cdc/wire/image.ts'
import { type Decoder, pgoutputDecoder } from '../../src/sources/cdc/wire/pgoutput.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { makeProject } from '../acceptance/project.ts'
import { type EncodedRelation, type EncodedValue, encode } from '../cdc/pgoutput-encoder.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-changes-run-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})
const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2 })
let number = 0

/** The table that changes. */
export const relation = {
  id: 1,
  schema: 'public',
  name: 'customers',
  replicaIdentity: 'd',
  columns: ['id', 'email', 'balance', 'note'].map((name) => ({ name, typeOid: 25, isKey: name === 'id' })),
} as const

/** How it is declared. */
export const columns = `columns: { id: 'bigint', email: 'text', balance: 'decimal(12,2)', note: nullable('text') }, key: 'id'`

/** A project whose tables are made of a log. */
export function project(tables: string, loads = '{}'): string {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig, postgres, secret } from 'sluice'
export default defineConfig({ name: 'shop', connections: { oltp: postgres({ host: 'h', database: 'd', user: 'u', password: secret('P') }) } })\n`,
    '.env': 'P=hunter2hunter2\n',
    'pipelines/shop/pipeline.ts': pipelineOf(tables, loads),
  })
  roots.push(root)
  return root
}

const pipelineOf = (tables: string, loads: string): string =>
  `import { append, cdc, changes, nullable, pipeline, range, scd2, unique, upsert } from 'sluice'
export default pipeline('shop', { sources: { shop: cdc('oltp', { tables: ['public.customers', 'public.orders'] }) }, tables: ${tables}, loads: ${loads} })\n`

/** Defines a project's tables anew. */
export function redefine(root: string, tables: string, loads = '{}'): void {
  writeFileSync(join(root, 'pipelines/shop/pipeline.ts'), pipelineOf(tables, loads))
}

/** A table of current rows, and a history. */
export const tables = (more = '') => `{
  'stage.customers': changes('raw.shop', 'public.customers', { ${columns}, ${more} }),
  'stage.history': changes('raw.shop', 'public.customers', { ${columns}, ${more} as: 'history' }) }`

/** A change, as the server sends it. */
export type Step = (id: number) => Buffer
export const insert =
  (...values: EncodedValue[]): Step =>
  () =>
    encode.insert(1, values)
export const update =
  (...values: EncodedValue[]): Step =>
  () =>
    encode.update(1, values)
export const move =
  (from: string, ...values: EncodedValue[]): Step =>
  () =>
    encode.update(1, values, { kind: 'K', values: [from, null, null, null] })
export const remove =
  (id: string): Step =>
  () =>
    encode.delete(1, 'K', [id, null, null, null])
export const truncate: Step = () => encode.truncate([1], 0)

/** A log that grows by transactions, and by what a comparison with the server finds. */
export function logOf(root: string, of: EncodedRelation = relation, secondsApart = 1n) {
  const lake = openLake(diskStorage(join(root, 'lake')), systemClock)
  let [lsn, xid, effectiveAt, version] = [0x1_0000_0000n, 700, 0n, 0]
  let shapes: ReadonlyMap<string, string> = new Map()
  const at = () => 1_700_000_000_000_000n + BigInt(xid) * 1_000_000n * secondsApart
  const add = async (fill: (writer: ChangeLogWriter, decoder: Decoder, own: string) => Promise<void>) => {
    const own = join(folder, `${number++}`)
    mkdirSync(own)
    await using session = await engine.open()
    const decoder = pgoutputDecoder()
    const writer = await changeLogWriter({
      session,
      folder: own,
      partitionBy: 'day',
      tables: new Set(['public.customers']),
      shapes,
      types: decoder.types,
      effectiveAt,
    })
    await fill(writer, decoder, own)
    const log = await writer.finish()
    ;({ shapes, effectiveAt } = log)
    const { record } = await lake.commit({
      table: 'raw.shop',
      operation: 'append',
      taskKey: `log ${version++}`,
      definition: 'log',
      run: newId(systemClock),
      attempt: 1,
      fencingToken: 0,
      fence: async () => {},
      verifyFile: async (file) => ({ rows: log.files.find(({ localFile }) => localFile === file)!.rows }),
      inputs: [],
      checks: [],
      quarantine: [],
      fields: log.fields,
      files: log.files,
      accounting: log.accounting,
      watermark: `${lsn}`,
    })
    return record
  }
  return {
    lake,
    commit: (...transactions: readonly (readonly Step[])[]) =>
      add(async (writer, decoder, own) => {
        const assembler = transactionAssembler(decoder, lsn, { folder: own, memoryBytes: 1 << 20, diskBytes: 1 << 30 })
        for (const steps of transactions) {
          const finalLsn = lsn + 1000n
          for (const message of [
            encode.begin(finalLsn, at(), xid),
            encode.relation(of),
            ...steps.map((step) => step(1)),
            encode.commit(finalLsn, finalLsn + 8n, at()),
          ]) {
            const transaction = assembler.push(message, 0, message.length)
            if (transaction !== undefined) await writer.add(transaction)
          }
          lsn = finalLsn + 8n
          xid++
        }
      }),
    copy: (...rows: readonly { op: 'S' | 'I' | 'U' | 'D'; id: string; row?: Record<string, string | null> }[]) =>
      add(async (writer) => {
        for (const { op, id, row } of rows) {
          const key = JSON.stringify({ id })
          writer.addCopied({
            ...{ table: 'public.customers', op, at: { lsn, committedAt: at() } },
            ...(row !== undefined && { image: textImage(JSON.stringify({ id, ...row }), key) }),
            ...(op === 'D' && { old: textImage(key, key) }),
          })
        }
      }),
  }
}

/** Runs the project in this process. */
export async function run(root: string, select: readonly string[] = ['stage.*'], approve: readonly string[] = []) {
  await using opened = await openProject(root)
  const { id, summary } = await opened.run({ select, approve })
  const events = await opened[readContext].events(id)
  const errors = events.flatMap((event) =>
    event.type === 'task.finished' && event.error !== undefined ? [event.error.name] : [],
  )
  const accounts = Object.fromEntries(
    events.flatMap((event) =>
      event.type === 'task.finished' && event.accounting !== undefined ? [[event.task, event.accounting]] : [],
    ),
  )
  return { summary, errors, accounts, statuses: summary.tasks }
}

/** Reads what it made. */
export async function rowsOf(root: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  await using opened = await openProject(root)
  await using session = await opened[readContext].openRead()
  return await session.all(sql)
}

export const currentRows = (root: string) =>
  rowsOf(root, 'SELECT id, email, balance, note FROM stage.customers ORDER BY id')
export const historyRows = (root: string) =>
  rowsOf(root, 'SELECT _op, id, email, balance, note FROM stage.history ORDER BY _sequence, id')
