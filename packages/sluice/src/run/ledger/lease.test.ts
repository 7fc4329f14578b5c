import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../base/clock.ts'
import { thisProcess } from '../../base/process-identity.ts'
import { diskStorage } from '../../storage/disk/storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { acquireLease, joinLease, leaseHolder } from './lease.ts'
import { heldLeases, releaseHeld } from './release.ts'

let storage: Storage
let root: string
let now: number
/** What happens while somebody watches. */
let meanwhile: () => unknown
let watchedMs: number
/** No heartbeat happens by itself; whoever watches lets time pass. */
const clock: Clock = {
  now: () => new Date(now),
  sleep: async (ms, signal) => {
    if (signal === undefined) {
      now += ms
      watchedMs += ms
      await meanwhile()
    } else if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  },
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-lease-'))
  storage = diskStorage(root)
  now = Date.parse('2026-01-01T00:00:00Z')
  watchedMs = 0
  meanwhile = () => undefined
})

/** As another process would have left it. */
function leaseOf(process: object, token = 1, folder = 'pipelines/p', format = 2): void {
  const file = { format, owner: 'other', token, since: new Date(now).toISOString(), ttlMs: 30_000, process }
  mkdirSync(join(root, 'leases', folder), { recursive: true })
  writeFileSync(join(root, 'leases', folder, `${String(token).padStart(12, '0')}.json`), JSON.stringify(file))
}

test('held by a living owner it is refused by name; released it is free, and no token comes twice', async () => {
  const first = await acquireLease(storage, ['p'], { clock, owner: 'run-1' })
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({
    name: 'Run.Busy',
    params: { owner: 'run-1', since: '2026-01-01T00:00:00.000Z' },
  })
  expect(await leaseHolder(storage, 'p', clock)).toMatchObject({ owner: 'run-1', token: 1 })
  await first.release()
  await first.release()
  expect(await leaseHolder(storage, 'p', clock)).toBeUndefined()
  for (const token of [2, 3, 4]) {
    await using lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
    expect(lease.token).toBe(token)
  }
})

test('LK-06, OR-04: a silent owner is succeeded; it learns so before it publishes, and by its signal', async () => {
  const paused = await acquireLease(storage, ['p'], { clock, owner: 'run-1' })
  now += 29_999
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
  now += 2
  const successor = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect(successor.token).toBe(2)
  expect(paused.lost.aborted).toBe(false)
  await expect(paused.assertHeld()).rejects.toMatchObject({ name: 'Run.Fenced', params: { token: 1, newer: 2 } })
  expect(paused.lost.aborted).toBe(true)
  await paused.release()
  await successor.assertHeld()
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-3' })).rejects.toMatchObject({ name: 'Run.Busy' })
  await successor.release()
})

test('a heartbeat keeps it for as long as the owner lives', async () => {
  let wake = (): void => undefined
  const ticking: Clock = {
    ...clock,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        wake = resolve
        signal?.addEventListener('abort', () => resolve())
      }),
  }
  const lease = await acquireLease(storage, ['p'], { clock: ticking, owner: 'run-1' })
  for (let beat = 0; beat < 6; beat++) {
    now += 10_000
    const [asleep, due] = [wake, new Date(now).toISOString()]
    asleep()
    // Written, and asleep again.
    while (wake === asleep) await systemClock.sleep(2)
    const [beat] = await storage.list('runs/run-1/alive')
    expect(Buffer.from((await storage.read(beat!.path)) ?? []).toString()).toContain(due)
  }
  await expect(acquireLease(storage, ['p'], { clock, owner: 'x' })).rejects.toMatchObject({ name: 'Run.Busy' })
  await lease.release()
})

test('the owner has ended on this machine: no wait; on another machine: its time is waited for', async () => {
  await (await acquireLease(storage, ['p'], { clock, owner: 'run-0' })).release()
  const here = thisProcess()
  const started = String(Number(here.started) - 1)
  for (const [token, ended] of [
    [2, { ...here, pid: 2 ** 22 + 5 }],
    // The number was given out again, to this very process.
    [4, { ...here, started }],
  ] as const) {
    leaseOf(ended, token)
    const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-1' })
    expect(lease.token).toBe(token + 1)
    await lease.release()
  }
  leaseOf({ ...here, boot: 'another', pid: 1 }, 6)
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
  now += 30_001
  expect((await acquireLease(storage, ['p'], { clock, owner: 'run-2' })).token).toBe(7)
})

test('of twenty that want it at once, one gets it', async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => acquireLease(diskStorage(root), ['p'], { clock, owner: `run-${i}` })),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ name: 'Run.Busy' })
})

test('OR-13: one that slept while a number came and went does not take that number', async () => {
  let asleep: (() => void) | undefined
  let slept = false
  const slow: Storage = {
    ...storage,
    async create(path, bytes) {
      if (!slept) {
        slept = true
        await new Promise<void>((resolve) => (asleep = resolve))
      }
      return storage.create(path, bytes)
    },
  }
  const late = acquireLease(slow, ['p'], { clock, owner: 'late' })
  while (asleep === undefined) await systemClock.sleep(1)
  await (await acquireLease(storage, ['p'], { clock, owner: 'a' })).release()
  const holder = await acquireLease(storage, ['p'], { clock, owner: 'b' })
  asleep()
  await expect(late).rejects.toMatchObject({ name: 'Run.Busy', params: { owner: 'b' } })
  await holder.assertHeld()
})

test('a run takes the leases of all its pipelines, with one token that none of them has seen, or none of them', async () => {
  for (const _ of [1, 2, 3]) await (await acquireLease(storage, ['b'], { clock, owner: 'earlier' })).release()
  const both = await acquireLease(storage, ['c', 'a', 'b'], { clock, owner: 'run-1' })
  expect(both).toMatchObject({ token: 4, pipelines: ['a', 'b', 'c'] })
  for (const wanted of [['a'], ['b', 'd'], ['d', 'c']])
    await expect(acquireLease(storage, wanted, { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
  // What it could not have in full it did not keep.
  const other = await acquireLease(storage, ['d'], { clock, owner: 'run-3' })
  expect(await leaseHolder(storage, 'd', clock)).toMatchObject({ owner: 'run-3' })
  await both.assertHeld()
  await other.release()
  await both.release()
  const next = await acquireLease(storage, ['a'], { clock, owner: 'run-4' })
  expect(next.token).toBe(5)
  await next.release()
})

test('of ten runs that want overlapping pipelines at once, no two get one, and at least one gets all of its own', async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, n) =>
      acquireLease(diskStorage(root), [`p${n % 3}`, `p${(n + 1) % 3}`], { clock, owner: `run-${n}` }),
    ),
  )
  const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  expect(held.length).toBeGreaterThanOrEqual(1)
  const pipelines = held.flatMap((lease) => lease.pipelines)
  expect(new Set(pipelines).size).toBe(pipelines.length)
  for (const lease of held) await lease.assertHeld()
})

test('a lease is the run’s: another process joins it by token, and it lives while one of them beats', async () => {
  const here = thisProcess()
  // The process that took it has ended; another of the run is at work.
  leaseOf({ ...here, pid: 2 ** 22 + 5 }, 1)
  await storage.write('runs/other/alive/x.json', JSON.stringify({ at: new Date(now).toISOString(), process: here }))
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
  const joined = await joinLease(storage, ['p'], { clock, owner: 'other', token: 1 })
  await joined.assertHeld()
  await expect(joinLease(storage, ['p'], { clock, owner: 'other', token: 2 })).rejects.toMatchObject({
    name: 'Run.Fenced',
  })
  await expect(joinLease(storage, ['p'], { clock, owner: 'run-2', token: 1 })).rejects.toMatchObject({
    name: 'Run.Fenced',
  })
  // One that joined gives nothing back, and only beats no more.
  await joined.release()
  await storage.remove('runs/other/alive/x.json')
  expect(await storage.list('runs/other')).toEqual([])
  const successor = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect(successor.token).toBe(2)
  await expect(joined.assertHeld()).rejects.toMatchObject({ name: 'Run.Fenced', params: { token: 1, newer: 2 } })
  await successor.release()
})

test('a joined process that is silent for too long is succeeded, too', async () => {
  leaseOf({ ...thisProcess(), pid: 2 ** 22 + 5 }, 1)
  const joined = await joinLease(storage, ['p'], { clock, owner: 'other', token: 1 })
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
  now += 30_001
  const successor = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  await expect(joined.assertHeld()).rejects.toMatchObject({ name: 'Run.Fenced' })
  await successor.release()
})

test('the lease that an older Sluice holds of the project is respected, and its tokens are continued', async () => {
  leaseOf(thisProcess(), 41, 'project', 1)
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({
    name: 'Run.Busy',
    params: { owner: 'other' },
  })
  const heartbeat = { at: new Date(now).toISOString(), released: true }
  writeFileSync(join(root, 'leases/project/000000000041.heartbeat.json'), JSON.stringify(heartbeat))
  const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect(lease.token).toBe(42)
  await lease.release()
})

const elsewhere = { ...thisProcess(), boot: 'another', pid: 1, host: 'gone' }

test('a heartbeat ahead of this clock proves nothing: its holder is watched for its time, and succeeded where nothing changes', async () => {
  for (const [token, folder, format] of [
    [1, 'pipelines/p', 2],
    [41, 'project', 1],
  ] as const) {
    watchedMs = 0
    leaseOf(elsewhere, token, folder, format)
    now -= 7_200_000
    const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
    expect([watchedMs, lease.token]).toEqual([30_000, token + 1])
    await lease.release()
  }
})

test.each([
  ['ahead', 7_200_000],
  ['behind', -7_200_000],
])('a living run whose clock is %s is not taken for dead', async (_which, skew) => {
  now += skew
  leaseOf(elsewhere)
  now -= skew
  let beats = 0
  meanwhile = async () => {
    const at = new Date(now + skew + beats++).toISOString()
    await storage.write('runs/other/alive/x.json', JSON.stringify({ at, process: elsewhere }))
  }
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
})

test('one that is given back while it is watched is free at once, and one that another run takes is not', async () => {
  leaseOf(elsewhere)
  now += 60_000
  meanwhile = () => releaseHeld(storage, { run: 'other', pipelines: ['p'] } as never)
  const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect([watchedMs, lease.token]).toEqual([3000, 3])
  await lease.release()
  leaseOf(elsewhere, 4)
  now += 60_000
  meanwhile = () => leaseOf(thisProcess(), 5)
  await expect(acquireLease(storage, ['p'], { clock, owner: 'run-2' })).rejects.toMatchObject({ name: 'Run.Busy' })
})

test('who may not wait counts an unclear holder as living', async () => {
  leaseOf(elsewhere)
  now += 60_000
  const taking = acquireLease(storage, ['p'], { clock, owner: 'run-2', unclear: 'busy' })
  await expect(taking).rejects.toMatchObject({ name: 'Run.Busy' })
  expect(watchedMs).toBe(0)
})

test('a lease that is released by hand is free at once, and the run that had it is fenced', async () => {
  leaseOf(elsewhere)
  const old = await joinLease(storage, ['p'], { clock, owner: 'other', token: 1 })
  await old.release()
  now -= 7_200_000
  const [held] = await heldLeases(storage, clock, ['p', 'q'])
  expect(held).toMatchObject({ run: 'other', pipelines: ['p'], host: 'gone', state: 'unclear' })
  await releaseHeld(storage, held!)
  await releaseHeld(storage, held!)
  expect(await heldLeases(storage, clock, ['p', 'q'])).toEqual([])
  await expect(old.assertHeld()).rejects.toMatchObject({ name: 'Run.Fenced' })
  const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect([lease.token, watchedMs]).toEqual([3, 0])
  expect(await heldLeases(storage, clock, ['p'])).toMatchObject([{ run: 'run-2', state: 'living' }])
  await lease.release()
})

test('a damaged lease object is succeeded, by a token that is greater than those in the ledger', async () => {
  await storage.write('runs/r9/run.json', JSON.stringify({ id: 'r9', fencingToken: 17 }))
  await storage.write('leases/pipelines/p/000000000003.json', '{"tok')
  const lease = await acquireLease(storage, ['p'], { clock, owner: 'run-2' })
  expect(lease.token).toBe(18)
  await lease.release()
})
