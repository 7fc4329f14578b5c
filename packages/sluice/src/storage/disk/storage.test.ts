import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { failingFileOperations } from '../../../test/simulation/failing-file-operations.ts'
import { type SimulatedDisk, simulatedDisk } from '../../../test/simulation/power-loss.ts'
import { openWorkspace } from '../../run/workspace.ts'
import type { Storage } from '../storage.ts'
import { type FileOperations, nodeFileOperations } from './file-operations.ts'
import { leftoverName } from './leftovers.ts'
import { diskStorage } from './storage.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
})

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')

describe('the disk', () => {
  test('CT-10: folders are 0700 and files 0600, those that an engine wrote too', async () => {
    const storage = diskStorage(join(root, 'lake'))
    const { folder } = await openWorkspace(join(root, 'lake')).folder('s')
    writeFileSync(join(folder, 'x'), 'x', { mode: 0o666 })
    await storage.adopt(join(folder, 'x'), 'a/b/x')
    await storage.write('a/w', '')
    const modes = ['', 'a', 'a/b', 'a/b/x', 'a/w', '_scratch', '_temp'].map((path) =>
      (statSync(join(root, 'lake', path)).mode & 0o777).toString(8),
    )
    expect(modes).toEqual(['700', '700', '700', '600', '600', '700', '700'])
  })

  test('CT-10: symbolic links are refused, as a file and as a folder on the way', async () => {
    const storage = diskStorage(root)
    const outside = mkdtempSync(join(tmpdir(), 'sluice-outside-'))
    writeFileSync(join(outside, 'secret'), 'secret')
    symlinkSync(join(outside, 'secret'), join(root, 'file'))
    symlinkSync(outside, join(root, 'folder'))
    for (const path of ['file', 'folder/secret', 'folder/new'])
      for (const use of [
        () => storage.read(path),
        () => storage.write(path, 'x'),
        () => storage.create(path, 'x'),
        () => storage.remove(path),
      ])
        await expect(use()).rejects.toMatchObject({ name: 'Storage.UnsafePath' })
    expect(readdirSync(outside)).toEqual(['secret'])
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
    expect(await storage.list('')).toEqual([])
  })

  test('adopting a file that has another name copies it: the other name cannot change the lake', async () => {
    const storage = diskStorage(root)
    const { folder } = await openWorkspace(root).folder('s')
    writeFileSync(join(folder, 'x'), 'kept')
    linkSync(join(folder, 'x'), join(folder, 'other'))
    await storage.adopt(join(folder, 'x'), 'x')
    writeFileSync(join(folder, 'other'), 'changed')
    expect(text(await storage.read('x'))).toBe('kept')
    expect(existsSync(join(folder, 'x'))).toBe(false)
    symlinkSync(join(folder, 'other'), join(folder, 'link'))
    await expect(storage.adopt(join(folder, 'link'), 'y')).rejects.toMatchObject({ name: 'Storage.UnsafePath' })
  })

  test('another device: the file is copied, synced, and put in place by a rename', async () => {
    let crossed = false
    const storage = diskStorage(root, {
      ...nodeFileOperations,
      async rename(from, to) {
        if (!crossed) {
          crossed = true
          throw Object.assign(new Error('EXDEV'), { code: 'EXDEV' })
        }
        await nodeFileOperations.rename(from, to)
      },
    })
    writeFileSync(join(root, 'x'), 'far')
    await storage.adopt(join(root, 'x'), 'a/x')
    expect(text(await storage.read('a/x'))).toBe('far')
    expect(existsSync(join(root, 'x'))).toBe(false)
    expect(readdirSync(join(root, '_temp'))).toEqual([])
  })

  test('leftovers of ended processes go at once, of other machines when old, of this process never', async () => {
    const storage = diskStorage(root)
    const workspace = openWorkspace(root)
    await storage.write('a', '1')
    const mine = leftoverName('x')
    const ended = mine.replace(/\.\d+\./, '.4194399.')
    for (const name of [mine, ended, 'feedbeef.1.1.far']) {
      writeFileSync(join(root, '_temp', name), '12345')
      mkdirSync(join(root, '_scratch', name, 'sub'), { recursive: true })
      writeFileSync(join(root, '_scratch', name, 'sub', 'f'), '12')
    }
    const far = new Date(Date.now() - 1000)
    const before = new Date(Date.now() - 60_000)
    const remove = async (options: { before: Date; dryRun?: boolean }) => [
      ...(await storage.removeLeftovers(options)),
      ...(await workspace.removeLeftovers(options)),
    ]
    const dry = await remove({ before, dryRun: true })
    expect(dry.map(({ path, bytes }) => [path, bytes])).toEqual([
      [`_temp/${ended}`, 5],
      [`_scratch/${ended}/sub/f`, 2],
    ])
    expect(await remove({ before })).toEqual(dry)
    for (const path of ['_temp/feedbeef.1.1.far', '_scratch/feedbeef.1.1.far/sub/f', '_scratch/feedbeef.1.1.far'])
      utimesSync(join(root, path), far, far)
    expect((await remove({ before: new Date() })).length).toBe(2)
    expect([readdirSync(join(root, '_temp')), readdirSync(join(root, '_scratch'))]).toEqual([[mine], [mine]])
  })

  test('a folder to work in is new each time, in no listing, and gone when it is disposed of', async () => {
    const storage = diskStorage(root)
    const workspace = openWorkspace(root)
    const [one, two] = [await workspace.folder('task: raw/sales'), await workspace.folder('task: raw/sales')]
    expect(one.folder).not.toBe(two.folder)
    writeFileSync(join(one.folder, 'f'), '')
    expect([await storage.list(''), await storage.folders('')]).toEqual([[], []])
    expect(await workspace.removeLeftovers({ before: new Date('2100-01-01') })).toEqual([])
    await one[Symbol.asyncDispose]()
    await one[Symbol.asyncDispose]()
    expect([existsSync(one.folder), existsSync(two.folder)]).toEqual([false, true])
  })

  test.each([
    ['ENOSPC', 'Storage.Full'],
    ['EDQUOT', 'Storage.Full'],
    ['EACCES', 'Storage.Denied'],
    ['EROFS', 'Storage.Denied'],
    ['EIO', 'Storage.Failed'],
    ['EMFILE', 'Storage.Failed'],
  ])('LK-04: %s is %s', async (code, name) => {
    const { operations } = failingFileOperations(nodeFileOperations, { at: 1, code })
    await expect(diskStorage(join(root, 'l'), operations).write('a', 'x')).rejects.toMatchObject({ name })
  })
})

/** A little of everything; after each acknowledged step the model knows what must be there. */
async function workload(
  storage: Storage,
  file: () => string,
  done: (path: string, value: string) => unknown,
): Promise<void> {
  await storage.write('t/hint', 'one')
  done('t/hint', 'one')
  await storage.adopt(file(), 't/data/p/part-0')
  done('t/data/p/part-0', 'PAR1')
  if (await storage.create('t/versions/1', 'record')) done('t/versions/1', 'record')
  await storage.write('t/hint', 'two')
  done('t/hint', 'two')
}

/** Every value that a path may have besides the acknowledged one: of the step that was under way. */
const maybe: { readonly [path: string]: readonly (string | undefined)[] } = {
  't/hint': [undefined, 'one', 'two'],
  't/data/p/part-0': [undefined, 'PAR1'],
  't/versions/1': [undefined, 'record'],
}

async function expectConsistent(storage: Storage, done: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, values] of Object.entries(maybe)) {
    const found = text(await storage.read(path))
    const acknowledged = done.get(path)
    const allowed = acknowledged === undefined ? values : values.slice(values.indexOf(acknowledged))
    // A log may end in a torn line: everything acknowledged comes first.
    if (path === 't/log' && found !== undefined) expect(found.startsWith(acknowledged ?? '')).toBe(true)
    else expect(allowed).toContain(found)
  }
}

describe('faults', () => {
  test.each([{ code: 'EIO' }, { code: 'ENOSPC', short: true }, { code: 'EIO', persisting: true }])(
    'LK-04, CP-2: every operation fails once ($code): nothing partial, the same work then succeeds',
    async (mode) => {
      for (let at = 1; ; at++) {
        const folder = join(root, String(at))
        mkdirSync(folder)
        const { operations, state } = failingFileOperations(nodeFileOperations, { ...mode, at })
        const source = (): string => {
          const path = join(root, `engine-${at}`)
          writeFileSync(path, 'PAR1')
          return path
        }
        const done = new Map<string, string>()
        const failed = await workload(diskStorage(folder, operations), source, (path, value) =>
          done.set(path, value),
        ).then(
          () => undefined,
          (error: Error) => error,
        )
        await expectConsistent(diskStorage(folder), done)
        if (!state.fired) {
          expect(failed).toBeUndefined()
          expect(at).toBeGreaterThan(30)
          break
        }
        // An operation whose failure leaves no more than a leftover is not an error.
        if (failed !== undefined) expect(failed.name).toMatch(/^Storage\.(Full|Failed)$/)
        await workload(diskStorage(folder), source, () => undefined)
        expect(text(await diskStorage(folder).read('t/hint'))).toBe('two')
      }
    },
  )

  test('LK-02, CP-3: the power fails after any operation, and any subset of what was not synced is lost', async () => {
    await cutPower((operations) => operations, 1500)
  })

  test('CP-3 would notice: a disk storage that syncs no folder, or no file, fails the same test', async () => {
    await expect(
      cutPower((operations) => ({ ...operations, syncFolder: async () => undefined }), 500),
    ).rejects.toThrow()
    const unsynced = (operations: FileOperations): FileOperations => ({
      ...operations,
      open: async (path, mode) => ({ ...(await operations.open(path, mode)), sync: async () => undefined }),
    })
    await expect(cutPower(unsynced, 500)).rejects.toThrow()
  })

  test('the simulated disk does lose what is not synced', async () => {
    const disk = simulated()
    const handle = await disk.operations.open('/scratch/f', 'create')
    await handle.write(Buffer.from('data'))
    expect(disk.unsynced()).toBe(2)
    await handle.sync()
    expect(disk.unsynced()).toBe(1)
    disk.cut(() => false)
    expect(disk.operations.status('/scratch/f')).toBeUndefined()
  })
})

/** Runs the workload until a random operation, loses a random part of what is not synced, and looks at what is left. */
async function cutPower(change: (operations: FileOperations) => FileOperations, numRuns: number): Promise<void> {
  const spare = simulated()
  const whole = failingFileOperations(change(spare.operations), { at: 0, code: '' })
  await workload(diskStorage('/lake', whole.operations), engineOf(spare), () => undefined)
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: whole.state.count + 1 }),
      fc.infiniteStream(fc.boolean()),
      async (at, choices) => {
        const disk = simulated()
        const fault = { at, code: 'EIO', persisting: true }
        const { operations } = failingFileOperations(change(disk.operations), fault)
        const done = new Map<string, string>()
        const acknowledge = (path: string, value: string): unknown => done.set(path, value)
        await workload(diskStorage('/lake', operations), engineOf(disk), acknowledge).catch(() => undefined)
        disk.cut(() => choices.next().value)
        await expectConsistent(diskStorage('/lake', disk.operations), done)
      },
    ),
    { numRuns },
  )
}

/** Writes a file as an engine does: without a sync. */
function engineOf(disk: SimulatedDisk): () => string {
  return () => {
    disk.put('/scratch/x', 'PAR1')
    return '/scratch/x'
  }
}

function simulated(): SimulatedDisk {
  const disk = simulatedDisk()
  void disk.operations.makeFolder('/scratch')
  void disk.operations.syncFolder('/')
  return disk
}
