/** A bank under load (pgbench's TPC-B), captured by a process that is killed again and again. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command, makeProject } from '../acceptance/project.ts'
import { missingProgram } from '../servers/debian.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { fold, lakeOf, logOf, repeated } from './project.ts'

/** How long the bank works, and how often its reader is killed; a minute, with a kill every 5 s, is what was promised. */
const seconds = Number(process.env['SLUICE_PGBENCH_SECONDS'] ?? 15)
const killEvery = seconds < 60 ? 3 : 5

/** Debian keeps it beside the server's own programs; what is on the PATH there looks for a cluster first. */
function pgbenchProgram(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []
  const folders = [...versions, ...(process.env.PATH ?? '').split(delimiter)]
  return folders.map((folder) => join(folder, 'pgbench')).find((path) => existsSync(path))
}

/** pgbench's own transaction on few accounts, by amounts that are often nothing: an update that changes nothing makes no version. */
const smallAmounts = `\\set aid random(1, 20)
\\set tid random(1, 10)
\\set delta random(-1, 1)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 1, :aid, :delta, CURRENT_TIMESTAMP);
END;
`

/** The same, and then nothing happened. */
const rolledBack = smallAmounts.replace('END;', 'ROLLBACK;')

/** The tables with balances: their key, and their balance. */
const balances = [
  ['accounts', 'aid', 'abalance'],
  ['tellers', 'tid', 'tbalance'],
  ['branches', 'bid', 'bbalance'],
] as const

const pipelineText = `import { append, cdc, changes, pipeline, scd2 } from 'sluice'
const history = { effective: '_effective_at', sequence: '_sequence', deletes: { column: '_op', value: 'D' } } as const
const accounts = { columns: { aid: 'integer', abalance: 'integer' }, key: 'aid' } as const
const tellers = { columns: { tid: 'integer', tbalance: 'integer' }, key: 'tid' } as const
const branches = { columns: { bid: 'integer', bbalance: 'integer' }, key: 'bid' } as const
const bookings = { columns: { hid: 'bigint', tid: 'integer', bid: 'integer', aid: 'integer', delta: 'integer' }, key: 'hid' } as const
export default pipeline('bank', {
  sources: { shop: cdc('shop', { tables: ['public.pgbench_accounts', 'public.pgbench_tellers', 'public.pgbench_branches', 'public.pgbench_history'],
    slot: 'SLOT', publication: 'bank', maxBatchRows: 2000 }) },
  tables: {
    'stage.accounts': changes('raw.shop', 'public.pgbench_accounts', accounts),
    'stage.tellers': changes('raw.shop', 'public.pgbench_tellers', tellers),
    'stage.branches': changes('raw.shop', 'public.pgbench_branches', branches),
    'stage.account_history': changes('raw.shop', 'public.pgbench_accounts', { ...accounts, as: 'history' }),
    'stage.teller_history': changes('raw.shop', 'public.pgbench_tellers', { ...tellers, as: 'history' }),
    'stage.branch_history': changes('raw.shop', 'public.pgbench_branches', { ...branches, as: 'history' }),
    'stage.bookings': changes('raw.shop', 'public.pgbench_history', { ...bookings, as: 'history' }),
  },
  loads: {
    accounts: scd2({ from: 'stage.account_history', key: 'aid', ...history }),
    tellers: scd2({ from: 'stage.teller_history', key: 'tid', ...history }),
    branches: scd2({ from: 'stage.branch_history', key: 'bid', ...history }),
    bookings: append({ from: 'stage.bookings' }),
  },
})\n`

/** A project over the bank in a database; `warehouse` is TypeScript. */
function bankProject({ host, port, user, password }: PostgresServer, bank: string, warehouse: string): string {
  const server = JSON.stringify({ host, port, user, tls: 'off' }).slice(1, -1)
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig, duckdb, postgres, postgresWarehouse, secret } from 'sluice'
const server = { ${server}, password: secret('PASSWORD') } as const
export default defineConfig({ name: 'bank', warehouse: ${warehouse},
  connections: { shop: postgres({ ...server, database: '${bank}' }), star: postgres({ ...server, database: 'star' }) } })\n`,
    '.env': `PASSWORD=${password}\n`,
    'small.sql': smallAmounts,
    'rolled-back.sql': rolledBack,
    'pipelines/bank/pipeline.ts': pipelineText.replace('SLOT', `sluice_${bank}`),
  })
}

/** What one list has and the other has not, in few words. */
function difference(ours: readonly string[], theirs: readonly string[]): object {
  const without = (all: readonly string[], others: ReadonlySet<string>) => all.filter((line) => !others.has(line))
  const [more, missing] = [without(ours, new Set(theirs)), without(theirs, new Set(ours))]
  return { rows: ours.length - theirs.length, more: more.slice(0, 5), missing: missing.slice(0, 5) }
}
const none = { rows: 0, more: [], missing: [] }

type Select = (sql: string) => Promise<readonly string[]>

const lines = (client: pg.Client): Select => {
  return async (sql) => (await client.query<{ line: string }>(sql)).rows.map(({ line }) => line)
}

/** What a project's tables add up to, at each level, against the bank's own. */
async function expectBank(root: string, bank: Select, warehouse: Select | undefined): Promise<void> {
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  const lake: Select = async (sql) => (await session.all<{ line: string }>(sql)).map(({ line }) => line)
  const loaded = warehouse ?? lake
  const log = await logOf(root)
  expect(repeated(log)).toBe(0)
  const [total] = await bank('SELECT sum(delta)::text AS line FROM pgbench_history')
  for (const [table, key, balance] of balances) {
    const line = `concat_ws(' ', ${key}, ${balance}) AS line`
    const theirs = await bank(`SELECT ${line} FROM pgbench_${table}`)
    expect(await bank(`SELECT sum(${balance})::text AS line FROM pgbench_${table}`)).toEqual([total])
    const raw = [...fold(log, `public.pgbench_${table}`).values()].map((row) => `${row[key]} ${row[balance]}`)
    expect(difference(raw, theirs), `raw: ${table}`).toEqual(none)
    expect(difference(await lake(`SELECT ${line} FROM stage.${table}`), theirs), `stage: ${table}`).toEqual(none)
    const current = await loaded(`SELECT ${line} FROM warehouse.${table} WHERE is_current_record`)
    expect(difference(current, theirs), `warehouse: ${table}`).toEqual(none)
    // A booking is numbered while its rows are locked: in that order its key's balance was what it is the sum of, so that every version is known.
    const versions = await loaded(
      `SELECT concat_ws(' ', ${key}, row_number() OVER (PARTITION BY ${key} ORDER BY effective_date), ${balance}) AS line FROM warehouse.${table}`,
    )
    const changes = await bank(
      `SELECT concat_ws(' ', ${key}, row_number() OVER by_key, sum(delta) OVER by_key) AS line FROM
         (SELECT ${key}, 0 AS hid, 0 AS delta FROM pgbench_${table} UNION ALL SELECT ${key}, hid, delta FROM pgbench_history WHERE delta <> 0) AS t
       WINDOW by_key AS (PARTITION BY ${key} ORDER BY hid)`,
    )
    expect(difference(versions, changes), `versions: ${table}`).toEqual(none)
    const torn = await loaded(
      `SELECT 'torn' AS line FROM (SELECT expiry_date, is_current_record, lead(effective_date) OVER (PARTITION BY ${key} ORDER BY effective_date) AS next
       FROM warehouse.${table}) AS t WHERE is_current_record <> (next IS NULL) OR expiry_date <> next`,
    )
    expect(torn).toEqual([])
  }
  const booking = "SELECT concat_ws(' ', hid, tid, bid, aid, delta) AS line FROM"
  const theirs = await bank(`${booking} pgbench_history`)
  expect(difference(await loaded(`${booking} warehouse.bookings`), theirs), 'warehouse: bookings').toEqual(none)
}

const missing = await missingProgram({ what: 'pgbench', package: 'postgresql-contrib', find: pgbenchProgram })

describe.skipIf(missing !== undefined)(`pgbench${missing === undefined ? '' : ` (skipped: missed ${missing})`}`, () => {
  let server: PostgresServer
  const roots: string[] = []
  const clients: pg.Client[] = []
  beforeAll(async () => {
    server = await startPostgres({ walLevel: 'logical', settings: { synchronous_commit: 'on' } })
    await server.createDatabase('star')
  })
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await server.stop()
    for (const root of roots) rmSync(root, { recursive: true, force: true })
  })

  /** Runs pgbench, as a client that works in a project's folder. */
  async function pgbench(args: readonly string[], cwd: string): Promise<void> {
    const { host, port, user, password } = server
    await promisify(execFile)(pgbenchProgram() as string, ['-h', host, '-p', `${port}`, '-U', user, '-n', ...args], {
      cwd,
      env: { ...process.env, PGPASSWORD: password },
    })
  }

  test.each([
    ['DuckDB', 'bank_a', "duckdb('warehouse.duckdb')", seconds],
    ['PostgreSQL', 'bank_b', "postgresWarehouse('star', { schema: 'warehouse' })", Math.ceil(seconds / 2)],
  ] as const)(
    'CD-01, CD-02, CD-04: a bank under load, its reader killed every few seconds: all balances agree in %s, and every change is one version',
    async (warehouse, name, text, duration) => {
      await server.createDatabase(name)
      const client = await server.superuserClient(name)
      clients.push(client)
      const root = bankProject(server, name, text)
      roots.push(root)
      await pgbench(['--initialize', '--scale=1', '--quiet', name], root)
      // A table whose rows have no key cannot be captured (CD-14); pgbench names the columns that it fills.
      await client.query('ALTER TABLE pgbench_history ADD hid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY')
      await client.query(
        'CREATE PUBLICATION bank FOR TABLE pgbench_accounts, pgbench_tellers, pgbench_branches, pgbench_history',
      )
      const first = await command(root, ['run'])
      expect(first.code, first.stdout + first.stderr).toBe(0)

      const scripts = ['--builtin=tpcb-like@7', '--file=small.sql@3', '--file=rolled-back.sql@1']
      const load = ['--random-seed=20111209', '--client=4', '--rate=200', `--time=${duration}`]
      const working = pgbench([...load, ...scripts, name], root)
      const end = Date.now() + duration * 1000
      const ended: string[] = []
      let kills = 0
      while (Date.now() < end) {
        const at = Date.now() + killEvery * 1000
        const args = kills % 2 === 0 ? ['watch', '--every', '500ms'] : ['run']
        while (Date.now() < at) {
          const { code, signal, stdout, stderr } = await command(root, args, { killAfterMs: at - Date.now() })
          if (signal === 'SIGKILL') kills++
          else if (code !== 0) ended.push(`${args[0]} (${code}): ${stdout}${stderr}`)
        }
      }
      await working
      expect(ended).toEqual([])
      expect(kills).toBeGreaterThan(1)
      const { version: taken = 0 } = (await lakeOf(root).current('raw.shop')) ?? {}

      const last = await command(root, ['run'])
      expect(last.code, last.stdout + last.stderr).toBe(0)
      const bank = lines(client)
      if (warehouse === 'DuckDB') await expectBank(root, bank, undefined)
      else {
        const star = await server.superuserClient('star')
        clients.push(star)
        await expectBank(root, bank, lines(star))
      }
      const [counts] = await bank(
        "SELECT concat_ws(' ', count(*), 'transactions,', count(*) FILTER (WHERE delta = 0), 'of nothing') AS line FROM pgbench_history",
      )
      process.stdout.write(`${warehouse}: ${counts}, ${kills} kills, the log's version ${taken} before the last run\n`)
    },
  )
})
