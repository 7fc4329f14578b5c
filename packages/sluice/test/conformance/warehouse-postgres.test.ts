/** What only a server can do to a load: exact values through COPY, other loaders and writers, deadlocks, lost connections, rights. */

import { mkdtempSync, readdirSync } from 'node:fs'
import { createServer, connect as dial, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Load } from '../../src/definition/types.ts'
import { openPostgresWarehouse, type PostgresWarehouseOptions } from '../../src/warehouses/postgres/warehouse.ts'
import { selectOf } from './select-relation.ts'
import { columns, engine, freshSchema, inputOf, postgresServer } from './warehouses.ts'

const replace: Load = { mode: 'replace', from: 'a.t' }
const upsert: Load = { mode: 'upsert', from: 'a.t', key: ['k'] }
const shape = columns({ k: 'INTEGER!', v: 'VARCHAR' })

async function fresh(more: Partial<PostgresWarehouseOptions> = {}) {
  const { settings, schema } = await freshSchema()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-copy-'))
  const options = { settings, schema, engine, clock: systemClock, folder, ...more }
  return {
    ...options,
    open: (also: Partial<PostgresWarehouseOptions> = {}) => openPostgresWarehouse({ ...options, ...also }),
  }
}

test('WH-12: every type arrives exactly as it was, and a load of the same is unchanged', async () => {
  const values: readonly (readonly [type: string, postgres: string, texts: readonly string[]])[] = [
    ['BOOLEAN', 'boolean', ['true', 'false']],
    ['TINYINT', 'smallint', ['-128', '127']],
    ['UINTEGER', 'bigint', ['0', '4294967295']],
    ['BIGINT', 'bigint', ['-9223372036854775808', '9223372036854775807']],
    ['UBIGINT', 'numeric(20,0)', ['18446744073709551615']],
    ['HUGEINT', 'numeric(39,0)', ['-170141183460469231731687303715884105727']],
    ['DECIMAL(38,10)', 'numeric(38,10)', ['1234567890123456789012345678.0123456789', '-0.0000000001']],
    ['FLOAT', 'real', ['0.1', '-0.0', '3.4028235e+38']],
    ['DOUBLE', 'double precision', ['0.1', '-0.0', 'nan', 'inf', '-inf', '5e-324', '1.7976931348623157e+308']],
    [
      'VARCHAR',
      'text',
      ['', ' ', 'NULL', '\\N', '\\.', 'a"b', 'a,b', 'a\nb\r\nc', '\t\\x41', 'é\u{1F600}\uFEFF', "it's"],
    ],
    ['JSON', 'text', ['{"b":1.10,"a":[null,""],"b":2}']],
    ['BLOB', 'bytea', ['', '\\x00\\xFF\\x5C\\x22\\x0A', 'plain']],
    ['UUID', 'uuid', ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
    ['DATE', 'date', ['0001-01-01', '9999-12-31', '0044-03-15 (BC)', '12345-06-07', 'infinity', '-infinity']],
    ['TIME', 'time without time zone', ['00:00:00', '23:59:59.999999', '24:00:00']],
    [
      'TIMESTAMP',
      'timestamp without time zone',
      ['2024-02-29 23:59:59.123456', '0044-03-15 (BC) 01:02:03', 'infinity'],
    ],
    ['TIMESTAMP WITH TIME ZONE', 'timestamp with time zone', ['1969-12-31 23:59:59.999999+00', '-infinity']],
  ]
  const wide = columns({ id: 'INTEGER!', ...Object.fromEntries(values.map(([type], at) => [`c${at}`, type])) })
  const longest = Math.max(...values.map(([, , texts]) => texts.length))
  // The last row is NULL throughout.
  const rows = Array.from({ length: longest + 1 }, (_, row) => [
    row,
    ...values.map(([, , texts]) => texts[row] ?? null),
  ])
  const { folder, open } = await fresh()
  await using warehouse = await open()
  const load: Load = { mode: 'upsert', from: 'a.t', key: ['id'] }
  await warehouse.load(inputOf(1, load, wide, rows))
  expect(await warehouse.load(inputOf(2, load, wide, rows))).toMatchObject({ unchanged: rows.length, updated: 0 })
  expect(await warehouse.drift(inputOf(2, load, wide, []))).toEqual([])

  const types = await warehouse.query(
    'SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 1 ORDER BY attnum',
    ['target'],
  )
  expect(types.map(({ type }) => type)).toEqual(values.map(([, postgres]) => postgres))
  // Compared by the server itself, with its own literals.
  const literal = (type: string, postgres: string, text: string | undefined): string => {
    if (text === undefined) return 'NULL'
    if (type !== 'BLOB') return `CAST('${text.replaceAll("'", "''").replace('(BC)', 'BC')}' AS ${postgres})`
    const bytes = text.replace(/\\x(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    return `decode('${Buffer.from(bytes, 'latin1').toString('hex')}', 'hex')`
  }
  for (const [at, [type, postgres, texts]] of values.entries()) {
    for (const row of rows.keys()) {
      const want = literal(type, postgres, texts[row])
      const [found] = await warehouse.query(
        `SELECT c${at}::text IS NOT DISTINCT FROM (${want})::text AS same, c${at}::text AS is FROM target WHERE id = $1`,
        [row],
      )
      expect(found, `${type} ${texts[row]}`).toMatchObject({ same: true })
    }
  }
  expect(readdirSync(folder), 'nothing is left of what passed through').toEqual([])
})

test('WH-12: a name that would be cut, and a type that the server lacks, are refused before anything is made', async () => {
  const { open } = await fresh()
  await using warehouse = await open()
  const long = 'é'.repeat(32)
  await expect(warehouse.load(inputOf(1, replace, columns({ [long]: 'INTEGER' }), []))).rejects.toMatchObject({
    name: 'Warehouse.NameTooLong',
    params: { bytes: 64, limit: 63 },
  })
  await expect(warehouse.load(inputOf(1, replace, columns({ k: 'INTEGER[]' }), []))).rejects.toMatchObject({
    name: 'Warehouse.TypeUnknown',
  })
  const [{ tables } = {}] = await warehouse.query(
    "SELECT count(*) AS tables FROM pg_class WHERE relname = 'target' AND relnamespace = current_schema()::regnamespace",
  )
  expect(tables).toBe('0')
})

test('WH-01: a value that the server refuses ends the load, whichever side of the pipe fails first', async () => {
  const { open } = await fresh()
  await using warehouse = await open()
  const input = inputOf(1, replace, shape, [])
  const nul =
    "SELECT i::INTEGER AS k, CASE WHEN i = 150000 THEN 'a' || chr(0) ELSE repeat('x', 50) END AS v FROM range(200000) t(i)"
  await expect(warehouse.load({ ...input, relation: selectOf(nul), rows: 200_000 })).rejects.toMatchObject({
    name: 'Warehouse.Refused',
    params: { code: '22021' },
  })
  const broken = nul.replace("'a' || chr(0)", "error('broken here')")
  await expect(warehouse.load({ ...input, relation: selectOf(broken), rows: 200_000 })).rejects.toThrow('broken here')
  expect(await warehouse.ledger({})).toEqual([])
  expect(await warehouse.load(inputOf(1, replace, shape, [[1, 'a']]))).toMatchObject({ total: 1 })
})

test('WH-04: of two loads of one target at a time one waits for the other; both are whole', async () => {
  const { open } = await fresh()
  const loaders = await Promise.all([open(), open(), open()])
  const loads = loaders.map((warehouse, at) =>
    warehouse.load(
      inputOf(at + 1, upsert, shape, [
        [1, `v${at}`],
        [at + 2, 'own'],
      ]),
    ),
  )
  const results = await Promise.all(loads)
  expect(results.map(({ inserted, updated }) => inserted * 10 + updated).sort()).toEqual([11, 11, 20])
  expect(await loaders[0]!.ledger({})).toHaveLength(3)
  expect((await loaders[0]!.query('SELECT k FROM target ORDER BY k')).map(({ k }) => k)).toEqual([1, 2, 3, 4])
  // The same load by two at once happens once.
  const same = inputOf(9, upsert, shape, [[1, 'last']])
  const twice = await Promise.all([loaders[0]!.load(same), loaders[1]!.load(same)])
  expect(twice.map(({ status }) => status).sort()).toEqual(['already-loaded', 'loaded'])
  await Promise.all(loaders.map((warehouse) => warehouse.close()))
})

test('WH-04, WH-14: a target that someone holds is told by name when the wait is over', async () => {
  const { open, schema } = await fresh({ lockTimeoutMs: 200 })
  await using warehouse = await open()
  await warehouse.load(inputOf(1, upsert, shape, [[1, 'a']]))
  const other = await (await postgresServer()).superuserClient()
  await other.query(`BEGIN; UPDATE ${schema}.target SET v = 'by hand'`)
  await expect(warehouse.load(inputOf(2, upsert, shape, [[1, 'b']]))).rejects.toMatchObject({
    name: 'Warehouse.Busy',
    retryable: true,
    exit: 5,
  })
  await other.query('ROLLBACK')
  await other.end()
  expect(await warehouse.load(inputOf(2, upsert, shape, [[1, 'b']]))).toMatchObject({ updated: 1 })
})

test('WH-14: a load that the server gives up in a deadlock is begun again, whole', async () => {
  const { open, schema } = await fresh()
  await using warehouse = await open()
  await warehouse.load(inputOf(1, upsert, shape, [[1, 'a']]))
  // The other holds the ledger and wants the target, which the load holds while it wants the ledger.
  const other = await (await postgresServer()).superuserClient()
  await other.query(
    `SET deadlock_timeout = '1h'; BEGIN; LOCK TABLE sluice_${schema}.load_ledger IN ACCESS EXCLUSIVE MODE`,
  )
  const loading = warehouse.load(inputOf(2, upsert, shape, [[1, 'b']]))
  const watcher = await (await postgresServer()).superuserClient()
  const waits = async (): Promise<number> =>
    (
      await watcher.query(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'sluice load' AND wait_event_type = 'Lock'",
      )
    ).rows.length
  await expect.poll(waits).toBe(1)
  await other.query(`UPDATE ${schema}.target SET v = 'by hand'; COMMIT`)
  expect(await loading).toMatchObject({ updated: 1 })
  expect(await warehouse.query('SELECT v FROM target')).toEqual([{ v: 'b' }])
  expect(await warehouse.ledger({})).toHaveLength(2)
  const { rows } = await watcher.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')
  expect(Number(rows[0].deadlocks)).toBeGreaterThan(0)
  await Promise.all([other.end(), watcher.end()])
})

/** A line to the server that a test can cut: before the COMMIT reaches it, or after, before the answer comes back. */
async function cuttable(port: number) {
  const sockets = new Set<Socket>()
  let cut: 'before' | 'after' | undefined
  let open = true
  const proxy = createServer((client) => {
    if (!open) return void client.destroy()
    const upstream = dial(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    let committing = false
    client.on('data', (bytes) => {
      committing = bytes.includes('COMMIT\0')
      if (committing && cut === 'before') {
        client.destroy()
        upstream.destroy()
      } else upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (committing && cut === 'after') client.destroy()
      else client.write(bytes)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
  return {
    port: (proxy.address() as { port: number }).port,
    cut: (when: typeof cut) => {
      cut = when
    },
    refuse: () => {
      open = false
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}

test.each(['before', 'after'] as const)(
  'WH-02: the line is cut %s the server has the COMMIT: the ledger is asked',
  async (when) => {
    const { open, settings } = await fresh()
    const line = await cuttable(settings.port)
    const warehouse = await open({ settings: { ...settings, port: line.port } })
    await warehouse.load(inputOf(1, upsert, shape, [[1, 'a']]))
    line.cut(when)
    const next = inputOf(2, upsert, shape, [
      [1, 'b'],
      [2, 'c'],
    ])
    const loading = warehouse.load(next)
    if (when === 'after') expect(await loading).toMatchObject({ status: 'loaded', inserted: 1, updated: 1, total: 2 })
    else await expect(loading).rejects.toMatchObject({ name: 'Warehouse.ConnectionLost', retryable: true })
    line.cut(undefined)
    expect((await warehouse.load(next)).status).toBe(when === 'after' ? 'already-loaded' : 'loaded')
    expect(await warehouse.query('SELECT k, v FROM target ORDER BY k')).toEqual([
      { k: 1, v: 'b' },
      { k: 2, v: 'c' },
    ])
    await warehouse.close()
    line.close()
  },
)

test('WH-02: where the server cannot be asked afterwards, the outcome is called unknown', async () => {
  const { open, settings } = await fresh()
  const line = await cuttable(settings.port)
  const warehouse = await open({ settings: { ...settings, port: line.port } })
  await warehouse.load(inputOf(1, upsert, shape, [[1, 'a']]))
  line.cut('after')
  line.refuse()
  const next = inputOf(2, upsert, shape, [[1, 'b']])
  await expect(warehouse.load(next)).rejects.toMatchObject({ name: 'Warehouse.OutcomeUnknown', retryable: true })
  await warehouse.close().catch(() => undefined)
  line.close()
  await using direct = await open()
  expect((await direct.load(next)).status).toBe('already-loaded')
})

test('a loader without the right to make a schema loads into one that was made for it', async () => {
  const { open, settings, schema } = await fresh()
  const admin = await (await postgresServer()).superuserClient()
  await admin.query(`CREATE ROLE loader_${schema} LOGIN PASSWORD 'p'`)
  const user = { ...settings, user: `loader_${schema}`, password: 'p' }
  {
    await using warehouse = await open({ settings: user })
    await expect(warehouse.load(inputOf(1, replace, shape, [[1, 'a']]))).rejects.toMatchObject({
      name: 'Warehouse.Forbidden',
      exit: 3,
    })
  }
  await admin.query(
    `CREATE SCHEMA sluice_${schema} AUTHORIZATION loader_${schema}; GRANT CREATE, USAGE ON SCHEMA ${schema} TO loader_${schema}`,
  )
  await admin.end()
  await using warehouse = await open({ settings: user })
  expect(await warehouse.load(inputOf(1, replace, shape, [[1, 'a']]))).toMatchObject({ total: 1 })
  expect(await warehouse.load(inputOf(2, replace, shape, [[2, 'a']]))).toMatchObject({ total: 1 })
})

test('a key has an index, made once', async () => {
  const { open } = await fresh()
  await using warehouse = await open()
  for (const version of [1, 2]) await warehouse.load(inputOf(version, upsert, shape, [[1, 'a']]))
  const indexes = await warehouse.query(
    "SELECT pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indrelid = 'target'::regclass",
  )
  expect(indexes).toHaveLength(1)
  expect(indexes[0]!['def']).toMatch(/USING btree \(k\)$/)
})

test('WH-13: how a table that vanished is given up is said of the schema that its ledger is in', async () => {
  const { open, schema } = await fresh()
  await using warehouse = await open()
  const names = { surrogate: 'sk', effective: 'since', expiry: 'until', current: 'is_current' }
  const history: Load = { mode: 'scd2', from: 'analytics.t', key: ['k'], columns: names, late: 'history' }
  await warehouse.load(inputOf(1, history, shape, [[1, 'a']]))
  await warehouse.query('DROP TABLE target')
  await expect(warehouse.load(inputOf(2, history, shape, [], { rewrite: true }))).rejects.toMatchObject({
    name: 'Warehouse.TargetVanished',
    hint: expect.stringContaining(`DELETE FROM "sluice_${schema}".load_ledger`),
  })
})
