/** A slot that standbys take over, and a server that was promoted. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { testedMajor } from '../servers/postgres.ts'
import { cursorOf, runProject } from './project.ts'
import { client, expectEqual, name, reconnect, server, shop, sql } from './shop.ts'

const setup = ['CREATE TABLE t (id int PRIMARY KEY, v text)', "INSERT INTO t VALUES (1, 'a')"]
const status = async (root: string) => {
  await using project = await openProject(root)
  return (await project.cdc('raw.shop')).status()
}

test.runIf(testedMajor >= 17)(
  'CD-08: a slot becomes one that standbys take over, and the log goes on after a promotion that has all that was committed',
  async () => {
    const root = await shop(['public.t'], setup)
    const pipeline = `${root}/pipelines/shop/pipeline.ts`
    const failover = (from: string, to: string) =>
      writeFileSync(pipeline, readFileSync(pipeline, 'utf8').replace(from, to))
    expect((await runProject(root)).errors).toEqual([])
    failover("slot: '", "failover: true, slot: '")
    await sql("INSERT INTO t VALUES (2, 'b')")
    expect((await runProject(root)).errors).toEqual([])
    const { rows } = await client.query('SELECT failover FROM pg_replication_slots WHERE slot_name = $1', [name()])
    expect(rows).toEqual([{ failover: true }])
    expect((await status(root)).findings.filter(({ name: one }) => one === 'failover')).toMatchObject([
      { status: 'ok' },
    ])

    await client.end()
    await server.promote()
    await reconnect()
    await sql("INSERT INTO t VALUES (3, 'c')", 'DELETE FROM t WHERE id = 1')
    // Without the declaration, nobody has said that the two are one.
    failover('failover: true, ', '')
    expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.ServerChanged' }])
    failover("slot: '", "failover: true, slot: '")
    expect((await runProject(root)).errors).toEqual([])
    await expectEqual(root, 'public.t')
    expect(await cursorOf(root)).toMatchObject({ timeline: 2 })
  },
)

test.runIf(testedMajor < 17)('CD-08: an older server has no such slots: named before a run, and by it', async () => {
  const root = await shop(['public.t'], setup, 'failover: true')
  expect((await status(root)).findings).toContainEqual(expect.objectContaining({ name: 'failover', status: 'fail' }))
  expect((await runProject(root)).errors).toMatchObject([{ name: 'Source.FailoverUnsupported' }])
})
