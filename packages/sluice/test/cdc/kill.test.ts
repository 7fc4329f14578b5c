import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from '../acceptance/project.ts'
import { type Hit, inParallel, labelsOf, listed, sampled } from '../crash/sweep.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { cdcProject, fold, lakeOf, logOf, repeated, runProject } from './project.ts'

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
const isSwept = ({ label }: Hit): boolean => /^(sources\.cdc|lake\.commit|run\.ingest)\./.test(label)

const changes = [
  "UPDATE t SET v = 'new', id = id + 100 WHERE id <= 2",
  'DELETE FROM t WHERE id = 3',
  "INSERT INTO t SELECT i, 'i' FROM generate_series(200, 210) i",
  'TRUNCATE u',
  "INSERT INTO u VALUES (7, 'after')",
]

/** A new database, its project, and what happens to it; with one connection its tables are copied one after the other. */
async function scene(connections = 2, maxBatchRows = 8) {
  const database = `kill_${number++}`
  await server.createDatabase(database)
  const client = await server.superuserClient(database)
  const sql = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await client.query(statement)
  }
  await sql(
    'CREATE TABLE t (id int PRIMARY KEY, v text)',
    'CREATE TABLE u (id int PRIMARY KEY, v text)',
    'CREATE TABLE w (id int PRIMARY KEY, v text, n int DEFAULT 0)',
    'ALTER TABLE w ALTER v SET STORAGE EXTERNAL',
    "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 20) i",
    "INSERT INTO u SELECT i, 'v' FROM generate_series(1, 5) i",
    "INSERT INTO w SELECT i, repeat('x', 3000) FROM generate_series(1, 5) i",
    `CREATE PUBLICATION sluice_${database} FOR TABLE t, u, w`,
  )
  const own = `slot: 'sluice_${database}', publication: 'sluice_${database}', maxBatchRows: ${maxBatchRows}, snapshot: { connections: ${connections} }`
  const root = cdcProject(server, database, ['public.t', 'public.u', 'public.w'], own)
  return {
    root,
    sql,
    /** Changes all tables at once, over and over, until it is stopped: no position is far from one of its commits. */
    keepChanging(): () => Promise<void> {
      let isStopped = false
      const changing = (async () => {
        const other = await server.superuserClient(database)
        for (let i = 0; !isStopped; i++) {
          await other.query(`BEGIN; UPDATE w SET n = n + 1 WHERE id % 2 = ${i % 2}; UPDATE t SET v = 'c${i}' WHERE id = 5;
            INSERT INTO u VALUES (${1000 + i}, 'c'); DELETE FROM u WHERE id = ${998 + i}; UPDATE w SET id = id + 50 WHERE id = ${i % 7 === 0 ? 5 : 55}; COMMIT`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        await other.end()
      })()
      return async () => {
        isStopped = true
        await changing
      }
    },
    /** Whether the log is the tables: nothing lost, nothing twice, one slot. */
    async wrong(): Promise<string | undefined> {
      const log = await logOf(root)
      const twice = repeated(log)
      if (twice > 0) return `${twice} changes twice`
      for (const table of ['t', 'u', 'w']) {
        const more = table === 'w' ? ', n::text' : ''
        const { rows } = await client.query(`SELECT id::text, v${more} FROM ${table}`)
        const order = (list: Iterable<object>): string =>
          [...list]
            .map((row) => JSON.stringify(row, Object.keys(row).sort()))
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

/** The boundaries that a command meets which ends well. */
async function hitsOf(kind: string, run: (env: Record<string, string>) => ReturnType<typeof command>): Promise<Hit[]> {
  const hits = await listed(async (env) => {
    const { code, stderr } = await run(env)
    expect(code, stderr).toBe(0)
  })
  return hits.filter(isSwept).map((hit) => ({ ...hit, kind }))
}

/** A killed process may still be known to the server as the slot's reader for a moment. */
async function recover(root: string): Promise<void> {
  const { errors, summary } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.status).toBe('succeeded')
}

/** Whether a drain has committed what it then acknowledges. */
const isCommitted = ({ label }: Hit): boolean => /after_create$|acknowledge$|settle$/.test(label)

describe('killed at a boundary of a first copy or of a drain, and run again: nothing is lost, nothing is there twice', () => {
  let hits: readonly Hit[]
  beforeAll(async () => {
    await using whole = await scene()
    const copy = await hitsOf('copy', (env) => command(whole.root, ['run'], { env }))
    expect(labelsOf(copy)).toEqual(
      expect.arrayContaining(['sources.cdc.before_slot', 'sources.cdc.after_slot', 'sources.cdc.after_copy']),
    )
    await whole.sql(...changes)
    const drain = await hitsOf('drain', (env) => command(whole.root, ['run'], { env }))
    expect(labelsOf(drain)).toEqual(
      expect.arrayContaining([
        'sources.cdc.after_read',
        'sources.cdc.before_acknowledge',
        'sources.cdc.after_acknowledge',
      ]),
    )
    // The drain is of several versions.
    expect(drain.filter(({ label }) => label === 'lake.commit.after_create').length).toBeGreaterThan(1)
    expect(await whole.wrong()).toBeUndefined()
    hits = [...copy, ...drain]
  })

  const killedAt = (title: string, isOf: (hit: Hit) => boolean) => async () => {
    const wrong: string[] = []
    const chosen = sampled(hits.filter(isOf), `killed in ${title}`)
    expect(chosen.length).toBeGreaterThan(3)
    await inParallel(2, chosen, async ({ kind, point }) => {
      await using one = await scene()
      if (kind === 'drain') {
        await recover(one.root)
        await one.sql(...changes)
      }
      const killed = await command(one.root, ['run'], { env: { SLUICE_CRASH: point } })
      if (killed.signal !== 'SIGKILL') wrong.push(`${point}: was not hit (${killed.code}) ${killed.stderr}`)
      if (kind === 'drain') {
        // A transaction of eleven rows: all of them, or none.
        const eleven = (await logOf(one.root)).filter(({ after }) => after?.includes('"v":"i"')).length
        if (![0, 11].includes(eleven)) wrong.push(`${point}: ${eleven} of 11 rows of a transaction are there`)
      } else await one.sql(...changes)
      await recover(one.root)
      const found = await one.wrong()
      if (found !== undefined) wrong.push(`${kind}, ${point}: ${found}`)
    })
    expect(wrong).toEqual([])
  }

  test(
    'CD-01: in a drain between a commit and its acknowledgement',
    killedAt('a drain, after a commit', (hit) => hit.kind === 'drain' && isCommitted(hit)),
  )
  test(
    'CD-02: in a drain before a commit: nothing of its transactions is there, or all of one',
    killedAt('a drain, before a commit', (hit) => hit.kind === 'drain' && !isCommitted(hit)),
  )
  test(
    'CD-25: in a first copy',
    killedAt('a first copy', ({ kind }) => kind === 'copy'),
  )
})

test('CD-02, CD-24, CD-25: a first copy that was killed goes on with the tables that are left, at a later point, and may be killed again', async () => {
  // The first attempt ends when its first table is kept; the second one is killed anywhere, while everything changes.
  const begin = async () => {
    const one = await scene(1, 1000)
    const killed = await command(one.root, ['run'], { env: { SLUICE_CRASH: 'sources.cdc.after_keep#1' } })
    expect(killed.signal).toBe('SIGKILL')
    await one.sql(
      ...changes,
      'UPDATE w SET n = n + 1',
      'UPDATE w SET id = 9 WHERE id = 2',
      'DELETE FROM w WHERE id = 3',
    )
    return one
  }
  await using whole = await begin()
  // The commit as such is swept above.
  const hits = await hitsOf('resumed', (env) => command(whole.root, ['run'], { env }))
  const own = hits.filter(({ label }) => /^sources|after_create/.test(label))
  const points = own.map(({ point }) => point)
  expect(points).toEqual(
    expect.arrayContaining([
      ...[
        'sources.cdc.before_look#1',
        'sources.cdc.after_look#1',
        'sources.cdc.before_keep#1',
        'sources.cdc.after_keep#2',
      ],
      ...['sources.cdc.after_copy#1', 'sources.cdc.after_copy_read#1', 'sources.cdc.after_forget#1'],
    ]),
  )
  expect(points).not.toContain('sources.cdc.before_slot#1')
  expect(await whole.wrong()).toBeUndefined()
  const { accounting, warnings } = (await lakeOf(whole.root).record('raw.shop', 1))!
  expect(warnings).toEqual(['1 of 3 tables were copied by an earlier attempt, and are kept'])
  // Of u and w, what happened before they were copied is in their copies.
  expect(accounting.dropped['in the copy of its table']).toBeGreaterThan(0)

  const wrong: string[] = []
  await inParallel(2, sampled(own, 'killed a second time'), async ({ point }) => {
    await using one = await begin()
    const stop = one.keepChanging()
    const killed = await command(one.root, ['run'], { env: { SLUICE_CRASH: point } })
    if (killed.signal !== 'SIGKILL') wrong.push(`${point}: was not hit (${killed.code}) ${killed.stderr}`)
    await recover(one.root)
    await stop()
    await recover(one.root)
    const found = await one.wrong()
    if (found !== undefined) wrong.push(`${point}: ${found}`)
  })
  expect(wrong).toEqual([])
})

test('CD-05, CD-25: killed at a boundary of a comparison behind a lost slot, it is made again, and finds the same', async () => {
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
  const hits = await hitsOf('compare', (env) => compare(whole.root, env))
  expect(await whole.wrong()).toBeUndefined()
  expect(hits.map(({ point }) => point)).toEqual(
    expect.arrayContaining(['sources.cdc.after_slot#1', 'sources.cdc.after_compare#1']),
  )
  const wrong: string[] = []
  await inParallel(2, sampled(hits, 'killed in a comparison'), async ({ point }) => {
    await using one = await scene()
    await lose(one)
    const killed = await compare(one.root, { SLUICE_CRASH: point })
    if (killed.signal !== 'SIGKILL') wrong.push(`${point}: was not hit (${killed.code}) ${killed.stderr}`)
    const again = await compare(one.root, {})
    if (again.code !== 0) wrong.push(`${point}: ${again.stderr}`)
    await recover(one.root)
    const found = await one.wrong()
    if (found !== undefined) wrong.push(`${point}: ${found}`)
  })
  expect(wrong).toEqual([])
})
