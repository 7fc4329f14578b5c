/** What changes rows of a captured table without a change in the stream, and how it is found. */
import { expect, test } from 'vitest'
import type { CdcControl } from '../../src/run/cdc/api.ts'
import { openProject } from '../../src/run/project.ts'
import { testedMajor } from '../servers/postgres.ts'
import { cursorOf, runProject } from './project.ts'
import { expectEqual, name, shop, sql, unpublished } from './shop.ts'

async function control<T>(root: string, work: (log: CdcControl) => Promise<T>): Promise<T> {
  await using project = await openProject(root)
  return await work(await project.cdc('raw.shop'))
}

const parts = [
  'CREATE TABLE parts (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)',
  'CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (2)',
  'CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2) TO (3)',
  'INSERT INTO parts SELECT i, 1 + i % 2 FROM generate_series(1, 10) i',
  'CREATE TABLE u (id int PRIMARY KEY)',
]

const attached = (id: number) => [
  `CREATE TABLE parts_${id} (id int NOT NULL, day int NOT NULL, PRIMARY KEY (id, day))`,
  `INSERT INTO parts_${id} VALUES (${id}, ${id})`,
  `ALTER TABLE parts ATTACH PARTITION parts_${id} FOR VALUES FROM (${id}) TO (${id + 1})`,
]

test.each([
  ['ATTACH', attached(3), 'the partition public.parts_3 was attached with rows', { inserted: 1 }],
  [
    'ATTACH in the transaction that made it',
    ['BEGIN', ...attached(3), 'COMMIT'],
    'the partition public.parts_3 was attached with rows',
    { inserted: 1 },
  ],
  ['DETACH', ['ALTER TABLE parts DETACH PARTITION parts_2'], 'public.parts_2 was detached or dropped', { deleted: 5 }],
  ['DROP', ['DROP TABLE parts_2'], 'public.parts_2 was detached or dropped', { deleted: 5 }],
  [
    'TRUNCATE',
    ['TRUNCATE parts', 'INSERT INTO parts VALUES (1, 1), (2, 2)', 'TRUNCATE parts_2'],
    'public.parts_2 was truncated or rewritten',
    { deleted: 1 },
  ],
])(
  '%s of a partition: the table is stale and named, the others go on, and a comparison finds it',
  async (_, statements, why, found) => {
    const root = await shop(['public.parts', 'public.u'], parts)
    expect((await runProject(root)).errors).toEqual([])
    await sql(...statements, 'INSERT INTO u VALUES (1)')
    const stale = { name: 'Source.TableStale', message: expect.stringContaining(why) }
    const { errors, summary } = await runProject(root)
    expect(errors).toMatchObject([stale])
    expect(summary.status).toBe('failed')
    await expectEqual(root, 'public.u')
    // Its changes are taken meanwhile, and it is told with each run.
    await sql('INSERT INTO parts VALUES (100, 1)')
    expect((await runProject(root)).errors).toMatchObject([stale])
    const { tables } = await control(root, (log) => log.status())
    expect(tables).toMatchObject([{ status: 'stale', detail: expect.stringContaining(why) }, { status: 'captured' }])
    const compared = await control(root, (log) => log.resnapshot({ tables: ['public.parts'] }))
    expect(compared.tables).toMatchObject([{ inserted: 0, updated: 0, deleted: 0, ...found }])
    expect((await runProject(root)).errors).toEqual([])
    await expectEqual(root, 'public.parts', 'public.u')
  },
)

test('a new partition, and a TRUNCATE of the whole table, are in the stream: nothing is said', async () => {
  const root = await shop(['public.parts'], parts)
  expect((await runProject(root)).errors).toEqual([])
  await sql(
    'CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (3) TO (4)',
    'INSERT INTO parts VALUES (1, 3)',
    'CREATE TABLE parts_4 PARTITION OF parts FOR VALUES FROM (4) TO (5)',
  )
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.parts')
  await sql('TRUNCATE parts', 'INSERT INTO parts VALUES (7, 3), (8, 4)')
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.parts')
  await sql('INSERT INTO parts VALUES (9, 1)')
  expect((await runProject(root)).errors).toEqual([])
  expect((await cursorOf(root)).stale).toEqual({})
  await expectEqual(root, 'public.parts')
})

const t = ['CREATE TABLE t (id int PRIMARY KEY, v text)', "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i"]

test.each(['', 'ALTER TABLE t REPLICA IDENTITY FULL'])(
  'a table that is renamed and renamed back loses nothing of what happened between, in one reading or in several (%s)',
  async (identity) => {
    const root = await shop(['public.t'], [...t, ...(identity === '' ? [] : [identity])])
    expect((await runProject(root)).errors).toEqual([])
    await sql(
      'ALTER TABLE t RENAME TO away',
      "UPDATE away SET v = 'between' WHERE id = 1",
      // Another table has its name for a while.
      'CREATE TABLE t (id int PRIMARY KEY, v text)',
      `ALTER PUBLICATION ${name()} ADD TABLE t`,
      "INSERT INTO t VALUES (99, 'not of ours')",
      'DROP TABLE t',
      'ALTER TABLE away RENAME TO t',
      'DELETE FROM t WHERE id = 2',
    )
    expect((await runProject(root)).errors).toEqual([])
    await expectEqual(root, 'public.t')

    await sql('ALTER TABLE t RENAME TO away', "UPDATE away SET v = 'away' WHERE id = 3")
    const { errors, events } = await runProject(root)
    expect(errors).toEqual([])
    expect(events.flatMap((event) => (event.type === 'task.warning' ? [event.message] : []))).toEqual([
      expect.stringMatching(/^public.t is called public.away on the server now/),
    ])
    await sql('DELETE FROM away WHERE id = 4', 'ALTER TABLE away RENAME TO t', 'DELETE FROM t WHERE id = 5')
    expect((await runProject(root)).errors).toEqual([])
    await expectEqual(root, 'public.t')
  },
)

test('two tables that change names are not taken for one another', async () => {
  const root = await shop(['public.t'], [...t, 'CREATE TABLE t_new (id int PRIMARY KEY, v text)'])
  await sql(`DROP PUBLICATION ${name()}`, `CREATE PUBLICATION ${name()} FOR TABLE t, t_new`)
  expect((await runProject(root)).errors).toEqual([])
  await sql(
    "INSERT INTO t_new VALUES (1, 'new')",
    'ALTER TABLE t RENAME TO t_old',
    'ALTER TABLE t_new RENAME TO t',
    "INSERT INTO t VALUES (50, 'new')",
  )
  expect((await runProject(root)).errors).toMatchObject([
    { name: 'Source.TableStale', message: expect.stringContaining('another table has its name') },
  ])
  await control(root, (log) => log.resnapshot())
  await sql("UPDATE t SET v = 'x' WHERE id = 50")
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t')
})

test('a table that could not be read for a while is stale when it can be read again', async () => {
  const root = await shop(['public.t', 'public.u'], [...t, 'CREATE TABLE u (id int PRIMARY KEY)'])
  expect((await runProject(root)).errors).toEqual([])
  await sql(
    'ALTER TABLE t REPLICA IDENTITY NOTHING',
    "INSERT INTO t VALUES (77, 'unnamed')",
    'INSERT INTO u VALUES (1)',
  )
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.ReplicaIdentity' }])
  await expectEqual(root, 'public.u')
  await sql('ALTER TABLE t REPLICA IDENTITY DEFAULT', 'INSERT INTO u VALUES (2)')
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.TableStale' }])
  expect(await control(root, (log) => log.resnapshot({ tables: ['public.t'] }))).toMatchObject({
    tables: [{ inserted: 1 }],
  })
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, 'public.t', 'public.u')
})

test('CD-16, CD-17, CD-18: what changes rows and sends no change: each table is named at the next run, before anything changes in it', async () => {
  const statements = {
    typed: "ALTER TABLE typed ALTER n TYPE text USING n || 'x'",
    filled: 'ALTER TABLE filled ADD c int NOT NULL DEFAULT 7',
    again: 'ALTER TABLE again DROP n, ADD n int',
    times: 'ALTER TABLE times ALTER n TYPE int USING n * 100',
    moods: "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    away: 'ALTER TABLE away RENAME TO elsewhere; ALTER TABLE elsewhere ADD c int NOT NULL DEFAULT 7',
    same: 'ALTER TABLE same ADD c int; VACUUM FULL same',
  }
  const names = Object.keys(statements)
  const root = await shop(
    names.map((one) => `public.${one}`),
    [
      "CREATE TYPE mood AS ENUM ('sad', 'ok')",
      ...names.flatMap((one) => [
        `CREATE TABLE ${one} (id int PRIMARY KEY, v text, n int, m mood)`,
        `INSERT INTO ${one} SELECT i, 'v', i ${one === 'moods' ? ", 'sad'" : ''} FROM generate_series(1, 3) i`,
      ]),
    ],
  )
  // The others would be stale by the type, too.
  for (const one of names) if (one !== 'moods') await sql(`ALTER TABLE ${one} DROP m`)
  expect((await runProject(root)).errors).toEqual([])
  for (const one of Object.values(statements).flatMap((some) => some.split('; '))) await sql(one)
  const { errors } = await runProject(root)
  const said = errors.map((one) => `${one.name} ${/public\.\w+/.exec(one.message)?.[0]}`).sort()
  expect(said).toEqual([
    'Source.TableStale public.again',
    'Source.TableStale public.moods',
    'Source.TableStale public.times',
    'Source.TableWaits public.away',
    'Source.TableWaits public.filled',
    'Source.TableWaits public.typed',
  ])
  await sql('ALTER TABLE elsewhere RENAME TO away')
  await control(root, (log) => log.resnapshot())
  expect((await runProject(root)).errors).toEqual([])
  await expectEqual(root, ...names.map((one) => `public.${one}`))
})

test('rows of which no change is ever sent are named: partitions that are unlogged or foreign, tables that inherit, a row filter, a view', async () => {
  const root = await unpublished(
    ['public.u', 'public.f', 'public.parent', 'public.few', 'public.v'],
    [
      ...['u', 'f'].flatMap((one) => [
        `CREATE TABLE ${one} (id int, v text) PARTITION BY RANGE (id)`,
        `ALTER TABLE ${one} REPLICA IDENTITY FULL`,
        `CREATE TABLE ${one}_1 PARTITION OF ${one} FOR VALUES FROM (0) TO (10)`,
      ]),
      'CREATE UNLOGGED TABLE u_2 PARTITION OF u FOR VALUES FROM (10) TO (20)',
      'CREATE FOREIGN DATA WRAPPER nothing',
      'CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing',
      'CREATE TABLE parent (id int PRIMARY KEY)',
      'CREATE TABLE child () INHERITS (parent)',
      'CREATE TABLE few (id int PRIMARY KEY)',
      'CREATE VIEW v AS SELECT 1 AS id',
    ],
  )
  await sql(
    `CREATE PUBLICATION ${name()} FOR TABLE u, f, ONLY parent, few${testedMajor >= 15 ? ' WHERE (id < 3)' : ''} WITH (publish_via_partition_root = true)`,
  )
  const refused = async () => {
    const { errors, events } = await runProject(root)
    const warnings = events.flatMap((event) => (event.type === 'task.warning' ? [event.message] : []))
    return { refused: errors.map(({ message }) => message).sort(), warnings }
  }
  expect(await refused()).toEqual({
    refused: [
      expect.stringMatching(/^Rows of public.u .*partition public.u_2 is unlogged/),
      expect.stringMatching(/sends no changes of public.v: it is a view/),
    ],
    warnings: [
      ...(testedMajor >= 15 ? ['public.few: only rows where (id < 3) are published'] : []),
      expect.stringMatching(/^public.parent: rows of tables that inherit from it \(public.child\)/),
    ],
  })
  await sql('CREATE FOREIGN TABLE f_2 PARTITION OF f FOR VALUES FROM (10) TO (20) SERVER elsewhere')
  expect((await refused()).refused).toEqual([
    expect.stringMatching(/^Rows of public.f .*partition public.f_2 is a foreign table/),
    expect.stringMatching(/^Rows of public.u .*partition public.u_2 is unlogged/),
    expect.stringMatching(/sends no changes of public.v: it is a view/),
  ])
  const { findings } = await control(root, (log) => log.status())
  expect(findings.filter(({ detail }) => /inherit/.test(detail))).toMatchObject([
    { name: 'public.parent', status: 'warn' },
  ])
})
