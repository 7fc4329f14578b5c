import { rmSync } from 'node:fs'
import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { type History, history, insertedLarge, type ModelTransaction, updatedLarge } from './model.ts'
import { cdcProject, fold, type LogRow, logOf, repeated, runProject } from './project.ts'

/** How many; a full round is 50. */
const rounds = Number(process.env['SLUICE_HISTORIES'] ?? 8)

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({
    walLevel: 'logical',
    settings: {
      ...{ logical_decoding_work_mem: '64kB', synchronous_commit: 'on', fsync: 'off', full_page_writes: 'on' },
      ...{ max_replication_slots: '60', max_wal_senders: '60', wal_sender_timeout: '10s' },
    },
  })
})
afterAll(() => server.stop())

/** The rows of all tables, in one text. */
type Rows = string
const stateText = (tables: readonly (readonly [string, Iterable<object>])[]): Rows =>
  JSON.stringify(
    tables.map(([table, rows]) => [
      table,
      [...rows].map((row) => JSON.stringify(row, ['id', 'part', 'value', 'large'])).sort(),
    ]),
  )

interface Table {
  readonly name: string
  readonly wide: boolean
}

/** A transaction of the model, as a server does it; what does not fit the rows that are there does nothing. */
async function execute(client: pg.Client, tables: readonly Table[], { steps, ends }: ModelTransaction): Promise<void> {
  const where = ({ wide }: Table, from = 1): string =>
    wide ? `id = $${from} AND part = $${from + 1}` : `id = $${from}`
  const valuesOf = ({ wide }: Table, key: number): string[] => (wide ? [`${key >> 1}`, `${key & 1}`] : [`${key}`])
  const has = async (table: Table, key: number): Promise<boolean> =>
    (await client.query(`SELECT 1 FROM ${table.name} WHERE ${where(table)}`, valuesOf(table, key))).rows.length > 0
  const move = async (table: Table, from: number, to: number): Promise<void> => {
    const set = table.wide ? 'id = $3, part = $4' : 'id = $2'
    await client.query(`UPDATE ${table.name} SET ${set} WHERE ${where(table)}`, [
      ...valuesOf(table, from),
      ...valuesOf(table, to),
    ])
  }
  let savepoints = 0
  await client.query('BEGIN')
  for (const step of steps) {
    const { kind, table: place, key, other, value, touchesLarge } = step
    const table = tables[place % tables.length]!
    const keys = valuesOf(table, key)
    const next = keys.length + 1
    if (kind === 'savepoint') await client.query(`SAVEPOINT s${savepoints++}`)
    else if (kind === 'rollbackTo' || kind === 'release') {
      if (savepoints === 0) continue
      const name = `s${--savepoints}`
      if (kind === 'rollbackTo') await client.query(`ROLLBACK TO ${name}`)
      await client.query(`RELEASE ${name}`)
    } else if (kind === 'delete' || kind === 'reinsert')
      await client.query(`DELETE FROM ${table.name} WHERE ${where(table)}`, keys)
    if (kind === 'chain') {
      const next = [1, 2].map((by) => (key + by) % 4) as [number, number]
      await client.query(`DELETE FROM ${table.name} WHERE ${where(table)}`, valuesOf(table, next[1]))
      await move(table, next[0], next[1])
      await move(table, key, next[0])
    }
    if (kind === 'insert' || kind === 'reinsert' || (kind === 'chain' && touchesLarge))
      await client.query(
        `INSERT INTO ${table.name} (${table.wide ? 'id, part' : 'id'}, value, large) VALUES (${keys.map((_, at) => `$${at + 1}`).join(', ')}, $${next}, $${next + 1}) ON CONFLICT DO NOTHING`,
        [...keys, value, insertedLarge(step)],
      )
    if (kind === 'update') {
      const large = updatedLarge(step)
      await client.query(
        `UPDATE ${table.name} SET value = $${next}${large === undefined ? '' : `, large = $${next + 1}`} WHERE ${where(table)}`,
        [...keys, value, ...(large === undefined ? [] : [large])],
      )
    }
    if (kind === 'move' && !(await has(table, other))) await move(table, key, other)
    if (kind === 'swap' && key !== other && (await has(table, key)) && (await has(table, other))) {
      await move(table, key, 9)
      await move(table, other, key)
      await move(table, 9, other)
    }
    if (kind === 'truncate') {
      const names = new Set([table.name, ...(touchesLarge ? [tables[other % tables.length]!.name] : [])])
      await client.query(`TRUNCATE ${[...names].join(', ')}`)
    }
  }
  await client.query(ends === 'commit' ? 'COMMIT' : 'ROLLBACK')
}

/** Each state that the tables had, by the log: without those that are as the one before. */
function statesOf(log: readonly LogRow[], tables: readonly Table[]): readonly Rows[] {
  const names = tables.map(({ name }) => `public.${name}`)
  const ends = log.flatMap((row, at) => (log[at + 1]?._lsn === row._lsn ? [] : [at + 1]))
  return different(ends.map((end) => stateText(names.map((name) => [name, fold(log.slice(0, end), name).values()]))))
}

const different = (states: readonly Rows[]): readonly Rows[] => states.filter((state, at) => state !== states[at - 1])

interface Delivery {
  /** Transactions until the next run; what happens to the server meanwhile. */
  readonly after: number
  readonly shutdown: 'none' | 'before' | 'during'
  readonly delayMs: number
}

const delivery: fc.Arbitrary<readonly Delivery[]> = fc.array(
  fc.record({
    after: fc.integer({ min: 0, max: 15 }),
    shutdown: fc.constantFrom('none' as const, 'before' as const, 'during' as const),
    delayMs: fc.integer({ min: 50, max: 900 }),
  }),
  { minLength: 2, maxLength: 4 },
)

let number = 0

/** Runs a history on the server, in pieces; answers the states that were, and those of the log. */
async function play({ tables: shapes, transactions }: History, plan: readonly Delivery[]) {
  const database = `history_${number++}`
  await server.createDatabase(database)
  let client = await server.superuserClient(database)
  const tables = shapes.map(({ wide }, at) => ({ name: `t${at}`, wide }))
  for (const [at, { wide, full }] of shapes.entries()) {
    const key = wide ? 'id, part' : 'id'
    await client.query(
      `CREATE TABLE t${at} (id text, ${wide ? 'part text,' : ''} value text, large text, PRIMARY KEY (${key}))`,
    )
    await client.query(`ALTER TABLE t${at} ALTER large SET STORAGE EXTERNAL`)
    if (full) await client.query(`ALTER TABLE t${at} REPLICA IDENTITY FULL`)
  }
  const names = tables.map(({ name }) => `public.${name}`)
  await client.query(`CREATE PUBLICATION sluice_${database} FOR TABLE ${names.join(', ')}`)
  const own = `slot: 'sluice_${database}', publication: 'sluice_${database}', maxBatchRows: 20`
  const root = cdcProject(server, database, names, own)
  const stateNow = async (): Promise<Rows> => {
    const found: [string, object[]][] = []
    for (const name of names) found.push([name, (await client.query(`SELECT * FROM ${name}`)).rows])
    return stateText(found)
  }
  try {
    let states: Rows[] = []
    let isCopied = false
    let at = 0
    const runOnce = async ({ shutdown, delayMs }: Omit<Delivery, 'after'>): Promise<void> => {
      if (shutdown === 'before') {
        await server.kill()
        await server.restart()
      }
      const running = runProject(root)
      if (shutdown === 'during') {
        await new Promise((done) => setTimeout(done, delayMs))
        await server.kill()
        await server.restart()
      }
      const { errors } = await running
      if (shutdown === 'none') expect(errors).toEqual([])
      if (shutdown !== 'none') client = await server.superuserClient(database)
    }
    for (const { after, ...how } of [...plan, { after: 100, shutdown: 'none' as const, delayMs: 0 }]) {
      for (const transaction of transactions.slice(at, at + after)) {
        await execute(client, tables, transaction)
        states.push(await stateNow())
      }
      at += after
      if (!isCopied) {
        // What is there when the copy is made is the first state; a copy that fails is made later, of the same rows or others.
        await runOnce({ ...how, shutdown: 'none' })
        states = [await stateNow()]
        isCopied = true
      } else await runOnce(how)
    }
    await runOnce({ shutdown: 'none', delayMs: 0 })
    const log = await logOf(root)
    expect(repeated(log)).toBe(0)
    return { truth: different(states), seen: statesOf(log, tables) }
  } finally {
    await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active')
    await client.end()
    rmSync(root, { recursive: true })
  }
}

test(`CD-01, CD-03, CD-09, CD-12, CD-13, CD-20: ${rounds} random histories on a server that is shut down at once: the log has each state that was, and no other`, async () => {
  await fc.assert(
    fc.asyncProperty(history, delivery, async (past, plan) => {
      const { truth, seen } = await play(past, plan)
      expect(seen).toEqual(truth)
    }),
    {
      numRuns: rounds,
      endOnFailure: true,
      ...(process.env['SLUICE_SEED'] ? { seed: Number(process.env['SLUICE_SEED']) } : {}),
    },
  )
})
