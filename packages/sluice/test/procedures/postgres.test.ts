import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command, query } from '../acceptance/project.ts'
import { inParallel, labelsOf, listed, sampled } from '../crash/sweep.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import { erpProject, execute, reader, size, startErp, stateSql } from './erp.ts'
import { lakeOf } from './project.ts'

let server: PostgresServer
let reference: unknown
const roots: string[] = []

/** A project of its own, gone after the test. */
function project(): string {
  const root = erpProject(server)
  roots.push(root)
  return root
}

beforeAll(async () => {
  server = await startErp()
  const root = project()
  const { code, stdout, stderr } = await command(root, ['run'])
  expect(code, stdout + stderr).toBe(0)
  reference = await query(root, stateSql)
})
afterAll(() => server?.stop())
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

test('a role that may only call is enough; a second run finds every table unchanged', async () => {
  const root = project()
  const first = await command(root, ['run'])
  expect(first.code, first.stdout + first.stderr).toBe(0)
  expect(await query(root, stateSql)).toEqual(reference)
  expect(reference).toMatchObject([
    { table: 'customers', rows: String(size.customers) },
    { table: 'regions', rows: '2' },
    { table: 'balances', rows: String(size.customers) },
    { table: 'changes', rows: String(size.changes) },
    { table: 'merged', rows: String(size.changes) },
    { table: 'cursor', rows: String(size.customers) },
  ])
  const client = await server.superuserClient('erp')
  const { rows: truth } = await client.query('SELECT * FROM erp.customers WHERE id IN (7, 11, 39999) ORDER BY id')
  await client.end()
  const found = await query(
    root,
    'SELECT id, name, balance::VARCHAR AS balance FROM raw.customers WHERE id IN (7, 11, 39999) ORDER BY id',
  )
  expect(found).toEqual(truth.map(({ id, name, balance }) => ({ id, name, balance })))
  const log = await lakeOf(root).extraction('raw.cursor')
  expect(log?.attempts[0]?.messages).toMatchObject([{ text: `${size.customers} customers` }])
  const second = await command(root, ['run'])
  expect(second.code, second.stdout + second.stderr).toBe(0)
  for (const table of ['customers', 'regions', 'balances', 'changes', 'merged', 'cursor']) {
    expect(
      (await lakeOf(root).versions(`raw.${table}`)).map(({ version }) => version),
      table,
    ).toEqual([1])
    expect((await lakeOf(root).extraction(`raw.${table}`))?.status, table).toBe('unchanged')
  }
  // No secret is in anything that was written or said.
  const log2 = `${first.stdout}${first.stderr}${second.stdout}${second.stderr}`
  expect(log2).not.toContain(reader.password)
})

test.each([
  [
    'an added column',
    'id integer, name text, balance numeric(18,4), phone text',
    "id, name, balance, '0'::text",
    /added +additive +phone/,
  ],
  [
    'a reordered column',
    'name text, id integer, balance numeric(18,4)',
    'name, id, balance',
    /reordered +additive +id/,
  ],
  [
    'a wider column',
    'id bigint, name text, balance numeric(18,4)',
    'id::bigint, name, balance',
    /retyped +widening +id +integer +bigint/,
  ],
  [
    'another type',
    'id integer, name text, balance date',
    "id, name, date '2020-01-01'",
    /retyped +lossy +balance +decimal\(18,4\) +date/,
  ],
  ['a missing column', 'id integer, name text', 'id, name', /missing +destructive +balance/],
])(
  'SR-04, SR-05: %s ends the run with 1, says the difference, and makes no version',
  async (_title, columns, select, words) => {
    const root = project()
    await replaceCustomers(columns, select)
    try {
      const { code, stdout, stderr } = await command(root, ['run'])
      expect(code).toBe(1)
      expect(stdout + stderr).toMatch(words)
      expect(stdout + stderr).toContain('sluice crawl erp')
      expect(await lakeOf(root).current('raw.customers')).toBeUndefined()
      expect((await lakeOf(root).current('raw.regions'))?.version).toBe(1)
    } finally {
      await replaceCustomers('id integer, name text, balance numeric(18,4)', 'id, name, balance')
    }
  },
)

async function replaceCustomers(columns: string, select: string): Promise<void> {
  await execute(
    server,
    `DROP FUNCTION erp.usp_customers(); CREATE FUNCTION erp.usp_customers() RETURNS TABLE (${columns}) LANGUAGE sql SECURITY DEFINER
       AS $$ SELECT ${select} FROM erp.customers $$; GRANT EXECUTE ON FUNCTION erp.usp_customers() TO reader`,
  )
}

/** What every reader sees after the next run, and what the logs say. */
async function recover(root: string): Promise<unknown> {
  await using project = await openProject(root)
  const { id, summary } = await project.run()
  if (summary.status !== 'succeeded') return `the next run ${summary.status}: ${await project[readContext].log(id)}`
  const running = (await lakeOf(root).extractions()).filter(({ status }) => status === 'running')
  if (running.length > 0) return `logs still say that ${running.map(({ table }) => table)} are running`
  await using session = await project[readContext].openRead()
  return await session.all(stateSql)
}

test('SR-01, CP-1: killed at random moments of the extraction, the next run ends where an undisturbed one does', async () => {
  const took = async (root: string, killAfterMs?: number) => {
    const began = Date.now()
    const { signal } = await command(root, ['run'], killAfterMs === undefined ? {} : { killAfterMs })
    return { ms: Date.now() - began, isKilled: signal === 'SIGKILL' }
  }
  let whole = (await took(project())).ms
  const wrong: unknown[] = []
  const kills = Number(process.env['SLUICE_KILLS'] ?? 3)
  for (let kill = 0; kill < kills; ) {
    const root = project()
    const killAfterMs = Math.round(whole * (0.2 + (0.8 * (kill + Math.random())) / kills))
    const { ms, isKilled } = await took(root, killAfterMs)
    // The machine has become faster: it was not killed, and does not count.
    if (!isKilled) whole = Math.min(ms, whole * 0.95)
    else kill++
    const state = await recover(root)
    if (JSON.stringify(state) !== JSON.stringify(reference)) wrong.push({ killAfterMs, state })
  }
  expect(wrong).toEqual([])
})

test('CP-1: killed at a durable boundary of the extraction log, the next run ends where an undisturbed one does', async () => {
  const hits = await listed((env) => command(project(), ['run'], { env }))
  const own = hits.filter(({ label }) => /^(sources\.procedures|lake\.extraction|run\.ingest)\./.test(label))
  expect(labelsOf(own)).toEqual([
    ...['lake.extraction.after_write', 'lake.extraction.before_write'],
    ...['run.ingest.after_acknowledge', 'run.ingest.after_settle'],
    ...['run.ingest.before_acknowledge', 'run.ingest.before_settle'],
    ...['sources.procedures.after_freeze', 'sources.procedures.after_keep', 'sources.procedures.after_settle'],
    ...['sources.procedures.before_freeze', 'sources.procedures.before_keep', 'sources.procedures.before_settle'],
  ])
  const wrong: unknown[] = []
  await inParallel(2, sampled(own, 'killed in an extraction'), async ({ point }) => {
    const root = project()
    const { signal } = await command(root, ['run'], { env: { SLUICE_CRASH: point } })
    const state = signal === 'SIGKILL' ? await recover(root) : 'was not hit'
    if (JSON.stringify(state) !== JSON.stringify(reference)) wrong.push({ point, state })
  })
  expect(wrong).toEqual([])
})
