import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sluiceError } from '../../base/errors.ts'
import type { Connector } from '../../connections/connection.ts'
import type { RunEvent } from '../ledger/events.ts'
import { openProject } from '../project.ts'

const canary = 'canary-4711'
const files = {
  '.env.local': `ERP_PASSWORD=${canary}\n`,
  'sluice.config.yaml': `name: shop
connections:
  erp: { kind: postgres, host: localhost, database: erp, user: sluice, password: { $env: ERP_PASSWORD } }
notifications: [{ kind: outbox, path: outbox.jsonl }]
`,
  'pipelines/erp/pipeline.yaml': `name: erp
sources:
  customers: { kind: procedure, connection: erp, procedure: usp_customers, columns: { id: integer } }
`,
}

const roots: string[] = []
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))))

async function project(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-redaction-'))
  roots.push(root)
  await mkdir(join(root, 'pipelines/erp'), { recursive: true })
  for (const [file, text] of Object.entries(files)) await writeFile(join(root, file), text)
  return root
}

const connector = (connect: Connector['connect']): Connector => ({
  kind: 'postgres',
  packages: {},
  defaultPort: 5432,
  maxNameLength: 63,
  connect,
})

const atLogin = connector(async ({ name, user, password }) => {
  throw sluiceError('Connection.LoginFailed', { connection: name, user, why: `"${password}" is wrong` })
})

const inCall = connector(async ({ password }) => ({
  server: 'Talkative 1.0',
  isUsable: false,
  call: async ({ procedure }, sink) => {
    sink.message({ text: `called with ${password}`, code: '00000', severity: 0 })
    const why = `"${password}" is wrong`
    throw sluiceError('Connection.CallFailed', { procedure, code: '50000', severity: 16, why, rows: 0, more: 0 })
  },
  describe: async () => [],
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
}))

test.each([
  ['at the login', atLogin],
  ['in a call', inCall],
])(
  'SEC-3: a password that a server repeats %s is in no event, no ledger, no log and no notification',
  async (_, server) => {
    const root = await project()
    await using opened = await openProject(root, { connectorOf: async () => server })
    const events: RunEvent[] = []
    const { summary } = await opened.run({ onEvent: (event) => events.push(event) })
    expect(summary.status).toBe('failed')
    expect(JSON.stringify(events)).toContain('\\"***\\" is wrong')
    expect(JSON.stringify(events)).not.toContain(canary)
    const written = (await readdir(root, { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile() && entry.name !== '.env.local',
    )
    expect(written.map(({ name }) => name)).toEqual(expect.arrayContaining(['outbox.jsonl', 'latest.json']))
    for (const { parentPath, name } of written)
      expect(await readFile(join(parentPath, name), 'latin1'), join(parentPath, name)).not.toContain(canary)
  },
)
