/** The PostgreSQL adapter when something goes wrong, and what it sends. */
import { createServer, connect as dial } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ConnectionSettings } from '../../src/connections/connection.ts'
import { postgresConnector } from '../../src/connections/postgres/connector.ts'
import { startPostgres } from '../servers/postgres.ts'
import {
  admin,
  call,
  certificates,
  connected,
  copied,
  csvRows,
  expectedRows,
  folder,
  never,
  parameter,
  reader,
  server,
  settings,
  type Taken,
  take,
} from './postgres-server.ts'

describe('sessions', () => {
  test('SR-14: what one call leaves behind is not there for the next', async () => {
    await connected({}, async (connection) => {
      await take(connection, call('erp.untidy'))
      const { sets } = await take(connection, call('erp.every'))
      expect(sets[0]?.rows).toEqual(expectedRows)
      expect((await admin.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`)).rowCount).toBe(0)
      await take(connection, call('erp.untidy'))
    })
  })

  test('SR-13: wide rows come in small batches, and wait for a slow sink', async () => {
    await connected({}, async (connection) => {
      let [rows, largest] = [0, 0]
      const before = process.memoryUsage().rss
      const sink = {
        columns: () => true,
        async rows(_: number, __: unknown, size: number) {
          rows += size
          largest = Math.max(largest, size)
          await new Promise((done) => setTimeout(done, 20))
          expect(process.memoryUsage().rss - before).toBeLessThan(250 << 20)
        },
        message: () => undefined,
      }
      const asked = call('erp.wide', [parameter('n', 'integer', '500'), parameter('bytes', 'integer', '1000000')])
      expect((await connection.call(asked, sink, never)).rows).toEqual([500])
      expect(rows).toBe(500)
      expect(largest).toBeLessThan(10)
    })
  })
})

describe('errors', () => {
  test('SR-02: before, between and after rows: rejected, rolled back, and the connection goes on', async () => {
    await connected({}, async (connection) => {
      for (const after of ['0', '1', '5000']) {
        await expect(take(connection, call('erp.fails', [parameter('after', 'bigint', after)]))).rejects.toMatchObject({
          name: 'Connection.CallFailed',
          params: { code: 'P0007', why: `it broke after ${after} (on purpose)` },
        })
        await expect(
          copied(connection, call('erp.fails', [parameter('after', 'bigint', after)])),
        ).rejects.toMatchObject({
          name: 'Connection.CallFailed',
        })
      }
      const into: Taken = { sets: [], messages: [] }
      await expect(
        take(connection, call('erp.divides', [parameter('n', 'bigint', '4500')]), into),
      ).rejects.toMatchObject({
        params: { code: '22012' },
      })
      expect(into.sets[0]?.rows.length).toBeGreaterThan(0)
      await expect(copied(connection, call('erp.divides', [parameter('n', 'bigint', '4500')]))).rejects.toMatchObject({
        params: { code: '22012' },
      })
      expect((await take(connection, call('erp.scalar'))).sets[0]?.rows).toEqual([['1.10']])
    })
    expect((await admin.query(`SELECT FROM erp.log WHERE said = 'began'`)).rowCount).toBe(0)
  })

  test('SR-10: a role with EXECUTE only calls, copies and describes what it may, and nothing else', async () => {
    await connected(reader, async (connection) => {
      expect((await take(connection, call('erp.every'))).end?.rows).toEqual([3])
      expect((await copied(connection, call('erp.every'))).end?.rows).toEqual([3])
      await expect(take(connection, call('erp.secret'))).rejects.toMatchObject({ name: 'Connection.Forbidden' })
      await expect(take(connection, call('erp.absent'))).rejects.toMatchObject({ name: 'Connection.NoProcedure' })
      const found = await connection.describe()
      expect(found.map(({ procedure }) => procedure)).toEqual(['erp.every', 'erp.series', 'erp.talks'])
    })
  })

  test('SR-10: the GRANT that a refusal names gives the right: to call, to read, to reach the schema', async () => {
    await admin.query(`CREATE SCHEMA closed; CREATE TABLE closed.kept AS SELECT 7 AS id;
      CREATE FUNCTION closed.reads() RETURNS TABLE (id int) LANGUAGE sql AS 'SELECT id FROM closed.kept';
      REVOKE EXECUTE ON ROUTINE closed.reads() FROM PUBLIC; SET search_path = closed, public`)
    const grants: string[] = []
    await connected(reader, async (connection) => {
      for (let missing = true; missing; ) {
        const refused = await take(connection, call('closed.reads')).catch((error) => error)
        missing = refused.name === 'Connection.Forbidden'
        if (!missing) expect(refused.sets[0]?.rows).toEqual([['7']])
        else {
          expect(refused).toMatchObject({ retryable: false, hint: expect.stringContaining(refused.params.grant) })
          grants.push(refused.params.grant)
          await admin.query(refused.params.grant)
        }
      }
    })
    await admin.query('SET search_path = public; DROP SCHEMA closed CASCADE')
    expect(grants).toEqual([
      'GRANT USAGE ON SCHEMA "closed" TO "reader";',
      'GRANT EXECUTE ON ROUTINE "closed"."reads" TO "reader";',
      'GRANT SELECT ON "kept" TO "reader";',
    ])
  })

  test('SR-10, SR-12: login, TLS and reach', async () => {
    const refused = (more: Partial<ConnectionSettings>) =>
      connected(more, async () => 'connected').catch((error) => error.name)
    expect(await refused({ password: 'wrong' })).toBe('Connection.LoginFailed')
    expect(await refused({ database: 'absent' })).toBe('Connection.LoginFailed')
    expect(await refused({ port: 1 })).toBe('Connection.Unreachable')
    expect(await refused({ tls: 'verified' })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.otherCa })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.ca, serverName: 'elsewhere.test' })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.ca })).toBe('connected')
    expect(await refused({ tls: 'verified', ca: certificates.ca, serverName: 'localhost' })).toBe('connected')
    expect(await refused({ tls: 'unverified' })).toBe('connected')
    for (const tls of [certificates.wrongHost, certificates.expired, certificates.selfSigned]) {
      const other = await startPostgres({ tls })
      try {
        expect(await refused({ port: other.port, tls: 'verified', ca: certificates.ca })).toBe('Connection.Tls')
      } finally {
        await other.stop()
      }
    }
  })
})

const working = async (): Promise<number> =>
  (await admin.query(`SELECT FROM pg_stat_activity WHERE application_name = 'sluice' AND state = 'active'`)).rowCount ??
  0

async function untilIdle(): Promise<void> {
  for (let time = 0; time < 60 && (await working()) > 0; time++) await new Promise((done) => setTimeout(done, 100))
  expect(await working()).toBe(0)
}

describe('ends', () => {
  test("a file that cannot be written is the caller's error, and the connection is dropped", async () => {
    await connected({}, async (connection) => {
      const sink = { columns: () => true, message: () => undefined }
      await expect(
        connection.copy?.(call('erp.every'), join(folder, 'absent', 'rows.csv'), sink, never),
      ).rejects.toMatchObject({ code: 'ENOENT' })
      expect(connection.isUsable).toBe(false)
    })
    await connected({}, async (connection) => {
      const asked = call('erp.series', [parameter('n', 'bigint', '500000')])
      // Linux's device that is always full.
      await expect(
        connection.copy?.(asked, '/dev/full', { columns: () => true, message: () => undefined }, never),
      ).rejects.toMatchObject({ code: 'ENOSPC' })
    })
    await untilIdle()
  })

  test('SR-09: a cancelled and a late call drop the connection at once, and the server stops within seconds', async () => {
    const long = (timeoutMs: number) => call('erp.sleeps', [parameter('seconds', 'float', '60')], { timeoutMs })
    const sink = { columns: () => true, rows: () => undefined, message: () => undefined }
    const cancelled = await postgresConnector.connect(settings(), never)
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 200)
    await expect(cancelled.call(long(60_000), sink, abort.signal)).rejects.toMatchObject({
      name: 'Connection.Cancelled',
    })
    expect(cancelled.isUsable).toBe(false)
    const late = await postgresConnector.connect(settings(), never)
    await expect(late.copy?.(long(300), join(folder, 'late.csv'), sink, never)).rejects.toMatchObject({
      name: 'Connection.Timeout',
    })
    expect(late.isUsable).toBe(false)
    await untilIdle()
  })

  test('what the sink throws ends the call as it is, and the connection is dropped', async () => {
    for (const at of ['columns', 'rows', 'later', 'message'] as const) {
      const connection = await postgresConnector.connect(settings(), never)
      const raise = (where: string) => {
        if (at === where) throw new RangeError(at)
      }
      const sink = {
        columns: () => raise('columns') ?? true,
        rows: async (_: number, __: unknown, size: number) => (size === 2048 ? raise('rows') : raise('later')),
        message: () => raise('message'),
      }
      const asked = at === 'message' ? call('erp.talks') : call('erp.series', [parameter('n', 'bigint', '50000')])
      await expect(connection.call(asked, sink, never)).rejects.toThrow(new RangeError(at))
      expect(connection.isUsable).toBe(false)
    }
    await untilIdle()
  })

  test('SR-01: a server that dies in the middle of the rows is a lost connection', async () => {
    const other = await startPostgres()
    try {
      const client = await other.superuserClient()
      await client.query(
        `CREATE FUNCTION rows() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT generate_series(1, 10000000)'`,
      )
      const connection = await postgresConnector.connect(settings({ port: other.port }), never)
      let killed: Promise<void> | undefined
      const rows = async (): Promise<void> => {
        killed ??= other.kill()
        await killed
      }
      await expect(
        connection.call(call('public.rows'), { columns: () => true, rows, message: () => undefined }, never),
      ).rejects.toMatchObject({ name: 'Connection.Lost', retryable: true })
      expect(connection.isUsable).toBe(false)
      await connection.close()
    } finally {
      await other.stop()
    }
  })
})

describe('the wire', () => {
  test('SR-11: no name or value of the user is ever a piece of a statement', async () => {
    const sent: Buffer[] = []
    const proxy = createServer((socket) => {
      const upstream = dial(server.port, server.host)
      socket.on('data', (chunk) => void sent.push(chunk))
      socket.pipe(upstream).pipe(socket)
      for (const each of [socket, upstream]) each.on('error', () => undefined)
    })
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
    const { port } = proxy.address() as { port: number }
    const marker = "zz'; DROP TABLE erp.log; --"
    try {
      await connected({ port }, async (connection) => {
        const odd = `"Odd ""one"""."f(x); DROP TABLE erp.log; --"`
        const asked = call(odd, [parameter('p"; --', 'text', marker)])
        expect((await take(connection, asked)).sets[0]?.rows).toEqual([[marker]])
        expect(csvRows((await copied(connection, asked)).text ?? '', 1)).toEqual([[marker]])
        await expect(take(connection, call('erp.f(); DROP TABLE log'))).rejects.toMatchObject({
          name: 'Connection.NoProcedure',
        })
        await expect(take(connection, call('a.b.c'))).rejects.toMatchObject({ name: 'Connection.InvalidName' })
        await expect(take(connection, call('ş'.repeat(32)))).rejects.toMatchObject({ name: 'Connection.InvalidName' })
        await expect(take(connection, call('erp.over', [parameter('b', 'text', 'a\0b')]))).rejects.toMatchObject({
          name: 'Connection.ValueInvalid',
        })
      })
    } finally {
      proxy.close()
    }
    const statements = statementsOf(Buffer.concat(sent))
    expect(statements.filter((text) => text.includes('zz'))).toEqual([])
    const withName = statements.filter((text) => text.includes('DROP'))
    const quoted = `"Odd ""one"""."f(x); DROP TABLE erp.log; --"("p""; --" => `
    expect(withName).toEqual([
      `SELECT * FROM ${quoted}$1)`,
      `SELECT * FROM ${quoted}$1)`,
      `COPY (SELECT "c1" FROM ${quoted}current_setting('sluice.p1')::text) AS r("c1")) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`,
    ])
    expect((await admin.query(`SELECT to_regclass('erp.log') IS NOT NULL AS there`)).rows).toEqual([{ there: true }])
  })

  /** The texts of all Query and Parse messages that a client sent. */
  function statementsOf(sent: Buffer): string[] {
    const texts: string[] = []
    // The startup message has no kind.
    for (let at = sent.readUInt32BE(0); at < sent.length; at += 1 + sent.readUInt32BE(at + 1)) {
      const kind = String.fromCharCode(sent[at] as number)
      const body = sent.subarray(at + 5, at + 1 + sent.readUInt32BE(at + 1))
      const start = kind === 'P' ? body.indexOf(0) + 1 : 0
      if (kind === 'Q' || kind === 'P') texts.push(body.subarray(start, body.indexOf(0, start)).toString())
    }
    return texts
  }
})
