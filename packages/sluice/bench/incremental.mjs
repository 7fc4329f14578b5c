// A fact of which 10 of 500 date keys changed, 100k of 5M rows: Sluice's load against a plain append of those rows, and against that
// append with one read of the whole version, which is what finding the changed keys takes at least.
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ratioText, report, rounds, step } from './measure.mjs'
import { openDuckDb } from './project.mjs'
import { byHand, load } from './scd2.mjs'

const columns = [
  ['sale', 'BIGINT'],
  ['day', 'DATE'],
  ['product', 'INTEGER'],
  ['customer', 'INTEGER'],
  ['quantity', 'INTEGER'],
  ['amount', 'DECIMAL(12,2)'],
  ['invoice', 'VARCHAR'],
].map(([name, type]) => ({ name, type, nullable: false }))

const inputOf = (version, parquet, rows) => ({
  loadId: `bench-${version}`,
  target: 'f',
  load: { mode: 'incremental', from: 'analytics.f', by: 'day' },
  definition: 'bench',
  columns,
  version,
  committedAt: `2026-01-0${version}T00:00:00.000Z`,
  relation: `SELECT * FROM read_parquet('${parquet}')`,
  rows,
  run: 'bench',
  attempt: 1,
  fencingToken: 1,
})

export const steps = {
  prepare: async ({ base, changed, only, first, size }) => {
    const connection = await openDuckDb()
    const day = size / 500
    const sales = (
      quantity,
    ) => `SELECT i AS sale, DATE '2024-01-01' + (i // ${day})::INTEGER AS day, (hash(i) % 5000)::INTEGER AS product,
        (hash(i, 1) % 300)::INTEGER AS customer, (${quantity})::INTEGER AS quantity, ((hash(i, 2) % 100000) / 100)::DECIMAL(12,2) AS amount,
        'invoice ' || (i // 7) AS invoice FROM range(${size}) t(i)`
    const moved = `(i // ${day}) % 50 = 7`
    const write = (sql, path) =>
      connection.run(`COPY (${sql} ORDER BY i) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`)
    await write(sales('i % 20'), base)
    await write(sales(`CASE WHEN ${moved} THEN i % 20 + 1 ELSE i % 20 END`), changed)
    await write(`${sales('i % 20 + 1')} WHERE ${moved}`, only)
    return load(first, inputOf(1, base, size))
  },
  ours: async ({ path, changed, size }) => {
    const result = await load(path, inputOf(2, changed, size))
    const { inserted, deleted, unchanged } = result
    if (inserted !== size / 50 || deleted !== size / 50 || unchanged !== size - size / 50)
      throw new Error(JSON.stringify(result))
    return result
  },
  append: ({ path, only }) => byHand(path, [`INSERT INTO f SELECT * FROM read_parquet('${only}')`]),
  readAndAppend: ({ path, changed, only }) =>
    byHand(path, [
      `SELECT ${columns.map(({ name }) => `max(${name})`).join(', ')} FROM read_parquet('${changed}')`,
      `INSERT INTO f SELECT * FROM read_parquet('${only}')`,
    ]),
}

export async function run({ folder, quick, count }) {
  const size = quick ? 500_000 : 5_000_000
  const paths = Object.fromEntries(['base', 'changed', 'only'].map((name) => [name, join(folder, `${name}.parquet`)]))
  const [first, path] = [join(folder, 'first.duckdb'), join(folder, 'second.duckdb')]
  await step(import.meta.url, 'prepare', { ...paths, first, size })
  const fresh = (name) => async () => {
    for (const left of [path, `${path}.wal`]) await rm(left, { force: true })
    await copyFile(first, path)
    return step(import.meta.url, name, { ...paths, path, size })
  }
  for (const [name, against, target] of [
    ['append', 'plain append', '≤ 1.15x (≤ 1.05x)'],
    ['readAndAppend', 'a read of the version and a plain append', '-'],
  ]) {
    const values = await rounds(count, fresh('ours'), fresh(name))
    report({
      name: `fact, 10 of 500 dates of ${size.toLocaleString('en')} rows`,
      value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
      target,
      rounds: values.length,
      note: `against ${against}`,
    })
  }
  for (const left of [...Object.values(paths), first, path]) await rm(left, { force: true })
}
