/** A lake in a bucket, from a laptop: the same tables as on disk, one lease for all who write to it, and nothing of it left on this machine. */
import { cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { shopDeliveries, shopProject, shopState } from '../crash/shop.ts'
import { doubleCredentials } from '../doubles/s3/lake.ts'
import { type S3Fault, startS3Server } from '../doubles/s3/server.ts'

Object.assign(process.env, doubleCredentials)
const double = await startS3Server({ buckets: { shop: 'off', drop: 'on' } })
afterAll(() => double[Symbol.asyncDispose]())

const s3 = `s3: { endpoint: '${double.endpoint}', region: 'us-east-1' }`
let places = 0
let prefix: string

beforeEach(() => {
  double.fault = undefined
  prefix = `lakes/${++places}`
})

const onS3 = (): string => shopProject({ config: `lake: 's3://shop/${prefix}', ${s3},` })

/** What a run did. */
async function run(root: string): Promise<unknown> {
  await using project = await openProject(root)
  const { status, rows, refusedFiles } = (await project.run({})).summary
  return { status, rows, refusedFiles }
}

const keys = (): readonly string[] =>
  double.buckets
    .get('shop')!
    .current()
    .flatMap(({ key }) => (key.startsWith(`${prefix}/`) ? [key.slice(prefix.length + 1)] : []))

/** The same project on another machine: its definition and what is delivered, without what the first one knows. */
function elsewhere(root: string): string {
  const other = mkdtempSync(join(tmpdir(), 'sluice-elsewhere-'))
  cpSync(root, other, { recursive: true, filter: (path) => !/\/(\.sluice|lake|warehouse\.duckdb.*)$/.test(path) })
  return other
}

let onDisk: { readonly did: readonly unknown[]; readonly state: unknown } | undefined
async function expected(): Promise<NonNullable<typeof onDisk>> {
  if (onDisk === undefined) {
    const root = shopProject()
    const did = [await run(root), await run(root)]
    onDisk = { did, state: await shopState(root) }
  }
  return onDisk
}

test('a lake in a bucket holds what a lake on disk does; runs and leases are beside it, and files that came here are gone', async () => {
  const root = onS3()
  const { did, state } = await expected()
  expect([await run(root), await run(root)]).toEqual(did)
  expect(await shopState(root)).toEqual(state)
  expect(keys().some((key) => /^raw\/orders\/data\/.*\.parquet$/.test(key))).toBe(true)
  expect(keys().some((key) => /^_sluice\/runs\/.*\/run\.json$/.test(key))).toBe(true)
  expect(keys().some((key) => key.startsWith('_sluice/leases/pipelines/shop/'))).toBe(true)
  // Caches and work are of this machine, and work leaves nothing.
  expect(existsSync(join(root, 'lake'))).toBe(false)
  const left = readdirSync(join(root, '.sluice'), { recursive: true, withFileTypes: true })
  expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toContain('hashes.json')
  expect(left.filter(({ name }) => /\.parquet$|^runs$|^leases$/.test(name))).toEqual([])
})

test('LK-05: two machines on one lake: one runs, the other is busy, and then goes on from what the first has made', async () => {
  const root = onS3()
  const other = elsewhere(root)
  await using project = await openProject(root)
  const versions = async (at: string): Promise<readonly string[]> => {
    await using opened = await openProject(at)
    const records = await opened[readContext].tables()
    return records.map(({ table, version, run: by }) => `${table} ${version} ${by}`).sort()
  }
  let isBusy = false
  // While the first works, which its requests show, the second asks once.
  let asked: Promise<void> | undefined
  double.fault = ({ key }) => {
    if (/\/raw\/orders\/_versions\/.*\.json$/.test(key) && asked === undefined)
      asked = run(other).then(
        () => undefined,
        ({ name }: Error) => {
          isBusy = name === 'Run.Busy'
        },
      )
    return undefined
  }
  await project.run({})
  await asked
  expect(isBusy).toBe(true)
  double.fault = undefined
  const before = await versions(root)
  expect(await versions(other)).toEqual(before)
  // Its own warehouse is empty: it loads, and makes no table again.
  expect(await run(other)).toMatchObject({ rows: { read: 0, accepted: 0 }, refusedFiles: 1 })
  expect(await versions(other)).toEqual(before)
  expect(await shopState(other)).toEqual(await shopState(root))
})

/** The project with its lake and its inbox in buckets, and everything delivered. */
function allOnS3(): string {
  const drop = double.buckets.get('drop')!
  for (const [name, text] of Object.entries(shopDeliveries))
    drop.put(`${prefix}/inbox/${name}`, Buffer.from(text), { metadata: {}, contentType: 'text/csv' })
  return shopProject({ config: `lake: 's3://shop/${prefix}', ${s3},`, inbox: `s3://drop/${prefix}/inbox` })
}

const delivered = (): readonly string[] =>
  double.buckets
    .get('drop')!
    .current()
    .flatMap(({ key }) => (key.startsWith(`${prefix}/`) ? [key.slice(prefix.length + 1)] : []))

/** As if it were on disk; the engine quotes texts with a colon. */
const local = (state: unknown): Record<string, unknown> =>
  JSON.parse(JSON.stringify(state).replaceAll(new RegExp(`'s3://drop/${prefix}/([^']*)'`, 'g'), '$1'))

test('an inbox in a bucket: the same tables as on disk, what was taken in the archive, what was refused beside its report', async () => {
  const root = allOnS3()
  const { did, state } = await expected()
  expect([await run(root), await run(root)]).toEqual(did)
  expect(local(await shopState(root))).toEqual(local(state))
  expect(delivered()).toEqual([
    'archive/orders/orders_2026-01-30.csv',
    'archive/orders/orders_2026-02-01.csv',
    'error/orders/orders_2026-02-02.csv',
    'error/orders/orders_2026-02-02.csv.report.json',
    'error/orders/orders_2026-02-02.csv.report.txt',
  ])
})

test('while listings say things twice and not yet, every file is taken once', async () => {
  const root = allOnS3()
  const { state } = await expected()
  let hidden = /01-30|02-02/
  double.show = (versions) =>
    versions.flatMap((one) => (one.key.includes('/inbox/') && hidden.test(one.key) ? [] : [one, one]))
  try {
    await run(root)
    hidden = /02-01|02-02/
    await run(root)
    double.show = (versions) => versions
    await run(root)
  } finally {
    double.show = (versions) => versions
  }
  expect(local(await shopState(root))).toEqual(local(state))
})

test('LK-07, LK-08: a run whose requests fail in passing, one in nine of them, makes the same tables', async () => {
  const root = allOnS3()
  const { state } = await expected()
  const faults: readonly S3Fault[] = ['lost', 'cut', 'throttled', 'internal', 'conflict']
  const writes = new Set(['PutObject', 'CompleteMultipartUpload', 'CopyObject'])
  double.fault = ({ number, operation }) => {
    const fault = number % 9 === 0 ? faults[(number / 9) % faults.length] : undefined
    return fault === 'conflict' && !writes.has(operation) ? 'lost' : fault
  }
  await run(root)
  double.fault = undefined
  expect(local(await shopState(root))).toEqual(local(state))
  expect(delivered().filter((path) => path.startsWith('inbox/'))).toEqual([])
})
