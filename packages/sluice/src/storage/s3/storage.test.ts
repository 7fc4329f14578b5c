import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { bucketOf, storageOf } from '../../../test/doubles/s3/lake.ts'
import { type S3Fault, startS3Server } from '../../../test/doubles/s3/server.ts'
import { sha256 } from '../../base/json.ts'
import type { Storage } from '../storage.ts'
import { openSpool } from './spool.ts'
import { s3Storage } from './storage.ts'

const double = await startS3Server({ buckets: { lake: 'off' }, sizes: { smallestPart: 4, largestPut: 64 } })
afterAll(() => double[Symbol.asyncDispose]())

const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
let places = 0
let prefix: string
let storage: Storage

beforeEach(() => {
  double.fault = undefined
  double.show = (versions) => versions
  prefix = `place-${++places}`
  storage = storageIn(prefix)
})

const storageIn = (at: string): Storage =>
  storageOf(bucketOf(double, 'lake'), { prefix: at, sizes: { upload: 8, copy: 8 } })

function localFile(content: string): string {
  const file = join(folder, `file-${places++}`)
  writeFileSync(file, content)
  return file
}

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')

/** All operations of the contract; what they answered. */
async function workload(at: Storage): Promise<unknown> {
  const created = [await at.create('v/1', 'one'), await at.create('v/1', 'late')]
  await at.write('hint', '1')
  await at.write('hint', '2')
  await at.write('gone', 'x')
  const adopted = [
    await at.adopt(localFile('small'), 'data/small'),
    await at.adopt(localFile('larger than a part, by far'), 'data/large'),
  ]
  await using local = await at.materialise('data/large')
  await at.remove('gone')
  return {
    created,
    adopted: adopted.map(({ path, bytes }) => [path, bytes]),
    local: readFileSync(local.file, 'utf8'),
    read: [text(await at.read('v/1')), text(await at.read('hint')), text(await at.read('gone'))],
    stat: (await at.stat('data/small'))?.bytes,
    list: (await at.list('')).map(({ path, bytes }) => [path, bytes]),
    folders: await at.folders(''),
  }
}

const conditional = new Set(['PutObject', 'CompleteMultipartUpload'])

test('LK-07, LK-08: each request in turn is lost, cut, throttled or refused in passing, and nothing is different', async () => {
  const expected = await workload(storageIn('whole'))
  const from = double.requests.length
  await workload(storageIn('counted'))
  const asked = double.requests.slice(from).map(({ operation }, at) => ({ operation, at }))
  expect(asked.length).toBeGreaterThan(20)
  const places: readonly (readonly [S3Fault, readonly { readonly at: number }[]])[] = [
    ['lost', asked],
    ['cut', asked],
    // Both are judged as what is lost is: a sample.
    ['internal', asked.filter(({ at }) => at % 4 === 0)],
    ['throttled', asked.filter(({ at }) => at % 4 === 2)],
    ['conflict', asked.filter(({ operation }) => conditional.has(operation))],
    ['precondition', asked.filter(({ operation }) => conditional.has(operation))],
  ]
  for (const [fault, faults] of places)
    for (const { at } of faults) {
      const wanted = double.requests.length + 1 + at
      double.fault = ({ number }) => (number === wanted ? fault : undefined)
      expect([fault, at, await workload(storageIn(`${fault}-${at}`))]).toEqual([fault, at, expected])
    }
  // An upload that began without an answer has no id to be aborted by: it is a leftover.
  expect([...double.buckets.get('lake')!.uploads.values()].map(({ key }) => key)).toEqual([
    expect.stringMatching(/^lost-\d+\/data\/large$/),
  ])
})

test('LK-04: each request in turn is denied or expired: the operation says so, and the same work succeeds afterwards', async () => {
  const expected = await workload(storageIn('denied-none'))
  for (const [fault, name] of [
    ['denied', 'Storage.BucketDenied'],
    ['expired', 'Storage.CredentialsExpired'],
  ] as const)
    for (let at = 1; at <= 12; at += 2) {
      const place = storageIn(`${fault}-${at}`)
      const first = double.requests.length
      double.fault = ({ number }) => (number >= first + at ? fault : undefined)
      await expect(workload(place)).rejects.toMatchObject({ name })
      double.fault = undefined
      for (const { path } of await place.list('')) await place.remove(path)
      expect(await workload(place)).toEqual(expected)
    }
})

test('LK-07: of fifty whose first answers are lost, one creates, and knows it', async () => {
  const seen = new Map<string, number>()
  double.fault = ({ operation, key }) => {
    const count = (seen.get(`${operation} ${key}`) ?? 0) + 1
    seen.set(`${operation} ${key}`, count)
    return operation === 'PutObject' && count <= 50 ? 'lost' : undefined
  }
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) => storageIn(prefix).create('v/1', `writer ${i}`)),
  )
  expect(results.filter(Boolean)).toHaveLength(1)
  expect(text(await storage.read('v/1'))).toBe(`writer ${results.indexOf(true)}`)
})

test('LK-08: a write whose condition fails is made again over what is there, and a late one replaces nothing newer', async () => {
  const other = storageIn(prefix)
  await storage.write('hint', 'old')
  await other.write('hint', 'new')
  const tag = double.buckets
    .get('lake')!
    .current()
    .find(({ key }) => key === `${prefix}/hint`)!.etag
  const conditions: unknown[] = []
  double.fault = ({ operation, number }) => {
    if (operation === 'PutObject') conditions.push(number)
    return undefined
  }
  // Its first try names what it wrote itself, is refused, and is made again over what is there.
  await storage.write('hint', 'newest')
  expect(conditions).toHaveLength(2)
  expect(text(await other.read('hint'))).toBe('newest')
  expect((await storage.stat('hint'))?.identity).not.toBe(tag)
})

test.each([
  ['expired', {}, 'Storage.CredentialsExpired'],
  ['denied', {}, 'Storage.BucketDenied'],
  ['skewed', {}, 'Storage.ClockSkew'],
  ['throttled', {}, 'Storage.Throttled'],
  ['internal', {}, 'Storage.Unreachable'],
  ['lost', {}, 'Storage.Unreachable'],
  [undefined, { region: 'eu-west-1' }, 'Storage.WrongRegion'],
  [undefined, { endpoint: 'http://127.0.0.1:1' }, 'Storage.Unreachable'],
] as const)('what lasts has a name, of every operation: %s %j', async (fault, options, name) => {
  await storage.write('there', 'x')
  const failing = storageOf(bucketOf(double, 'lake', options), { prefix })
  double.fault = () => fault
  for (const use of [
    () => failing.read('there'),
    () => failing.stat('there'),
    () => failing.list(''),
    () => failing.create('new', 'x'),
    () => failing.write('there', 'y'),
    () => failing.remove('absent'),
    () => failing.materialise('there'),
    () => failing.adopt(localFile('x'), 'adopted'),
    () => failing.removeLeftovers({ before: new Date() }),
  ])
    await expect(use()).rejects.toMatchObject({ name })
})

test('credentials that are unknown, a bucket that is not there, and a region that is right elsewhere have names', async () => {
  const places = { at: bucketOf(double, 'missing'), west: bucketOf(double, 'lake', { region: 'eu-west-1' }) }
  await expect(storageOf(places.at, { prefix }).list('')).rejects.toMatchObject({ name: 'Storage.NoBucket' })
  await expect(storageOf(places.at, { prefix }).create('x', 'x')).rejects.toMatchObject({ name: 'Storage.NoBucket' })
  await expect(storageOf(places.west, { prefix }).list('')).rejects.toMatchObject({
    message: expect.stringContaining('it is in us-east-1'),
    hint: expect.stringContaining("region: 'us-east-1'"),
  })
  const unknown = bucketOf(double, 'lake')
  process.env['AWS_ACCESS_KEY_ID'] = 'UNKNOWN'
  await expect(storageOf(unknown, { prefix }).stat('x')).rejects.toMatchObject({
    name: 'Storage.BucketDenied',
    message: expect.stringContaining('InvalidAccessKeyId'),
  })
})

test('a clock that is an hour off is corrected by what the store says of the time', async () => {
  double.clockOffsetMs = 3_600_000
  try {
    await storage.write('x', 'x')
    expect(text(await storage.read('x'))).toBe('x')
  } finally {
    double.clockOffsetMs = 0
  }
})

test('LK-03: bytes that are not those that were written are not read', async () => {
  await storage.write('x', 'right')
  const bucket = double.buckets.get('lake')!
  const { metadata, contentType } = bucket.get(`${prefix}/x`)
  bucket.put(`${prefix}/x`, Buffer.from('wrong'), { metadata, contentType })
  await expect(storage.read('x')).rejects.toMatchObject({ name: 'Storage.ForeignWriter' })
  await expect(storage.materialise('x')).rejects.toMatchObject({ name: 'Storage.ForeignWriter' })
})

test('an object that breaks off goes on where it was, and not in another version of it', async () => {
  const content = 'x'.repeat(40)
  await storage.write('x', content)
  let cuts = 0
  double.fault = ({ operation }) => (operation === 'GetObject' && cuts++ < 2 ? 'cut' : undefined)
  {
    await using local = await storage.materialise('x')
    expect(readFileSync(local.file, 'utf8')).toBe(content)
    expect(cuts).toBe(3)
  }
  cuts = 0
  double.fault = ({ operation, key }) => {
    if (operation !== 'GetObject' || cuts++ > 0) return undefined
    setTimeout(() => double.buckets.get('lake')!.put(key, Buffer.from('other'), { metadata: {}, contentType: '' }))
    return 'cut'
  }
  await expect(storage.materialise('x')).rejects.toMatchObject({ name: 'Storage.ForeignWriter' })
})

test('eight objects come here at a time, one that several ask for comes once, and goes with the last of them', async () => {
  const bucket = bucketOf(double, 'lake')
  let [running, most] = [0, 0]
  const counted: typeof bucket = {
    ...bucket,
    async once(request) {
      most = Math.max(most, ++running)
      try {
        return await bucket.once(request)
      } finally {
        running--
      }
    },
  }
  const reading = s3Storage(counted, { prefix, spool: openSpool(async () => mkdtempSync(join(folder, 'spool-'))) })
  const paths = Array.from({ length: 20 }, (_, i) => `data/${i}`)
  for (const path of paths) await storage.write(path, path)
  const from = double.requests.length
  const locals = await Promise.all([...paths, ...paths].map((path) => reading.materialise(path)))
  expect(most).toBe(8)
  expect(double.requests.length - from).toBe(20)
  await locals[0]![Symbol.asyncDispose]()
  await locals[0]![Symbol.asyncDispose]()
  expect(readFileSync(locals[20]!.file, 'utf8')).toBe('data/0')
  await locals[20]![Symbol.asyncDispose]()
  expect(() => readFileSync(locals[20]!.file)).toThrow('ENOENT')
})

test('a listing that lags is waited for, and named where it stays behind; one that says a thing twice says it once', async () => {
  for (const path of ['a/1', 'a/2']) await storage.write(path, path)
  const paths = async (at: Storage): Promise<readonly string[]> => (await at.list('a')).map(({ path }) => path)
  let lag = 2
  double.show = (versions) =>
    lag-- > 0 ? versions.filter(({ key }) => !key.endsWith('a/2')) : versions.flatMap((version) => [version, version])
  expect(await paths(storage)).toEqual(['a/1', 'a/2'])
  lag = Number.POSITIVE_INFINITY
  await expect(paths(storage)).rejects.toMatchObject({ name: 'Storage.ListingIncomplete' })
  // What another one took away is not missing.
  lag = 0
  await storageIn(prefix).remove('a/2')
  expect(await paths(storage)).toEqual(['a/1'])
})

test('what another program keeps in a bucket beside ours is not shown: marks of folders, and keys that are no paths', async () => {
  const bucket = double.buckets.get('lake')!
  for (const key of ['a/', 'a//b', '../c', 'a/./d', 'e f+g%2F\u00e9\u0001'])
    bucket.put(`${prefix}/${key}`, Buffer.from('x'), { metadata: {}, contentType: '' })
  expect((await storage.list('')).map(({ path }) => path)).toEqual(['e f+g%2F\u00e9\u0001'])
  expect(text(await storage.read('e f+g%2F\u00e9\u0001'))).toBe('x')
})

test('listings go through all pages', async () => {
  const bucket = double.buckets.get('lake')!
  const names = Array.from({ length: 2500 }, (_, i) => `t/${i % 3}/${i}`)
  for (const name of names) bucket.put(`${prefix}/${name}`, Buffer.from(''), { metadata: {}, contentType: '' })
  expect((await storage.list('t')).map(({ path }) => path)).toEqual([...names].sort())
  expect(await storage.folders('t')).toEqual(['0', '1', '2'])
})

test('LK-01: uploads that nobody completed are leftovers when they are old', async () => {
  const bucket = double.buckets.get('lake')!
  const about = { metadata: {}, contentType: '' }
  const old = bucket.begin(`${prefix}/old`, about, new Date('2026-01-01'))
  bucket.begin(`${prefix}/new`, about, new Date('2026-03-01'))
  const before = new Date('2026-02-01')
  const found = [{ path: 'old', bytes: 0, identity: old, modifiedAt: new Date('2026-01-01') }]
  expect(await storage.removeLeftovers({ before, dryRun: true })).toEqual(found)
  expect(await storage.removeLeftovers({ before })).toEqual(found)
  expect([...bucket.uploads.values()].map(({ key }) => key)).toContain(`${prefix}/new`)
  expect(bucket.uploads.has(old)).toBe(false)
})

test('an object says what its bytes are', async () => {
  await storage.adopt(localFile('in several parts of eight'), 'x')
  const { metadata, etag } = double.buckets.get('lake')!.get(`${prefix}/x`)
  expect(metadata['sluice-sha256']).toBe(sha256('in several parts of eight'))
  expect(etag).toMatch(/-4"$/)
})
