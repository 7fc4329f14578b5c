import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../base/clock.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import { readContext, type WatchCycle } from '../api.ts'
import { acquireLease } from '../ledger/lease.ts'
import { openProject } from '../project.ts'

const roots: string[] = []
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))))

async function projectFolder(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  roots.push(root)
  await mkdir(join(root, 'pipelines/shop/stage'), { recursive: true })
  await mkdir(join(root, 'inbox'))
  const notifications = [{ kind: 'outbox', path: 'out.jsonl', on: 'always' }]
  await writeFile(join(root, 'sluice.config.json'), JSON.stringify({ name: 'shop', notifications }))
  const sources = { orders: { kind: 'files', path: 'inbox/*.csv', columns: { id: 'integer' } } }
  await writeFile(join(root, 'pipelines/shop/pipeline.json'), JSON.stringify({ name: 'shop', sources }))
  await writeFile(join(root, 'pipelines/shop/stage/orders.sql'), 'SELECT id FROM raw.orders')
  return root
}

/** Watches, with something that happens in each pause; ends after the last of them. */
async function watch(
  root: string,
  pauses: readonly (() => unknown)[],
): Promise<{ readonly cycles: readonly WatchCycle[]; readonly slept: readonly number[]; readonly runs: number }> {
  const stop = new AbortController()
  const slept: number[] = []
  const clock: Clock = {
    now: systemClock.now,
    async sleep(ms, signal) {
      if (signal !== stop.signal) return systemClock.sleep(ms, signal)
      await pauses[slept.length]?.()
      slept.push(ms)
      if (slept.length === pauses.length) stop.abort()
    },
  }
  await using project = await openProject(root, { clock })
  const cycles: WatchCycle[] = []
  await project.watch({ everyMs: 5000, onCycle: (cycle) => cycles.push(cycle), signal: stop.signal })
  return { cycles, slept, runs: (await project[readContext].runs(100)).length }
}

const nothing = (): void => {}

async function notificationsOf(root: string): Promise<readonly string[]> {
  const text = await readFile(join(root, 'out.jsonl'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).status)
}

test('runs that find nothing leave no trace, and nobody is told', async () => {
  const root = await projectFolder()
  const deliver = (name: string, text: string) => () => writeFile(join(root, 'inbox', name), text)
  const { cycles, runs } = await watch(root, [nothing, deliver('a.csv', 'id\n1\n2\n'), nothing, nothing, nothing])
  expect(cycles.map(({ summary }) => [summary?.status, summary?.rows.accepted])).toEqual([['succeeded', 2]])
  expect(runs).toBe(1)
  expect(await notificationsOf(root)).toEqual(['succeeded'])
})

test('a failure is reported once, pauses grow while it lasts, and its end is reported', async () => {
  const root = await projectFolder()
  const deliver = (name: string, text: string) => () => writeFile(join(root, 'inbox', name), text)
  await deliver('a.csv', 'id\n1\n')()
  const sql = join(root, 'pipelines/shop/stage/orders.sql')
  await writeFile(sql, "SELECT CASE WHEN count(*) = 1 THEN error('one row') ELSE 1 END AS id FROM raw.orders")
  const { cycles, slept } = await watch(root, [
    nothing,
    nothing,
    nothing,
    nothing,
    deliver('b.csv', 'id\n2\n'),
    nothing,
  ])
  expect(cycles.map(({ summary, nextMs }) => [summary?.status, nextMs])).toEqual([
    ['failed', 10_000],
    ['succeeded', 5000],
  ])
  expect(await notificationsOf(root)).toEqual(['failed', 'succeeded'])
  expect(slept).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 5000])
})

test('another run is waited for, and that is said once', async () => {
  const root = await projectFolder()
  await writeFile(join(root, 'inbox/a.csv'), 'id\n1\n')
  const lease = await acquireLease(diskStorage(join(root, '.sluice')), ['shop'], { clock: systemClock, owner: 'me' })
  const { cycles } = await watch(root, [nothing, () => lease[Symbol.asyncDispose](), nothing])
  expect(cycles.map(({ isBusy, summary }) => (isBusy ? 'busy' : summary?.status))).toEqual(['busy', 'succeeded'])
})
