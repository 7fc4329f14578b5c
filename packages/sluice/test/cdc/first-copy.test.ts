import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command } from '../acceptance/project.ts'
import { cursorOf, lakeOf, runProject } from './project.ts'
import { client, confirmed, expectEqual, name, shop, sql } from './shop.ts'

const setup = [
  'CREATE TABLE t (id int PRIMARY KEY, v text)',
  'CREATE TABLE u (id int PRIMARY KEY, v text)',
  'CREATE TABLE w (id int PRIMARY KEY, big text, n int DEFAULT 0)',
  'ALTER TABLE w ALTER big SET STORAGE EXTERNAL',
  "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i",
  "INSERT INTO u SELECT i, 'v' FROM generate_series(1, 10) i",
  "INSERT INTO w SELECT i, repeat('x', 3000) FROM generate_series(1, 10) i",
]
const tables = ['public.t', 'public.u', 'public.w']
const oneByOne = 'snapshot: { connections: 1 }'

/** A project whose first copy was killed when `kept` tables of three were kept. */
async function interrupted(kept: number): Promise<string> {
  const root = await shop(tables, setup, oneByOne)
  const { signal } = await command(root, ['run'], { env: { SLUICE_CRASH: `sources.cdc.after_keep#${kept}` } })
  expect(signal).toBe('SIGKILL')
  return root
}

/** Runs, and answers what was said. */
async function run(root: string): Promise<readonly string[]> {
  const { errors, summary, events } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary.status).toBe('succeeded')
  return events.flatMap((event) => (event.type === 'task.warning' ? [event.message] : []))
}

function edit(root: string, from: string, to: string): void {
  const path = join(root, 'pipelines/shop/pipeline.ts')
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replace(from, to))
}

const below = (folder: string, pattern: RegExp): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((one) => pattern.test(one))
    .map((one) => join(folder, one))
/** Files of the log in the lake, of whatever version or none. */
const parts = (root: string) => below(join(root, 'lake'), /^raw.shop.data.*\.parquet$/)
const records = (root: string) => below(join(root, '.sluice'), /cdc.raw\.shop\.copied.*\.json$/)

const lastsUntil = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The process that copies a table, once it does. */
const copying = (table: string): Promise<number> =>
  lastsUntil(async () => {
    const { rows } = await client.query(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY (%"${table}"%' AND state = 'active' AND datname = current_database()`,
    )
    return rows[0]?.pid as number | undefined
  })

test('CD-25: tables that were copied are kept and told; rows and history of all of them become the source’s, whatever happened between', async () => {
  const root = await interrupted(1)
  const columns = `{ id: 'integer', big: nullable('text'), n: 'integer' }`
  edit(root, 'cdc, pipeline', 'cdc, changes, nullable, pipeline')
  const of = (table: string, as: string, what: string) =>
    `changes('raw.shop', 'public.${table}', { as: '${as}', key: 'id', columns: ${what} })`
  const plain = `{ id: 'integer', v: nullable('text') }`
  edit(
    root,
    '}) } })',
    `}) }, tables: { 'stage.t': ${of('t', 'current', plain)}, 'stage.t_h': ${of('t', 'history', plain)},
       'stage.w': ${of('w', 'current', columns)}, 'stage.w_h': ${of('w', 'history', columns)} } })`,
  )
  await sql(
    'BEGIN',
    "UPDATE t SET v = 'new' WHERE id = 1",
    'UPDATE w SET n = 1 WHERE id = 1',
    'COMMIT',
    'UPDATE w SET id = 20 WHERE id = 2',
    'DELETE FROM t WHERE id = 3',
    'UPDATE t SET id = 30 WHERE id = 4',
    'TRUNCATE u',
    "INSERT INTO u VALUES (7, 'after')",
  )
  {
    await using project = await openProject(root)
    const status = await (await project.cdc('raw.shop')).status()
    expect(status.findings).toContainEqual(
      expect.objectContaining({ name: 'first copy', detail: 'under way: 1 of 3 tables are copied and kept' }),
    )
    expect(status.tables.map(({ detail }) => detail)).toEqual([
      'copied, and kept for the next run',
      undefined,
      undefined,
    ])
  }
  expect(await run(root)).toEqual(['1 of 3 tables were copied by an earlier attempt, and are kept'])
  await expectEqual(root, ...tables)
  expect(await confirmed()).not.toBe('')
  const first = (await lakeOf(root).record('raw.shop', 1))!
  // Of t: 10 rows and 3 changes; of the others what they had by then; a row a shape.
  expect(first.accounting).toMatchObject({ accepted: 10 + 3 + 1 + 10 + 3, dropped: { 'in the copy of its table': 4 } })
  expect(records(root)).toEqual([])

  // What was carried over from a copied row, and what is made of the log.
  await sql('UPDATE w SET n = n + 1', "UPDATE t SET v = 'last' WHERE id > 5")
  expect(await run(root)).toEqual([])
  await expectEqual(root, ...tables)
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  for (const [table, fields] of [
    ['t', 'id, v'],
    ['w', 'id, big, n'],
  ] as const) {
    const { rows } = await client.query(`SELECT ${fields} FROM ${table} ORDER BY 1`)
    expect(await session.all(`SELECT ${fields} FROM stage.${table} ORDER BY 1`)).toEqual(rows)
    const folded = `SELECT * FROM stage.${table}_h QUALIFY row_number() OVER (PARTITION BY id ORDER BY _sequence DESC) = 1`
    expect(await session.all(`SELECT ${fields} FROM (${folded}) WHERE _op <> 'D' ORDER BY 1`)).toEqual(rows)
  }
  const [order] = await session.all<{ wrong: string }>(
    `SELECT count(*) AS wrong FROM (SELECT _effective_at <= lag(_effective_at) OVER (ORDER BY _lsn) AS back
       FROM (SELECT _lsn, max(_effective_at) AS _effective_at FROM raw.shop GROUP BY _lsn)) WHERE back`,
  )
  expect(Number(order?.wrong)).toBe(0)
})

test('CD-25: with all tables copied, what is left is the commit: no other point is looked at, and the stream is read to the server’s position', async () => {
  const root = await interrupted(3)
  await sql("UPDATE t SET v = 'new'", 'DELETE FROM w WHERE id < 4')
  const before = parts(root)
  expect(await run(root)).toEqual(['3 of 3 tables were copied by an earlier attempt, and are kept'])
  await expectEqual(root, ...tables)
  expect(parts(root)).toEqual(expect.arrayContaining([...before]))
})

test('CD-25: a table that is not what it was when it was copied is copied anew, and nothing of what was kept stays', async () => {
  const kept = '1 of 3 tables were copied by an earlier attempt, and are kept'
  const anew = (why: string) => `the copy of public.t is not kept: ${why}`
  const cases: readonly (readonly [
    what: string,
    (root: string) => Promise<void>,
    said: readonly string[],
    kept?: number,
  ])[] = [
    [
      'another column',
      () => sql("ALTER TABLE t ADD note text DEFAULT 'n'"),
      [anew('it has other columns, or another key'), kept],
    ],
    [
      'another publication entry',
      () => sql(`ALTER PUBLICATION ${name()} DROP TABLE t`, 'DELETE FROM t', `ALTER PUBLICATION ${name()} ADD TABLE t`),
      [anew('its publication was altered'), kept],
    ],
    [
      'a damaged file',
      async (root) => truncateSync(parts(root)[0]!, statSync(parts(root)[0]!).size - 1),
      ['files of it are missing or damaged'].map(anew),
      1,
    ],
    [
      'a damaged record',
      async (root) => writeFileSync(records(root)[0]!, '{'),
      [expect.stringMatching(/is damaged$/), kept],
    ],
    [
      'another list of tables',
      async (root) => edit(root, '"public.t",', ''),
      [anew('it is not captured any more'), '1 of 2 tables were copied by an earlier attempt, and are kept'],
    ],
  ]
  for (const [what, happens, said, keeps = 2] of cases) {
    const root = await interrupted(keeps)
    await happens(root)
    expect(await run(root), what).toEqual(said)
    await expectEqual(
      root,
      ...tables.filter((table) => readFileSync(join(root, 'pipelines/shop/pipeline.ts'), 'utf8').includes(table)),
    )
    expect(records(root), what).toEqual([])
    const { files } = (await lakeOf(root).current('raw.shop'))!
    // What no record names any more is garbage, a day later.
    expect(parts(root).length, what).toBe(files.length + (what === 'a damaged record' ? 1 : 0))
  }
})

test('CD-25: without the slot that the copied tables belong to, all of them are copied again', async () => {
  const cases: readonly (readonly [() => Promise<void>, RegExp])[] = [
    [() => sql(`SELECT pg_drop_replication_slot('${name()}')`), /begins anew, and 1 tables .*: their slot is gone$/],
    [
      () => sql('DELETE FROM u', `SELECT pg_replication_slot_advance('${name()}', pg_current_wal_lsn())`),
      /begins anew.*: their slot is another one now, or was read by somebody else$/,
    ],
    [
      async () => {
        for (let i = 0; i < 50; i++) {
          const full = await client
            .query(`SELECT pg_create_physical_replication_slot('full_${i}')`)
            .catch((error) => error)
          if (full instanceof Error) return
        }
      },
      /begins anew.*: going on takes a second slot for a while, and none is free$/,
    ],
  ]
  for (const [happens, said] of cases) {
    const root = await interrupted(1)
    await happens()
    expect(await run(root)).toEqual([expect.stringMatching(said)])
    await client.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'",
    )
    await expectEqual(root, ...tables)
    const { files } = (await lakeOf(root).current('raw.shop'))!
    expect(parts(root).length).toBe(files.length)
    expect(await confirmed()).toBeDefined()
  }
})

test('CD-25: a shape that changes before the later point is judged by the rows that were copied', async () => {
  const root = await interrupted(1)
  // There and back: the shape is what it was, the rows are not.
  await sql(
    'ALTER TABLE t ADD extra text',
    "UPDATE t SET extra = 'x' WHERE id = 1",
    'ALTER TABLE t DROP extra',
    "UPDATE t SET v = 'y' WHERE id = 2",
  )
  const { errors } = await runProject(root)
  expect(errors).toMatchObject([{ name: 'Source.TableWaits', message: expect.stringContaining('public.t') }])
  await expectEqual(root, 'public.u', 'public.w')
  expect((await cursorOf(root)).waiting).toEqual(['public.t'])
})

test('CD-25: what is dropped is gone, and a first copy that nobody wants is cleaned', async () => {
  const dropped = await interrupted(2)
  expect(parts(dropped)).toHaveLength(2)
  {
    await using project = await openProject(dropped)
    await (await project.cdc('raw.shop')).drop({ apply: true })
  }
  expect([...parts(dropped), ...records(dropped)]).toEqual([])

  const left = await interrupted(1)
  {
    await using project = await openProject(left)
    await project.clean()
    expect(parts(left)).toHaveLength(1)
  }
  edit(left, 'shop: cdc', 'other: cdc')
  await using project = await openProject(left)
  await project.clean()
  expect([...parts(left), ...records(left)]).toEqual([])
})

test('CD-25: a worker that is lost is made again, and one whose point is gone as well is made up for by the next attempt', async () => {
  const root = await shop(
    ['public.a', 'public.b'],
    [
      'CREATE TABLE a (id int PRIMARY KEY)',
      'CREATE TABLE b (id int PRIMARY KEY, v text)',
      'INSERT INTO a SELECT generate_series(1, 1000)',
      "INSERT INTO b SELECT i, repeat('v', 300) FROM generate_series(1, 100000) i",
    ],
    oneByOne,
  )
  const running = run(root)
  await client.query('SELECT pg_terminate_backend($1)', [await copying('b')])
  const pid = await copying('b')
  const { rows } = await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()",
  )
  expect(rows).toHaveLength(1)
  await client.query('SELECT pg_terminate_backend($1)', [pid])
  await sql("UPDATE b SET v = 'x' WHERE id = 1", 'DELETE FROM a WHERE id = 1')
  const said = await running
  expect(said).toEqual([
    expect.stringMatching(/^attempt 1 failed and is tried again: .*public\.b was interrupted/),
    '1 of 2 tables were copied by an earlier attempt, and are kept',
  ])
  expect(await run(root)).toEqual([])
  await expectEqual(root, 'public.a', 'public.b')
})
