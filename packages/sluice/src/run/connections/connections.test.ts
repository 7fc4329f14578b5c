import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ConnectionConfig, Project } from '../../definition/types.ts'
import { connectionSettings } from './connections.ts'

let root: string
let at: Parameters<typeof connectionSettings>[0]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-connections-'))
  at = { root, project: { config: {} as Project['config'] } }
  await writeFile(join(root, '.env'), 'ERP_PORT=5433\nERP_PASSWORD=canary\nNO_PORT=canary\n')
  await writeFile(join(root, 'ca.pem'), 'PEM')
})
afterAll(() => rm(root, { recursive: true }))

const erp: ConnectionConfig = {
  kind: 'postgres',
  host: 'erp.example.com',
  port: { $env: 'ERP_PORT' },
  database: 'erp',
  user: { $env: 'ERP_USER', default: 'sluice' },
  password: { $secret: 'ERP_PASSWORD' },
  tls: 'verified',
  ca: 'ca.pem',
  maxConnections: 4,
  connectTimeoutSeconds: 15,
}

test('settings are what the definition refers to, at the moment of use', async () => {
  expect(await connectionSettings(at, 'erp', erp)).toEqual({
    name: 'erp',
    kind: 'postgres',
    host: 'erp.example.com',
    port: 5433,
    database: 'erp',
    user: 'sluice',
    password: 'canary',
    tls: 'verified',
    ca: 'PEM',
    connectTimeoutSeconds: 15,
  })
})

test('what is kept elsewhere and is no port, or cannot be read, is told without showing a secret', async () => {
  const refused = (change: Partial<ConnectionConfig>) =>
    connectionSettings(at, 'erp', { ...erp, ...change }).catch((error: Error) => error.message)
  expect(await refused({ port: { $secret: 'NO_PORT' } })).toBe(
    'connections.erp.port must be a whole number from 1 to 65535, not another text.',
  )
  expect(await refused({ port: { $env: 'NO_PORT' } })).toContain('not "canary"')
  expect(await refused({ ca: 'gone.pem' })).toBe('connections.erp.ca must be a file that can be read, not "gone.pem".')
  expect(await refused({ password: { $secret: 'NOWHERE' } })).toContain('NOWHERE')
})
