/** Logs and histories that are compacted at any moment: what is made of them is what is made of them at once, and each change is read once. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { firstVersionOf, partitionKey } from '../../src/lake/growth.ts'
import { type Lake, openLake } from '../../src/lake/lake.ts'
import type { CommitRecord, DataFile } from '../../src/lake/record.ts'
import { compactTable } from '../../src/run/execution/compact.ts'
import { openWorkspace } from '../../src/run/workspace.ts'
import { diskStorage } from '../../src/storage/disk/storage.ts'
import {
  currentRows,
  historyRows,
  insert,
  logOf,
  project,
  relation,
  remove,
  rowsOf,
  run,
  type Step,
  tables,
  update,
} from './shop.ts'

/** The gate takes a few. */
const runs = Number(process.env['SLUICE_HISTORIES'] ?? 4)

async function compact(
  root: string,
  table: string,
  choose?: (record: CommitRecord) => readonly (readonly DataFile[])[],
) {
  const storage = diskStorage(join(root, 'lake'))
  const lake: Lake = openLake(storage, systemClock)
  const current = await lake.current(table)
  if (current === undefined || !['append', 'compact'].includes(current.operation)) return undefined
  const { fencingToken } = current
  const compacting = { run: 'compacting', fencingToken, fence: async () => {}, signal: new AbortController().signal }
  const engine = duckDbEngine({ memoryLimit: '512MB', threads: 2, materialise: storage.materialise })
  const workspace = openWorkspace(join(root, 'lake'))
  return compactTable({ lake, workspace, engine }, table, compacting, choose)
}

function byPartition(files: readonly DataFile[]): readonly (readonly DataFile[])[] {
  const keys = [...new Set(files.map(partitionKey))]
  return keys.map((key) => files.filter((file) => partitionKey(file) === key))
}

/** The files of one partition, by any two of the versions that brought them. */
const someFiles =
  (seed: number) =>
  ({ files }: CommitRecord): readonly (readonly DataFile[])[] => {
    const partitions = byPartition(files).filter(({ length }) => length > 1)
    const all = partitions[seed % partitions.length] ?? []
    const [a, b] = [all[(seed >> 3) % all.length], all[(seed >> 7) % all.length]].map((file) => file?.addedIn ?? 0)
    const [from, to] = [Math.min(a!, b!), Math.max(a!, b!)]
    const chosen = all.filter((file) => firstVersionOf(file) >= from && file.addedIn <= to)
    return chosen.length > 1 ? [chosen] : []
  }

type Command =
  | { readonly kind: 'commit'; readonly changes: readonly (readonly number[])[] }
  | { readonly kind: 'compact'; readonly table: string; readonly seed: number }
  | { readonly kind: 'run'; readonly select: readonly string[] }
  | { readonly kind: 'rollback'; readonly back: number }

const commit = fc.record({
  kind: fc.constant('commit' as const),
  changes: fc.array(fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 3,
  }),
})
const compaction = fc.record({
  kind: fc.constant('compact' as const),
  table: fc.constantFrom('raw.shop', 'raw.shop', 'stage.history'),
  seed: fc.nat(),
})
const running = (...selections: readonly (readonly string[])[]) =>
  fc.record({ kind: fc.constant('run' as const), select: fc.constantFrom(...selections) })

const loads = `{ dim_customer: scd2({ from: 'stage.history', key: 'id', effective: '_effective_at', sequence: '_sequence', deletes: { column: '_op', value: 'D' } }),
  all_changes: append({ from: 'stage.history' }) }`

/** A log whose transactions are hours apart, and the rows of its table at each version. */
function serverOf(root: string) {
  const log = logOf(root, relation, 9_000n)
  const states = new Map<number, ReadonlySet<string>>([[0, new Set()]])
  let [version, serial] = [0, 0]
  return {
    log,
    async commit(changes: readonly (readonly number[])[]): Promise<number> {
      const live = new Set(states.get(version))
      const step = (seed: number): Step => {
        const id = `${seed % 5}`
        const values = [id, `e${serial++}`, `${seed}`, null] as const
        if (!live.has(id)) {
          live.add(id)
          return insert(...values)
        }
        if (seed % 3 > 0) return update(...values)
        live.delete(id)
        return remove(id)
      }
      ;({ version } = await log.commit(...changes.map((seeds) => seeds.map(step))))
      states.set(version, live)
      return changes.flat().length
    },
    at: () => version,
    now(record: CommitRecord | undefined, like = version) {
      if (record === undefined) return
      states.set(record.version, states.get(like) ?? new Set())
      version = record.version
    },
  }
}

/** All of it, made at once of the same log as it is now. */
async function expectSame(root: string, withLoads: boolean) {
  const fresh = project(tables(), loads)
  cpSync(join(root, 'lake/raw'), join(fresh, 'lake/raw'), { recursive: true })
  const select = withLoads ? ['stage.*', 'dim_customer', 'all_changes'] : ['stage.*']
  for (const one of [root, fresh]) expect((await run(one, select)).errors).toEqual([])
  expect(await currentRows(root)).toEqual(await currentRows(fresh))
  expect(await historyRows(root)).toEqual(await historyRows(fresh))
  if (!withLoads) return
  for (const sql of [
    'SELECT id, email, balance, effective_date, expiry_date, is_current_record FROM warehouse.dim_customer ORDER BY id, effective_date',
    'SELECT _op, id, email, _sequence FROM warehouse.all_changes ORDER BY _sequence, id, _op',
  ])
    expect(await rowsOf(root, sql)).toEqual(await rowsOf(fresh, sql))
}

test('LK-12, MB-5: appends, compactions and consumers at any lag: every change is read once, and the end is that of all at once', async () => {
  const select = [
    ['stage.customers'],
    ['stage.history'],
    ['stage.*', 'dim_customer'],
    ['stage.*', 'all_changes'],
    ['stage.*', '*'],
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(commit, commit, compaction, compaction, running(...select)), { minLength: 4, maxLength: 14 }),
      async (commands) => {
        const root = project(tables(), loads)
        const server = serverOf(root)
        await server.commit([[1, 2, 3]])
        const waiting: Record<string, number> = { 'stage.customers': 3, 'stage.history': 3 }
        for (const command of commands) {
          if (command.kind === 'commit') {
            const changes = await server.commit(command.changes)
            for (const table in waiting) waiting[table]! += changes
          } else if (command.kind === 'compact') {
            const record = await compact(root, command.table, someFiles(command.seed))
            if (command.table === 'raw.shop') server.now(record)
          } else {
            const { errors, accounts } = await run(
              root,
              command.select.map((one) => (one === '*' ? 'dim_customer' : one)),
            )
            expect(errors).toEqual([])
            for (const table in waiting) {
              if (!command.select.includes(table) && !command.select.includes('stage.*')) continue
              expect(accounts[`model:${table}`]?.read ?? 0, `read of ${table}`).toBe(waiting[table])
              waiting[table] = 0
            }
          }
        }
        await expectSame(root, true)
      },
    ),
    { numRuns: runs },
  )
})

test('LK-12: rollbacks to before and after compactions, in between', async () => {
  const back = fc.record({ kind: fc.constant('rollback' as const), back: fc.integer({ min: 1, max: 4 }) })
  const running1 = running(['stage.customers'], ['stage.history'], ['stage.*'])
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(commit, commit, compaction, back, running1), { minLength: 5, maxLength: 14 }),
      async (commands: readonly Command[]) => {
        const root = project(tables(), loads)
        const server = serverOf(root)
        await server.commit([[1, 2, 3]])
        for (const command of commands) {
          if (command.kind === 'commit') await server.commit(command.changes)
          else if (command.kind === 'compact') {
            const record = await compact(root, command.table, someFiles(command.seed))
            if (command.table === 'raw.shop') server.now(record)
          } else if (command.kind === 'rollback') {
            const version = Math.max(1, server.at() - command.back)
            const by = { run: 'back', attempt: 1, fencingToken: 0, fence: async () => {} }
            server.now(await server.log.lake.rollback({ ...by, table: 'raw.shop', version }), version)
          } else expect((await run(root, command.select)).errors).toEqual([])
        }
        await expectSame(root, false)
      },
    ),
    { numRuns: runs },
  )
})

test('a compaction is no news: nothing runs after it, and the next change is read alone', async () => {
  const root = project(tables(), loads)
  const server = serverOf(root)
  for (let at = 0; at < 20; at++) {
    await server.commit([[at]])
    if (at % 4 === 3) await run(root, ['stage.*', 'dim_customer', 'all_changes'])
  }
  for (const table of ['raw.shop', 'stage.history'])
    expect(await compact(root, table, ({ files }) => [byPartition(files)[0]!])).toMatchObject({ operation: 'compact' })
  expect((await run(root, ['stage.*', 'dim_customer', 'all_changes'])).statuses).toMatchObject({
    succeeded: 0,
    failed: 0,
  })
  await server.commit([[7]])
  const { accounts, statuses } = await run(root, ['stage.*', 'dim_customer', 'all_changes'])
  expect(statuses).toMatchObject({ succeeded: 4, failed: 0 })
  expect(accounts['model:stage.history']).toMatchObject({ read: 1 })
  expect(accounts['model:stage.customers']).toMatchObject({ read: 1 })
  const loaded = await rowsOf(
    root,
    `SELECT target, (result ->> 'read')::INTEGER AS read FROM sluice.loads ORDER BY ordinal DESC LIMIT 2`,
  )
  expect(loaded.map(({ read }) => read)).toEqual([1, 1])
  await expectSame(root, true)
})

test('a run that has sixteen small files of a table writes them as one; where it cannot, it warns, and has not failed', async () => {
  const root = project(tables(), loads)
  const server = serverOf(root)
  for (let at = 0; at < 15; at++) {
    await server.commit([[at]])
    expect((await run(root, ['stage.history'])).summary).toMatchObject({ status: 'succeeded', warnings: 0 })
  }
  const { lake } = server.log
  const first = join(root, 'lake', (await lake.current('stage.history'))!.files[0]!.path)
  const bytes = readFileSync(first)
  writeFileSync(
    first,
    bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)),
  )
  await server.commit([[15]])
  expect((await run(root, ['stage.history'])).summary).toMatchObject({ status: 'succeeded', warnings: 1 })
  expect((await lake.current('stage.history'))?.files).toHaveLength(16)
  writeFileSync(first, bytes)
  await server.commit([[16]])
  expect((await run(root, ['stage.history'])).summary).toMatchObject({ status: 'succeeded', warnings: 0 })
  const record = (await lake.current('stage.history'))!
  expect(record).toMatchObject({ version: 18, operation: 'compact', compacted: { of: 17 }, rows: 17 })
  expect(record.files).toHaveLength(1)
  const told = `SELECT operation, count(*)::INTEGER AS n FROM sluice.versions WHERE "table" = 'stage.history' GROUP BY 1 ORDER BY 1`
  expect(await rowsOf(root, told)).toEqual([
    { operation: 'append', n: 17 },
    { operation: 'compact', n: 1 },
  ])
  const inputs = `SELECT count(*)::INTEGER AS n FROM sluice.inputs WHERE "table" = 'stage.history'`
  expect(await rowsOf(root, inputs)).toEqual([{ n: 17 }])
  expect((await run(root, ['stage.history'])).statuses).toMatchObject({ succeeded: 0 })
  await expectSame(root, true)
})
