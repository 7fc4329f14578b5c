import { rmSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { makeProject } from '../../test/acceptance/project.ts'
import { arriving, type ScriptedServer, scriptedServer } from '../../test/doubles/scripted-server.ts'
import { systemClock } from '../base/clock.ts'
import { openProject } from './project.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

/** A project whose only sources are procedures of a scripted server. */
function project(list: string, more: Record<string, string> = {}): string {
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

async function run(root: string, { connectorOf }: ScriptedServer, now?: Date) {
  const clock = now === undefined ? systemClock : { ...systemClock, now: () => now }
  await using opened = await openProject(root, { connectorOf, clock })
  const { summary } = await opened.run()
  await using session = await opened.openRead()
  return { summary, all: (sql: string) => session.all(sql) }
}

const customers = `[{ procedure: 'dbo.usp_customers', columns: { id: 'integer', name: nullable('text'), balance: 'decimal(18,4)' } }]`
const customerColumns = [
  arriving('id', 'integer', 'int'),
  arriving('name', 'text', 'nvarchar(50)'),
  arriving('balance', 'decimal(18,4)'),
]

test('a procedure becomes a version; the same rows again, in any order, make no other', async () => {
  const rows = [
    ['1', 'Åse', '12345678901234.5678'],
    ['2', null, '-0.0001'],
  ]
  const server = scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows }] })
  const root = project(customers)
  const first = await run(root, server)
  expect(first.summary).toMatchObject({ status: 'succeeded', rows: { read: 2, accepted: 2 } })
  rows.reverse()
  const second = await run(root, server)
  expect(second.summary).toMatchObject({
    status: 'succeeded',
    tasks: { unchanged: 1 },
    rows: { read: 2, accepted: 0, dropped: 2 },
  })
  const last = await run(
    root,
    scriptedServer({ 'dbo.usp_customers': () => [{ columns: customerColumns, rows: [['1', 'Åse', '0']] }] }),
  )
  expect(last.summary.rows).toMatchObject({ accepted: 1 })
})
