/** A project whose only source is a log of changes of a real server, and what its log adds up to. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { openLake } from '../../src/lake/lake.ts'
import { readContext, type WatchCycle } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { type Cursor, readCursor } from '../../src/sources/cdc/cursor.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { makeProject } from '../acceptance/project.ts'
import type { PostgresServer } from '../servers/postgres.ts'

/** A project that captures tables of a database into `raw.shop`; `options` is TypeScript, inside of the source's options. */
export function cdcProject(
  server: Pick<PostgresServer, 'host' | 'port' | 'user' | 'password'>,
  database: string,
  tables: readonly string[],
  options = '',
): string {
  const { host, port, user, password } = server
  const connection = JSON.stringify({ host, port, database, user, tls: 'off' }).slice(1, -1)
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig, postgres, secret } from 'sluice'
export default defineConfig({ name: 'shop', connections: { shop: postgres({ ${connection}, password: secret('SHOP_PASSWORD') }) } })\n`,
    '.env': `SHOP_PASSWORD=${password}\n`,
    'pipelines/shop/pipeline.ts': `import { cdc, pipeline } from 'sluice'
export default pipeline('shop', { sources: { shop: cdc('shop', { tables: ${JSON.stringify(tables)}, ${options} }) } })\n`,
  })
}

/** Runs a project in this process. */
export async function runProject(root: string, clock: Clock = systemClock) {
  await using project = await openProject(root, { clock })
  const { id, summary } = await project.run()
  const events = await project[readContext].events(id)
  const errors = events.flatMap((event) => {
    if (event.type === 'task.finished' && event.error !== undefined) return [event.error]
    return event.type === 'task.refused' ? [event.error] : []
  })
  return { summary, errors, events }
}

/** Watches a project, with something that happens in each pause; ends after the last of them. */
export async function watchProject(root: string, pauses: readonly (() => unknown)[]): Promise<readonly WatchCycle[]> {
  const stop = new AbortController()
  let at = 0
  const clock: Clock = {
    now: systemClock.now,
    async sleep(ms, signal) {
      if (signal !== stop.signal) return systemClock.sleep(ms, signal)
      await pauses[at++]?.()
      if (at >= pauses.length) stop.abort()
    },
  }
  await using project = await openProject(root, { clock })
  const cycles: WatchCycle[] = []
  await project.watch({ everyMs: 5000, onCycle: (cycle) => cycles.push(cycle), signal: stop.signal })
  return cycles
}

/** A project's lake. */
export const lakeOf = (root: string) => openLake(diskStorage(join(root, 'lake')), systemClock)

/** Where the log's current version ends. */
export async function cursorOf(root: string): Promise<Cursor> {
  return readCursor((await lakeOf(root).current('raw.shop'))!.watermark!)
}

/** A row of the log. */
export interface LogRow {
  readonly _table: string
  readonly _op: string
  readonly _lsn: string
  readonly _seq: string
  readonly effective: string
  readonly key: string | null
  readonly before: string | null
  readonly after: string | null
  readonly _unchanged: string | null
}

/** The log's rows, in order. */
export async function logOf(root: string): Promise<readonly LogRow[]> {
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  return await session.all<LogRow>(
    `SELECT _table, _op, _lsn::VARCHAR AS _lsn, _seq::VARCHAR AS _seq, epoch_us(_effective_at)::VARCHAR AS effective, key, before, after, _unchanged
     FROM raw.shop ORDER BY raw.shop._lsn, _xid IS NULL, raw.shop._seq`,
  )
}

/**
 * The rows that a table has by the log, each as its image's JSON.
 *
 * @throws where a change does not fit what is there: one that is missing, or is there twice
 */
export function fold(log: readonly LogRow[], table: string): Map<string, Record<string, string | null>> {
  const rows = new Map<string, Record<string, string | null>>()
  const take = (key: string | null, why: string): Record<string, string | null> => {
    const row = rows.get(key ?? '')
    if (row === undefined) throw new Error(`${why} of ${table}: no row ${key}`)
    rows.delete(key ?? '')
    return row
  }
  for (const change of log) {
    if (change._table !== table || change._op === 'R') continue
    const { _op, key, before, after, _unchanged } = change
    if (_op === 'T') rows.clear()
    else if (_op === 'D') take(key, 'a delete')
    else {
      // What a replica identity gives of the row before is its key, or all of it.
      const named = before === null ? key : keyOf(before, key!)
      const old = _op === 'U' ? take(named, 'an update') : {}
      if (rows.has(key!)) throw new Error(`${_op} of ${table}: ${key} is there`)
      const carried = ((_unchanged === null ? [] : JSON.parse(_unchanged)) as string[]).map((name) => [name, old[name]])
      rows.set(key!, { ...JSON.parse(after!), ...Object.fromEntries(carried) })
    }
  }
  return rows
}

/** The key in an image, as the log writes keys. */
function keyOf(image: string, like: string): string {
  const row = JSON.parse(image)
  return JSON.stringify(Object.fromEntries(Object.keys(JSON.parse(like)).map((name) => [name, row[name]])))
}

/** No identity is there twice. */
export function repeated(log: readonly LogRow[]): number {
  return (
    log.length -
    new Set(log.map(({ _table, _op, _lsn, _seq }) => `${_table} ${_op === 'S' ? 'S' : ''} ${_lsn} ${_seq}`)).size
  )
}

/** Adds tables, and loads, to a project's pipeline; both are TypeScript. */
export function addTables(root: string, tables: string, loads = '{}'): void {
  const path = join(root, 'pipelines/shop/pipeline.ts')
  const source = /sources: (\{ shop: .*\}\) \})/.exec(readFileSync(path, 'utf8'))![1]!
  writeFileSync(
    path,
    `import { cdc, changes, decimal, nullable, pipeline, scd2, upsert } from 'sluice'
export default pipeline('shop', { sources: ${source}, tables: ${tables}, loads: ${loads} })\n`,
  )
}

/** Reads what a project made. */
export async function rowsOf(root: string, query: string): Promise<readonly Record<string, unknown>[]> {
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  return await session.all(query)
}
