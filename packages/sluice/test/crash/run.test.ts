import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { type CommandResult, command, packageRoot } from '../acceptance/project.ts'
import { shopProject, shopState } from './shop.ts'
import { type Hit, inParallel, labelsOf, listed, sampled } from './sweep.ts'

/**
 * The oracle of a crash (faults CP-1, LK-01, WH-01, OR-01, OR-03, IN-23): killed at a durable boundary and run again, a project ends where an
 * undisturbed one ends, without a manual step: the same rows, each file once, each file in its place, the refused one with its report.
 */
let reference: unknown

/** A way of running a project to its end, which is swept. */
interface Way {
  readonly title: string
  /** The boundaries that a run of it meets, each with the kind of task that was at work. */
  hits(): Promise<readonly Hit[]>
  /** Brings a project to where a run meets them. */
  prepare(root: string): Promise<void>
  /** A run that is killed at the boundary. */
  kill(root: string, hit: Hit): Promise<CommandResult>
}

const oneByOne = ['run', '--concurrency', '1']
const killAt = (root: string, { point }: Hit): Promise<CommandResult> =>
  command(root, oneByOne, { env: { SLUICE_CRASH: point } })

/** Runs that do all there is to do. */
const firstRuns: readonly Way[] = [
  {
    title: 'in one process',
    // In this process, one task after the other, so that its events say between the boundaries whose they are.
    hits: () =>
      listed(async ({ SLUICE_CRASH_LIST }) => {
        const saysKind = (kind: string): void => appendFileSync(SLUICE_CRASH_LIST, `kind: ${kind}\n`)
        vi.stubEnv('SLUICE_CRASH_LIST', SLUICE_CRASH_LIST)
        vi.resetModules()
        const listing = await import('../../src/run/project.ts')
        await using project = await listing.openProject(shopProject())
        await project.run({
          concurrency: 1,
          onEvent: (event) => {
            if (event.type === 'task.started') saysKind(event.kind)
            if (event.type === 'task.finished') saysKind('run')
          },
        })
        vi.unstubAllEnvs()
        vi.resetModules()
      }),
    prepare: async () => undefined,
    kill: killAt,
  },
]

const ways: readonly Way[] = [
  ...firstRuns,
  {
    title: 'with nothing to do',
    async hits() {
      const root = shopProject()
      await recover(root)
      const hits = await listed((env) => command(root, oneByOne, { env }))
      return hits.filter(({ label }) => label === 'run.ledger.after_idle')
    },
    prepare: recover,
    kill: killAt,
  },
]

/** Labels that no run of this project meets: each suite that kills at them says so by itself. */
const elsewhere = [
  'lake.commit.before_part', // lake.test.ts: an entry is moved to a part when there are many
  'lake.compact.', // lake.test.ts
  'lake.extraction.', // lake.test.ts, procedures/postgres.test.ts
  'lake.retention.', // lake.test.ts
  'run.ledger.after_events', // ledger/outcome.test.ts: written when a task takes longer than two seconds
  'run.ledger.before_removal', // ledger/run-retention.test.ts: what a killed removal leaves is removed by the next
  'sources.cdc.', // cdc/kill.test.ts
  'sources.procedures.', // procedures/postgres.test.ts, procedures/result-sets.test.ts
  'storage.s3.', // lake-s3.test.ts: a writer ends at any of its requests
]

beforeAll(async () => {
  const root = shopProject()
  const result = await command(root, ['run'])
  expect(result.code, result.stderr).toBe(1)
  reference = await shopState(root)
})

/** What is half done where a run is killed, by label; each belongs to the first that matches. */
const moments = {
  start: /^run\.(lease\.|ledger\.\w+_start$)/,
  ledger: /^(run\.ledger|storage\.append)\./,
  outcome: /^(lake\.commit\.after_create|warehouse\.load\.after_commit)$/,
  data: /^(storage\.adopt|lake\.commit)\./,
  load: /^warehouse\.load\./,
  settling: /^(run\.ingest|sources\.(archive|refuse))\./,
  other: /./,
} as const

type Moment = keyof typeof moments

const momentOf = ({ label }: Hit): Moment => {
  const found = Object.entries(moments).find(([, labels]) => labels.test(label))
  return found?.[0] as Moment
}

describe('a run that was killed goes on by itself to the same end', () => {
  const found = new Map<Way, Promise<readonly Hit[]>>()
  const hitsOf = (way: Way): Promise<readonly Hit[]> => {
    const hits = found.get(way) ?? way.hits()
    found.set(way, hits)
    return hits
  }
  const killedAt = (moment: Moment) => async (way: Way) => {
    const hits = (await hitsOf(way)).filter((hit) => momentOf(hit) === moment)
    expect(hits).not.toEqual([])
    const wrong: string[] = []
    await inParallel(2, sampled(hits, `${way.title}, ${moment}`), async (hit) => {
      const { point } = hit
      const root = shopProject()
      await way.prepare(root)
      const killed = await way.kill(root, hit)
      // Events that come together are one line of the log, so its last hits are not in every run.
      if (killed.signal === null && /append/.test(point)) return
      if (killed.signal !== 'SIGKILL') return void wrong.push(`${point}: was not hit (${killed.code})`)
      await recover(root)
      wrong.push(...(await differences(root)).map((difference) => `${point}: ${difference}`))
    })
    expect(wrong).toEqual([])
  }

  test.each(firstRuns)('TR-06: $title, between its start in the ledger and its first task', killedAt('start'))
  test.each(ways)('OR-01: $title, at an entry of the ledger', killedAt('ledger'))
  test.each(firstRuns)('OR-03: $title, between a commit and its outcome in the ledger', killedAt('outcome'))
  test.each(firstRuns)('LK-01: $title, while data files are written that no commit names', killedAt('data'))
  test.each(firstRuns)('WH-01: $title, in the transaction of a load', killedAt('load'))
  test.each(firstRuns)('IN-23: $title, while a file is put away', killedAt('settling'))
  test.each(firstRuns)('$title, at any other boundary', killedAt('other'))

  test('every label of the code was met, save those of other suites', async () => {
    const met = new Set((await Promise.all(ways.map(hitsOf))).flatMap(labelsOf))
    const labels = labelsOfCode().filter((label) => !elsewhere.some((prefix) => label.startsWith(prefix)))
    expect(labels.length).toBeGreaterThan(25)
    expect(labels.filter((label) => !met.has(label))).toEqual([])
  })
})

/** The crash points that the code names whole. */
function labelsOfCode(): readonly string[] {
  const src = join(packageRoot, 'src')
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => /(?<!\.test)\.ts$/.test(path))
  // Not those of docstrings, whose lines begin with a star.
  const calls = files.flatMap((path) => [
    ...readFileSync(join(src, path), 'utf8').matchAll(/^(?!\s*\*).*crashPoint\('([\w.]+)'\)/gm),
  ])
  return [...new Set(calls.map(([, label]) => label as string))].sort()
}

/** The next run, in this process: what the killed one left is all it has. */
async function recover(root: string): Promise<void> {
  await using project = await openProject(root)
  await project.run()
}

/** What is not as it is where nothing was killed. */
async function differences(root: string): Promise<readonly string[]> {
  const state = await shopState(root).catch((error: unknown) => String(error))
  const inbox = readdirSync(join(root, 'inbox'))
  const archived = readdirSync(join(root, 'archive/orders')).sort().join()
  return [
    JSON.stringify(state) !== JSON.stringify(reference) && JSON.stringify(state).slice(0, 2000),
    inbox.length > 0 && `the inbox still holds ${inbox}`,
    archived !== 'orders_2026-01-30.csv,orders_2026-02-01.csv' && `archived ${archived}`,
    !existsSync(join(root, 'error/orders/orders_2026-02-02.csv')) && 'the refused file is not in the error folder',
  ].filter((difference) => difference !== false)
}
