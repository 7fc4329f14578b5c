import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { command } from '../acceptance/project.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { cdcProject, fold, logOf, repeated, runProject } from './project.ts'

let server: PostgresServer
let number = 0
beforeAll(async () => {
  server = await startPostgres({
    walLevel: 'logical',
    settings: { synchronous_commit: 'on', max_replication_slots: '20', max_wal_senders: '20' },
  })
})
afterAll(() => server.stop())

/** Boundaries of the source, of the commit of its versions, and of what follows; those of the run's own log are swept elsewhere. */
const isSwept = (point: string): boolean => /^(sources\.cdc|lake\.commit|run\.ingest)\./.test(point)

const changes = [
  "UPDATE t SET v = 'new', id = id + 100 WHERE id <= 2",
  'DELETE FROM t WHERE id = 3',
  "INSERT INTO t SELECT i, 'i' FROM generate_series(200, 210) i",
  'TRUNCATE u',
  "INSERT INTO u VALUES (7, 'after')",
]

/** A new database, its project, and what happens to it. */
async function scene() {
  const database = `kill_${number++}`
  await server.createDatabase(database)
  const client = await server.superuserClient(database)
  const sql = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await client.query(statement)
  }
  await sql(
    'CREATE TABLE t (id int PRIMARY KEY, v text)',
    'CREATE TABLE u (id int PRIMARY KEY, v text)',
    "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 20) i",
    "INSERT INTO u SELECT i, 'v' FROM generate_series(1, 5) i",
    `CREATE PUBLICATION sluice_${database} FOR TABLE t, u`,
  )
  const own = `slot: 'sluice_${database}', publication: 'sluice_${database}', maxBatchRows: 8`
  const root = cdcProject(server, database, ['public.t', 'public.u'], own)
  return {
    root,
    sql,
    /** Whether the log is the tables: nothing lost, nothing twice, one slot. */
    async wrong(): Promise<string | undefined> {
      const log = await logOf(root)
      const twice = repeated(log)
      if (twice > 0) return `${twice} changes twice`
      for (const table of ['t', 'u']) {
        const { rows } = await client.query(`SELECT id::text, v FROM ${table}`)
        const order = (list: Iterable<object>): string =>
          [...list]
            .map((row) => JSON.stringify(row))
            .sort()
            .join()
        const held = order(fold(log, `public.${table}`).values())
        if (held !== order(rows)) return `${table} is ${held}, and should be ${order(rows)}`
      }
      const { rows } = await client.query(
        'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()',
      )
      return rows.length === 1 ? undefined : `${rows.length} slots`
    },
    async [Symbol.asyncDispose]() {
      await client.query(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
      )
      await client.end()
      rmSync(root, { recursive: true })
    },
  }
}

async function pointsOf(root: string, name: string): Promise<readonly string[]> {
  const list = join(tmpdir(), `sluice-cdc-${name}-${process.pid}`)
  const { code, stderr } = await command(root, ['run'], { env: { SLUICE_CRASH_LIST: list } })
  expect(code, stderr).toBe(0)
  const points = readFileSync(list, 'utf8').trim().split('\n').filter(isSwept)
  rmSync(list)
  return points
}

/** A killed process may still be known to the server as the slot's reader for a moment. */
async function recover(root: string): Promise<void> {
  const { errors, summary } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.status).toBe('succeeded')
}

test('CD-01, CD-02, CD-25: killed at any boundary of a first copy or of a drain, and run again: nothing is lost, nothing is there twice', async () => {
  await using whole = await scene()
  const copy = await pointsOf(whole.root, 'copy')
  expect(copy.map((point) => point.split('#')[0])).toEqual(
    expect.arrayContaining(['sources.cdc.before_slot', 'sources.cdc.after_slot', 'sources.cdc.after_copy']),
  )
  await whole.sql(...changes)
  const drain = await pointsOf(whole.root, 'drain')
  expect(drain.map((point) => point.split('#')[0])).toEqual(
    expect.arrayContaining([
      'sources.cdc.after_read',
      'sources.cdc.before_acknowledge',
      'sources.cdc.after_acknowledge',
    ]),
  )
  // The drain is of several versions.
  expect(drain.filter((point) => point.startsWith('lake.commit.after_create')).length).toBeGreaterThan(1)
  expect(await whole.wrong()).toBeUndefined()

  const wrong: string[] = []
  for (const [points, isCopy] of [
    [copy, true],
    [drain, false],
  ] as const)
    for (const point of points) {
      await using one = await scene()
      if (!isCopy) {
        await recover(one.root)
        await one.sql(...changes)
      }
      const killed = await command(one.root, ['run'], { env: { SLUICE_CRASH: point } })
      if (killed.signal !== 'SIGKILL') wrong.push(`${point}: was not hit (${killed.code}) ${killed.stderr}`)
      if (isCopy) await one.sql(...changes)
      await recover(one.root)
      const found = await one.wrong()
      if (found !== undefined) wrong.push(`${point}: ${found}`)
    }
  expect(wrong).toEqual([])
  process.stdout.write(`killed at ${copy.length + drain.length} boundaries\n`)
})

test('CD-05, CD-25: killed at any boundary of a comparison behind a lost slot, it is made again, and finds the same', async () => {
  const lose = async ({ root, sql }: Awaited<ReturnType<typeof scene>>): Promise<void> => {
    await recover(root)
    await sql(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    )
    await sql(...changes)
  }
  const compare = (root: string, env: Record<string, string>) =>
    command(root, ['cdc', 'resnapshot', 'shop', '--yes'], { env })
  await using whole = await scene()
  await lose(whole)
  const list = join(tmpdir(), `sluice-cdc-compare-${process.pid}`)
  const { code, stderr } = await compare(whole.root, { SLUICE_CRASH_LIST: list })
  expect(code, stderr).toBe(0)
  expect(await whole.wrong()).toBeUndefined()
  const points = readFileSync(list, 'utf8').trim().split('\n').filter(isSwept)
  rmSync(list)
  expect(points).toEqual(expect.arrayContaining(['sources.cdc.after_slot#1', 'sources.cdc.after_compare#1']))
  const wrong: string[] = []
  for (const point of points) {
    await using one = await scene()
    await lose(one)
    const killed = await compare(one.root, { SLUICE_CRASH: point })
    if (killed.signal !== 'SIGKILL') wrong.push(`${point}: was not hit (${killed.code}) ${killed.stderr}`)
    const again = await compare(one.root, {})
    if (again.code !== 0) wrong.push(`${point}: ${again.stderr}`)
    await recover(one.root)
    const found = await one.wrong()
    if (found !== undefined) wrong.push(`${point}: ${found}`)
  }
  expect(wrong).toEqual([])
})
