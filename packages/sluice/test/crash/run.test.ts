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

const ways: readonly Way[] = [
  {
    title: 'a first run, in one process',
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
  {
    title: 'a run that finds nothing to do',
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
  'lake.compact.', // lake.test.ts
  'lake.extraction.', // lake.test.ts, procedures/postgres.test.ts
  'lake.retention.', // lake.test.ts
  'sources.cdc.', // cdc/kill.test.ts
  'sources.procedures.', // procedures/postgres.test.ts
]

beforeAll(async () => {
  const root = shopProject()
  const result = await command(root, ['run'])
  expect(result.code, result.stderr).toBe(1)
  reference = await shopState(root)
})

describe('a run that was killed at any durable boundary', () => {
  const met = new Set<string>()

  test.each(ways)('OR-03, TR-06: goes on by itself to the same end: $title', async ({ title, hits, prepare, kill }) => {
    const found = await hits()
    for (const label of labelsOf(found)) met.add(label)
    const wrong: string[] = []
    await inParallel(2, sampled(found, title), async (hit) => {
      const { point } = hit
      const root = shopProject()
      await prepare(root)
      const killed = await kill(root, hit)
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

  test('every label of the code was met, save those of other suites', () => {
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
