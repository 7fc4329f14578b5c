/** Projects whose sources are procedures of a scripted server. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { openLake } from '../../src/lake/lake.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { makeProject } from '../acceptance/project.ts'
import type { ScriptedServer } from '../doubles/scripted-server.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

/** A project whose only sources are procedures of a scripted server. */
export function project(list: string, more: Record<string, string> = {}): string {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig, secret, sqlServer } from 'sluice'
export default defineConfig({ name: 'erp', connections: { erp: sqlServer({ host: 'h', database: 'd', user: 'u', password: secret('ERP_PASSWORD') }) } })\n`,
    '.env': 'ERP_PASSWORD=hunter2hunter2\n',
    'pipelines/erp/pipeline.ts': `import { each, parameter, pipeline, procedures, runDate, windowFrom, windowTo, nullable } from 'sluice'
export default pipeline('erp', { sources: { ...procedures('erp', ${list}) } })\n`,
    ...more,
  })
  roots.push(root)
  return root
}

/** Seconds that a retry waits pass at once. */
/** Waits are shorter, and still let the work beside them go on: a sleep that is none would keep the loops that wait for it at work for ever. */
const clockAt = (now?: Date): Clock => ({
  now: () => now ?? new Date(),
  sleep: (ms, signal) => systemClock.sleep(ms / 100, signal),
})

export async function run(root: string, { connectorOf }: ScriptedServer, now?: Date) {
  await using opened = await openProject(root, { connectorOf, clock: clockAt(now) })
  const { id, summary } = await opened.run()
  const errors = (await opened[readContext].events(id)).flatMap((event) =>
    event.type === 'task.finished' && event.error !== undefined ? [event.error] : [],
  )
  return { summary, errors }
}

/** A project's lake. */
export const lakeOf = (root: string) => openLake(diskStorage(join(root, 'lake')), systemClock)

/** Rows of the project's tables. */
export async function rowsOf(root: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  await using opened = await openProject(root)
  await using session = await opened[readContext].openRead()
  return await session.all(sql)
}
