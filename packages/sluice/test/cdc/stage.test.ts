import { expect, test } from 'vitest'
import { openReads, owner } from '../../src/query/reads.ts'
import { openProject } from '../../src/run/project.ts'
import { addTables, lakeOf, rowsOf, runProject } from './project.ts'
import { client, name, shop, sql } from './shop.ts'

const setup = [
  'CREATE TABLE t (id int PRIMARY KEY, v text)',
  "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 5) i",
]

const columns = `{ id: 'integer', v: nullable('text') }`

/** A table of current rows, and one of all changes. */
const tables = `{
  'stage.t': changes('raw.shop', 'public.t', { as: 'current', key: 'id', columns: ${columns} }),
  'stage.h': changes('raw.shop', 'public.t', { as: 'history', key: 'id', columns: ${columns} }) }`

async function expectCurrent(root: string): Promise<void> {
  const { rows } = await client.query('SELECT id::text AS id, v FROM t ORDER BY t.id')
  expect(await rowsOf(root, 'SELECT id::VARCHAR AS id, v FROM stage.t ORDER BY stage.t.id')).toEqual(rows)
}

test('CD-05, CD-15, CD-17: tables made of a log follow what was accepted, and what was found missing', async () => {
  const root = await shop(['public.t'], setup, "truncate: 'pause'")
  addTables(root, tables)
  expect((await runProject(root)).errors).toEqual([])
  await expectCurrent(root)
  await sql("UPDATE t SET v = 'new' WHERE id = 1", 'TRUNCATE t', "INSERT INTO t VALUES (9, 'after')")
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.TableWaits' }])
  expect(await rowsOf(root, 'SELECT count(*)::INT AS n FROM stage.t')).toEqual([{ n: 5 }])
  await using project = await openProject(root)
  const log = await project.cdc('raw.shop')
  await log.accept({ apply: true })
  expect((await runProject(root)).errors).toEqual([])
  await expectCurrent(root)
  await sql(`SELECT pg_drop_replication_slot('${name()}')`, 'DELETE FROM t', "INSERT INTO t VALUES (10, 'missed')")
  await log.resnapshot()
  await sql("UPDATE t SET v = 'then'")
  expect((await runProject(root)).errors).toEqual([])
  await expectCurrent(root)
  expect(await rowsOf(root, 'SELECT _op, id FROM stage.h WHERE id > 5 ORDER BY _sequence')).toEqual([
    { _op: 'I', id: 9 },
    { _op: 'D', id: 9 },
    { _op: 'I', id: 10 },
    { _op: 'U', id: 10 },
  ])
})

test('CD-17: a renamed column: with both names declared, what was keeps its values, and what waited comes in', async () => {
  const root = await shop(['public.t'], setup)
  addTables(root, tables)
  expect((await runProject(root)).errors).toEqual([])
  await sql('ALTER TABLE t RENAME v TO w', "UPDATE t SET w = 'since' WHERE id = 1", 'DELETE FROM t WHERE id = 2')
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.TableWaits' }])
  const both = "v: nullable('text'), w: nullable('text') }, transforms: { v: 'coalesce(w, v)' }"
  addTables(root, tables.replaceAll("v: nullable('text') }", both))
  await using project = await openProject(root)
  expect((await project.check()).filter(({ severity }) => severity === 'error')).toEqual([])
  await (await project.cdc('raw.shop')).accept({ apply: true })
  expect((await runProject(root)).errors).toEqual([])
  expect(await rowsOf(root, 'SELECT id, v FROM stage.t ORDER BY stage.t.id')).toEqual(
    [1, 3, 4, 5].map((id) => ({ id, v: id === 1 ? 'since' : 'v' })),
  )
  expect(await rowsOf(root, 'SELECT _op, v FROM stage.h WHERE id = 1 ORDER BY _sequence')).toEqual([
    { _op: 'I', v: 'v' },
    { _op: 'U', v: 'since' },
  ])
})

interface TypedShop {
  readonly types?: readonly string[]
  readonly columns: { readonly [name: string]: string }
  readonly rows: readonly string[]
}

/** A table `v` with these columns beside its key, and a project that makes current rows and histories of it, as texts and as types. */
async function typedShop(
  { types = [], columns, rows }: TypedShop,
  typed: string,
): Promise<{ readonly root: string; expectTexts(): Promise<void> }> {
  const names = Object.keys(columns)
  const list = names.map((name) => `${name} ${columns[name]}`).join(', ')
  const root = await shop(['public.v'], [...types, `CREATE TABLE v (id int PRIMARY KEY, ${list})`, ...rows])
  const texts = names.map((name) => `${name}: 'text'`).join(', ')
  const of = (more: string, as: string, waits = '') =>
    `changes('raw.shop', 'public.v', { as: '${as}', key: 'id', columns: { id: 'integer', ${more} } ${waits} })`
  const waits = `, quarantine: { maxShare: 1 }`
  addTables(
    root,
    `{ 'stage.texts': ${of(texts, 'current')}, 'stage.text_history': ${of(texts, 'history')},
       'stage.typed': ${of(typed, 'current', waits)}, 'stage.typed_history': ${of(typed, 'history', waits)} }`,
  )
  expect((await runProject(root)).errors).toEqual([])
  return {
    root,
    /** Texts are what the server writes: current rows, and the newest of each history. */
    async expectTexts(): Promise<void> {
      await sql('SET timezone = UTC')
      const select = names.map((name) => `${name}::text AS ${name}`).join(', ')
      const { rows } = await client.query(`SELECT id, ${select} FROM v ORDER BY id`)
      const all = ['id', ...names].join(', ')
      expect(await rowsOf(root, `SELECT ${all} FROM stage.texts ORDER BY id`)).toEqual(rows)
      const last = `SELECT ${all} FROM stage.text_history QUALIFY row_number() OVER (PARTITION BY id ORDER BY _sequence DESC) = 1 ORDER BY id`
      expect(await rowsOf(root, last)).toEqual(rows)
    },
  }
}

test('CD-18: an enum, a composite, a domain, an array, a range and types that nobody knows are text as the server writes it, never NULL', async () => {
  const columns = { m: 'mood', p: 'pair', s: 'small', a: 'text[]', r: 'int4range', i: 'interval', o: 'oid' }
  const values = `'happy', ROW(1, 'x'), 5, ARRAY['a', NULL], '[1,5)', '1 mon', 7`
  const types = [
    "CREATE TYPE mood AS ENUM ('sad', 'happy')",
    'CREATE TYPE pair AS (n int, t text)',
    'CREATE DOMAIN small AS int CHECK (value < 10)',
  ]
  const rows = [`INSERT INTO v VALUES (0, ${values})`]
  const { root, expectTexts } = await typedShop({ types, columns, rows }, `m: 'text', s: 'integer'`)
  await sql(
    "ALTER TYPE mood ADD VALUE 'glad'",
    `INSERT INTO v VALUES (1, ${values.replace('happy', 'glad')})`,
    `UPDATE v SET a = '{}', r = 'empty', p = ROW(NULL, '') WHERE id = 0`,
  )
  expect((await runProject(root)).errors).toEqual([])
  await expectTexts()
  expect(await rowsOf(root, 'SELECT id, m, s FROM stage.typed ORDER BY id')).toEqual([
    { id: 0, m: 'happy', s: 5 },
    { id: 1, m: 'glad', s: 5 },
  ])
})

const plain = `1.50, 0.5, '2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.1+02', '23:59'`
/** Rows with one value each that no type of ours has, and its column. */
const beyond = [
  [`n = 'NaN'`, 'n'],
  [`n = repeat('9', 1000)::numeric`, 'n'],
  [`n = 0.001`, 'n'],
  [`f = 'Infinity'`, 'f'],
  [`d = 'infinity'`, 'd'],
  [`d = '0044-03-15 BC'`, 'd'],
  [`ts = '-infinity'`, 'ts'],
  [`ts = '294276-12-31 23:59:59.999999'`, 'ts'],
  [`tz = 'infinity'`, 'tz'],
  [`t = '24:00'`, 't'],
] as const

test('CD-19: a value that no type can hold is a text as the server writes it, or waits in quarantine; it is never NULL', async () => {
  const columns = { n: 'numeric', f: 'float8', d: 'date', ts: 'timestamp', tz: 'timestamptz', t: 'time' }
  const typed = `n: decimal(12, 2), f: 'float', d: 'date', ts: 'timestamp', tz: 'timestamptz', t: 'time'`
  const changed = ([value]: (typeof beyond)[number], at: number) => `UPDATE v SET ${value} WHERE id = ${at + 1}`
  // Half of them are copied, half of them are changes.
  const rows = [
    `INSERT INTO v VALUES (0, ${plain})`,
    ...beyond.flatMap((one, at) => [
      `INSERT INTO v VALUES (${at + 1}, ${plain})`,
      ...(at % 2 === 0 ? [changed(one, at)] : []),
    ]),
  ]
  const { root, expectTexts } = await typedShop({ columns, rows }, typed)
  await sql(...beyond.flatMap((one, at) => (at % 2 === 0 ? [] : [changed(one, at)])))
  expect((await runProject(root)).errors).toEqual([])
  await expectTexts()

  // What was never good is not there; what was good once stays, and is listed as refused.
  const good = [0, ...beyond.flatMap((_, at) => (at % 2 === 0 ? [] : [at + 1]))]
  const all = `n = 1.5 AND f = 0.5 AND d = DATE '2024-02-29' AND t = TIME '23:59' AND tz = TIMESTAMPTZ '2024-02-29 21:59:59.1+00'`
  expect(await rowsOf(root, `SELECT id FROM stage.typed WHERE ${all} ORDER BY id`)).toEqual(good.map((id) => ({ id })))
  expect(await rowsOf(root, 'SELECT count(*)::INT AS n FROM stage.typed')).toEqual([{ n: good.length }])
  for (const table of ['stage.typed', 'stage.typed_history']) {
    const refused = await rowsOf(
      root,
      `SELECT (fields ->> 'id')::INT AS id, array_to_string(reasons, ' ') AS why FROM sluice.quarantine WHERE "table" = '${table}' ORDER BY 1`,
    )
    expect(refused, table).toEqual(beyond.map(([, column], at) => ({ id: at + 1, why: `cast:${column}` })))
  }
  await sql(`UPDATE v SET n = 2 WHERE id = 1`)
  expect((await runProject(root)).errors).toEqual([])
  expect(await rowsOf(root, 'SELECT n::VARCHAR AS n FROM stage.typed WHERE id = 1')).toEqual([{ n: '2.00' }])
})

test('CD-14: a first copy of a table without a primary key, where two rows have the declared key, is refused and kept', async () => {
  const root = await shop(
    ['public.t'],
    [
      'CREATE TABLE t (id int, v text)',
      'ALTER TABLE t REPLICA IDENTITY FULL',
      "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'c'), (3, NULL)",
    ],
  )
  addTables(root, tables)
  const { errors } = await runProject(root)
  expect(errors.map(({ name }) => name)).toEqual(['Changes.KeyTwice', 'Changes.KeyTwice'])
  expect(errors[0]!.message).toMatch(/public\.t has no primary key, and two of its rows .* have the same id: 2/)
  expect(await rowsOf(root, "SELECT count(*)::INT AS n FROM raw.shop WHERE _op = 'S'")).toEqual([{ n: 4 }])
  expect(await lakeOf(root).current('stage.t')).toBeUndefined()
  expect(await lakeOf(root).current('stage.h')).toBeUndefined()
  // A key that no two rows share, and that all have.
  const keyed = tables.replaceAll(`key: 'id'`, `key: ['id', 'v']`).replaceAll(`nullable('text')`, `'text'`)
  addTables(root, keyed)
  expect((await runProject(root)).errors.map(({ name }) => name)).toEqual(['Changes.KeyMissing', 'Changes.KeyMissing'])
})

test('a refused change says where it is in the log of the server, and when it was committed: in quarantine, and in messages', async () => {
  const root = await shop(['public.t'], ['CREATE TABLE t (id int PRIMARY KEY, v text)'])
  const typed = (limits: string) =>
    `{ 'stage.t': changes('raw.shop', 'public.t', { key: 'id', columns: { id: 'integer', v: 'integer' }, quarantine: ${limits} }) }`
  addTables(root, typed('{ maxShare: 0, minRows: 1 }'))
  expect((await runProject(root)).errors).toEqual([])
  await sql("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
  const [stopped] = (await runProject(root)).errors
  const [change] = await rowsOf(
    root,
    "SELECT _position AS position, strftime(_committed_at::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%fZ') AS at FROM raw.shop WHERE _op = 'I' LIMIT 1",
  )
  expect(stopped!.message).toContain(`cast:v 2; the first at ${change!['position']}, committed at ${change!['at']}.`)
  addTables(root, typed('{ maxShare: 1 }'))
  expect((await runProject(root)).errors).toEqual([])
  await using project = await openProject(root)
  const [found] = await openReads(project, owner()).quarantine('stage.t', { samples: 1 })
  expect(found!.samples).toMatchObject([
    { file: 'public.t', position: change!['position'], committedAt: change!['at'] },
  ])
})
