import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { nodeFileOperations } from '../../src/storage/disk/file-operations.ts'
import { makeProject } from '../acceptance/project.ts'
import { failingFileOperations } from '../simulation/failing-file-operations.ts'

/**
 * The I/O sweep (faults CP-2, LK-04): operation 1 of a whole run fails, then operation 2, then 3, until a run ends without having met its fault.
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

/** A minute later: this process still lives, so a lease that could not be given back has to run out. */
const later = { ...systemClock, now: () => new Date(Date.now() + 60_000) }

async function runWith(root: string, options: Parameters<typeof openProject>[1] = {}): Promise<string> {
  try {
    await using opened = await openProject(root, options)
    return (await opened.run()).summary.status
  } catch (error) {
    return error instanceof Error ? error.name : 'error'
  }
}

test.each([
  ['EIO', 'once', false],
  ['ENOSPC', 'and all after it', true],
] as const)('CP-2, LK-04: operation 1, 2, 3 … of a run fails with %s (%s)', async (code, _how, persisting) => {
  const clean = project()
  expect(await runWith(clean)).toBe('succeeded')
  const expected = await state(clean)
  const wrong: string[] = []
  let at = 1
  for (; ; at++) {
    const root = project()
    const { operations, state: fault } = failingFileOperations(nodeFileOperations, { at, code, persisting })
    const first = await runWith(root, { operations })
    const next = await runWith(root, { clock: later })
    if (next !== 'succeeded') wrong.push(`operation ${at} (${first}): the next run ended with ${next}`)
    else if (JSON.stringify(await state(root)) !== JSON.stringify(expected))
      wrong.push(`operation ${at} (${first}): another end state`)
    if (!fault.fired) break
  }
  expect(wrong).toEqual([])
  expect(at).toBeGreaterThan(50)
})
