import { expect, test } from 'vitest'
import { fillConfig } from './defaults.ts'
import { inEnvironment, settingsOf } from './environments.ts'
import type { ConfigInput } from './input.ts'
import { noPlaces } from './problems/places.ts'
import { readData } from './read-data.ts'
import { resolveConfig } from './resolve.ts'

const erp = {
  kind: 'sqlserver',
  host: 'erp.test',
  database: 'erp',
  user: 'sluice',
  password: { $secret: 'ERP' },
} as const

const shop: ConfigInput = {
  name: 'shop',
  lake: { retention: { versions: 3 } },
  engine: { memoryLimit: '2GB', threads: 2 },
  connections: { erp, crm: { ...erp, kind: 'postgres', host: 'crm.test' } },
  notifications: [{ kind: 'console' }],
  environments: {
    small: { engine: { memoryLimit: '512MB' }, concurrency: 1 },
    prod: {
      lake: 'lakes/prod',
      warehouse: { kind: 'postgres', connection: 'crm' },
      connections: { erp: { ...erp, host: 'erp.prod', port: 1444 } },
      notifications: [],
    },
  },
}

test('without an environment the configuration is as if none were declared', () => {
  const { environments: _none, ...plain } = shop
  expect(inEnvironment(shop, undefined)).toEqual(fillConfig(plain))
})

test('an environment says what is different, and nothing else changes', () => {
  const { environment, ...prod } = inEnvironment(shop, 'prod')
  expect(environment).toEqual({ name: 'prod', target: 'local', state: '.sluice/env/prod' })
  const project = inEnvironment(shop, undefined)
  expect(prod).toEqual({
    ...project,
    lake: { path: 'lakes/prod', retention: { versions: 3 } },
    warehouse: { kind: 'postgres', connection: 'crm', schema: 'public' },
    connections: {
      ...project.connections,
      erp: { ...project.connections['erp'], host: 'erp.prod', port: 1444 },
    },
    notifications: [],
  })
})

test('over the lake of the project, an environment shares what is known of it; the engine is replaced option by option', () => {
  expect(inEnvironment(shop, 'small')).toMatchObject({
    engine: { memoryLimit: '512MB', threads: 2 },
    concurrency: 1,
    environment: { name: 'small', state: '.sluice' },
  })
  const same = { name: 'shop', environments: { same: { lake: './lake/' } } }
  expect(inEnvironment(same, 'same').environment?.state).toBe('.sluice')
})

test('an environment that is not there is an error with the known names and the nearest', () => {
  expect(() => inEnvironment(shop, 'prd')).toThrow(
    expect.objectContaining({
      name: 'Definition.UnknownEnvironment',
      exit: 2,
      suggestion: 'prod',
      message: 'The configuration has no environment "prd". Environments: small, prod.',
    }),
  )
  expect(() => inEnvironment({ name: 'shop' }, 'toString')).toThrow('It has none.')
})

test('CT-07: all environments are checked, whichever is asked for, each problem at its place', () => {
  const yaml = `name: shop
environments:
  prod:
    target: azure
    concurency: 2
    pipelines: other
  Test: {}
  dev:
    notifications:
      - { kind: webhook, url: "https://me:secret@example.com" }
`
  const { value, places } = readData('sluice.config.yaml', yaml)
  const { problems } = resolveConfig(value, places)
  expect(problems.map(({ at, message }) => `${at?.line}: ${message}`)).toEqual([
    expect.stringContaining('4: environments.prod.target must be one of local, aws, not "azure".'),
    expect.stringMatching(/^\d: environments\.prod has a key "concurency"/),
    expect.stringMatching(/^\d: environments\.prod has a key "pipelines"/),
    expect.stringContaining('The name "Test" in environments must be lower-case letters'),
    expect.stringContaining('10: environments.dev.notifications[0].url holds a secret'),
  ])
  expect(problems[1]?.suggestion).toBe('concurrency')
})

test.each<readonly [string, ConfigInput['environments'] & {}, string | undefined]>([
  ['lakes of their own', { a: { lake: 'a', warehouse: { kind: 'duckdb', path: 'a.duckdb' } } }, undefined],
  ['one lake of all', { a: { concurrency: 1 }, b: { warehouse: { kind: 'duckdb', path: 'b.duckdb' } } }, undefined],
  [
    'a lake that two share and the project does not have',
    {
      a: { lake: 'x', warehouse: { kind: 'duckdb', path: 'a.duckdb' } },
      b: { lake: './x', warehouse: { kind: 'duckdb', path: 'b.duckdb' } },
    },
    'Environment "a" and environment "b" have the lake "x"',
  ],
  [
    'a lake inside a lake',
    { a: { lake: 'lake/a', warehouse: { kind: 'duckdb', path: 'a.duckdb' } } },
    'have lakes inside each other: "lake" and "lake/a"',
  ],
  ['one warehouse for two lakes', { a: { lake: 'a' } }, 'load one warehouse, "warehouse.duckdb", from two lakes'],
  ['an environment on AWS, whose lake is elsewhere', { a: { target: 'aws', lake: 'lake/a' } }, undefined],
])('%s', (_what, environments, expected) => {
  const { problems } = resolveConfig({ name: 'shop', environments }, noPlaces('sluice.config.ts'))
  expect(problems.map(({ message }) => message)).toEqual(
    expected === undefined ? [] : [expect.stringContaining(expected)],
  )
})

test('one server is one warehouse; what is only referred to may be another in each environment', () => {
  const warehouse = { kind: 'postgres', connection: 'star' } as const
  const star = { ...erp, kind: 'postgres', host: 'star.test' } as const
  const problems = (host: ConfigInput['connections'] & {}): number =>
    resolveConfig(
      { name: 'shop', warehouse, connections: host, environments: { a: { lake: 'a' } } },
      noPlaces('sluice.config.ts'),
    ).problems.length
  expect(problems({ star })).toBe(1)
  expect(problems({ star: { ...star, host: { $env: 'STAR_HOST' } } })).toBe(0)
})

test('a lake in a bucket is reached as its environment says, as a whole; credentials have no place in it', () => {
  const s3 = { endpoint: 'http://localhost:9000', pathStyle: true } as const
  const input: ConfigInput = {
    name: 'shop',
    s3,
    environments: {
      prod: {
        lake: 's3://shop/lake',
        s3: { region: 'eu-west-1' },
        warehouse: { kind: 'duckdb', path: 'prod.duckdb' },
      },
    },
  }
  expect(resolveConfig(input, noPlaces('sluice.config.ts')).problems).toEqual([])
  expect(inEnvironment(input, undefined).s3).toEqual(s3)
  expect(inEnvironment(input, 'prod')).toMatchObject({ lake: { path: 's3://shop/lake' }, s3: { region: 'eu-west-1' } })
  expect(settingsOf(input, 'prod').filter(({ setting }) => setting.startsWith('s3'))).toEqual([
    { setting: 's3.region', value: 'eu-west-1', source: 'environments.prod' },
  ])
  const wrong = { name: 'shop', lake: 's3://Shop/lake', s3: { endpoint: 's3.example.com', accessKey: 'x' } }
  const { problems } = resolveConfig(wrong, noPlaces('sluice.config.ts'))
  expect(problems.map(({ message }) => message)).toEqual([
    'lake must be a path below the project, without "..", or s3://bucket/path, not "s3://Shop/lake".',
    's3.endpoint must be an address such as https://s3.example.com, not "s3.example.com".',
    's3 has a key "accessKey" that Sluice does not know. Allowed: region, endpoint, pathStyle, identity.',
  ])
})

test('each value of a configuration has its source; a reference stays one', () => {
  const found = Object.fromEntries(settingsOf(shop, 'prod').map(({ setting, ...rest }) => [setting, rest]))
  expect(found).toMatchObject({
    name: { value: 'shop', source: 'configuration' },
    pipelines: { value: 'pipelines', source: 'default' },
    'lake.path': { value: 'lakes/prod', source: 'environments.prod' },
    'lake.retention.versions': { value: 3, source: 'configuration' },
    'warehouse.schema': { value: 'public', source: 'default' },
    'connections.erp.port': { value: 1444, source: 'environments.prod' },
    'connections.erp.tls': { value: 'verified', source: 'default' },
    'connections.erp.password': { value: { $secret: 'ERP' }, source: 'environments.prod' },
    'connections.crm.host': { value: 'crm.test', source: 'configuration' },
    'engine.memoryLimit': { value: '2GB', source: 'configuration' },
    concurrency: { value: 2, source: 'default' },
    notifications: { value: [], source: 'environments.prod' },
  })
  expect(settingsOf(shop, undefined).some(({ source }) => source.startsWith('environments'))).toBe(false)
})
