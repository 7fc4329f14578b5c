/** What every storage promises, whatever is behind it. A new implementation joins the list and passes. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { bucketOf, storageOf } from '../doubles/s3/lake.ts'
import { startMoto } from '../doubles/s3/moto.ts'
import { startS3Server } from '../doubles/s3/server.ts'

const double = await startS3Server({ buckets: { plain: 'off', versioned: 'on' }, sizes: { smallestPart: 2 } })
const moto = await startMoto({ storage: 'off' })
afterAll(async () => {
  await double[Symbol.asyncDispose]()
  await moto?.[Symbol.asyncDispose]()
})
let places = 0

/** Small sizes, so that each file of the suite goes in parts. */
const inParts = { upload: 2, copy: 2 }

const implementations: readonly { readonly name: string; readonly open: () => () => Storage }[] = [
  {
    name: 'disk',
    open: () => {
      const root = join(mkdtempSync(join(tmpdir(), 'sluice-storage-')), 'made', 'by the first write')
      return () => diskStorage(root)
    },
  },
  {
    name: 's3',
    open: () => {
      const prefix = `a place/${++places}+`
      return () => storageOf(bucketOf(double, 'plain'), { prefix })
    },
  },
  {
    name: 's3, with versions and in parts',
    open: () => {
      const prefix = `parts/${++places}`
      return () => storageOf(bucketOf(double, 'versioned'), { prefix, sizes: inParts })
    },
  },
  ...(moto === undefined
    ? []
    : [
        {
          name: 's3 of moto',
          open: () => {
            const prefix = `a place/${++places}+`
            return () => storageOf(bucketOf(moto, 'storage'), { prefix })
          },
        },
      ]),
]

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')

describe.each(implementations)('$name', ({ open }) => {
  let another: () => Storage
  let storage: Storage

  beforeEach(() => {
    another = open()
    storage = another()
  })

  test('nothing is there at first, and asking makes nothing', async () => {
    expect(await storage.read('a/b')).toBeUndefined()
    expect(await storage.stat('a/b')).toBeUndefined()
    expect(await storage.list('')).toEqual([])
    expect(await storage.folders('')).toEqual([])
    await storage.remove('a/b')
    expect(await storage.removeLeftovers({ before: new Date() })).toEqual([])
  })

  test('what is written is read, by another instance too; a write replaces whole', async () => {
    await storage.write('a/b.json', 'first, and longer')
    await storage.write('a/b.json', 'second')
    await storage.write('a/bytes', Uint8Array.from([0, 255, 10, 13]))
    await storage.write('a/empty', '')
    expect(text(await another().read('a/b.json'))).toBe('second')
    expect([...((await storage.read('a/bytes')) ?? [])]).toEqual([0, 255, 10, 13])
    expect(await storage.read('a/empty')).toHaveLength(0)
    expect(await storage.stat('a/b.json')).toMatchObject({ path: 'a/b.json', bytes: 6 })
  })

  test('LK-05: of fifty that create the same object, one does, and its bytes stay', async () => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => another().create('v/1', `writer ${i}`)))
    expect(results.filter(Boolean)).toHaveLength(1)
    expect(text(await storage.read('v/1'))).toBe(`writer ${results.indexOf(true)}`)
    expect(await storage.create('v/1', 'late')).toBe(false)
  })

  test('readers beside a writer see one whole version or the other', async () => {
    const versions = ['a'.repeat(100_000), 'b'.repeat(300_000)]
    await storage.write('x', versions[0] ?? '')
    let writing = true
    const writer = (async () => {
      for (let i = 0; i < 60; i++) await storage.write('x', versions[i % 2] ?? '')
      writing = false
    })()
    const torn: number[] = []
    while (writing) {
      const seen = text(await another().read('x')) ?? ''
      if (!versions.includes(seen)) torn.push(seen.length)
    }
    await writer
    expect(torn).toEqual([])
  })

  test('an adopted file is gone from where it was, and can be read by an engine', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-written-'))
    writeFileSync(join(folder, 'part-0.parquet'), 'PAR1')
    const stored = await storage.adopt(join(folder, 'part-0.parquet'), 'raw/sales/data/x/part-0.parquet')
    expect(stored).toMatchObject({ path: 'raw/sales/data/x/part-0.parquet', bytes: 4 })
    await expect(readFile(join(folder, 'part-0.parquet'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await storage.stat(stored.path)).toEqual(stored)
    {
      await using local = await storage.materialise(stored.path)
      expect(await readFile(local.file, 'utf8')).toBe('PAR1')
    }
    // The end of one reading is not the end of the object, nor of another reading.
    await using again = await another().materialise(stored.path)
    expect(await readFile(again.file, 'utf8')).toBe('PAR1')
    await expect(storage.adopt(join(folder, 'missing'), 'y')).rejects.toMatchObject({ name: 'Storage.UnsafePath' })
  })

  test('other bytes have another identity, and the same object the same, whoever looks', async () => {
    await storage.write('a', 'one')
    const before = await storage.stat('a')
    expect(await another().stat('a')).toEqual(before)
    expect(await storage.list('')).toEqual([before])
    await storage.write('a', 'two, and longer')
    expect((await storage.stat('a'))?.identity).not.toBe(before?.identity)
  })

  test('listings are deep, sorted, and of whole folder names', async () => {
    for (const path of ['t/b/2', 't/a', 't/b/10', 't2/x', 't/B']) await storage.write(path, path)
    expect((await storage.list('t')).map(({ path }) => path)).toEqual(['t/B', 't/a', 't/b/10', 't/b/2'])
    expect((await storage.list('t/b')).map(({ path, bytes }) => [path, bytes])).toEqual([
      ['t/b/10', 6],
      ['t/b/2', 5],
    ])
    expect(await storage.folders('')).toEqual(['t', 't2'])
    expect(await storage.folders('t')).toEqual(['b'])
  })

  test('removing is idempotent, and takes empty folders along while others write beside it', async () => {
    await storage.write('a/b/c', '1')
    await storage.remove('a/b/c')
    await storage.remove('a/b/c')
    expect(await storage.folders('')).toEqual([])
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await another().write(`p/q/${i % 4}/${i}`, 'x')
        if (i % 2 === 0) await another().remove(`p/q/${i % 4}/${i}`)
      }),
    )
    expect((await storage.list('p')).map(({ path }) => path)).toHaveLength(20)
  })

  test.each(['/etc/x', '../x', 'a/../x', 'a//x', 'a/', './x', 'a\0b', 'a\\b', 'x'.repeat(256)])(
    'SEC-2, LK-14: %j is not a path',
    async (path) => {
      for (const use of [
        () => storage.read(path),
        () => storage.write(path, ''),
        () => storage.create(path, ''),
        () => storage.stat(path),
        () => storage.list(path),
        () => storage.remove(path),
        () => storage.materialise(path),
        () => storage.adopt('/nowhere', path),
      ])
        await expect(use()).rejects.toMatchObject({ name: 'Storage.UnsafePath' })
    },
  )
})
