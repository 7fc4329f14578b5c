// Loads into PostgreSQL, from Parquet to COMMIT, against the fastest SQL that can be typed by hand for them: rows that are staged by COPY, from a
// text file that is there already. Both sides begin with a copy of one database, and are measured from when they are connected, the server included.
import { createReadStream, readdirSync, readFileSync } from 'node:fs'
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
tables.p = { ...tables.d, load: { mode: 'replace', from: 'a.p' } }

/** The files of the fact by dates; of its second version the last file is another. */
const pieces = 10
const pieceOf = (piece, version) => (version === 2 && piece === pieces - 1 ? 'f9 again' : `f${piece}`)
const readOf = (names, folder) =>
  `SELECT * FROM read_parquet([${names.map((name) => `'${join(folder, name)}.parquet'`)}])`

/** What the step takes from here on. */
function meter() {
  const [from, cpu] = [process.hrtime.bigint(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    return { wall: Number(process.hrtime.bigint() - from) / 1e6, cpu: (user + system) / 1000 }
  }
}

async function load({ settings, folder }, target, version, names, rows, more = {}) {
  const { openPostgresWarehouse } = await import('../dist/warehouses/postgres/warehouse.js')
  const { duckDbEngine } = await import('../dist/engines/duckdb/engine.js')
  const { systemClock } = await import('../dist/base/clock.js')
  const engine = duckDbEngine({ memoryLimit: '1GB' })
  await (await engine.open({})).close()
  const warehouse = await openPostgresWarehouse({ settings, engine, clock: systemClock, folder })
  const taken = meter()
  const result = await warehouse.load({
    ...tables[target],
    target,
    loadId: `${target} ${version}`,
    definition: 'bench',
    version,
    committedAt: `2024-0${version}-01T00:00:00.000Z`,
    relation: readOf(names, folder),
    rows,
    dimensions: { d: dimension },
    run: 'bench',
    attempt: 1,
    fencingToken: 1,
    ...more,
  })
  await warehouse.close()
  return { ...taken(), result }
}

/** The fact's second version: its last file came for another. */
const loadFact = ({ size, folder, ...at }, target) => {
  const [first, last] = [(size / 500) * (500 - 500 / pieces), size - 1]
  const dayOf = (sale) => new Date(Date.UTC(2024, 0, 1 + Math.floor(sale / (size / 500)))).toISOString().slice(0, 10)
  const names = Array.from({ length: pieces }, (_, piece) => pieceOf(piece, 2))
  const moved = {
    came: readOf(names.slice(-1), folder),
    rows: size / pieces,
    went: [{ min: dayOf(first), max: dayOf(last) }],
  }
  return load({ ...at, folder }, target, 2, names, size, { moved })
}

/** One transaction: rows are staged from the file, then the statements. */
async function byHand({ settings, csv }, like, statements, stage = 'TEMP TABLE stage') {
  const { default: pg } = await import('pg')
  const { from } = (await import('pg-copy-streams')).default
  const client = new pg.Client({ ...settings, database: settings.database })
  await client.connect()
  const taken = meter()
  await client.query(`SET jit = off; SET work_mem = '64MB'; BEGIN; CREATE ${stage} (${like})`)
  await pipeline(createReadStream(csv), client.query(from(`COPY ${stage.split(' ').at(-1)} FROM STDIN (FORMAT csv)`)))
  if (statements.length > 0) await client.query('ANALYZE stage')
  for (const sql of statements) await client.query(sql)
  await client.query('COMMIT')
  await client.end()
  return taken()
}

/** The CPU time of a server's processes, in milliseconds; where that cannot be seen, none. */
function serverCpu(pid) {
  const of = (one) => readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1].split(' ').map(Number)
  try {
    let [, , , , , , , , , , , user, system, childUser, childSystem] = of(pid)
    for (const one of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const [, parent, , , , , , , , , , own, kernel] = existing(() => of(one)) ?? []
      if (parent === pid) [user, system] = [user + own, system + kernel]
    }
    return (user + system + childUser + childSystem) * 10
  } catch {
    return Number.NaN
  }
}

/** What a process says that may have ended. */
function existing(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

const fact = 'sale bigint, day date, k bigint, quantity integer, amount numeric(12,2)'
const likeD = 'k bigint, name text, price numeric(12,2), grade integer, day date'
const scd2ByHand = (d) => [
  `CREATE TEMP TABLE changed AS SELECT s.*, d.ctid AS old FROM stage s LEFT JOIN ${d} d ON d.k = s.k AND d.is_current_record
   WHERE d.k IS NULL OR (d.name, d.price, d.grade) IS DISTINCT FROM (s.name, s.price, s.grade)`,
  'ANALYZE changed',
  `UPDATE ${d} d SET expiry_date = c.day, is_current_record = false FROM changed c WHERE d.ctid = c.old`,
  `INSERT INTO ${d} (sk, k, name, price, grade, effective_date, expiry_date, is_current_record)
   SELECT md5(k || '|' || day), k, name, price, grade, day, '9999-12-31', true FROM changed`,
]
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
    // Of the last ten dates one row in three changed.
    const moved = `i >= ${size - 10 * day}`
    const changed = sales(`CASE WHEN ${moved} AND i % 3 = 0 THEN i % 20 + 1 ELSE i % 20 END`)
    const piece = size / pieces
    for (let at = 0; at < pieces; at++) await write(`${sales('i % 20')} WHERE i // ${piece} = ${at}`, pieceOf(at, 1))
    await write(`${changed} WHERE i // ${piece} = ${pieces - 1}`, pieceOf(pieces - 1, 2))
    await write(`${changed} WHERE ${moved}`, 'moved')
    const names = Array.from({ length: pieces }, (_, at) => pieceOf(at, 1))
    for (const target of ['d', 'f', 'g'])
      await load({ ...at, folder }, target, 1, target === 'd' ? ['d1'] : names, size)
    const { default: pg } = await import('pg')
    const client = new pg.Client(at.settings)
    await client.connect()
    await client.query('CREATE TABLE plain AS SELECT * FROM d; CREATE INDEX ON plain (k); ANALYZE')
    await client.end()
  },
  p: ({ size, folder, ...at }) => load({ ...at, folder }, 'p', 1, ['d1'], size),
  pByHand: ({ folder, ...at }) => byHand({ ...at, csv: join(folder, 'd1.csv') }, likeD, [], 'TABLE p'),
  d: async ({ size, folder, ...at }) => {
    const taken = await load({ ...at, folder }, 'd', 2, ['d2'], size / 10)
    const { inserted, unchanged } = taken.result
    if (inserted !== (size / 100) * 7 || unchanged !== (size / 100) * 3) throw new Error(JSON.stringify(taken.result))
    return taken
  },
  dByHand: ({ folder, ...at }) => byHand({ ...at, csv: join(folder, 'd2.csv') }, likeD, scd2ByHand('d')),
  dPlainByHand: ({ folder, ...at }) => byHand({ ...at, csv: join(folder, 'd2.csv') }, likeD, scd2ByHand('plain')),
  f: (at) => loadFact(at, 'f'),
  fByHand: ({ folder, ...at }) =>
    byHand({ ...at, csv: join(folder, 'moved.csv') }, fact, [
      `DELETE FROM f WHERE ${staleDays}`,
      'INSERT INTO f SELECT * FROM stage',
    ]),
  g: (at) => loadFact(at, 'g'),
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
      const before = serverCpu(server.pid)
      const taken = await step(import.meta.url, name, input('second'))
      // A connection's process has ended, and is counted, a moment after it was closed.
      await new Promise((done) => setTimeout(done, 200))
      return { ...taken, cpu: taken.cpu + serverCpu(server.pid) - before }
    }
    const rows = size.toLocaleString('en')
    const changes = `PostgreSQL, SCD2, ${(size / 10).toLocaleString('en')} changes into ${rows}`
    for (const [name, hand, what, target, against] of [
      ['d', 'dPlainByHand', changes, '≤ 1.1x', 'COPY, UPDATE + INSERT by hand'],
      ['d', 'dByHand', 'the same', '-', 'the same by hand in our table, whose pages have room for changes'],
      ['f', 'fByHand', `PostgreSQL, fact, 10 of 500 dates of ${rows}`, '-', 'DELETE and INSERT, told which dates'],
      ['g', 'gByHand', 'the same, and a key that is looked up', '-', 'the same and a join'],
      ['p', 'pByHand', `Parquet to PostgreSQL, ${rows} rows`, '≤ 1.05x (≤ 0.9x)', 'COPY of a text file that is there'],
    ]) {
      const values = await rounds(count, fresh(name), fresh(hand))
      report({
        name: what,
        value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
        target,
        rounds: values.length,
        note: `against ${against}; ${values.map((pair) => pair.map((one) => Math.round(one.wall)).join('/')).join(' ')} ms`,
      })
    }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
