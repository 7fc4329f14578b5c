import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { type Lsn, parseLsn } from '../../src/changes/lsn.ts'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import { readSlot } from '../../src/sources/cdc/continuity.ts'
import { transactionAssembler } from '../../src/sources/cdc/transactions.ts'
import { pgoutputDecoder } from '../../src/sources/cdc/wire/pgoutput.ts'
import {
  type ChangeStream,
  createSlot,
  identifyServer,
  openStream,
  replicationClient,
} from '../../src/sources/cdc/wire/stream.ts'
import { type PostgresServer, startPostgres, testedMajor } from '../servers/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-stream-'))
let server: PostgresServer
let client: pg.Client
const opened: ChangeStream[] = []
let settings: ConnectionSettings
const never = new AbortController().signal

beforeAll(async () => {
  server = await startPostgres({
    walLevel: 'logical',
    settings: {
      logical_decoding_work_mem: '64kB',
      checkpoint_timeout: '1h',
      wal_sender_timeout: '3s',
      synchronous_commit: 'on',
    },
  })
  client = await server.superuserClient()
  const { host, port, user, password, database } = server
  settings = {
    ...{ name: 'shop', kind: 'postgres', host, port, user, password, database, tls: 'off', connectTimeoutSeconds: 10 },
  }
})

// A server waits for its open streams before it ends.
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close()
})

afterAll(async () => {
  await client.end()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function slotOf(name: string): Promise<Lsn> {
  const walsender = await replicationClient(settings, never)
  const { consistentPoint } = await createSlot(walsender, name, 'shop')
  await walsender.end()
  return consistentPoint
}

async function serverPosition(): Promise<Lsn> {
  const walsender = await replicationClient(settings, never)
  const { position } = await identifyServer(walsender)
  await walsender.end()
  return position
}

async function open(slot: string, from: Lsn, memoryBytes = 1 << 20, statusMs = 500): Promise<ChangeStream> {
  const assembler = transactionAssembler(pgoutputDecoder(), from, { folder, memoryBytes, diskBytes: 1 << 30 })
  const stream = await openStream({
    settings,
    slot,
    publication: `${slot} "p"`,
    from,
    assembler,
    clock: systemClock,
    signal: never,
    statusMs,
  })
  opened.push(stream)
  return stream
}

/** Older servers need a moment to see that a reader has gone. */
async function freed(slot: string): Promise<void> {
  await expect.poll(async () => (await readSlot(client, slot))?.activePid).toBeUndefined()
}

/** Reads to the server's position; answers each transaction as its list of changes. */
async function drain(stream: ChangeStream): Promise<string[][]> {
  const out: string[][] = []
  const until = await serverPosition()
  const ended = await stream.read({
    async take(transaction) {
      const changes: string[] = []
      for (const message of transaction.messages())
        if (message.kind === 'insert' || message.kind === 'update' || message.kind === 'delete')
          changes.push(`${message.kind} ${message.before ?? '-'} ${message.after ?? '-'} ${message.unchanged ?? '-'}`)
        else if (message.kind === 'truncate') changes.push(`truncate ${message.relations.map(({ table }) => table)}`)
      transaction.close()
      out.push(changes)
    },
    isFull: () => false,
    until,
  })
  expect(ended).toBe('reached')
  expect(stream.position).toBeGreaterThanOrEqual(until)
  return out
}

async function confirmed(slot: string): Promise<Lsn> {
  const { rows } = await client.query(
    'SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  )
  return parseLsn(rows[0].at)
}

async function sql(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await client.query(statement)
}

test('CD-02, CD-04, CD-12, CD-20: what a server sends is read as it was committed, once, from where it was committed', async () => {
  await sql(
    'CREATE TABLE t (id int PRIMARY KEY, v text, big text)',
    'ALTER TABLE t ALTER big SET STORAGE EXTERNAL',
    'CREATE PUBLICATION "one ""p""" FOR TABLE t',
  )
  const from = await slotOf('one')
  await sql(
    "INSERT INTO t SELECT i, 'é\"', NULL FROM generate_series(1, 3) i",
    "UPDATE t SET big = repeat('x', 3000) WHERE id = 1",
    'BEGIN',
    "UPDATE t SET id = 10, v = 'moved' WHERE id = 1",
    'SAVEPOINT s',
    'DELETE FROM t',
    'ROLLBACK TO s',
    'DELETE FROM t WHERE id = 2',
    'COMMIT',
    'BEGIN',
    'DELETE FROM t',
    'ROLLBACK',
    'TRUNCATE t',
  )
  const expected = [
    [1, 2, 3].map((id) => `insert - {"id":"${id}","v":"é\\"","big":null} -`),
    [`update - {"id":"1","v":"é\\"","big":"${'x'.repeat(3000)}"} -`],
    ['update {"id":"1"} {"id":"10","v":"moved"} ["big"]', 'delete {"id":"2"} - -'],
    ['truncate public.t'],
  ]
  const first = await open('one', from)
  expect(await drain(first)).toEqual(expected)
  first.close()
  await freed('one')
  // Nothing was acknowledged, so all of it comes again.
  const second = await open('one', from)
  expect(await drain(second)).toEqual(expected)
  const { position } = second
  second.acknowledge(position)
  expect(await drain(second)).toEqual([])
  second.close()
  await freed('one')
  const third = await open('one', position)
  expect(await drain(third)).toEqual([])
  await sql("INSERT INTO t VALUES (7, 'g', NULL)")
  expect(await drain(third)).toEqual([['insert - {"id":"7","v":"g","big":null} -']])
  third.close()
})

test('CD-20: a transaction that is sent before it ends and is rolled back is never seen, and nothing of it stays on disk', async () => {
  await sql('CREATE TABLE aborted (id int PRIMARY KEY, v text)', 'CREATE PUBLICATION "aborted ""p""" FOR TABLE aborted')
  const from = await slotOf('aborted')
  const stream = await open('aborted', from, 10_000)
  const other = await server.superuserClient()
  try {
    await other.query('BEGIN')
    await other.query("INSERT INTO aborted SELECT i, 'lost' FROM generate_series(1, 5000) i")
    // What was committed meanwhile is read, and the open transaction waits beside it.
    await sql("INSERT INTO aborted VALUES (-1, 'kept')")
    expect(await drain(stream)).toEqual([['insert - {"id":"-1","v":"kept"} -']])
    expect(readdirSync(folder)).not.toEqual([])
    await other.query('ROLLBACK')
    await sql("INSERT INTO aborted VALUES (-2, 'kept')")
    expect(await drain(stream)).toEqual([['insert - {"id":"-2","v":"kept"} -']])
    expect(readdirSync(folder)).toEqual([])
  } finally {
    await other.end()
    stream.close()
  }
})

test('CD-22, CD-20: a transaction that is sent before it commits waits on disk; what a savepoint took back is not seen', async () => {
  await sql('CREATE TABLE large (id int PRIMARY KEY, v text)', 'CREATE PUBLICATION "two ""p""" FOR TABLE large')
  const from = await slotOf('two')
  await sql(
    'BEGIN',
    "INSERT INTO large SELECT i, 'kept' FROM generate_series(1, 5000) i",
    'SAVEPOINT s',
    "INSERT INTO large SELECT i, 'lost' FROM generate_series(5001, 9000) i",
    'ROLLBACK TO s',
    "INSERT INTO large SELECT i, 'kept' FROM generate_series(5001, 6000) i",
    'COMMIT',
    'BEGIN',
    "INSERT INTO large SELECT i, 'lost' FROM generate_series(10001, 15000) i",
    'ROLLBACK',
  )
  const stream = await open('two', from, 10_000)
  const [changes, ...rest] = await drain(stream)
  expect(rest).toEqual([])
  expect(changes).toEqual(Array.from({ length: 6000 }, (_, i) => `insert - {"id":"${i + 1}","v":"kept"} -`))
  stream.close()
  expect(readdirSync(folder)).toEqual([])
})

test('CD-03: after a crash of the server the slot steps back; what comes again is skipped', async () => {
  await sql('CREATE TABLE crash (id int PRIMARY KEY)', 'CREATE PUBLICATION "three ""p""" FOR TABLE crash', 'CHECKPOINT')
  const from = await slotOf('three')
  const before = await open('three', from)
  const seen: string[] = []
  for (let i = 0; i < 4; i++) {
    await sql(`INSERT INTO crash VALUES (${i})`)
    seen.push(...(await drain(before)).flat())
    before.acknowledge(before.position)
  }
  const committed = before.position
  await expect.poll(() => confirmed('three')).toBe(committed)
  await server.kill()
  before.close()
  await server.restart()
  client = await server.superuserClient()
  expect(await confirmed('three')).toBeLessThan(committed)
  await sql('INSERT INTO crash VALUES (4)')
  const stream = await open('three', committed)
  seen.push(...(await drain(stream)).flat())
  expect(seen).toEqual(Array.from({ length: 5 }, (_, i) => `insert - {"id":"${i}"} -`))
  stream.close()
})

test('CD-07: a slot that is in use is not taken away; CD-06: one that does not exist is named', async () => {
  await sql('CREATE PUBLICATION "four ""p"""')
  const from = await slotOf('four')
  const first = await open('four', from)
  await drain(first)
  const second = await open('four', from)
  await expect(drain(second)).rejects.toMatchObject({ name: 'Source.SlotBusy', message: expect.stringMatching(/\d+/) })
  second.close()
  const none = await open('none', from)
  await expect(drain(none)).rejects.toMatchObject({ name: 'Source.SlotLost' })
  none.close()
  expect(await drain(first)).toEqual([])
  first.close()
})

test('CD-23: while nothing is published, the position moves on with the server, and the slot follows', async () => {
  await sql(
    'CREATE TABLE elsewhere (id int)',
    'CREATE TABLE quiet (id int PRIMARY KEY)',
    'CREATE PUBLICATION "five ""p""" FOR TABLE quiet',
  )
  const from = await slotOf('five')
  const stream = await open('five', from)
  await sql('INSERT INTO elsewhere SELECT generate_series(1, 20000)')
  expect((await drain(stream)).flat()).toEqual([])
  expect(stream.position).toBeGreaterThan(from + 100_000n)
  stream.acknowledge(stream.position)
  await expect.poll(() => confirmed('five')).toBe(stream.position)
  stream.close()
})

test('CD-22: the connection stays while a slow reader takes its time, and ends at a boundary', async () => {
  await sql('CREATE TABLE slow (id int PRIMARY KEY, v text)', 'CREATE PUBLICATION "six ""p""" FOR TABLE slow')
  const from = await slotOf('six')
  for (let i = 0; i < 5; i++)
    await sql(`INSERT INTO slow SELECT i, repeat('x', 500) FROM generate_series(${i * 5000}, ${i * 5000 + 4999}) i`)
  const stream = await open('six', from)
  let rows = 0
  const batch = () =>
    stream.read({
      async take(transaction) {
        // Twice as long as the server waits for a sign of life.
        if (rows === 0) await systemClock.sleep(6000)
        for (const { kind } of transaction.messages()) if (kind === 'insert') rows++
        transaction.close()
      },
      isFull: () => rows % 10_000 === 0,
      waitMs: rows === 0 ? 60_000 : 2000,
    })
  expect([await batch(), rows]).toEqual(['full', 10_000])
  expect([await batch(), rows]).toEqual(['full', 20_000])
  expect([await batch(), rows]).toEqual(['waited', 25_000])
  stream.close()
})

test('a server that goes away is a loss of the stream, which can be tried again', async () => {
  await sql('CREATE PUBLICATION "seven ""p"""')
  const stream = await open('seven', await slotOf('seven'))
  // Awaited from the start: the loss may come before the statement that causes it has answered.
  const lost = expect(stream.read({ take: async () => {}, isFull: () => false })).rejects.toMatchObject({
    ...{ name: 'Source.StreamLost', retryable: true },
  })
  await systemClock.sleep(200)
  await sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'seven'")
  await lost
  stream.close()
})

test('CD-05: a slot that the server gave up is told by its state, and by the stream', async () => {
  await sql('CREATE TABLE filler (v text)', 'CREATE PUBLICATION "eight ""p"""')
  const from = await slotOf('eight')
  expect(await readSlot(client, 'nowhere')).toBeUndefined()
  expect(await readSlot(client, 'eight')).toMatchObject({
    ...{ slot: 'eight', plugin: 'pgoutput', walStatus: 'reserved', confirmed: from, activePid: undefined },
    safeBytes: undefined,
  })
  await sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", 'SELECT pg_reload_conf()')
  for (let i = 0; i < 4; i++)
    await sql("INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 3000)", 'SELECT pg_switch_wal()')
  await sql('CHECKPOINT')
  await expect.poll(async () => (await readSlot(client, 'eight'))?.walStatus).toBe('lost')
  if (testedMajor >= 17) expect((await readSlot(client, 'eight'))?.invalidation).toBe('wal_removed')
  await expect(drain(await open('eight', from))).rejects.toMatchObject({ name: 'Source.SlotLost' })
})
