// Loads into PostgreSQL, from Parquet to COMMIT, against the fastest SQL that can be typed by hand for them: rows that are staged by COPY, from a
// text file that is there already. Both sides begin with a copy of one database.
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createJiti } from 'jiti'
import { ratioText, report, rounds, step } from './measure.mjs'
import { openDuckDb } from './project.mjs'

const jiti = createJiti(import.meta.url)
const columnsOf = (types) => Object.entries(types).map(([name, type]) => ({ name, type, nullable: false }))
const own = { effective: 'effective_date', expiry: 'expiry_date', current: 'is_current_record', surrogate: 'sk' }
const dimension = { mode: 'scd2', from: 'a.d', key: ['k'], effective: 'day', columns: own }
const lookups = { d_sk: { dimension: 'd', key: { k: 'k' }, at: 'day', missing: 'infer' } }

const tables = {
  d: {
    load: dimension,
    columns: columnsOf({ k: 'BIGINT', name: 'VARCHAR', price: 'DECIMAL(12,2)', grade: 'INTEGER', day: 'DATE' }),
  },
  f: {
    load: { mode: 'incremental', from: 'a.f', by: 'day' },
    columns: columnsOf({ sale: 'BIGINT', day: 'DATE', k: 'BIGINT', quantity: 'INTEGER', amount: 'DECIMAL(12,2)' }),
  },
}
tables.g = { ...tables.f, load: { ...tables.f.load, lookups } }

async function load({ settings, folder }, target, version, parquet, rows) {
  const { openPostgresWarehouse } = await import('../dist/warehouses/postgres/warehouse.js')
  const { duckDbEngine } = await import('../dist/engines/duckdb/engine.js')
  const { systemClock } = await import('../dist/base/clock.js')
  const engine = duckDbEngine({ memoryLimit: '1GB' })
  const warehouse = await openPostgresWarehouse({ settings, engine, clock: systemClock, folder })
  const result = await warehouse.load({
    ...tables[target],
    target,
    loadId: `${target} ${version}`,
    definition: 'bench',
    version,
    committedAt: `2024-0${version}-01T00:00:00.000Z`,
    relation: `SELECT * FROM read_parquet('${parquet}')`,
    rows,
    dimensions: { d: dimension },
    run: 'bench',
    attempt: 1,
    fencingToken: 1,
  })
  await warehouse.close()
  return result
}

/** One transaction: rows are staged from the file, then the statements. */
async function byHand({ settings, csv }, like, statements) {
  const { default: pg } = await import('pg')
  const { from } = (await import('pg-copy-streams')).default
  const client = new pg.Client({ ...settings, database: settings.database })
  await client.connect()
  await client.query(`SET jit = off; SET work_mem = '64MB'; BEGIN; CREATE TEMP TABLE stage (${like})`)
  await pipeline(createReadStream(csv), client.query(from('COPY stage FROM STDIN (FORMAT csv)')))
  await client.query('ANALYZE stage')
  for (const sql of statements) await client.query(sql)
  await client.query('COMMIT')
  await client.end()
}

const fact = 'sale bigint, day date, k bigint, quantity integer, amount numeric(12,2)'
const staleDays = 'day IN (SELECT DISTINCT day FROM stage)'

export const steps = {
  prepare: async ({ size, folder, ...at }) => {
    const connection = await openDuckDb()
    const file = (name) => join(folder, name)
    const write = async (sql, name) => {
      await connection.run(`COPY (${sql}) TO '${file(`${name}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`)
      await connection.run(`COPY (${sql}) TO '${file(`${name}.csv`)}' (FORMAT csv, HEADER false)`)
    }
    const product = (key, name, day) =>
      `${key} AS k, ${name} || ${key} AS name, ((hash(${key}) % 100000) / 100)::DECIMAL(12,2) AS price, (${key} % 9)::INTEGER AS grade, DATE '${day}' AS day`
    await write(`SELECT ${product('i', "'product '", '2024-01-01')} FROM range(${size}) t(i)`, 'd1')
    // Half of the changes are changes, three tenths say nothing new, two tenths are new keys.
    const batch = size / 10
    const key = `CASE WHEN i < ${batch * 0.8} THEN i * 12 ELSE ${size} + i END`
    const renamed = `CASE WHEN i < ${batch * 0.5} THEN 'renamed ' ELSE 'product ' END`
    await write(`SELECT ${product(key, renamed, '2024-02-01')} FROM range(${batch}) t(i)`, 'd2')
    const day = size / 500
    const sales = (
      quantity,
    ) => `SELECT i AS sale, DATE '2024-01-01' + (i // ${day})::INTEGER AS day, (hash(i) % ${size})::BIGINT AS k,
      (${quantity})::INTEGER AS quantity, ((hash(i, 2) % 100000) / 100)::DECIMAL(12,2) AS amount FROM range(${size}) t(i)`
    const moved = `(i // ${day}) % 50 = 7`
    await write(sales('i % 20'), 'f1')
    await write(sales(`CASE WHEN ${moved} THEN i % 20 + 1 ELSE i % 20 END`), 'f2')
    await write(`${sales('i % 20 + 1')} WHERE ${moved}`, 'moved')
    for (const target of ['d', 'f', 'g'])
      await load({ ...at, folder }, target, 1, file(`${target === 'd' ? 'd' : 'f'}1.parquet`), size)
  },
  d: async ({ size, folder, ...at }) => {
    const result = await load({ ...at, folder }, 'd', 2, join(folder, 'd2.parquet'), size / 10)
    if (result.inserted !== (size / 100) * 7 || result.unchanged !== (size / 100) * 3)
      throw new Error(JSON.stringify(result))
  },
  dByHand: ({ folder, ...at }) =>
    byHand(
      { ...at, csv: join(folder, 'd2.csv') },
      'k bigint, name text, price numeric(12,2), grade integer, day date',
      [
        `CREATE TEMP TABLE changed AS SELECT s.*, d.ctid AS old FROM stage s LEFT JOIN d ON d.k = s.k AND d.is_current_record
         WHERE d.k IS NULL OR (d.name, d.price, d.grade) IS DISTINCT FROM (s.name, s.price, s.grade)`,
        'ANALYZE changed',
        'UPDATE d SET expiry_date = c.day, is_current_record = false FROM changed c WHERE d.ctid = c.old',
        `INSERT INTO d (sk, k, name, price, grade, effective_date, expiry_date, is_current_record)
         SELECT md5(k || '|' || day), k, name, price, grade, day, '9999-12-31', true FROM changed`,
      ],
    ),
  f: ({ size, folder, ...at }) => load({ ...at, folder }, 'f', 2, join(folder, 'f2.parquet'), size),
  fByHand: ({ folder, ...at }) =>
    byHand({ ...at, csv: join(folder, 'moved.csv') }, fact, [
      `DELETE FROM f WHERE ${staleDays}`,
      'INSERT INTO f SELECT * FROM stage',
    ]),
  g: ({ size, folder, ...at }) => load({ ...at, folder }, 'g', 2, join(folder, 'f2.parquet'), size),
  gByHand: ({ folder, ...at }) =>
    byHand({ ...at, csv: join(folder, 'moved.csv') }, fact, [
      `DELETE FROM g WHERE ${staleDays}`,
      `INSERT INTO g SELECT s.*, d.sk FROM stage s LEFT JOIN d ON d.k = s.k AND d.effective_date <= s.day AND s.day < d.expiry_date`,
    ]),
}

export async function run({ folder: parent, quick, count }) {
  const size = quick ? 100_000 : 1_000_000
  const folder = join(parent, 'warehouse-postgres')
  const { mkdir } = await import('node:fs/promises')
  await mkdir(folder)
  const { startPostgres } = await jiti.import('../test/servers/postgres.ts')
  const server = await startPostgres({ settings: { fsync: 'on', max_wal_size: '4GB', shared_buffers: '256MB' } })
  try {
    const { host, port, user, password } = server
    const input = (database) => ({
      settings: {
        name: 'bench',
        kind: 'postgres',
        host,
        port,
        user,
        password,
        database,
        tls: 'off',
        connectTimeoutSeconds: 30,
      },
      folder,
      size,
    })
    await server.createDatabase('first')
    await step(import.meta.url, 'prepare', input('first'))
    const fresh = (name) => async () => {
      const client = await server.superuserClient()
      await client.query('DROP DATABASE IF EXISTS second')
      await client.query('CREATE DATABASE second TEMPLATE first STRATEGY file_copy')
      await client.query('CHECKPOINT')
      await client.end()
      return step(import.meta.url, name, input('second'))
    }
    const rows = size.toLocaleString('en')
    for (const [name, what, against] of [
      [
        'd',
        `PostgreSQL, SCD2, ${(size / 10).toLocaleString('en')} changes into ${rows}`,
        'COPY, UPDATE + INSERT by hand',
      ],
      ['f', `PostgreSQL, fact, 10 of 500 dates of ${rows}`, 'the same by DELETE and INSERT, told which dates'],
      ['g', 'the same, and a key that is looked up', 'the same and a join'],
    ]) {
      const values = await rounds(count, fresh(name), fresh(`${name}ByHand`))
      report({
        name: what,
        value: `wall ${ratioText(values, (one) => one.wall)}`,
        target: name === 'd' ? '≤ 1.3x' : '-',
        rounds: values.length,
        note: `against ${against}; ${values.map((pair) => pair.map((one) => Math.round(one.wall)).join('/')).join(' ')} ms`,
      })
    }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
