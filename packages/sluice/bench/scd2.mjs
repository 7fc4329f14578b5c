// SCD2 of 100k changes into 1M rows: Sluice's load against the fastest hand-written SQL, and against a plain append of as many rows.
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ratioText, report, rounds, step } from './measure.mjs'
import { openDuckDb } from './project.mjs'

const columns = [
  { name: 'k', type: 'BIGINT', nullable: false },
  { name: 'name', type: 'VARCHAR', nullable: true },
  { name: 'price', type: 'DECIMAL(12,2)', nullable: true },
  { name: 'grade', type: 'INTEGER', nullable: true },
  { name: 'day', type: 'DATE', nullable: false },
]

const scd2 = {
  mode: 'scd2',
  from: 'analytics.d',
  key: ['k'],
  effective: 'day',
  columns: { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' },
}

const inputOf = (version, parquet, rows, committedAt) => ({
  loadId: `bench-${version}`,
  target: 'd',
  load: scd2,
  definition: 'bench',
  columns,
  version,
  committedAt,
  relation: `SELECT * FROM read_parquet('${parquet}')`,
  rows,
  run: 'bench',
  attempt: 1,
  fencingToken: 1,
})

/** Loads as a run does: opening and closing the warehouse are part of it. */
export async function load(path, input) {
  const { openDuckDbWarehouse } = await import('../dist/warehouses/duckdb/warehouse.js')
  const { duckDbEngine } = await import('../dist/engines/duckdb/engine.js')
  const { systemClock } = await import('../dist/base/clock.js')
  const warehouse = await openDuckDbWarehouse({
    path,
    engine: duckDbEngine({ memoryLimit: '1GB' }),
    clock: systemClock,
  })
  const result = await warehouse.load(input)
  await warehouse.close()
  return result
}

/** Attaches a database in a new engine, works, and makes it durable. */
export async function byHand(path, statements) {
  const connection = await openDuckDb()
  await connection.run(`ATTACH '${path}' AS w; USE w; BEGIN`)
  for (const sql of statements) await connection.run(sql)
  await connection.run('COMMIT; CHECKPOINT; USE memory; DETACH w')
}

export const steps = {
  prepare: async ({ base, changes, first, size }) => {
    const connection = await openDuckDb()
    const write = (sql, path) => connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`)
    await write(
      `SELECT i AS k, 'product ' || i AS name, ((hash(i) % 100000) / 100)::DECIMAL(12,2) AS price, (i % 9)::INTEGER AS grade, DATE '2024-01-01' AS day FROM range(${size}) t(i)`,
      base,
    )
    // Half of the changes are changes, three tenths say nothing new, two tenths are new keys.
    const batch = size / 10
    await write(
      `SELECT CASE WHEN i < ${batch * 0.8} THEN i * 12 ELSE ${size} + i END AS k,
         CASE WHEN i < ${batch * 0.5} THEN 'renamed ' ELSE 'product ' END || CASE WHEN i < ${batch * 0.8} THEN i * 12 ELSE ${size} + i END AS name,
         ((hash(k) % 100000) / 100)::DECIMAL(12,2) AS price, (k % 9)::INTEGER AS grade, DATE '2024-02-01' AS day
       FROM range(${batch}) t(i)`,
      changes,
    )
    return load(first, inputOf(1, base, size, '2024-01-01T00:00:00.000Z'))
  },
  ours: async ({ path, changes, size }) => {
    const result = await load(path, inputOf(2, changes, size / 10, '2024-02-01T00:00:00.000Z'))
    const { inserted, unchanged } = result
    if (inserted !== (size / 100) * 7 || unchanged !== (size / 100) * 3) throw new Error(JSON.stringify(result))
    return result
  },
  byHand: ({ path, changes }) =>
    byHand(path, [
      `CREATE TEMP TABLE changed AS
         SELECT s.*, d.rowid AS old FROM read_parquet('${changes}') s LEFT JOIN d ON d.k = s.k AND d.is_current_record
         WHERE d.k IS NULL OR (d.name, d.price, d.grade) IS DISTINCT FROM (s.name, s.price, s.grade)`,
      `UPDATE d SET expiry_date = c.day, is_current_record = false FROM changed c WHERE d.rowid = c.old`,
      `INSERT INTO d BY NAME SELECT hash(k, day)::VARCHAR AS sk, k, name, price, grade, day AS effective_date,
         DATE '9999-12-31' AS expiry_date, true AS is_current_record FROM changed`,
    ]),
  append: ({ path, changes }) =>
    byHand(path, [
      `INSERT INTO d BY NAME SELECT hash(k, day)::VARCHAR AS sk, k, name, price, grade, day AS effective_date,
         DATE '9999-12-31' AS expiry_date, true AS is_current_record FROM read_parquet('${changes}')`,
    ]),
}

export async function run({ folder, quick, count }) {
  const size = quick ? 100_000 : 1_000_000
  const paths = {
    base: join(folder, 'base.parquet'),
    changes: join(folder, 'changes.parquet'),
    first: join(folder, 'first.duckdb'),
  }
  await step(import.meta.url, 'prepare', { ...paths, size })
  const path = join(folder, 'second.duckdb')
  const fresh = (name) => async () => {
    for (const left of [path, `${path}.wal`]) await rm(left, { force: true })
    await copyFile(paths.first, path)
    return step(import.meta.url, name, { path, changes: paths.changes, size })
  }
  const what = `SCD2, ${(size / 10).toLocaleString('en')} changes into ${size.toLocaleString('en')} rows`
  for (const [name, against, target] of [
    ['byHand', 'UPDATE + INSERT by hand', '-'],
    ['append', 'plain append', '≤ 1.3x (≤ 1.15x)'],
  ]) {
    const values = await rounds(count, fresh('ours'), fresh(name))
    report({
      name: `${what}`,
      value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
      target,
      rounds: values.length,
      note: `against ${against}`,
    })
  }
  for (const left of [...Object.values(paths), path]) await rm(left, { force: true })
}
