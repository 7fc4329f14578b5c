import { readFileSync } from 'node:fs'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { bucketOf, inboxOf } from '../../../test/doubles/s3/lake.ts'
import { type S3Fault, startS3Server } from '../../../test/doubles/s3/server.ts'
import { sha256 } from '../../base/json.ts'
import type { Inbox, Move } from '../inbox.ts'
import { judge } from './judge.ts'

const double = await startS3Server({
  buckets: { versioned: 'on', plain: 'off', suspended: 'suspended' },
  sizes: { smallestPart: 1, largestCopy: 8 },
})
afterAll(() => double[Symbol.asyncDispose]())

let places = 0
let prefix: string

beforeEach(() => {
  double.fault = undefined
  double.show = (versions) => versions
  prefix = `place-${++places}`
})

type Kind = 'versioned' | 'plain'
const open = (name: Kind, at = prefix): Inbox =>
  inboxOf(bucketOf(double, name), { prefix: at, identity: name === 'plain' ? 'content' : 'version', copy: 8 })
const deliver = (name: Kind, path: string, content: string, at = prefix): void =>
  void double.buckets.get(name)!.put(`${at}/${path}`, Buffer.from(content), {
    metadata: { from: 'sender' },
    contentType: 'text/csv',
  })
const content = (name: Kind, at = prefix): Record<string, string> =>
  Object.fromEntries(
    double.buckets
      .get(name)!
      .current()
      .flatMap(({ key, bytes }) => (key.startsWith(`${at}/`) ? [[key.slice(at.length + 1), bytes.toString()]] : [])),
  )

async function moveOf(inbox: Inbox, path: string, text: string, more: Partial<Move> = {}): Promise<Move> {
  return { delivery: (await inbox.stat(path))!, sha256: sha256(text), to: 'archive', folder: 'archive', ...more }
}

async function list(inbox: Inbox, pattern: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { path } of inbox.list(pattern)) found.push(path)
  return found.sort()
}

/** All operations; what they answered. */
async function workload(name: Kind, at: string): Promise<unknown> {
  const inbox = open(name, at)
  deliver(name, 'in/small.csv', 'small', at)
  deliver(name, 'in/large.csv', 'larger than one copy', at)
  await inbox.put('in/own.csv', Buffer.from('own'))
  const found = await list(inbox, 'in/*.csv')
  await using opened = (await inbox.open((await inbox.stat('in/small.csv'))!))!
  const read = readFileSync(opened.file, 'utf8')
  await inbox.settle([
    await moveOf(inbox, 'in/small.csv', 'small', {
      to: 'error',
      folder: 'error',
      reports: [{ ending: '.txt', text: 'why' }],
    }),
    await moveOf(inbox, 'in/large.csv', 'larger than one copy'),
  ])
  return { found, read, left: content(name, at) }
}

const conditional = new Set(['PutObject', 'CopyObject', 'CompleteMultipartUpload', 'DeleteObject'])

test.each(['versioned', 'plain'] as const)(
  'LK-07, LK-08: each request to a %s bucket is lost, cut, throttled or refused in passing, and nothing is lost or twice',
  async (name) => {
    const expected = await workload(name, `${prefix}-whole`)
    expect(expected).toMatchObject({
      left: { 'in/own.csv': 'own', 'error/small.csv': 'small', 'archive/large.csv': 'larger than one copy' },
    })
    const from = double.requests.length
    await workload(name, `${prefix}-counted`)
    const asked = double.requests.slice(from).map(({ operation }, at) => ({ operation, at }))
    const places: readonly (readonly [S3Fault, readonly { readonly at: number }[]])[] = [
      ['lost', asked],
      ['cut', asked.filter(({ at }) => at % 4 === 0)],
      ['throttled', asked.filter(({ at }) => at % 4 === 2)],
      ['conflict', asked.filter(({ operation }) => conditional.has(operation))],
      ['precondition', asked.filter(({ operation }) => conditional.has(operation))],
    ]
    for (const [fault, faults] of places)
      for (const { at } of faults) {
        const wanted = double.requests.length + 1 + at
        double.fault = ({ number }) => (number === wanted ? fault : undefined)
        expect([fault, at, await workload(name, `${prefix}-${fault}-${at}`)]).toEqual([fault, at, expected])
      }
  },
)

test.each(['versioned', 'plain'] as const)(
  'settling that ends at any request of a %s bucket is ended by settling again',
  async (name) => {
    const settle = async (inbox: Inbox): Promise<void> => {
      const moves: Move[] = []
      for (const [path, text] of [
        ['in/a.csv', 'a'],
        ['in/b.csv', 'larger than one copy'],
      ] as const)
        if ((await inbox.stat(path)) !== undefined) moves.push(await moveOf(inbox, path, text))
      await inbox.settle(moves)
    }
    for (let at = 1; at <= 21; at += name === 'plain' ? 2 : 1) {
      const place = `${prefix}-${at}`
      deliver(name, 'in/a.csv', 'a', place)
      deliver(name, 'in/b.csv', 'larger than one copy', place)
      const wanted = double.requests.length + at
      double.fault = ({ number }) => (number >= wanted ? 'denied' : undefined)
      await settle(open(name, place)).catch(() => undefined)
      double.fault = undefined
      expect(Object.values(content(name, place))).toEqual(expect.arrayContaining(['a', 'larger than one copy']))
      await settle(open(name, place))
      expect([at, content(name, place)]).toEqual([
        at,
        { 'archive/a.csv': 'a', 'archive/b.csv': 'larger than one copy' },
      ])
    }
  },
)

test('an archive keeps what the sender said of an object', async () => {
  const inbox = open('versioned')
  for (const [path, text] of [
    ['in/small.csv', 'small'],
    ['in/large.csv', 'larger than one copy'],
  ] as const) {
    deliver('versioned', path, text)
    await inbox.settle([await moveOf(inbox, path, text)])
    expect(double.buckets.get('versioned')!.get(`${prefix}/archive/${path.slice(3)}`).metadata).toMatchObject({
      from: 'sender',
    })
  }
})

test('IN-24: a sender that writes while an object is moved keeps what was written last', async () => {
  for (const at of [1, 2, 3, 4, 5, 6, 7]) {
    const inbox = open('versioned', `${prefix}-${at}`)
    deliver('versioned', 'in/x.csv', 'one', `${prefix}-${at}`)
    const moves = [await moveOf(inbox, 'in/x.csv', 'one')]
    const wanted = double.requests.length + at
    double.fault = ({ number }) => {
      if (number === wanted) deliver('versioned', 'in/x.csv', 'two', `${prefix}-${at}`)
      return undefined
    }
    await inbox.settle(moves)
    const after = content('versioned', `${prefix}-${at}`)
    const isMoved = double.requests.length < wanted
    expect([at, isMoved || after['in/x.csv']]).toEqual([at, isMoved || 'two'])
    expect(after['archive/x.csv']).not.toBe('two')
  }
})

test('the same content delivered again is another version, and the identity of a name outlives its archive', async () => {
  const inbox = open('versioned')
  deliver('versioned', 'in/x.csv', 'one')
  const first = await moveOf(inbox, 'in/x.csv', 'one')
  deliver('versioned', 'in/x.csv', 'one')
  expect((await inbox.stat('in/x.csv'))!.identity).not.toBe(first.delivery.identity)
  await inbox.settle([first])
  expect(Object.keys(content('versioned'))).toEqual(['in/x.csv'])
})

test('a bucket without versions is refused before anything is read, unless its identity is declared', async () => {
  for (const name of ['plain', 'suspended'] as const) {
    const inbox = inboxOf(bucketOf(double, name), { prefix, identity: 'version' })
    for (const use of [
      () => list(inbox, 'in/*'),
      () => inbox.stat('in/x.csv'),
      () => inbox.open({ path: 'in/x.csv', identity: '' }),
      () => inbox.settle([{ delivery: { path: 'x', identity: '' }, sha256: '', to: 'archive', folder: 'archive' }]),
    ])
      await expect(use()).rejects.toMatchObject({ name: 'Storage.Unversioned' })
  }
})

test('a listing that says a thing twice or not yet gives each object once, then or later', async () => {
  for (const name of ['versioned', 'plain'] as const) {
    const inbox = open(name)
    for (const path of ['in/a.csv', 'in/b.csv', 'in/c.csv']) deliver(name, path, path)
    double.show = (versions) => versions.flatMap((version) => (/b\.csv$/.test(version.key) ? [] : [version, version]))
    expect(await list(inbox, 'in/*.csv')).toEqual(['in/a.csv', 'in/c.csv'])
    double.show = (versions) => versions
    expect(await list(inbox, 'in/*.csv')).toEqual(['in/a.csv', 'in/b.csv', 'in/c.csv'])
  }
})

test('an inbox of more than a page is listed whole, and older versions and marks are not in it', async () => {
  const inbox = open('versioned')
  for (let i = 0; i < 700; i++) for (const text of ['old', 'new']) deliver('versioned', `in/${i}.csv`, text)
  double.buckets.get('versioned')!.remove(`${prefix}/in/0.csv`, undefined)
  deliver('versioned', 'in/folder/', '')
  expect(await list(inbox, 'in/*.csv')).toHaveLength(699)
})

test.each([
  ['in/x.csv', 'in/*.csv', 'delivery'],
  ['in/x.CSV', 'in/*.csv', { names: 2, why: 'case' }],
  ['in/_x.csv', 'in/*.csv', { names: 2, why: 'hidden' }],
  ['in/.x.csv', 'in/*.csv', undefined],
  ['in/x.csv.part', 'in/*', undefined],
  ['in/folder.csv/part-0', 'in/*.csv', { names: 2, why: 'folder' }],
  ['in/folder/part-0', 'in/*', undefined],
  ['in/_temporary/0/x.csv', 'in/**/*.csv', { names: 2, why: 'hidden' }],
  ['in/_b=1/x.csv', 'in/**/*.csv', 'delivery'],
  ['in/a/b/c.csv', 'in/**/*.csv', 'delivery'],
  ['x.csv', '**/x.csv', 'delivery'],
] as const)('%s is to %s %j', (path, pattern, verdict) => {
  expect(judge(path.split('/'), pattern.split('/'))).toEqual(verdict)
})
