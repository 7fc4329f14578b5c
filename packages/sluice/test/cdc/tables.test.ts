/** What may be wrong with one captured table, and is not wrong with the others. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { CdcControl } from '../../src/run/cdc/api.ts'
import { openProject } from '../../src/run/project.ts'
import { addTables, cursorOf, fold, logOf, rowsOf, runProject } from './project.ts'
import { expectEqual, name, server, shop, sql, unpublished } from './shop.ts'

async function control<T>(root: string, work: (log: CdcControl) => Promise<T>): Promise<T> {
  await using project = await openProject(root)
  return await work(await project.cdc('raw.shop'))
}
const failing = async (root: string) =>
  (await control(root, (log) => log.status())).findings.flatMap((one) =>
    one.status === 'fail' ? [`${one.name}: ${one.detail}`] : [],
  )

const t = 'CREATE TABLE t (id int PRIMARY KEY, v text)'
const u = 'CREATE TABLE u (id int PRIMARY KEY, v text)'
const filled = (table: string) => `INSERT INTO ${table} SELECT i, 'v' || i FROM generate_series(1, 10) i`

/** The project connects as a user that may only replicate. */
async function asReader(root: string): Promise<string> {
  const user = `reader_${name()}`
  await sql(`CREATE ROLE ${user} LOGIN REPLICATION PASSWORD 'reader'`)
  edit(`${root}/sluice.config.ts`, `"user":"${server.user}"`, `"user":"${user}"`)
  writeFileSync(`${root}/.env`, 'SHOP_PASSWORD=reader\n')
  return user
}

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replace(from, to))
}

test('row-level security: a table that has hidden rows is not copied in part, and is named; others go on; with BYPASSRLS it is whole', async () => {
  const root = await shop(['public.t', 'public.u'], [t, u, filled('t'), filled('u')])
  const user = await asReader(root)
  await sql(
    `GRANT SELECT ON t, u TO ${user}`,
    'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY few ON t USING (id < 4)',
  )
  expect(await failing(root)).toEqual([expect.stringMatching(/^public.t: row-level security hides rows/)])
  const { statements } = await control(root, (log) => log.setup({ apply: false }))
  expect(statements).toMatchObject([{ sql: `ALTER ROLE "${user}" BYPASSRLS`, allowed: false }])

  const first = await runProject(root)
  expect(first.errors).toMatchObject([{ name: 'Source.RowsHidden', message: expect.stringContaining('public.t') }])
  expect(first.summary.status).toBe('failed')
  await expectEqual(root, 'public.u')
  expect(fold(await logOf(root), 'public.t').size).toBe(0)
  await expect(control(root, (log) => log.resnapshot({ tables: ['public.t'] }))).rejects.toMatchObject({
    name: 'Source.RowsHidden',
  })

  await sql(`ALTER ROLE ${user} BYPASSRLS`)
  expect(await failing(root)).toEqual([expect.stringMatching(/^public.t: its rows up to now are not in the log/)])
  await control(root, (log) => log.resnapshot({ tables: ['public.t'] }))
  await sql("UPDATE t SET v = 'x' WHERE id > 5")
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.u')
})

test('row-level security that comes after the first copy: a comparison deletes nothing', async () => {
  const root = await shop(['public.t'], [t, filled('t')])
  const user = await asReader(root)
  await sql(`GRANT SELECT ON t TO ${user}`)
  expect((await runProject(root)).errors).toEqual([])
  await sql('ALTER TABLE t ENABLE ROW LEVEL SECURITY', 'CREATE POLICY few ON t USING (id < 4)')
  await expect(control(root, (log) => log.resnapshot())).rejects.toMatchObject({ name: 'Source.RowsHidden' })
  await sql("UPDATE t SET v = 'x' WHERE id > 5")
  // The stream has all rows.
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t')
})

test('missing USAGE or SELECT: found before, named rightly, not tried again, and no other table stops', async () => {
  const root = await shop(
    ['public.t', 'hidden.w'],
    [
      t,
      filled('t'),
      'CREATE SCHEMA hidden',
      'CREATE TABLE hidden.w (id int PRIMARY KEY)',
      'INSERT INTO hidden.w VALUES (1)',
    ],
  )
  const user = await asReader(root)
  await sql(`GRANT SELECT ON t TO ${user}`)
  expect(await failing(root)).toEqual([
    'hidden.w: this user has not USAGE of its schema; this user has not SELECT of it',
  ])
  const { statements } = await control(root, (log) => log.setup({ apply: false }))
  expect(statements.map((one) => one.sql)).toEqual([
    `GRANT USAGE ON SCHEMA "hidden" TO "${user}"`,
    `GRANT SELECT ON "hidden"."w" TO "${user}"`,
  ])
  const { errors, events } = await runProject(root)
  expect(errors).toMatchObject([
    { name: 'Source.TableDenied', message: expect.stringMatching(/hidden\.w.*USAGE of its schema and SELECT/) },
  ])
  expect(events.filter(({ type }) => type === 'task.started')).toHaveLength(1)
  await expectEqual(root, 'public.t')
  for (const one of statements) await sql(one.sql)
  await control(root, (log) => log.resnapshot({ tables: ['hidden.w'] }))
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'hidden.w')
})

test('one dropped table stops its own changes only', async () => {
  const root = await shop(['public.t', 'public.u'], [t, u, filled('t'), filled('u')])
  expect((await runProject(root)).errors).toEqual([])
  await sql('DROP TABLE t', "UPDATE u SET v = 'after'")
  const { errors, summary } = await runProject(root)
  expect(errors).toMatchObject([{ name: 'Source.TableMissing', message: expect.stringContaining('public.t') }])
  expect(summary.status).toBe('failed')
  await expectEqual(root, 'public.u')
  expect((await cursorOf(root)).published).toHaveProperty(['public.t'])
  // Made again, it is another one.
  await sql(
    t,
    "INSERT INTO t VALUES (1, 'new')",
    `ALTER PUBLICATION ${name()} ADD TABLE t`,
    'DELETE FROM u WHERE id = 1',
  )
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.PublicationChanged' }])
  await expectEqual(root, 'public.u')
  await control(root, (log) => log.resnapshot({ tables: ['public.t'] }))
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.u')
})

test('a declared column that the server does not publish is named, with the reason, and makes no column of NULLs', async () => {
  const root = await shop(
    ['public.t', 'public.u'],
    [
      'CREATE TABLE t (id int PRIMARY KEY, email text, long text GENERATED ALWAYS AS (upper(email)) STORED)',
      "INSERT INTO t VALUES (1, 'a')",
      u,
      filled('u'),
    ],
  )
  const columns = (names: string) => `columns: { id: 'integer', ${names} }, key: 'id', as: 'current'`
  addTables(
    root,
    `{ 'stage.wrong': changes('raw.shop', 'public.t', { ${columns("emial: nullable('text'), long: nullable('text')")} }),
       'stage.right': changes('raw.shop', 'public.t', { ${columns("email: nullable('text')")} }) }`,
  )
  const wrong =
    /^public.t: stage.wrong declares "emial", which the server's table does not have \(was "email" meant\?\); "long", which is generated/
  expect(await failing(root)).toEqual([expect.stringMatching(wrong)])
  const { errors } = await runProject(root)
  expect(errors).toMatchObject([
    {
      name: 'Changes.ColumnUnpublished',
      message: expect.stringMatching(/"emial", "long" of public.t/),
      hint: expect.stringContaining('Was "email" meant?'),
    },
  ])
  expect(await rowsOf(root, 'SELECT * FROM stage."right"')).toEqual([{ id: 1, email: 'a' }])
  expect(await failing(root)).toEqual([expect.stringMatching(wrong)])
  // One that was published once has its earlier values.
  await sql('ALTER TABLE t DROP COLUMN long', 'ALTER TABLE t DROP COLUMN email', 'INSERT INTO t VALUES (2)')
  await runProject(root)
  await control(root, (log) => log.accept({ apply: true }))
  await runProject(root)
  expect(await rowsOf(root, 'SELECT * FROM stage."right" ORDER BY id')).toEqual([
    { id: 1, email: 'a' },
    { id: 2, email: null },
  ])
})

test('CD-07: a slot of another project is neither read, replaced nor removed, also where this project had one of that name', async () => {
  const root = await shop(['public.t'], [t, filled('t')])
  const foreign = { name: 'Source.SlotForeign', hint: expect.not.stringContaining('cdc drop') }
  const make = () => sql(`SELECT pg_create_logical_replication_slot('${name()}', 'pgoutput')`)
  const drop = (apply: boolean) => control(root, (log) => log.drop({ apply }))
  await make()
  await expect(drop(true)).rejects.toMatchObject(foreign)
  expect((await runProject(root)).errors).toMatchObject([foreign])
  await sql(`SELECT pg_drop_replication_slot('${name()}')`)

  expect((await runProject(root)).errors).toEqual([])
  expect(await drop(false)).toMatchObject({ statements: [{}] })
  await sql(`SELECT pg_drop_replication_slot('${name()}')`)
  await drop(true)
  await make()
  await expect(drop(true)).rejects.toMatchObject(foreign)
  expect((await runProject(root)).errors).toMatchObject([foreign])
  await expect(control(root, (log) => log.resnapshot())).rejects.toMatchObject(foreign)
  // What another one has left alone is made by a comparison, and is this project's.
  await sql(`SELECT pg_drop_replication_slot('${name()}')`, 'DELETE FROM t WHERE id = 1')
  await control(root, (log) => log.resnapshot())
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t')
  expect(await drop(true)).toMatchObject({ done: true })
})

test('a table in mixed case is the same one in any spelling', async () => {
  const root = await shop(
    ['public."MixedCase"', '"public"."a.b"'],
    [
      'CREATE TABLE "MixedCase" (id int PRIMARY KEY)',
      'INSERT INTO "MixedCase" VALUES (1)',
      'CREATE TABLE "a.b" (id int PRIMARY KEY)',
    ],
  )
  addTables(
    root,
    `{ 'stage.quoted': changes('raw.shop', '"public"."MixedCase"', { columns: { id: 'integer' }, key: 'id', as: 'current' }),
       'stage.plain': changes('raw.shop', 'public.MixedCase', { columns: { id: 'integer' }, key: 'id', as: 'current' }) }`,
  )
  expect((await runProject(root)).errors).toEqual([])
  for (const name of ['quoted', 'plain']) expect(await rowsOf(root, `SELECT * FROM stage.${name}`)).toEqual([{ id: 1 }])
  expect(await control(root, (log) => log.resnapshot({ tables: ['public."MixedCase"'] }))).toMatchObject({
    tables: [{ table: 'public.MixedCase', rows: 1, inserted: 0 }],
  })
  expect(await failing(root)).toEqual([])
})

test('CD-16: a column added with a default: it is said that earlier rows differ, and a comparison brings their values', async () => {
  const root = await shop(['public.t'], [t, filled('t')])
  await runProject(root)
  await sql("ALTER TABLE t ADD COLUMN state text DEFAULT 'open'", "INSERT INTO t VALUES (11, 'v', 'new')")
  expect((await runProject(root)).errors).toMatchObject([
    {
      name: 'Source.TableWaits',
      message: expect.stringContaining('added with a default'),
      hint: expect.stringContaining('sluice cdc resnapshot'),
    },
  ])
  expect(await control(root, (log) => log.accept({ apply: true }))).toEqual([
    {
      table: 'public.t',
      changes: [expect.stringMatching(/"state" was added with a value.*until sluice cdc resnapshot/)],
    },
  ])
  expect((await runProject(root)).errors).toEqual([])
  expect(await control(root, (log) => log.resnapshot())).toMatchObject({ tables: [{ updated: 10 }] })
  await expectEqual(root, 'public.t')
})

test('former default names are respected without another copy; a publication that another has made is not dropped, one of our own is', async () => {
  const root = await unpublished(['public.t'], [t, filled('t')])
  const pipeline = `${root}/pipelines/shop/pipeline.ts`
  const [given] = /slot: '\w+', publication: '\w+',/.exec(readFileSync(pipeline, 'utf8'))!
  edit(pipeline, given, "slot: 'sluice_shop', publication: 'sluice_shop',")
  await sql('CREATE PUBLICATION sluice_shop FOR TABLE t')
  expect((await runProject(root)).errors).toEqual([])
  const copied = (await logOf(root)).length
  edit(pipeline, "slot: 'sluice_shop', publication: 'sluice_shop',", '')
  await sql("UPDATE t SET v = 'x' WHERE id = 1")
  expect((await runProject(root)).errors).toEqual([])
  expect(await logOf(root)).toHaveLength(copied + 1)
  expect(await cursorOf(root)).toMatchObject({ slot: 'sluice_shop', publication: 'sluice_shop' })
  expect(await control(root, (log) => log.status())).toMatchObject({ slot: 'sluice_shop', publication: 'sluice_shop' })

  const { statements } = await control(root, (log) => log.drop({ apply: true }))
  expect(statements.map((one) => one.sql)).toEqual(["SELECT pg_drop_replication_slot('sluice_shop')"])

  edit(`${root}/sluice.config.ts`, "name: 'shop'", "name: 'other'")
  rmSync(`${root}/lake`, { recursive: true })
  rmSync(`${root}/.sluice`, { recursive: true })
  const made = await control(root, (log) => log.setup({ apply: true }))
  expect(made.statements[0]!.sql).toContain('CREATE PUBLICATION "sluice_other_shop"')
  expect((await runProject(root)).errors).toEqual([])
  const dropped = await control(root, (log) => log.drop({ apply: true }))
  expect(dropped.statements.map((one) => one.sql)).toEqual([
    "SELECT pg_drop_replication_slot('sluice_other_shop')",
    'DROP PUBLICATION "sluice_other_shop"',
  ])
})
