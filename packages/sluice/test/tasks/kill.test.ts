/**
 * Tasks in processes of their own that are killed, come twice, are cancelled from elsewhere, or outlive their fence (faults OR-01, OR-03, OR-04, OR-08,
 * LK-06): their run settles them, and the next one ends where an undisturbed one does.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { OpenProject, RunOptions } from '../../src/run/api.ts'
import { readContext } from '../../src/run/api.ts'
import { readPlan } from '../../src/run/ledger/ledger.ts'
import { type Outcome, readFailure, readOutcome } from '../../src/run/ledger/outcome.ts'
import { taskFolder } from '../../src/run/ledger/paths.ts'
import { heldLeases, releaseHeld } from '../../src/run/ledger/release.ts'
import { openProject } from '../../src/run/project.ts'
import type { Payload } from '../../src/statemachine/types.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { command, makeProject } from '../acceptance/project.ts'
import { shopProject, shopState } from '../crash/shop.ts'
import { inParallel, sampled } from '../crash/sweep.ts'
import { endOf, inProcesses, nameOf, type startProcess } from './processes.ts'

type Invoke = NonNullable<RunOptions['invoke']>

/** One task or step of each kind. */
const kinds = ['ingest:raw.orders', 'model:stage.orders', 'load:dim_customer', 'finish', 'notify']

/** Performs what is named in processes of their own, and everything else in this one, as any process may. */
function only(project: OpenProject, name: string, apart: Invoke): Invoke {
  return (payload, signal) => (nameOf(payload) === name ? apart(payload, signal) : project.task(payload, { signal }))
}

async function outcomeOf(root: string, run: string, id: string): Promise<Outcome | undefined> {
  const state = diskStorage(join(root, '.sluice'))
  const task = (await readPlan(state, run))?.tasks.find((one) => one.id === id)
  return readOutcome(state, { run, task: task! })
}

async function rerun(root: string): Promise<void> {
  await using project = await openProject(root)
  await project.run()
}

describe('a process that is killed at any durable boundary of its task', () => {
  let reference: unknown
  const points: [kind: string, label: string][] = []

  beforeAll(async () => {
    const root = shopProject()
    const lists = mkdtempSync(join(tmpdir(), 'sluice-points-'))
    await using project = await openProject(root)
    const list = (payload: Payload): string => join(lists, nameOf(payload).replace(/\W/g, '-'))
    const envOf = (payload: Payload): Record<string, string> => ({ SLUICE_CRASH_LIST: list(payload) })
    await project.run({ invoke: inProcesses(root, { envOf }) })
    reference = await shopState(root)
    for (const kind of kinds) {
      const hits = readFileSync(join(lists, kind.replace(/\W/g, '-')), 'utf8')
        .trim()
        .split('\n')
      for (const label of new Set(hits.map((hit) => hit.split('#')[0] as string))) points.push([kind, label])
    }
  })

  test('OR-01, OR-03: is settled as lost, and the next run ends where an undisturbed one does', async () => {
    expect(points.length).toBeGreaterThan(40)
    for (const kind of kinds) expect(points.filter(([one]) => one === kind).length, kind).toBeGreaterThan(1)
    const wrong: string[] = []
    // Each label once, at one of the kinds that meet it.
    const hits = points.map(([point, label]) => ({ kind: 'task', label, point }))
    await inParallel(2, sampled(hits, 'killed in a task'), async ({ point, label }) => {
      wrong.push(...(await killAt(point, label, reference)).map((what) => `${point} ${label}: ${what}`))
    })
    expect(wrong).toEqual([])
  })
})

/** Kills the first process of a kind at a label; says what is not as it must be. */
async function killAt(kind: string, label: string, reference: unknown): Promise<string[]> {
  const root = shopProject()
  const wrong: string[] = []
  let signal: NodeJS.Signals | null | undefined
  let run = ''
  {
    await using project = await openProject(root)
    const apart = inProcesses(root, {
      envOf: () => (signal === undefined ? { SLUICE_CRASH: `${label}#1` } : {}),
      onStart: (payload, child) => {
        run = payload.runId
        void endOf(child).then((end) => (signal ??= end.signal))
      },
    })
    const ended = await project.run({ invoke: only(project, kind, apart) }).catch((error: Error) => error.name)
    if (signal !== 'SIGKILL') return [`was not hit (${signal})`]
    if (kind.includes(':')) {
      const outcome = await outcomeOf(root, run, kind)
      const isLeft = label === 'run.ledger.after_outcome' || (outcome?.attempt === 1 && outcome.status === 'succeeded')
      if (!isLeft && outcome?.error?.name !== 'Run.TaskLost') wrong.push(`settled as ${JSON.stringify(outcome)}`)
      if (typeof ended === 'string') wrong.push(`the run threw ${ended}`)
    }
  }
  await rerun(root)
  const state = await shopState(root).catch((error: unknown) => String(error))
  if (JSON.stringify(state) !== JSON.stringify(reference))
    wrong.push(`ended with ${JSON.stringify(state).slice(0, 1000)}`)
  if (readdirSync(join(root, 'inbox')).length > 0) wrong.push('the inbox still holds something')
  if (!existsSync(join(root, 'error/orders/orders_2026-02-02.csv'))) wrong.push('the refused file is not in its folder')
  return wrong
}

test('OR-03: two attempts of each task at work at once leave one outcome, one version and the same tables', async () => {
  const once = shopProject()
  await rerun(once)
  const root = shopProject()
  const runs = new Set<string>()
  await using project = await openProject(root)
  const apart = inProcesses(root)
  const { summary } = await project.run({
    invoke: async (payload, signal) => {
      runs.add(payload.runId)
      if (!('task' in payload)) return project.task(payload, { signal })
      const [first] = await Promise.allSettled([apart(payload, signal), apart(payload, signal)])
      if (first.status === 'rejected') throw first.reason
      return first.value
    },
  })
  expect(summary.tasks).toMatchObject({ failed: 0, skipped: 0 })
  expect(await shopState(root)).toEqual(await shopState(once))
  const [run] = runs
  const folder = join(root, '.sluice', taskFolder(run!, 'ingest:raw.orders'))
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(['1.json', '2.json', 'outcome.json']))
  for (const { table, version } of await project[readContext].tables()) expect([table, version]).toEqual([table, 1])
})

/** A project whose one model takes seconds, unless it is told otherwise. */
function slowProject(rows: number): string {
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': "import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'slow' })\n",
    'pipelines/slow/pipeline.ts': `
import { files, pipeline } from 'sluice'
export default pipeline('slow', { sources: { t: files('inbox/*.csv', { columns: { id: 'integer' } }) } })
`,
    'pipelines/slow/stage/t.sql': `SELECT id, (SELECT max(md5(i::VARCHAR)) FROM range(${rows}) r(i)) AS most FROM raw.t\n`,
    'pipelines/slow/analytics/t.sql': 'SELECT id FROM stage.t\n',
    'inbox/a.csv': 'id\n1\n2\n',
  })
}

const slow = 'model:stage.t'

/** Waits until a task has begun its first attempt. */
async function begun(root: string, run: () => string | undefined): Promise<void> {
  for (;;) {
    const id = run()
    if (id !== undefined && existsSync(join(root, '.sluice', taskFolder(id, slow), '1.json'))) return
    await systemClock.sleep(20)
  }
}

const runOf = (root: string) => (): string | undefined => {
  const folder = join(root, '.sluice/runs')
  return existsSync(folder) ? readdirSync(folder).sort()[0] : undefined
}

const stopped: { kill(signal: NodeJS.Signals): unknown }[] = []
afterEach(() => {
  for (const child of stopped.splice(0)) child.kill('SIGKILL')
})

/** A minute later: whatever is silent since then has lost its lease. */
const later = { ...systemClock, now: () => new Date(Date.now() + 60_000) }

test('OR-08: a run is cancelled by another process, while a third one is at work for it', async () => {
  const root = slowProject(10_000_000_000)
  await using project = await openProject(root)
  const running = project.run({ invoke: only(project, slow, inProcesses(root)) })
  await begun(root, runOf(root))
  const run = runOf(root)()!
  const asked = await command(root, ['runs', 'cancel', run])
  expect(asked.code, asked.stderr).toBe(0)
  const { summary } = await running
  expect(summary).toMatchObject({ status: 'cancelled', tasks: { succeeded: 1, failed: 0, skipped: 2 } })
  expect(await outcomeOf(root, run, slow)).toMatchObject({ status: 'cancelled', error: { name: 'Run.Cancelled' } })
  expect((await project[readContext].runs())[0]).toMatchObject({ id: run, status: 'cancelled' })
  expect((await project[readContext].tables()).map(({ table }) => table)).toEqual(['raw.t'])
})

test('LK-06: a task that is paused past its fence, and woken after a takeover, publishes nothing and says that it was fenced', async () => {
  const root = slowProject(4_000_000)
  await using project = await openProject(root)
  let child: ReturnType<typeof startProcess> | undefined
  const apart = inProcesses(root, { onStart: (_payload, started) => (child = started) })
  const running = project.run({ invoke: only(project, slow, apart) }).then(
    () => undefined,
    (error: unknown) => error,
  )
  await begun(root, runOf(root))
  const run = runOf(root)()!
  child!.kill('SIGSTOP')
  stopped.push(child!)
  // Its run's own process lives and beats, and no clock that is ahead may succeed it; by hand one can.
  const state = diskStorage(join(root, '.sluice'))
  for (const held of await heldLeases(state, systemClock, ['slow'])) await releaseHeld(state, held)
  await using successor = await openProject(root)
  expect((await successor.run()).summary.status).toBe('succeeded')
  const woken = endOf(child!)
  child!.kill('SIGCONT')
  expect(await running).toMatchObject({ name: 'Run.Fenced', exit: 5 })
  const task = (await readPlan(state, run))!.tasks.find(({ id }) => id === slow)!
  await woken
  expect((await readFailure(state, { run, task })).failure?.error).toMatchObject({
    name: 'Run.Fenced',
    code: 'SLU4002',
  })
  const [made] = await successor[readContext].versions('stage.t')
  expect(made).toMatchObject({ version: 1 })
  expect(made?.run).not.toBe(run)
})

test('LK-06, OR-04: a whole run that is paused in mid-task and succeeded says Run.Fenced and exits with 5, and never that it is a bug', async () => {
  const root = slowProject(4_000_000)
  let child: { kill(signal: NodeJS.Signals): unknown } | undefined
  const ended = command(root, ['run'], { onStart: (started) => (child = started) })
  await begun(root, runOf(root))
  const run = runOf(root)()!
  child!.kill('SIGSTOP')
  stopped.push(child!)
  await using successor = await openProject(root, { clock: later })
  expect((await successor.run()).summary.status).toBe('succeeded')
  child!.kill('SIGCONT')
  const { code, stdout, stderr } = await ended
  expect(stdout + stderr).toContain('SLU4002')
  expect(stdout + stderr).not.toContain('SLU9001')
  expect(code).toBe(5)
  const info = (await successor[readContext].runs()).find(({ id }) => id === run)
  expect(info).toMatchObject({ status: 'failed', summary: { error: { name: 'Run.Fenced' } } })
})

test('OR-04: runs of different pipelines are at work at once, on one warehouse; of one pipeline they are not', async () => {
  const files: Record<string, string> = {
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts':
      "import { defineConfig, duckdb } from 'sluice'\nexport default defineConfig({ name: 'two', warehouse: duckdb('warehouse.duckdb') })\n",
  }
  for (const name of ['a', 'b']) {
    files[`pipelines/${name}/pipeline.ts`] = `
import { files, pipeline, replace } from 'sluice'
export default pipeline('${name}', {
  layers: ['raw', '${name}'],
  sources: { ${name}: files('inbox/${name}_*.csv', { columns: { id: 'integer' } }) },
  loads: { ${name}1: replace({ from: '${name}.t' }), ${name}2: replace({ from: '${name}.t' }) },
})
`
    files[`pipelines/${name}/${name}/t.sql`] =
      `SELECT id, (SELECT max(md5(i::VARCHAR)) FROM range(2000000) r(i)) AS most FROM raw.${name}\n`
    files[`inbox/${name}_1.csv`] = 'id\n1\n2\n'
  }
  const root = makeProject(files)
  const all = [
    ['run', '-s', 'a:*'],
    ['run', '-s', 'b:*'],
    ['run', '-s', 'a:*'],
  ]
  const results = await Promise.all(all.map((line) => command(root, line)))
  const codes = results.map(({ code }) => code)
  expect(codes[1], results[1]!.stderr).toBe(0)
  expect([codes[0], codes[2]].sort(), results[0]!.stderr + results[2]!.stderr).toEqual([0, 5])
  await using project = await openProject(root)
  expect((await project.plan()).plan.tasks.filter(({ action }) => action === 'run')).toEqual([])
  expect((await project[readContext].loads()).map(({ target }) => target).sort()).toEqual(['a1', 'a2', 'b1', 'b2'])
})
