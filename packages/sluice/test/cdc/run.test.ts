import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { printLsn } from '../../src/changes/lsn.ts'
import { cursorOf, fold, lakeOf, logOf, runProject } from './project.ts'
import { client, confirmed, expectEqual, name, server, shop, sql } from './shop.ts'

test('a first run copies, the next ones take what was committed since, to one boundary for all tables', async () => {
  const root = await shop(
    ['public.a', 'public.b'],
    [
      'CREATE TABLE a (id int PRIMARY KEY, v text)',
      'CREATE TABLE b (id int PRIMARY KEY, a int, big text)',
      "INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 1000) i",
      "INSERT INTO b SELECT i, i, repeat('x', 10) FROM generate_series(1, 10) i",
    ],
  )
  const first = await runProject(root)
  expect(first.errors).toEqual([])
  expect(first.summary).toMatchObject({ status: 'succeeded', rows: { read: 1012, accepted: 1012 } })
  await expectEqual(root, 'public.a')
  expect(await confirmed()).toBe(printLsn((await cursorOf(root)).position))

  await sql(
    "UPDATE a SET v = 'new' WHERE id <= 3",
    'BEGIN',
    'DELETE FROM a WHERE id = 4',
    'UPDATE a SET id = 2000 WHERE id = 5',
    'INSERT INTO b VALUES (11, 2000, NULL)',
    'COMMIT',
    'TRUNCATE b',
    "INSERT INTO b VALUES (1, 1, 'after')",
  )
  const second = await runProject(root)
  expect(second.errors).toEqual([])
  expect(second.summary).toMatchObject({ status: 'succeeded', rows: { read: 8, accepted: 8 } })
  await expectEqual(root, 'public.a')
  await expectEqual(root, 'public.b')
  expect(await confirmed()).toBe(printLsn((await cursorOf(root)).position))
  const record = await lakeOf(root).current('raw.shop')
  expect(record?.inputs).toMatchObject([{ kind: 'changes', connection: 'shop', transactions: 4, rows: 8 }])
  // Every transaction has an instant of its own, and time only goes on.
  const changes = (await logOf(root)).map(({ _lsn, effective }) => ({ _lsn, effective: BigInt(effective) }))
  for (const [at, change] of changes.entries()) {
    if (at === 0) continue
    const before = changes[at - 1]!
    if (before._lsn === change._lsn) expect(change.effective).toBe(before.effective)
    else expect(change.effective).toBeGreaterThan(before.effective)
  }

  const third = await runProject(root)
  expect(third.summary).toMatchObject({ status: 'succeeded', tasks: { unchanged: 1 } })
  expect((await lakeOf(root).current('raw.shop'))?.version).toBe(2)
})

test('CD-04: many changes of one commit have one position and a number each, and none is lost', async () => {
  const root = await shop(
    ['public.t'],
    ['CREATE TABLE t (id int PRIMARY KEY, v int)', 'INSERT INTO t VALUES (1, 0), (2, 0)'],
  )
  await runProject(root)
  const updates = Array.from({ length: 200 }, (_, at) => `UPDATE t SET v = ${at + 1} WHERE id = ${1 + (at % 2)}`)
  await sql('BEGIN', ...updates, 'COMMIT')
  expect((await runProject(root)).errors).toEqual([])
  const changes = (await logOf(root)).filter(({ _op }) => _op === 'U')
  expect(new Set(changes.map(({ _lsn }) => _lsn)).size).toBe(1)
  expect(new Set(changes.map(({ _seq }) => _seq)).size).toBe(200)
  expect(changes.map(({ after }) => JSON.parse(after!).v)).toEqual(updates.map((_, at) => `${at + 1}`))
  await expectEqual(root, 'public.t')
})

test('CD-15: a TRUNCATE of several tables empties each of them at its commit, and what is inserted after it stays', async () => {
  const setup = ['a', 'b', 'c'].flatMap((table) => [
    `CREATE TABLE ${table} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)`,
    `INSERT INTO ${table} (v) SELECT 'before' FROM generate_series(1, 4)`,
  ])
  const root = await shop(
    ['public.a', 'public.b', 'public.c'],
    [...setup, 'ALTER TABLE c ADD a int REFERENCES a', 'UPDATE c SET a = id'],
  )
  await runProject(root)
  await sql(
    'BEGIN',
    "UPDATE b SET v = 'changed' WHERE id = 1",
    // CASCADE empties c, too, and the numbers begin again.
    'TRUNCATE a, b RESTART IDENTITY CASCADE',
    "INSERT INTO b (v) VALUES ('in the same transaction')",
    'COMMIT',
    "INSERT INTO a (v) VALUES ('after')",
  )
  expect((await runProject(root)).errors).toEqual([])
  const log = await logOf(root)
  const truncates = log.filter(({ _op }) => _op === 'T')
  expect(truncates.map(({ _table }) => _table).sort()).toEqual(['public.a', 'public.b', 'public.c'])
  expect(new Set(truncates.map(({ _lsn }) => _lsn)).size).toBe(1)
  expect([...fold(log, 'public.c').values()]).toEqual([])
  expect([...fold(log, 'public.b').values()]).toEqual([{ id: '1', v: 'in the same transaction' }])
  await expectEqual(root, 'public.a', 'public.b', 'public.c')
})

test('a backlog comes in versions of whole transactions, in one run', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (id int PRIMARY KEY, v int)'], 'maxBatchRows: 100')
  await runProject(root)
  for (let i = 0; i < 10; i++)
    await sql(`INSERT INTO t SELECT i, ${i} FROM generate_series(${i * 40}, ${i * 40 + 39}) i`)
  const { summary, errors } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.rows).toMatchObject({ read: 400, accepted: 400 })
  const versions = await lakeOf(root).versions('raw.shop')
  expect(versions.map(({ accounting }) => accounting.accepted)).toEqual([40, 120, 120, 120, 1])
  await expectEqual(root, 'public.t')
})

/** A clock whose time passes faster. */
function fasterClock(times: number): Clock {
  const started = Date.now()
  return {
    now: () => new Date(started + (Date.now() - started) * times),
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
  }
}

test('CD-30: a server that has changes and sends nothing is an error, and not "no rows"', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (id int PRIMARY KEY, v text)'])
  await runProject(root)
  await sql("INSERT INTO t SELECT i, repeat('v', 100) FROM generate_series(1, 200000) i")
  const running = runProject(root, fasterClock(20))
  let reader: number | undefined
  while (reader === undefined) {
    const { rows } = await client.query('SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1', [name()])
    reader = rows[0].active_pid ?? undefined
  }
  process.kill(reader, 'SIGSTOP')
  try {
    const { events, summary } = await running
    expect(summary.status).toBe('failed')
    const said = events.flatMap((event) => (event.type === 'task.warning' ? [event.message] : []))
    // It is tried again; the server still holds the slot for the reader that hangs.
    expect(said[0]).toMatch(
      /^attempt 1 failed and is tried again: .* nothing came from its slot "[^"]+" for 120 seconds/,
    )
  } finally {
    process.kill(reader, 'SIGCONT')
  }
  expect((await lakeOf(root).current('raw.shop'))?.version).toBe(1)
})

test('CD-20, CD-30: a large transaction that is still open stops nobody; what it commits comes once, with the rest', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (id int PRIMARY KEY, v text)'])
  await runProject(root)
  const other = await server.superuserClient(`shop_${name().split('_').at(-1)}`)
  try {
    // More than the server keeps in memory of a transaction: it is sent before it commits.
    await other.query('BEGIN')
    await other.query("INSERT INTO t SELECT i, repeat('v', 1000) FROM generate_series(1, 80000) i")
    await sql("INSERT INTO t VALUES (-1, 'beside')")
    expect(await runProject(root)).toMatchObject({ errors: [], summary: { rows: { accepted: 1 } } })
    expect(await confirmed()).toBe(printLsn((await cursorOf(root)).position))
    await sql("INSERT INTO t VALUES (-2, 'beside')")
    expect(await runProject(root)).toMatchObject({ errors: [], summary: { rows: { accepted: 1 } } })
    await other.query('COMMIT')
  } finally {
    await other.end()
  }
  expect(await runProject(root)).toMatchObject({ errors: [], summary: { rows: { accepted: 80_000 } } })
  await expectEqual(root, 'public.t')
})
