import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { secretsOf } from '../../connections/connection.ts'
import type { ConnectionConfig, Project } from '../../definition/types.ts'
import { redactor } from '../definition/secrets.ts'
import { connectionSettings } from './connections.ts'

let root: string
let at: Parameters<typeof connectionSettings>[0]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-connections-'))
  at = { root, project: { config: {} as Project['config'] } }
  await writeFile(
    join(root, '.env'),
    'ERP_PORT=5433\nERP_HOST=srv\\SALES\nTOKEN=canary-token\nERP_PASSWORD=canary\nNO_PORT=canary\n',
  )
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

test('a host that is kept elsewhere may bring its port or its instance along', async () => {
  const { port: _, ca: _ca, ...server } = erp
  const at1 = (host: string) =>
    connectionSettings(at, 'erp', { ...server, kind: 'sqlserver', host: { $env: 'NO_HOST', default: host } })
  expect(await at1('srv')).toMatchObject({ host: 'srv', port: 1433 })
  expect(await at1('srv,1444')).toMatchObject({ host: 'srv', port: 1444 })
  expect(
    await connectionSettings(at, 'erp', { ...server, kind: 'sqlserver', host: { $env: 'ERP_HOST' } }),
  ).toMatchObject({
    host: 'srv',
    port: 1434,
    instance: 'SALES',
  })
  await expect(at1('srv,x')).rejects.toThrow('connections.erp.host must be a server and its port')
  const both = { ...erp, kind: 'sqlserver', host: { $env: 'ERP_HOST' } } as const
  await expect(connectionSettings(at, 'erp', both)).rejects.toThrow('connections.erp.port must be left out')
})

test('P17: the secrets of a login are masked with the password', async () => {
  const { user: _, password: _password, ...server } = erp
  const login = {
    kind: 'entra-service-principal',
    tenantId: 't',
    clientId: 'c',
    clientSecret: { $secret: 'TOKEN' },
  } as const
  const settings = await connectionSettings(at, 'erp', { ...server, kind: 'sqlserver', login })
  expect(settings.login).toEqual({
    kind: 'entra-service-principal',
    tenantId: 't',
    clientId: 'c',
    clientSecret: 'canary-token',
  })
  expect(redactor(secretsOf(settings))('why: canary-token')).toBe('why: ***')
})
