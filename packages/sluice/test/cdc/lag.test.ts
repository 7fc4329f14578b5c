import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { runProject, watchProject } from './project.ts'
import { name, shop, sql } from './shop.ts'

const outbox = "notifications: [{ kind: 'outbox', path: 'out.jsonl' }], name: 'shop'"
const limits = 'lag: { warnBytes: 20 * 2 ** 20, alertBytes: 40 * 2 ** 20 }'

async function lateShop(): Promise<string> {
  const root = await shop(
    ['public.t'],
    ['CREATE TABLE t (id int PRIMARY KEY, v text)', 'CREATE TABLE other (v text)'],
    limits,
  )
  const config = join(root, 'sluice.config.ts')
  writeFileSync(config, readFileSync(config, 'utf8').replace("name: 'shop'", outbox))
  return root
}

const toldTo = (root: string): readonly { status: string; task?: string; error?: { name: string }; next: string }[] =>
  existsSync(join(root, 'out.jsonl'))
    ? readFileSync(join(root, 'out.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    : []

/** The server's log grows by so many MiB, none of it ours. */
const grow = (mib: number) => () =>
  sql(`INSERT INTO other SELECT repeat(md5(i::text), 31) FROM generate_series(1, ${mib * 1000}) i`, 'TRUNCATE other')

test('CD-23: lag and what the server keeps are figures of the run, a warning, and an alert that fails nothing', async () => {
  const root = await lateShop()
  await runProject(root)
  await grow(25)()
  const { summary, errors } = await runProject(root)
  expect(errors).toEqual([])
  expect(summary).toMatchObject({ status: 'succeeded', warnings: 1, lag: [{ table: 'raw.shop', level: 'warn' }] })
  expect(toldTo(root)).toEqual([])
  await grow(60)()
  const late = await runProject(root)
  expect(late.summary).toMatchObject({ status: 'succeeded', lag: [{ slot: name(), level: 'alert' }] })
  const [{ bytes, seconds, keptBytes } = { bytes: 0, keptBytes: 0 }] = late.summary.lag ?? []
  expect(bytes).toBeGreaterThan(60 << 20)
  expect(keptBytes).toBeGreaterThanOrEqual(bytes)
  expect(seconds).toBeGreaterThan(0)
  expect(late.events.filter(({ type }) => type === 'source.lag')).toMatchObject([
    { task: 'ingest:raw.shop', level: 'alert', isNew: true, error: { name: 'Source.FarBehind' } },
  ])
  expect(toldTo(root)).toMatchObject([
    { status: 'alert', error: { name: 'Source.FarBehind' }, next: 'sluice cdc status raw.shop' },
  ])
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  expect(
    await session.all(
      'SELECT level, lag_bytes > 60 * 1024 * 1024 AS much, kept_bytes >= lag_bytes AS kept FROM sluice.lag ORDER BY started_at',
    ),
  ).toMatchObject([
    { level: 'warn', much: false, kept: true },
    { level: 'alert', much: true, kept: true },
  ])
})

test('CD-23: below 16 MiB the lag has its seconds, too: those of the oldest change, and 0 where there is none', async () => {
  const root = await lateShop()
  await runProject(root)
  await sql("INSERT INTO t VALUES (1, 'v')")
  await new Promise((done) => setTimeout(done, 300))
  const [flowing] = (await runProject(root)).summary.lag ?? []
  expect(flowing).toMatchObject({ level: 'ok' })
  expect(flowing?.seconds).toBeGreaterThan(0.2)
  expect((await runProject(root)).events.filter(({ type }) => type === 'source.lag')).toMatchObject([{ seconds: 0 }])
})

test('CD-23: a watch tells each crossing once, and again after it has caught up', async () => {
  const root = await lateShop()
  await runProject(root)
  // An open transaction makes the server keep what was read: late in each cycle, with nothing to read.
  const holding = async (): Promise<void> => {
    await sql('BEGIN', 'INSERT INTO t VALUES (1, NULL)')
    await grow(60)()
  }
  let id = 1
  // The server lets go of what it kept when it is told of a change after it.
  const change = (): Promise<void> => sql('CHECKPOINT', `INSERT INTO t VALUES (${id++}, NULL)`)
  const ended = (): Promise<void> => sql('ROLLBACK').then(change)
  const nothing = (): void => {}
  const cycles = await watchProject(root, [
    holding,
    nothing,
    nothing,
    ended,
    change,
    change,
    nothing,
    grow(60),
    nothing,
  ])
  const told = cycles.flatMap(({ events }) =>
    events.flatMap((event) => (event.type === 'source.lag' && event.isNew ? [event.level] : [])),
  )
  expect(told).toEqual(['alert', 'alert'])
  expect(toldTo(root).map(({ status }) => status)).toEqual(['alert', 'alert'])
})
