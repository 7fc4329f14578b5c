import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { runProject } from './project.ts'
import { client, name, shop, sql } from './shop.ts'

const setup = [
  'CREATE TABLE t (id int PRIMARY KEY, v text)',
  "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 5) i",
]

/** Adds a table of current rows, and one of all changes. */
function addStage(root: string): void {
  const path = `${root}/pipelines/shop/pipeline.ts`
  const columns = `{ id: 'integer', v: nullable('text') }`
  const text = readFileSync(path, 'utf8')
    .replace('cdc, pipeline', 'cdc, changes, nullable, pipeline')
    .replace(
      '} })',
      `}, tables: {
        'stage.t': changes('raw.shop', 'public.t', { as: 'current', key: 'id', columns: ${columns} }),
        'stage.h': changes('raw.shop', 'public.t', { as: 'history', key: 'id', columns: ${columns} }),
      } })`,
    )
  writeFileSync(path, text)
}

async function rowsOf(root: string, query: string): Promise<readonly object[]> {
  await using project = await openProject(root)
  await using session = await project.openRead()
  return await session.all(query)
}

async function expectCurrent(root: string): Promise<void> {
  const { rows } = await client.query('SELECT id::text AS id, v FROM t ORDER BY t.id')
  expect(await rowsOf(root, 'SELECT id::VARCHAR AS id, v FROM stage.t ORDER BY stage.t.id')).toEqual(rows)
}

test('CD-05, CD-15, CD-17: tables made of a log follow what was accepted, and what was found missing', async () => {
  const root = await shop(['public.t'], setup, "truncate: 'pause'")
  addStage(root)
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
  addStage(root)
  expect((await runProject(root)).errors).toEqual([])
  await sql('ALTER TABLE t RENAME v TO w', "UPDATE t SET w = 'since' WHERE id = 1", 'DELETE FROM t WHERE id = 2')
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.TableWaits' }])
  const path = `${root}/pipelines/shop/pipeline.ts`
  const both = "v: nullable('text'), w: nullable('text') }, transforms: { v: 'coalesce(w, v)' }"
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll("v: nullable('text') }", both))
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
