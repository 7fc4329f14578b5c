import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { nodeFileOperations } from '../../src/storage/disk/file-operations.ts'
import { makeProject } from '../acceptance/project.ts'
import { failingFileOperations } from '../simulation/failing-file-operations.ts'
import { type Hit, inParallel, sampled } from './sweep.ts'

/**
 * The I/O sweep (faults CP-2, LK-04): an operation of a whole run fails, for every operation or for one of each name in each kind of task.
 * After each, the next run ends where an undisturbed one does.
 */
function project(): string {
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'io', warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' } })\n`,
    'pipelines/io/pipeline.ts': `
import { files, pipeline, replace } from 'sluice'
export default pipeline('io', {
  sources: { t: files('inbox/*.csv', { columns: { id: 'integer', name: 'text' }, quarantine: { maxShare: 0.5 } }) },
  loads: { t: replace({ from: 'stage.t' }) },
})
`,
    'pipelines/io/stage/t.sql': 'SELECT id, name FROM raw.t\n',
    'inbox/a.csv': 'id,name\n1,one\ntwo,two\n3,three\n',
  })
}

async function state(root: string): Promise<unknown> {
  await using opened = await openProject(root)
  await using session = await opened[readContext].openRead()
  return await session.all(`SELECT (SELECT list(t ORDER BY id)::VARCHAR FROM raw.t) AS raw, (SELECT list(t ORDER BY id)::VARCHAR FROM stage.t) AS stage,
    (SELECT list(t ORDER BY id)::VARCHAR FROM warehouse.t) AS target, (SELECT sum(rows_read) FROM sluice.files) AS read, (SELECT count(*) FROM sluice.quarantine) AS refused`)
}

/** Waits are shorter by a factor: those before a retry. */
const faster = (factor: number): Clock => ({
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
})

/** A minute later: this process still lives, so a lease that could not be given back has to be watched until it runs out. */
const later = { ...faster(100), now: () => new Date(Date.now() + 60_000) }

type Options = Parameters<typeof openProject>[1]

async function runWith(root: string, options: Options = {}): Promise<string> {
  try {
    await using opened = await openProject(root, options)
    return (await opened.run()).summary.status
  } catch (error) {
    return error instanceof Error ? error.name : 'error'
  }
}

/** The operations of an undisturbed run, each with the kind of task that was at work. */
async function operationsOf(root: string): Promise<readonly Hit[]> {
  const hits: Hit[] = []
  let kind = 'run'
  const onOperation = (label: string): void => {
    hits.push({ kind, label, point: `${hits.length + 1}` })
  }
  const { operations } = failingFileOperations(
    nodeFileOperations,
    { at: Number.POSITIVE_INFINITY, code: '' },
    onOperation,
  )
  await using opened = await openProject(root, { operations })
  const { summary } = await opened.run({
    onEvent: (event) => {
      if (event.type === 'task.started') kind = event.kind
      if (event.type === 'task.finished') kind = 'run'
    },
  })
  expect(summary.status).toBe('succeeded')
  return hits
}

test.each([
  ['EIO', 'once', false],
  ['ENOSPC', 'and all after it', true],
] as const)('CP-2, LK-04: an operation of a run fails with %s (%s)', async (code, how, persisting) => {
  const clean = project()
  const hits = await operationsOf(clean)
  const expected = JSON.stringify(await state(clean))
  expect(hits.length).toBeGreaterThan(150)
  expect(new Set(hits.map(({ kind }) => kind))).toEqual(new Set(['run', 'ingest', 'model', 'load']))
  const wrong: string[] = []
  // Many at a time: what fails persistently is tried again by the state machine, and most of that is waiting.
  await inParallel(12, sampled(hits, `operations that fail with ${code}, ${how}`), async ({ point, label }) => {
    const root = project()
    const { operations, state: fault } = failingFileOperations(nodeFileOperations, {
      at: Number(point),
      code,
      persisting,
    })
    const first = await runWith(root, { operations, clock: faster(10) })
    const next = await runWith(root, { clock: later })
    if (first === 'SuppressedError') wrong.push(`operation ${point} (${label}): its error is hidden by that of a close`)
    // The number of operations differs by a few, because events that come together are one line of the log.
    if (!fault.fired && Number(point) < hits.length - 10) wrong.push(`operation ${point} (${label}) was not reached`)
    if (next !== 'succeeded') wrong.push(`operation ${point} (${label}, ${first}): the next run ended with ${next}`)
    else if (JSON.stringify(await state(root)) !== expected)
      wrong.push(`operation ${point} (${label}, ${first}): another end state`)
  })
  expect(wrong).toEqual([])
})
