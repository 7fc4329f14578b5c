/**
 * The lake's commit under SIGKILL, in processes of their own. Every crash point is discovered by a listing run, then killed, once or at each of its hits:
 * a reader sees version N or N+1 whole, the work started again comes to the same end, and no garbage stays.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openLake } from '../../src/lake/lake.ts'
import type { CommitRecord } from '../../src/lake/record.ts'
import { acquireLease } from '../../src/run/ledger/lease.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { delivered, fileOf, inputOf, rowsAt, steps, table } from './lake-model.ts'
import { inParallel, labelsOf, listed, sampled } from './sweep.ts'

const worker = join(import.meta.dirname, 'lake-worker.ts')

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

function start(root: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'jiti/register', worker, root, ...args], {
    // Where Node looks for the loader from.
    cwd: import.meta.dirname,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString()
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
  return { child, ended, output: () => output }
}

const run = (root: string, args: readonly string[], env?: Record<string, string>): Promise<Ended> =>
  start(root, args, env).ended

const all = mkdtempSync(join(tmpdir(), 'sluice-crash-'))
const newRoot = (): string => mkdtempSync(join(all, 'case-'))

afterAll(() => rmSync(all, { recursive: true }))

/** Opened afresh: nothing remembered from before the crash. */
function openAt(root: string) {
  const storage = diskStorage(join(root, 'lake'))
  return { storage, lake: openLake(storage, systemClock) }
}

async function rowsOf(root: string, record: CommitRecord): Promise<string[]> {
  const { storage } = openAt(root)
  const paths = await Promise.all(record.files.map(async (file) => (await storage.materialise(file.path)).file))
  return paths.flatMap((path) => readFileSync(path, 'utf8').slice(4, -4).trim().split('+')).sort()
}

/** (1) a reader sees a complete version, and (7) every file that a record names is there and intact. */
async function expectWhole(root: string): Promise<number> {
  const { lake } = openAt(root)
  for (const record of await lake.versions(table)) {
    await lake.verify(record)
    expect(await rowsOf(root, record)).toEqual([...rowsAt(record.version)].sort())
  }
  // A log is the old or the new one, and the latest is found whatever the copy of it says.
  expect(await lake.extraction(table)).toEqual((await lake.extractions(table))[0])
  return (await lake.current(table))?.version ?? 0
}

/** (2) the end state is the model's, and (9) nothing but what it needs is left on the disk. */
async function expectEnd(root: string): Promise<void> {
  expect(await expectWhole(root)).toBe(steps.length)
  const { storage, lake } = openAt(root)
  await lake.collectGarbage({ retention: () => ({ versions: 2 }), graceMs: 0 })
  await openWorkspace(join(root, 'lake')).removeLeftovers({ before: new Date() })
  const kept = await lake.versions(table)
  expect(kept.map(({ version }) => version)).toEqual([steps.length, steps.length - 1])
  const named = new Set(kept.flatMap((record) => [...record.files, ...record.quarantine].map(({ path }) => path)))
  const present = (await storage.list('')).map(({ path }) => path).filter((path) => path.endsWith('.parquet'))
  expect(present).toEqual([...named].sort())
  const parts = new Set(kept.flatMap(({ known }) => known!.runs.flat().map(({ path }) => path)))
  expect((await storage.list('raw/sales/_parts')).map(({ path }) => path)).toEqual([...parts])
  expect((await lake.knownInputs(table)).size).toBe(delivered.length)
  const own = ['_temp', '_scratch'].flatMap((folder) => readdirSync(join(root, 'lake', folder)))
  expect(own).toEqual([])
}

describe('CP-1', () => {
  test('LK-01, LK-05, LK-09, LK-12: killed at every crash point, it comes to the same end', async () => {
    const whole = newRoot()
    const hits = await listed(async (env) => {
      expect(await run(whole, ['story'], env)).toMatchObject({ code: 0 })
    })
    await expectEnd(whole)
    expect(labelsOf(hits)).toEqual([
      'lake.commit.after_adopt',
      'lake.commit.after_create',
      'lake.commit.before_adopt',
      'lake.commit.before_create',
      'lake.commit.before_fence',
      'lake.commit.before_part',
      'lake.compact.before_create',
      'lake.compact.before_fence',
      'lake.extraction.after_write',
      'lake.extraction.before_write',
      'lake.retention.before_extraction_removal',
      'lake.retention.before_file_removal',
      'lake.retention.before_record_removal',
      'run.lease.after_create',
      'run.lease.before_create',
      'storage.adopt.before_folder_sync',
      'storage.adopt.before_rename',
      'storage.adopt.before_sync',
      'storage.create.before_folder_sync',
      'storage.create.before_link',
      'storage.write.before_folder_sync',
      'storage.write.before_rename',
      'storage.write.before_sync',
    ])
    // Two at a time: what takes time is starting processes.
    await inParallel(2, sampled(hits, 'killed in the story of a table'), async ({ point }, at) => {
      const root = newRoot()
      expect(await run(root, ['story'], { SLUICE_CRASH: point }), point).toMatchObject({ signal: 'SIGKILL' })
      const before = await expectWhole(root)
      if (at % 6 === 0) {
        // Killed again while it recovers, wherever that is.
        await run(root, ['story'], { SLUICE_CRASH: hits[(at * 7) % hits.length]?.point ?? '' })
        expect(await expectWhole(root)).toBeGreaterThanOrEqual(before)
      }
      expect(await run(root, ['story']), point).toMatchObject({ code: 0 })
      await expectEnd(root)
    })
  })
})

describe('CC-1', () => {
  test('LK-05: three processes append at once, readers look on: each append is there once, each view is whole', async () => {
    const root = newRoot()
    const { lake } = openAt(root)
    let racing = true
    const race = Promise.all(['x', 'y', 'z'].map((name) => run(root, ['race', name]))).then((ended) => {
      racing = false
      return ended
    })
    let newest = 0
    let looks = 0
    while (racing) {
      const record = await lake.current(table)
      if (record !== undefined) {
        expect(record.version).toBeGreaterThanOrEqual(newest)
        expect(record.rows).toBe(record.version)
        await lake.verify(record)
        newest = record.version
        looks++
      }
      await systemClock.sleep(5)
    }
    expect((await race).map(({ code }) => code)).toEqual([0, 0, 0])
    expect(looks).toBeGreaterThan(3)
    const record = (await lake.current(table)) as CommitRecord
    const expected = ['x', 'y', 'z'].flatMap((name) => Array.from({ length: 10 }, (_, i) => `${name}-${i}`))
    expect(await rowsOf(root, record)).toEqual(expected.sort())
    expect(record.version).toBe(30)
  })

  test.each(['before', 'after'])(
    'LK-06: a writer paused %s it asked for its lease wakes after a takeover, and publishes nothing',
    async (moment) => {
      const root = newRoot()
      const { lake } = openAt(root)
      const paused = start(root, ['paused', moment])
      while (!paused.output().includes('stopping')) await systemClock.sleep(10)
      // It lives, but is silent for longer than its lease allows.
      await systemClock.sleep(400)
      const state = diskStorage(join(root, 'state'))
      await using lease = await acquireLease(state, ['project'], { clock: systemClock, owner: 'successor' })
      expect(lease.token).toBe(2)
      const localFile = join((await openWorkspace(join(root, 'lake')).folder('t')).folder, 'part-0.parquet')
      writeFileSync(localFile, fileOf('new'))
      await lake.commit({
        ...inputOf([{ localFile, rows: 1, stats: {}, fields: ['a'] }]),
        taskKey: 'new',
        fencingToken: lease.token,
        fence: () => lease.assertHeld(),
      })
      paused.child.kill('SIGCONT')
      expect(await paused.ended).toMatchObject({ code: 1, output: 'stopping\nRun.Fenced\n' })
      const record = (await lake.current(table)) as CommitRecord
      expect(record).toMatchObject({ version: 1, taskKey: 'new' })
      expect(await rowsOf(root, record)).toEqual(['new'])
    },
  )
})
