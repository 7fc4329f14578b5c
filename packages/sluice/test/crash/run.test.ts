import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { command } from '../acceptance/project.ts'
import { shopProject, shopState } from './shop.ts'

/**
 * The oracle of a crash (faults CP-1, LK-01, WH-01, OR-01, OR-03, IN-23): killed at a durable boundary and run again, a project ends where an
 * undisturbed one ends, without a manual step: the same rows, each file once, each file in its place, the refused one with its report.
 */
let reference: unknown
let points: string[] = []

beforeAll(async () => {
  const root = shopProject()
  const list = join(tmpdir(), `sluice-crash-points-${process.pid}`)
  const result = await command(root, ['run'], { env: { SLUICE_CRASH_LIST: list } })
  expect(result.code, result.stderr).toBe(1)
  reference = await shopState(root)
  points = readFileSync(list, 'utf8').trim().split('\n')
})

test('the listing run finds every kind of boundary', () => {
  const folders = new Set(points.map((point) => point.split('.').slice(0, 2).join('.')))
  expect([...folders].sort()).toEqual(
    expect.arrayContaining(['lake.commit', 'run.ingest', 'run.ledger', 'storage.create', 'warehouse.load']),
  )
  expect(points.length).toBeGreaterThan(60)
})

describe('a run that was killed at any durable boundary', () => {
  test('OR-03, TR-06: goes on by itself to the same end', async () => {
    // Hits of the ledger's own lines are alike; each other boundary is swept at every hit.
    const sweep = points.filter(
      (point) => !/ledger\.after_append#(\d+)$/.test(point) || Number(point.split('#')[1]) % 5 === 1,
    )
    const wrong: string[] = []
    await inParallel(2, sweep, async (point) => {
      const root = shopProject()
      const killed = await command(root, ['run'], { env: { SLUICE_CRASH: point } })
      // Events that come together are one line of the log, so its last hits are not in every run.
      if (killed.signal === null && /append/.test(point)) return
      if (killed.signal !== 'SIGKILL') return void wrong.push(`${point}: was not hit (${killed.code})`)
      await recover(root)
      const state = await shopState(root).catch((error: unknown) => String(error))
      if (JSON.stringify(state) !== JSON.stringify(reference))
        wrong.push(`${point}: ${JSON.stringify(state).slice(0, 2000)}`)
      if (readdirSync(join(root, 'inbox')).length > 0)
        wrong.push(`${point}: the inbox still holds ${readdirSync(join(root, 'inbox'))}`)
      if (readdirSync(join(root, 'archive/orders')).sort().join() !== 'orders_2026-01-30.csv,orders_2026-02-01.csv')
        wrong.push(`${point}: archived ${readdirSync(join(root, 'archive/orders'))}`)
      if (!existsSync(join(root, 'error/orders/orders_2026-02-02.csv')))
        wrong.push(`${point}: the refused file is not in the error folder`)
    })
    expect(wrong).toEqual([])
  })
})

/** The next run, in this process: what the killed one left is all it has. */
async function recover(root: string): Promise<void> {
  await using project = await openProject(root)
  await project.run()
}

async function inParallel<T>(width: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    }),
  )
}
