import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openLake } from '../../src/lake/lake.ts'
import { nodeFileOperations } from '../../src/storage/disk/file-operations.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import { failingFileOperations } from '../simulation/failing-file-operations.ts'
import { type SimulatedDisk, simulatedDisk } from '../simulation/power-loss.ts'
import { fileOf, inputOf, table } from './lake-model.ts'

const all = mkdtempSync(join(tmpdir(), 'sluice-history-'))

afterAll(() => rmSync(all, { recursive: true }))

type Command =
  | { readonly kind: 'append' | 'replace'; readonly rows: number }
  | { readonly kind: 'rollback'; readonly back: number }
  | { readonly kind: 'collect'; readonly versions: number }
  | { readonly kind: 'compact'; readonly from: number }

const command: fc.Arbitrary<Command & { readonly crashAt?: number }> = fc
  .oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), rows: fc.integer({ min: 0, max: 3 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('replace' as const), rows: fc.integer({ min: 0, max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('rollback' as const), back: fc.integer({ min: 0, max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('compact' as const), from: fc.integer({ min: 0, max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('collect' as const), versions: fc.integer({ min: 1, max: 3 }) }),
    },
  )
  .chain((made) =>
    fc
      .option(fc.integer({ min: 1, max: 60 }), { freq: 2 })
      .map((at) => (at === null ? made : { ...made, crashAt: at })),
  )

/** What a table holds at a version. */
interface State {
  /** A file each; several in one after a compaction. */
  readonly rows: readonly string[]
  readonly inputs: readonly string[]
  readonly grew: boolean
}

/** What a table must hold, by version. */
interface Model {
  current: number
  oldest: number
  readonly versions: Map<number, State>
}

test('MB-5, LK-09, LK-12, LK-13: any sequence of appends, replacements, rollbacks, compactions, collections and crashes equals the model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 14 }), async (commands) => {
      const root = mkdtempSync(join(all, 'history-'))
      const model: Model = { current: 0, oldest: 1, versions: new Map([[0, { rows: [], inputs: [], grew: false }]]) }
      for (const [at, one] of commands.entries()) {
        // A crash: from some operation on, nothing reaches the disk; then the same is done again by a fresh process.
        if (one.crashAt !== undefined) {
          const fault = { at: one.crashAt, code: 'EIO', persisting: true }
          await apply(root, failingFileOperations(nodeFileOperations, fault).operations, one, at, model).catch(
            (error: Error) => expect(error.name).toMatch(/^Storage\./),
          )
        }
        await apply(root, nodeFileOperations, one, at, model)
        advance(model, one, at)
        await expectModel(root, model)
      }
    }),
    { numRuns: 60 },
  )
})

async function apply(
  root: string,
  operations: typeof nodeFileOperations,
  one: Command,
  at: number,
  model: Model,
): Promise<void> {
  const storage = diskStorage(root, operations)
  const lake = openLake(storage, systemClock)
  if (one.kind === 'collect') {
    await lake.collectGarbage({ retention: () => ({ versions: one.versions }), graceMs: 0 })
    return
  }
  if (one.kind === 'rollback') {
    const version = target(model, one.back)
    const done = (await lake.current(table))?.version === model.current + 1
    if (version === 0 || done) return
    await lake.rollback({ table, version, run: 'r', attempt: 1, fencingToken: 1, fence: async () => undefined })
    return
  }
  if (one.kind === 'compact') {
    const [compacted, current] = [compactedRows(model, one.from), await lake.current(table)]
    if (compacted === undefined || current === undefined || current.version > model.current) return
    const files = current.files.slice(one.from)
    const localFile = join(mkdtempSync(join(tmpdir(), 'sluice-written-')), 'x')
    writeFileSync(localFile, fileOf(`${at}`))
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    const made = { localFile, rows, stats: { a: { min: compacted.at(-1)!, nulls: 0 } } }
    await lake.compact({
      ...{ table, run: 'r', version: model.current, merges: [{ files, made }], fencingToken: 1 },
      ...{ fence: async () => undefined, verifyFile: async () => ({ rows }) },
    })
    return
  }
  const files = []
  for (let row = 0; row < one.rows; row++) {
    const localFile = join(mkdtempSync(join(tmpdir(), 'sluice-written-')), 'x')
    writeFileSync(localFile, fileOf(`${at}-${row}`))
    files.push({ localFile, rows: 1, stats: { a: { min: `${at}-${row}`, nulls: 0 } }, fields: ['a'] })
  }
  await lake.commit({
    ...inputOf(files),
    operation: one.kind,
    taskKey: `task-${at}`,
    expectedParent: model.current,
    inputs: [{ kind: 'file', path: `${at}`, sha256: `${at}`, bytes: 1, accounting: inputOf(files).accounting }],
  })
}

/** The files of a table that only grew, those from some on in one. */
function compactedRows({ versions, current }: Model, from: number): readonly string[] | undefined {
  const now = versions.get(current)
  if (now?.grew !== true || now.rows.length < from + 2) return undefined
  return [...now.rows.slice(0, from), now.rows.slice(from).join('+')]
}

function target(model: Model, back: number): number {
  return Math.max(model.current - back, Math.min(model.oldest, model.current))
}

function advance(model: Model, one: Command, at: number): void {
  const now = model.versions.get(model.current)
  if (one.kind === 'collect') {
    model.oldest = Math.max(model.oldest, model.current - one.versions + 1)
    return
  }
  if (one.kind === 'rollback') {
    const version = target(model, one.back)
    const old = model.versions.get(version)
    if (version > 0 && old !== undefined) model.versions.set(++model.current, { ...old, grew: false })
    return
  }
  if (one.kind === 'compact') {
    const rows = compactedRows(model, one.from)
    if (now !== undefined && rows !== undefined) model.versions.set(++model.current, { ...now, rows })
    return
  }
  const added = Array.from({ length: one.rows }, (_, row) => `${at}-${row}`)
  const rows = one.kind === 'append' ? [...(now?.rows ?? []), ...added] : added
  const inputs = [...(now?.inputs ?? []), `${at}`]
  model.versions.set(++model.current, { rows, inputs, grew: one.kind === 'append' })
}

async function expectModel(root: string, model: Model): Promise<void> {
  const lake = openLake(diskStorage(root), systemClock)
  const records = await lake.versions(table)
  expect(records.map(({ version }) => version)).toEqual(
    Array.from({ length: model.current === 0 ? 0 : model.current - model.oldest + 1 }, (_, i) => model.current - i),
  )
  for (const record of records) {
    await lake.verify(record)
    expect(record.files.map((file) => file.stats['a']?.min)).toEqual(model.versions.get(record.version)?.rows)
  }
  expect((await lake.current(table))?.version ?? 0).toBe(model.current)
  expect([...(await lake.knownInputs(table)).keys()].sort()).toEqual(
    [...(model.versions.get(model.current)?.inputs ?? [])].sort(),
  )
}

test('LK-02, CP-3: the power fails anywhere in a commit or a collection: N or N+1, every file it names whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 130 }), fc.infiniteStream(fc.boolean()), async (at, choices) => {
      const disk: SimulatedDisk = simulatedDisk()
      const real = mkdtempSync(join(all, 'power-'))
      const fault = { at, code: 'EIO', persisting: true }
      const { operations } = failingFileOperations(disk.operations, fault)
      const storage = diskStorage('/lake', operations)
      let acknowledged = 0
      // The lake reads local files itself to digest them: each is on the real disk too, under the same name.
      const lake = openLake(storage, systemClock)
      try {
        for (let version = 1; version <= 3; version++) {
          const localFile = join(real, `x${version}`)
          writeFileSync(localFile, fileOf(`${version}`))
          await makeFolders(disk, real)
          disk.put(localFile, fileOf(`${version}`))
          const input = inputOf([{ localFile, rows: 1, stats: {}, fields: ['a'] }])
          await lake.commit({ ...input, taskKey: `${version}`, operation: version === 2 ? 'replace' : 'append' })
          acknowledged = version
        }
        await lake.collectGarbage({ retention: () => ({ versions: 1 }), graceMs: 0 })
      } catch (error) {
        expect((error as Error).name).toMatch(/^Storage\./)
      }
      disk.cut(() => choices.next().value)
      const after = diskStorage('/lake', disk.operations)
      const kept = await openLake(after, systemClock).versions(table)
      expect([acknowledged, acknowledged + 1]).toContain(kept[0]?.version ?? 0)
      // Records whose removal was lost still find their files.
      for (const file of kept.flatMap((record) => record.files))
        expect(Buffer.from((await after.read(file.path)) ?? []).toString()).toBe(fileOf(`${file.addedIn}`))
    }),
    { numRuns: 300 },
  )
})

async function makeFolders(disk: SimulatedDisk, path: string): Promise<void> {
  let folder = ''
  for (const part of path.split('/').filter((name) => name !== '')) {
    folder = `${folder}/${part}`
    if (disk.operations.status(folder) === undefined) await disk.operations.makeFolder(folder)
  }
}
