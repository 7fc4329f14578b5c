import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { noPlaces } from '../../definition/problems/places.ts'
import { env, secret } from '../../definition/problems/references.ts'
import { resolveConfig } from '../../definition/resolve.ts'
import { checkSecrets, missingSecrets, placeOf, readEnvironment, redactor, resolveText } from './secrets.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-secrets-'))
  await writeFile(join(root, '.env'), 'A=from env\nB=from env\nC=from env\n')
  await writeFile(join(root, '.env.local'), '# mine\nB="from local"\nC=from local\nEMPTY=\n')
})
afterAll(() => rm(root, { recursive: true }))

test('the environment wins over .env.local, which wins over .env', async () => {
  const environment = await readEnvironment(root, {}, { C: 'own' })
  expect(['A', 'B', 'C'].map((name) => resolveText(secret(name), environment))).toEqual([
    'from env',
    'from local',
    'own',
  ])
  expect(resolveText('plain', environment)).toBe('plain')
  expect(resolveText(env('NOWHERE', 'fallback'), environment)).toBe('fallback')
})

test("an environment's own files win over those of all, each over the one without .local", async () => {
  const files = {
    '.env.prod': 'A=prod\nB=prod\nD=prod\n',
    '.env.prod.local': 'D=prod local\n',
    '.env.test': 'A=test\n',
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(root, file), text)
  const config = { environment: { name: 'prod', target: 'local', state: '.sluice/env/prod' } } as const
  const environment = await readEnvironment(root, config, {})
  expect(['A', 'B', 'C', 'D'].map((name) => environment[name])).toEqual([
    'prod',
    'from local',
    'from local',
    'prod local',
  ])
  const places = ['A', 'B', 'C', 'D', 'E', 'EMPTY'].map((name) => placeOf(name, root, config, { C: 'own' }))
  expect(await Promise.all(places)).toEqual([
    '.env.prod',
    '.env.local',
    'the environment',
    '.env.prod.local',
    undefined,
    undefined,
  ])
  expect((await readEnvironment(root, {}, {}))['A']).toBe('from env')
})

test('CT-07: all missing names at once; an empty value is missing, and so is an inherited property', async () => {
  const { config } = resolveConfig(
    {
      name: 'shop',
      notifications: [
        { kind: 'webhook', url: secret('EMPTY'), secret: secret('A') },
        { kind: 'webhook', url: secret('toString'), secret: env('NOWHERE') },
        { kind: 'webhook', url: env('WITH_DEFAULT', 'https://example.com'), secret: secret('EMPTY') },
      ],
    },
    noPlaces('sluice.config.ts'),
  )
  const project = { config: config!, pipelines: [] }
  expect(await missingSecrets(root, project)).toEqual(['EMPTY', 'NOWHERE', 'toString'])
  expect(await checkSecrets(root, project)).toMatchObject([
    { name: 'Definition.SecretMissing', message: expect.stringContaining('EMPTY, NOWHERE, toString') },
  ])
  expect(() => resolveText(secret('NOWHERE'), {})).toThrow(/NOWHERE/)
})

test('CT-07: references of connections are missed, and their passwords masked, wherever they are kept', async () => {
  const server = { kind: 'mysql', host: env('MISSING_HOST'), database: 'd', user: env('A') }
  const connections = { erp: { ...server, password: secret('B') }, old: { ...server, password: env('C') } }
  const { config } = resolveConfig({ name: 'shop', connections }, noPlaces('sluice.config.ts'))
  const project = { config: config!, pipelines: [] }
  expect(await missingSecrets(root, project)).toEqual(['MISSING_HOST'])
})

test('SEC-3: a resolved value is masked in every spelling', () => {
  const value = 'p"ä ss/w0rd'
  const redact = redactor([value, 'p"ä', ''])
  const spellings = [value, JSON.stringify(value), encodeURIComponent(value), Buffer.from(value).toString('base64')]
  for (const spelling of spellings) expect(redact(`before ${spelling} after`)).toMatch(/^before "?\*\*\*"? after$/)
  expect(redactor([])('untouched')).toBe('untouched')
})

test('the process itself is the first place that is looked at', async () => {
  vi.stubEnv('SLUICE_TEST_SECRET', 'from process')
  expect(resolveText(secret('SLUICE_TEST_SECRET'), await readEnvironment(root, {}))).toBe('from process')
  vi.unstubAllEnvs()
})
