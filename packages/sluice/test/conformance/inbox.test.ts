/** What every inbox promises, whatever is behind it. A new implementation joins the list and passes. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/base/json.ts'
import { diskInbox } from '../../src/inbox/disk/inbox.ts'
import type { Delivery, Inbox, Move, PassedOver } from '../../src/inbox/inbox.ts'
import { matchesPattern } from '../../src/inbox/pattern.ts'
import { bucketOf, inboxOf, storageOf } from '../doubles/s3/lake.ts'
import { type MotoServer, startMoto } from '../doubles/s3/moto.ts'
import { startS3Server } from '../doubles/s3/server.ts'

const double = await startS3Server({
  buckets: { versioned: 'on', plain: 'off' },
  sizes: { smallestPart: 1, largestCopy: 4 },
})
const moto = await startMoto({ inbox: 'on' })
afterAll(async () => {
  await double[Symbol.asyncDispose]()
  await moto?.[Symbol.asyncDispose]()
})
let places = 0

/** A place that senders deliver to, and the inbox that looks at it. */
interface Place {
  readonly inbox: Inbox
  /** Another instance over the same place. */
  readonly again: () => Inbox
  readonly deliver: (path: string, content: string) => Promise<void>
  readonly content: (path: string) => Promise<string | undefined>
  /** Everything that is there, sorted. */
  readonly paths: () => Promise<readonly string[]>
  /** Names that it cannot have. */
  readonly lacks?: RegExp
}

function disk(): Place & { readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'sluice-inbox-'))
  return {
    root,
    inbox: diskInbox(root),
    again: () => diskInbox(root),
    async deliver(path, content) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    },
    content: async (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined),
    paths: async () =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
        .sort(),
  }
}

/** A prefix of a bucket; what is over four bytes is copied in parts. */
function bucket(name: string, identity: 'version' | 'content'): Place {
  const prefix = `place ${++places}`
  const at = double.buckets.get(name)!
  const open = (): Inbox => inboxOf(bucketOf(double, name), { prefix, identity, copy: 4 })
  const here = () => at.current().filter(({ key }) => key.startsWith(`${prefix}/`))
  return {
    inbox: open(),
    again: open,
    async deliver(path, content) {
      at.put(`${prefix}/${path}`, Buffer.from(content), { metadata: {}, contentType: 'text/csv' })
    },
    content: async (path) =>
      here()
        .find(({ key }) => key === `${prefix}/${path}`)
        ?.bytes.toString(),
    paths: async () =>
      here()
        .map(({ key }) => key.slice(prefix.length + 1))
        .sort(),
  }
}

/** A prefix of a bucket of moto's, filled by storage. */
function bucketOfMoto(server: MotoServer): Place {
  const prefix = `place ${++places}`
  const open = (): Inbox => inboxOf(bucketOf(server, 'inbox'), { prefix, identity: 'version' })
  const sender = storageOf(bucketOf(server, 'inbox'), { prefix })
  return {
    inbox: open(),
    again: open,
    deliver: (path, content) => sender.write(path, content),
    async content(path) {
      const bytes = await sender.read(path)
      return bytes && Buffer.from(bytes).toString('utf8')
    },
    paths: async () => (await sender.list('')).map(({ path }) => path),
    // Its router knows no address with a line break.
    lacks: /\n/,
  }
}

const implementations: readonly { readonly name: string; readonly open: () => Place }[] = [
  { name: 'disk', open: disk },
  { name: 's3 with versions', open: () => bucket('versioned', 'version') },
  { name: 's3 without, as declared', open: () => bucket('plain', 'content') },
  ...(moto === undefined ? [] : [{ name: 's3 of moto', open: () => bucketOfMoto(moto) }]),
]

async function list(inbox: Inbox, pattern: string, passed?: (thing: PassedOver) => void): Promise<Delivery[]> {
  const found: Delivery[] = []
  for await (const delivery of inbox.list(pattern, passed)) found.push(delivery)
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

const pathsOf = async (
  inbox: Inbox,
  pattern: string,
  passed?: (thing: PassedOver) => void,
): Promise<readonly string[]> => (await list(inbox, pattern, passed)).map(({ path }) => path)

describe.each(implementations)('$name', ({ open }) => {
  let place: Place
  let inbox: Inbox

  beforeEach(() => {
    place = open()
    inbox = place.inbox
  })

  async function move(path: string, content: string, more: Partial<Move> = {}): Promise<Move> {
    const delivery = (await inbox.stat(path))!
    return { delivery, sha256: sha256(content), to: 'archive', folder: 'archive', ...more }
  }

  test('nothing is there at first, and asking makes nothing', async () => {
    expect(await pathsOf(inbox, '**/*')).toEqual([])
    expect(await inbox.stat('inbox/x.csv')).toBeUndefined()
    expect(await inbox.open({ path: 'inbox/x.csv', identity: '' })).toBeUndefined()
    await inbox.settle([])
    expect(await place.paths()).toEqual([])
  })

  test('a pattern finds each file once; stars stay within a name, two go through folders', async () => {
    const paths = ['a.csv', 'in/a.csv', 'in/b.CSV', 'in/b.csv', 'in/eu/a.csv', 'in/eu/x/y/a.csv', 'in/[eu]/a.csv']
    for (const path of paths) await place.deliver(path, path)
    const patterns = [
      'in/*.csv',
      'in/?.csv',
      'in/**/*.csv',
      '**/a.csv',
      'in/[eu]/*',
      'a.csv',
      './in//b.csv',
      'in/*/*/*/*',
    ]
    for (const pattern of patterns) {
      const found = await pathsOf(inbox, pattern)
      expect([pattern, found]).toEqual([pattern, paths.filter((path) => matchesPattern(path, pattern)).sort()])
      expect(found.length).toBeGreaterThan(0)
    }
    expect(await pathsOf(inbox, 'in/*.csv')).toEqual(['in/a.csv', 'in/b.csv'])
    expect(await pathsOf(inbox, 'in/**/a.csv')).toEqual(['in/[eu]/a.csv', 'in/a.csv', 'in/eu/a.csv', 'in/eu/x/y/a.csv'])
  })

  test('IN-23: what is being sent is left', async () => {
    for (const name of [
      '.x.csv',
      'x.csv.part',
      'x.csv.tmp',
      'x.csv.PARTIAL',
      'y.csv.crdownload',
      'z.filepart',
      'x.csv',
    ])
      await place.deliver(`in/${name}`, '')
    expect(await pathsOf(inbox, 'in/*')).toEqual(['in/x.csv'])
  })

  test('IN-23: what is hidden is left, whatever stars match it, unless the pattern names it', async () => {
    const hidden = ['.ipynb_checkpoints/x.csv', '_temporary/0/_temporary/x.csv', '_x.csv']
    for (const path of ['ok/x.csv', 'ok/_b=1/x.txt', '.x.csv', '.git/x.txt', 'ok/__MACOSX/._x.csv', ...hidden])
      await place.deliver(`in/${path}`, path)
    const passed: PassedOver[] = []
    expect(await pathsOf(inbox, 'in/**/*.csv', (thing) => passed.push(thing))).toEqual(['in/ok/x.csv'])
    expect(passed.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
      { path: 'in/.ipynb_checkpoints', why: 'hidden' },
      { path: 'in/_temporary', why: 'hidden' },
      { path: 'in/_x.csv', why: 'hidden' },
    ])
    for (const [pattern, found] of [
      ['in/*/*.csv', 'in/ok/x.csv'],
      ['in/.*/*.csv', 'in/.ipynb_checkpoints/x.csv'],
      ['in/_temporary/**/_*/*.csv', 'in/_temporary/0/_temporary/x.csv'],
      ['in/_*.csv', 'in/_x.csv'],
      ['in/.x.csv', 'in/.x.csv'],
      ['in/ok/*/*.txt', 'in/ok/_b=1/x.txt'],
    ] as const) {
      expect([pattern, await pathsOf(inbox, pattern)]).toEqual([pattern, [found]])
      expect(matchesPattern(found, pattern)).toBe(true)
    }
    for (const path of hidden) expect(matchesPattern(`in/${path}`, 'in/**/*.csv')).toBe(false)
  })

  test('a pattern finds a name in either Unicode form, and says of a name that differs by case that it is there', async () => {
    for (const name of ['re\u0301sume\u0301_1.csv', 'r\u00e9sum\u00e9_2.csv', 'R\u00c9SUM\u00c9_3.CSV'])
      await place.deliver(`in/${name}`, name)
    for (const pattern of ['in/r\u00e9sum\u00e9_?.csv', 'in/re\u0301sume\u0301_?.csv']) {
      const passed: PassedOver[] = []
      expect((await pathsOf(inbox, pattern, (thing) => passed.push(thing))).length).toBe(2)
      expect(passed).toEqual([{ path: 'in/R\u00c9SUM\u00c9_3.CSV', why: 'case' }])
    }
  })

  test('IN-29: no pattern, folder or path leaves the root', async () => {
    await place.deliver('in/x.csv', 'x')
    for (const outside of ['../*.csv', '/etc/*', 'in/../../x', 'C:\\x', 'a\0b', '']) {
      await expect(list(inbox, outside)).rejects.toMatchObject({ name: 'Source.Path' })
    }
    expect(await inbox.stat('../x.csv')).toBeUndefined()
    await expect(inbox.put('../x.csv', Buffer.from('x'))).rejects.toMatchObject({ name: 'Source.Path' })
    const moves = [await move('in/x.csv', 'x', { folder: '../archive' })]
    await expect(inbox.settle(moves)).rejects.toMatchObject({ name: 'Source.Path' })
    expect(await place.content('in/x.csv')).toBe('x')
  })

  test('names that differ by case, by Unicode form or by what a shell would make of them are different files', async () => {
    const names = ['a.csv', 'A.csv', '\u00e9.csv', 'e\u0301.csv', `a\n$(x)';".csv`, '{a,b}.csv'].filter(
      (name) => place.lacks?.test(name) !== true,
    )
    for (const name of names) await place.deliver(`in/${name}`, name)
    const found = await list(inbox, 'in/*')
    expect(found.map(({ path }) => path)).toEqual(names.map((name) => `in/${name}`).sort())
    for (const delivery of found) {
      await using opened = (await inbox.open(delivery))!
      expect(`in/${await readFile(opened.file, 'utf8')}`).toBe(delivery.path)
    }
  })

  test('another instance says the same of a file that did not change, and another content has another identity', async () => {
    await place.deliver('in/x.csv', 'one')
    const [before] = await list(inbox, 'in/*')
    expect(before).toMatchObject({ path: 'in/x.csv', bytes: 3 })
    expect(await place.again().stat('in/x.csv')).toEqual(before)
    await place.deliver('in/x.csv', 'other')
    const after = (await inbox.stat('in/x.csv'))!
    expect(after).toMatchObject({ bytes: 5 })
    expect(after.identity).not.toBe(before!.identity)
    expect(await inbox.open(before!)).toBeUndefined()
    await using opened = (await inbox.open(after))!
    expect(await readFile(opened.file, 'utf8')).toBe('other')
  })

  test('a delivery that was taken goes to the archive, a refused one to the error folder with its reports', async () => {
    await place.deliver('in/eu/x.csv', 'x')
    await place.deliver('in/y.csv', 'y')
    const reports = [
      { ending: '.report.json', text: '{}' },
      { ending: '.report.txt', text: 'why' },
    ]
    await inbox.settle([
      await move('in/eu/x.csv', 'x', { folder: 'away/archive' }),
      await move('in/y.csv', 'y', { to: 'error', folder: 'error', reports }),
    ])
    expect(await place.paths()).toEqual([
      'away/archive/x.csv',
      'error/y.csv',
      'error/y.csv.report.json',
      'error/y.csv.report.txt',
    ])
    expect(await place.content('error/y.csv.report.txt')).toBe('why')
  })

  test('IN-24: a file that came in the place of the one that was looked at stays', async () => {
    await place.deliver('in/x.csv', 'one')
    const moves = [await move('in/x.csv', 'one')]
    await place.deliver('in/x.csv', 'another')
    await inbox.settle(moves)
    expect(await place.paths()).toEqual(['in/x.csv'])
  })

  test('nothing is overwritten: another content takes the next name, the same one is there already', async () => {
    await place.deliver('archive/x.csv', 'earlier')
    for (const content of ['one', 'two', 'one']) {
      await place.deliver('in/x.csv', content)
      await inbox.settle([await move('in/x.csv', content)])
    }
    expect(await place.paths()).toEqual(['archive/x.2.csv', 'archive/x.3.csv', 'archive/x.csv'])
    expect(await place.content('archive/x.csv')).toBe('earlier')
    expect(await place.content('archive/x.2.csv')).toBe('one')
  })

  test('settling twice is settling once', async () => {
    await place.deliver('in/x.csv', 'x')
    const moves = [await move('in/x.csv', 'x')]
    await inbox.settle(moves)
    await place.again().settle(moves)
    expect(await place.paths()).toEqual(['archive/x.csv'])
  })

  test('a long name has room for its report', async () => {
    const name = `${'x'.repeat(245)}.csv`
    await place.deliver(`in/${name}`, 'x')
    const reports = [{ ending: '.report.json', text: '{}' }]
    await inbox.settle([await move(`in/${name}`, 'x', { to: 'error', folder: 'error', reports })])
    const digest = sha256('x').slice(0, 32)
    expect(await place.paths()).toEqual([`error/${digest}.1.csv`, `error/${digest}.1.csv.report.json`])
  })

  test('what is put is a delivery, whole, in place of one of its name', async () => {
    await inbox.put('in/new/x.csv', Buffer.from('first, and longer'))
    await inbox.put('in/new/x.csv', Buffer.from('second'))
    expect(await pathsOf(inbox, 'in/**/*')).toEqual(['in/new/x.csv'])
    expect(await place.paths()).toEqual(['in/new/x.csv'])
    expect(await place.content('in/new/x.csv')).toBe('second')
  })
})

describe('the disk alone', () => {
  test('IN-29: links are not followed, as files and as folders', async () => {
    const { root, inbox, deliver } = disk()
    await deliver('outside/x.csv', 'x')
    mkdirSync(join(root, 'in'))
    symlinkSync(join(root, 'outside/x.csv'), join(root, 'in/link.csv'))
    symlinkSync(join(root, 'outside'), join(root, 'in/folder'))
    expect(await pathsOf(inbox, 'in/**/*')).toEqual([])
    expect(await inbox.stat('in/link.csv')).toBeUndefined()
  })

  test('IN-29: what matches and is no file, or has a name that is no UTF-8, is mentioned', async () => {
    const { root, inbox, deliver } = disk()
    for (const path of ['in/x.csv', 'in/folder.csv/part-0.txt', 'in/eu/x.csv', 'away/x.csv']) await deliver(path, 'x')
    symlinkSync(join(root, 'away/x.csv'), join(root, 'in/link.csv'))
    symlinkSync(join(root, 'away'), join(root, 'in/linked'))
    symlinkSync(join(root, 'nowhere'), join(root, 'in/lost'))
    execFileSync('mkfifo', [join(root, 'in/pipe.csv')])
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'in/caf')), Buffer.from([0xe9]), Buffer.from('.csv')]), 'x')
    mkdirSync(Buffer.concat([Buffer.from(join(root, 'in/')), Buffer.from([0xe9])]))
    const passedOf = async (pattern: string): Promise<Record<string, string>> => {
      const passed: Record<string, string> = {}
      await pathsOf(inbox, pattern, ({ path, why }) => {
        passed[path] = why
      })
      return passed
    }
    const last = {
      ...{ 'in/link.csv': 'link', 'in/pipe.csv': 'special', 'in/caf\ufffd.csv': 'name', 'in/folder.csv': 'folder' },
    }
    expect(await passedOf('in/*.csv')).toEqual(last)
    expect(await passedOf('in/**/*.csv')).toEqual({ ...last, 'in/linked': 'link', 'in/\ufffd': 'name' })
    expect(await passedOf('in/eu/*')).toEqual({})
  })

  test('IN-24: a file that grows, or is renamed over, is another delivery', async () => {
    const { root, inbox, deliver } = disk()
    await deliver('in/x.csv', 'one')
    const before = (await inbox.stat('in/x.csv'))!
    appendFileSync(join(root, 'in/x.csv'), ' more')
    const grown = (await inbox.stat('in/x.csv'))!
    await deliver('y.csv', 'one more')
    renameSync(join(root, 'y.csv'), join(root, 'in/x.csv'))
    const other = (await inbox.stat('in/x.csv'))!
    expect(new Set([before, grown, other].map(({ identity }) => identity)).size).toBe(3)
    expect([await inbox.open(before), await inbox.open(grown)]).toEqual([undefined, undefined])
  })

  test('one file that was delivered under two names leaves both', async () => {
    const { root, inbox, deliver, paths } = disk()
    await deliver('in/x.csv', 'x')
    linkSync(join(root, 'in/x.csv'), join(root, 'in/y.csv'))
    const deliveries = await list(inbox, 'in/*')
    await inbox.settle(
      deliveries.map((delivery) => ({ delivery, sha256: sha256('x'), to: 'archive', folder: 'archive' })),
    )
    expect(await paths()).toEqual(['archive/x.csv', 'archive/y.csv'])
  })

  test('a crash between the two names leaves both, and the next settling ends it', async () => {
    const { root, inbox, deliver, paths } = disk()
    await deliver('in/x.csv', 'x')
    mkdirSync(join(root, 'archive'))
    linkSync(join(root, 'in/x.csv'), join(root, 'archive/x.csv'))
    const delivery = (await inbox.stat('in/x.csv'))!
    await inbox.settle([{ delivery, sha256: sha256('x'), to: 'archive', folder: 'archive' }])
    expect(await paths()).toEqual(['archive/x.csv'])
  })
})
