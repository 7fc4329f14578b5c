import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunEvent } from '../../src/run/ledger/events.ts'
import { command, packageRoot, query } from './project.ts'

/**
 * What `sluice init --template procedures` promises, by its own one line; then what a day brings. The truth is asked of the two systems as their
 * owner, who may read tables.
 */
const parent = mkdtempSync(join(tmpdir(), 'sluice-init-'))
const root = join(parent, 'erp')
let server: ChildProcess | undefined

beforeAll(async () => {
  const made = await command(parent, ['init', 'erp', '--template', 'procedures'])
  expect(made.code, made.stderr).toBe(0)
  expect(made.stderr).toContain('npm start')
  symlinkSync(resolve(packageRoot, '../../node_modules'), join(root, 'node_modules'))
})
afterAll(async () => {
  if (server?.exitCode === null) {
    const gone = new Promise((done) => server?.once('exit', done))
    server.kill('SIGTERM')
    await gone
  }
  rmSync((await system()).home, { recursive: true, force: true })
  rmSync(parent, { recursive: true, force: true })
})

/** What the books of both systems say, by year: asked in SQL of another server than the one that made the facts. */
const truth = {
  orion: `SELECT extract(year FROM sold_on)::int AS year, 'orion' AS system, count(*)::int AS sales, sum(amount)::numeric(14,4)::text AS amount
    FROM orion.sale GROUP BY 1`,
  vega: `SELECT extract(year FROM ordered_at AT TIME ZONE 'Europe/Berlin')::int AS year, 'vega' AS system, count(*)::int AS sales, sum(amount)::numeric(14,4)::text AS amount
    FROM vega.orders JOIN vega.order_line USING (order_id) WHERE status <> 'cancelled' GROUP BY 1`,
}
const facts = `SELECT year::INTEGER AS year, system, count(*)::INTEGER AS sales, sum(amount)::VARCHAR AS amount
  FROM warehouse.fact_sales GROUP BY ALL ORDER BY ALL`

test('npm start: both systems up, extracted twice, shown, down', async () => {
  const { stdout } = await promisify(execFile)('npm', ['start'], { cwd: root, encoding: 'utf8' })
  expect(stdout).toMatch(/Tasks +28 succeeded, 0 failed/)
  expect(stdout).toMatch(/Tasks +0 succeeded, 0 failed, 0 skipped, 28 unchanged/)
  expect(stdout.match(/"status":"unchanged"/g)).toHaveLength(10)
})

test('the facts of every year are what both systems have', async () => {
  await startSystems()
  const expected = [...(await ask('orion', truth.orion)), ...(await ask('vega', truth.vega))]
  const sorted = expected.map((row) => JSON.stringify(row)).sort()
  expect((await query(root, facts)).map((row) => JSON.stringify(row)).sort()).toEqual(sorted)
  expect(sorted).toHaveLength(4)
})

test('everything is extracted again, and known by its content', async () => {
  const events = await run()
  expect(events.filter(({ status }) => status !== 'unchanged')).toEqual([])
  expect(events).toHaveLength(28)
})

test('an order that is corrected writes its month again, and no other; its facts follow', async () => {
  const [order] = await ask(
    'vega',
    `UPDATE vega.orders SET status = 'cancelled', changed_at = now() WHERE order_id =
       (SELECT min(order_id) FROM vega.orders WHERE status = 'shipped' AND ordered_at BETWEEN '2025-03-10' AND '2025-03-12')
     RETURNING order_id::int AS id, (SELECT count(*)::int FROM vega.order_line l WHERE l.order_id = orders.order_id) AS lines`,
  )
  // The window ends a minute before the run: what is younger belongs to the next.
  await ask(
    'vega',
    `UPDATE vega.orders SET changed_at = changed_at - interval '2 minutes' WHERE order_id = ${order?.['id']}`,
  )
  const events = await run()
  const made = events.filter(({ status }) => status === 'succeeded').map(({ table }) => table)
  expect(made.sort()).toEqual(['analytics.fact_sales', 'fact_sales', 'raw.vega_orders', 'stage.vega_sales'])
  expect(events.find(({ table }) => table === 'stage.vega_sales')).toMatchObject({
    partitions: { rewritten: 1, total: 18 },
  })
  const expected = await ask('vega', truth.vega)
  const found = (await query(root, facts)).filter(({ system }) => system === 'vega')
  expect(found.map((row) => JSON.stringify(row))).toEqual(expected.map((row) => JSON.stringify(row)).sort())
  const [gone] = await query(
    root,
    `SELECT count(*)::INTEGER AS rows FROM warehouse.fact_sales WHERE sale_no = ${order?.['id']}`,
  )
  expect(gone).toEqual({ rows: 0 })
  expect(order?.['lines']).toBeGreaterThan(0)
})

type Finished = Extract<RunEvent, { type: 'task.finished' }>

/** Runs; how each task ended. */
async function run(): Promise<readonly Finished[]> {
  const { code, stdout, stderr } = await command(root, ['run', '--json'])
  expect(code, stdout + stderr).toBe(0)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent)
  return events.filter((event) => event.type === 'task.finished')
}

/** Starts both systems in a process of their own, as `npm run erp` does. */
async function startSystems(): Promise<void> {
  const started = spawn(process.execPath, ['erp/server.mjs'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  server = started
  await new Promise((up, fail) => {
    started.stdout.once('data', up)
    started.once('exit', (code) => fail(new Error(`both systems ended with ${code}`)))
  })
}

interface System {
  readonly home: string
  ownerClient(database: string, port: number): import('pg').Client
}
const system = (): Promise<System> => import(/* @vite-ignore */ pathToFileURL(join(root, 'erp/server.mjs')).href)

/** Asks a system as its owner. */
async function ask(database: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const port = Number(/^ERP_PORT=(\d+)$/m.exec(readFileSync(join(root, '.env.local'), 'utf8'))?.[1])
  const client = (await system()).ownerClient(database, port)
  await client.connect()
  return (await client.query(sql).finally(() => client.end())).rows
}
