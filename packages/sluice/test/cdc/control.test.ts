import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import type { CdcControl } from '../../src/run/cdc/api.ts'
import { openProject } from '../../src/run/project.ts'
import { testedMajor } from '../servers/postgres.ts'
import { cursorOf, fold, lakeOf, logOf, runProject, watchProject } from './project.ts'
import { client, confirmed, expectEqual, name, server, shop, sql, unpublished } from './shop.ts'

async function control<T>(root: string, work: (log: CdcControl) => Promise<T>): Promise<T> {
  await using project = await openProject(root)
  return await work(await project.cdc('raw.shop'))
}
const status = (root: string) => control(root, (log) => log.status())
const failing = async (root: string) =>
  (await status(root)).findings.filter((one) => one.status !== 'ok').map((one) => `${one.name}: ${one.detail}`)

const t = 'CREATE TABLE t (id int PRIMARY KEY, v text, w int)'
const rows = "INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 10) i"

test('CD-14, CD-27, CD-28: what is missing on the server is found, told and made', async () => {
  const root = await unpublished(
    ['public.t', 'public.keyless', 'public.parts'],
    [
      t,
      rows,
      'CREATE TABLE keyless (v text)',
      'CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)',
      "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
      "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
    ],
  )
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationUnfit' }])
  expect(await failing(root)).toEqual([
    expect.stringMatching(/^publication .*there is no publication/),
    expect.stringMatching(/^public.keyless: it has no primary key/),
  ])
  const planned = await control(root, (log) => log.setup({ apply: false }))
  expect(planned).toMatchObject({ done: false, statements: [{ allowed: true }, { allowed: true }] })
  expect(planned.statements.map((one) => one.sql)).toEqual([
    `CREATE PUBLICATION "${name()}" FOR TABLE "public"."t", "public"."keyless", "public"."parts" WITH (publish_via_partition_root = true)`,
    'ALTER TABLE "public"."keyless" REPLICA IDENTITY FULL',
  ])
  expect(await control(root, (log) => log.setup({ apply: true }))).toMatchObject({ done: true })
  expect(await failing(root)).toEqual([])
  expect(await status(root)).toMatchObject({
    slotStatus: 'missing',
    tables: [{ status: 'new' }, { status: 'new' }, {}],
  })
  expect((await runProject(root)).errors).toEqual([])
  // A row that moves between partitions is one row of the table.
  await sql(
    "INSERT INTO parts VALUES (1, '2026-01-05')",
    "UPDATE parts SET day = '2026-02-05'",
    "INSERT INTO keyless VALUES ('a')",
  )
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.parts', 'public.keyless')
  expect(await status(root)).toMatchObject({
    slotStatus: 'ready',
    lag: { level: 'ok' },
    tables: [{ status: 'captured' }, {}, {}],
  })
  // The other way to publish partitions is another content.
  await sql(`ALTER PUBLICATION ${name()} SET (publish_via_partition_root = false)`)
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationUnfit' }])
  const mended = await control(root, (log) => log.setup({ apply: true }))
  expect(mended.statements).toMatchObject([{ sql: expect.stringMatching(/publish_via_partition_root = true/) }])
  // What happened between the two is not in the stream.
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationChanged' }])
  await control(root, (log) => log.resnapshot())
  expect((await runProject(root)).errors).toEqual([])
  // Column lists, from 15 on.
  const without = testedMajor < 15 ? 'DROP TABLE keyless; ADD TABLE keyless' : 'SET TABLE t, parts, keyless (v)'
  for (const one of without.split('; ')) await sql(`ALTER PUBLICATION ${name()} ${one}`)
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationChanged' }])

  const dropped = await control(root, (log) => log.drop({ apply: true }))
  expect(dropped.statements.map((one) => one.sql)).toEqual([
    `SELECT pg_drop_replication_slot('${name()}')`,
    `DROP PUBLICATION "${name()}"`,
  ])
  const { rows: slots } = await client.query('SELECT 1 FROM pg_replication_slots WHERE database = current_database()')
  expect(slots).toEqual([])
})

test('CD-14: a table that nothing names the rows of is refused, by name', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (v text)'])
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.ReplicaIdentity' }])
})

test('CD-07: a slot that the project has not made is not taken, and one that is read is left to its reader', async () => {
  const root = await shop(['public.t'], [t, rows])
  await client.query(`SELECT pg_create_logical_replication_slot('${name()}', 'pgoutput')`)
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.SlotForeign' }])
})

test('CD-16: an added column flows; the rows before do not have it', async () => {
  const root = await shop(['public.t'], [t, rows])
  await runProject(root)
  await sql(
    'ALTER TABLE t ADD COLUMN note text',
    "UPDATE t SET note = 'n' WHERE id = 1",
    'ALTER TABLE t ALTER v TYPE varchar(30)',
  )
  await sql("INSERT INTO t VALUES (11, 'v', 1, 'm')")
  // Text became varchar: another type.
  const { errors } = await runProject(root)
  expect(errors).toMatchObject([{ name: 'Source.TableWaits' }])
  const log = await logOf(root)
  expect(log.filter(({ _table }) => _table === 'public.t').at(-1)).toMatchObject({
    _op: 'U',
    after: expect.stringContaining('"note":"n"'),
  })
})

test('CD-15, CD-17: a dropped column or a TRUNCATE makes its table wait, and no other; accepted, it goes on where it stopped', async () => {
  const root = await shop(
    ['public.t', 'public.u'],
    [t, rows, 'CREATE TABLE u (id int PRIMARY KEY)'],
    "truncate: 'pause'",
  )
  await runProject(root)
  await sql(
    'ALTER TABLE t DROP COLUMN w',
    "UPDATE t SET v = 'x' WHERE id = 1",
    'INSERT INTO u VALUES (1)',
    'DELETE FROM t WHERE id = 2',
  )
  const first = await runProject(root)
  expect(first.errors).toMatchObject([{ name: 'Source.TableWaits', message: expect.stringContaining('public.t') }])
  expect(first.summary.status).toBe('failed')
  await expectEqual(root, 'public.u')
  expect(await status(root)).toMatchObject({
    tables: [
      { table: 'public.t', status: 'paused', detail: 'column "w" was dropped or renamed' },
      { status: 'captured' },
    ],
  })
  // The server need not keep what waits.
  expect(await confirmed()).toBe((await status(root)).position)
  await sql("INSERT INTO t VALUES (20, 'later')", 'TRUNCATE u', 'INSERT INTO u VALUES (2)')
  expect((await runProject(root)).errors).toHaveLength(2)
  expect((await cursorOf(root)).waiting).toEqual(['public.t', 'public.u'])

  expect(await control(root, (log) => log.accept({ apply: false, table: 'public.t' }))).toEqual([
    { table: 'public.t', changes: ['column "w" was dropped or renamed'] },
  ])
  expect(await control(root, (log) => log.accept({ apply: true, table: 'public.t' }))).toHaveLength(1)
  expect((await cursorOf(root)).waiting).toEqual(['public.u'])
  expect(await control(root, (log) => log.accept({ apply: true }))).toEqual([
    { table: 'public.u', changes: [expect.stringMatching(/^its rows were truncated at 2/)] },
  ])
  await sql("UPDATE t SET v = 'after'", 'INSERT INTO u VALUES (3)')
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.u')
  const truth = await client.query('SELECT id::text, v FROM t ORDER BY t.id')
  const held = fold(await logOf(root), 'public.t')
  expect([...held.values()].map(({ id, v }) => ({ id, v })).sort((a, b) => Number(a.id) - Number(b.id))).toEqual(
    truth.rows,
  )
  // A second time there is nothing.
  expect(await control(root, (log) => log.accept({ apply: true }))).toEqual([])
})

test('CD-17: while a table waits, a watch goes on with the others as often as before, and tells it once', async () => {
  const root = await shop(['public.t', 'public.u'], [t, rows, 'CREATE TABLE u (id int PRIMARY KEY)'])
  const config = `${root}/sluice.config.ts`
  const outbox = "notifications: [{ kind: 'outbox', path: 'out.jsonl' }], name: 'shop'"
  writeFileSync(config, readFileSync(config, 'utf8').replace("name: 'shop'", outbox))
  await runProject(root)
  const nothing = (): void => {}
  const cycles = await watchProject(root, [
    () => sql('ALTER TABLE t DROP COLUMN w', "UPDATE t SET v = 'x'"),
    nothing,
    nothing,
    () => sql('INSERT INTO u VALUES (1)'),
    nothing,
    () => control(root, (log) => log.accept({ apply: true })),
    nothing,
  ])
  const told = cycles.map(({ summary, events, nextMs }) => [
    ...[summary?.rows.accepted, nextMs],
    events.flatMap((event) => (event.type === 'task.refused' ? [`${event.what} ${event.input}`] : [])),
  ])
  // The last says that it waits no more.
  expect(told).toEqual([
    [11, 5000, ['table public.t']],
    [1, 5000, []],
    [0, 5000, []],
  ])
  const lines = readFileSync(`${root}/out.jsonl`, 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { status: 'failed', summary: expect.stringContaining('a table waits: public.t'), next: 'sluice cdc status' },
  ])
  await using project = await openProject(root)
  // The first copy, the two that did something, and the acceptance, which is a run of one task.
  const runs = await project[readContext].runs(100)
  expect(runs.map(({ command }) => command)).toEqual(['accept raw.shop', undefined, undefined, undefined])
  expect((await project[readContext].versions('raw.shop')).every(({ run }) => runs.some(({ id }) => id === run))).toBe(
    true,
  )
})

test('CD-05, CD-06: behind a lost slot the tables are compared, and what was missed is in the log, deletes included', async () => {
  const root = await shop(
    ['public.t', 'public.u'],
    [
      t,
      rows,
      'CREATE TABLE u (id int, part text, big text, PRIMARY KEY (id, part))',
      'ALTER TABLE u ALTER big SET STORAGE EXTERNAL',
      "INSERT INTO u SELECT i, 'é\"', repeat('x', 3000) FROM generate_series(1, 3) i",
    ],
  )
  await runProject(root)
  await sql('UPDATE u SET id = id + 10 WHERE id = 3', "UPDATE t SET v = 'x' WHERE id = 1")
  await runProject(root)
  await sql(`SELECT pg_drop_replication_slot('${name()}')`)
  await sql(
    'DELETE FROM t WHERE id IN (2, 3)',
    "UPDATE t SET v = 'missed' WHERE id = 4",
    "INSERT INTO t VALUES (50, 'new', 1)",
  )
  await sql('DELETE FROM u WHERE id = 1', "UPDATE u SET big = 'short' WHERE id = 2")
  const lost = await runProject(root)
  expect(lost.errors).toMatchObject([{ name: 'Source.SlotLost' }])
  expect((await lakeOf(root).current('raw.shop'))?.version).toBe(2)
  expect((await status(root)).slotStatus).toBe('lost')
  expect(await failing(root)).toEqual([
    expect.stringMatching(/^slot .*: there is none; changes after .* may be missing/),
  ])

  const found = await control(root, (log) => log.resnapshot())
  expect(found.tables).toEqual([
    { table: 'public.t', rows: 9, inserted: 1, updated: 1, deleted: 2 },
    // A row whose large value was not sent with its last change is written anyway.
    { table: 'public.u', rows: 2, inserted: 0, updated: 2, deleted: 1 },
  ])
  await expectEqual(root, 'public.t', 'public.u')
  await sql("UPDATE t SET v = 'after'")
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.u')
})

test('CD-28: a publication that was dropped and made again, or a table that was out of it, is reported: changes between are missing', async () => {
  const root = await shop(['public.t', 'public.u'], [t, rows, 'CREATE TABLE u (id int PRIMARY KEY)'])
  await runProject(root)
  await sql(`ALTER PUBLICATION ${name()} DROP TABLE u`, 'INSERT INTO u VALUES (1)')
  await sql(`ALTER PUBLICATION ${name()} ADD TABLE u`)
  expect((await runProject(root)).errors).toMatchObject([{ message: expect.stringContaining('public.u') }])
  expect(await failing(root)).toEqual(['public.u: its publication was altered: changes may be missing'])
  await control(root, (log) => log.resnapshot({ tables: ['public.u'] }))
  await sql(`DROP PUBLICATION ${name()}`, 'DELETE FROM t WHERE id = 1')
  await sql(`CREATE PUBLICATION ${name()} FOR TABLE t, u`)
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationChanged' }])
  expect((await status(root)).tables).toMatchObject([{ status: 'stale' }, { status: 'stale' }])
  expect(await control(root, (log) => log.resnapshot())).toMatchObject({ tables: [{ deleted: 1 }, {}] })
  await expectEqual(root, 'public.t', 'public.u')
  expect(await failing(root)).toEqual([])
})

test.each(testedMajor < 15 ? ['ALL TABLES'] : ['ALL TABLES', 'TABLES IN SCHEMA public'])(
  'CD-28: FOR %s: what changes between is reported, too',
  async (what) => {
    const root = await unpublished(['public.t'], [t, rows])
    await sql(`CREATE PUBLICATION ${name()} FOR ${what}`)
    expect((await runProject(root)).errors).toEqual([])
    // Another table comes with the others: nobody asked for it.
    await sql('CREATE TABLE later (id int PRIMARY KEY)', 'INSERT INTO later VALUES (1)', 'DELETE FROM t WHERE id = 1')
    expect(await runProject(root)).toMatchObject({ errors: [], summary: { rows: { accepted: 1 } } })
    const publication = (await status(root)).findings.find((one) => one.name.startsWith('publication'))
    expect(publication).toMatchObject({
      status: 'ok',
      detail: 'publishes what is captured, and for nobody: public.later',
    })

    const changed = async (...statements: readonly string[]): Promise<void> => {
      await sql(...statements)
      expect((await runProject(root)).errors, statements[0]!).toMatchObject([{ name: 'Source.PublicationChanged' }])
      expect(await control(root, (log) => log.resnapshot())).toMatchObject({ tables: [{ deleted: 1 }] })
      expect((await runProject(root)).errors).toEqual([])
      await expectEqual(root, 'public.t')
    }
    await changed(
      `ALTER PUBLICATION ${name()} SET (publish = 'insert, update')`,
      'DELETE FROM t WHERE id = 2',
      `ALTER PUBLICATION ${name()} SET (publish = 'insert, update, delete, truncate')`,
    )
    // The same name, and none of the rows of before.
    await changed(
      'CREATE TABLE copy AS TABLE t',
      'DROP TABLE t',
      t,
      'INSERT INTO t TABLE copy',
      'DELETE FROM t WHERE id = 3',
    )
    if (what === 'ALL TABLES') return
    await changed(
      `ALTER PUBLICATION ${name()} DROP TABLES IN SCHEMA public`,
      'DELETE FROM t WHERE id = 4',
      `ALTER PUBLICATION ${name()} ADD TABLES IN SCHEMA public`,
    )
  },
)

test('CD-06: a slot that somebody else has read is ahead; the gap is reported, and found', async () => {
  const root = await shop(['public.t'], [t, rows])
  await runProject(root)
  await sql('DELETE FROM t WHERE id = 1')
  await client.query(`SELECT pg_replication_slot_advance('${name()}', pg_current_wal_lsn())`)
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.SlotAhead' }])
  expect(await control(root, (log) => log.resnapshot())).toMatchObject({ tables: [{ deleted: 1 }] })
  await expectEqual(root, 'public.t')
})

test('a table that is captured later is copied at a position of the stream, while it changes', async () => {
  const root = await shop(
    ['public.t'],
    [t, rows, 'CREATE TABLE u (id int PRIMARY KEY)', 'INSERT INTO u VALUES (1), (2)'],
  )
  await runProject(root)
  const pipeline = `${root}/pipelines/shop/pipeline.ts`
  writeFileSync(pipeline, readFileSync(pipeline, 'utf8').replace('["public.t"]', '["public.t", "public.u"]'))
  await sql(
    `ALTER PUBLICATION ${name()} ADD TABLE u`,
    'DELETE FROM u WHERE id = 1',
    'INSERT INTO u VALUES (3)',
    'DELETE FROM t WHERE id = 1',
  )
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.TableNotCopied' }])
  expect(await control(root, (log) => log.resnapshot({ tables: ['public.u'] }))).toMatchObject({
    tables: [{ table: 'public.u', rows: 2, inserted: 2, updated: 0, deleted: 0 }],
  })
  await expectEqual(root, 'public.t', 'public.u')
  await sql('INSERT INTO u VALUES (4)', 'DELETE FROM t WHERE id = 2')
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.u')
})

test('CD-23: while nothing captured changes, the slot moves on with the server', async () => {
  const root = await shop(['public.t'], [t, rows, 'CREATE TABLE other (v text)'])
  await runProject(root)
  await sql('INSERT INTO other SELECT repeat(md5(i::text), 30) FROM generate_series(1, 30000) i')
  const before = await confirmed()
  const { errors, summary } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.rows.accepted).toBe(0)
  const record = await lakeOf(root).current('raw.shop')
  expect(record).toMatchObject({ version: 2, accounting: { accepted: 0 } })
  expect(await confirmed()).not.toBe(before)
  expect(await confirmed()).toBe((await status(root)).position)
  expect((await status(root)).lag?.bytes).toBeLessThan(1 << 20)
  expect(server.pid).toBeGreaterThan(0)
})
