// Changes of PostgreSQL to committed Parquet, against its own programs: pg_recvlogical that reads a copy of the same slot and keeps nothing, and
// psql that copies the same table to a file.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { createJiti } from 'jiti'
import { median, ratioText, report, rounds, step } from './measure.mjs'
import { forget, runProject, writeProject } from './project.mjs'

const jiti = createJiti(import.meta.url)

const columns = `id int PRIMARY KEY, code text, name text, amount numeric(18, 4), price numeric(12, 2), quantity int, created timestamptz, flag bool,
  ratio float8, note text`
const rowSql = `i, 'C' || i, 'Name of row ' || i, i * 97 + 0.1234, i + 0.5, i % 50, timestamptz '2024-01-01 10:20:00.123456+00' + i * interval '1 second',
  i % 2 = 0, i / 3.0::float8, CASE WHEN i % 7 > 0 THEN 'note ' || i % 77 END`

/** Transactions of 1,000 changes each: 500 inserts, 300 updates, 200 deletes. */
const mixSql = (transactions) => `CREATE PROCEDURE mix() LANGUAGE plpgsql AS $$ BEGIN
  FOR t IN 0..${transactions - 1} LOOP
    INSERT INTO mixed SELECT ${rowSql} FROM generate_series(t * 500 + 1, t * 500 + 500) i;
    UPDATE mixed SET amount = amount + 1, note = 'changed ' || id WHERE id BETWEEN t * 500 + 1 AND t * 500 + 300;
    DELETE FROM mixed WHERE id BETWEEN t * 500 + 301 AND t * 500 + 500;
    COMMIT;
  END LOOP; END $$`

const setupSql = (rows, transactions) => [
  `CREATE TABLE mixed (${columns})`,
  `CREATE TABLE big (${columns})`,
  `INSERT INTO big SELECT ${rowSql} FROM generate_series(1, ${rows}) i`,
  'CREATE PUBLICATION mixed FOR TABLE mixed WITH (publish_via_partition_root = true)',
  'CREATE PUBLICATION big FOR TABLE big WITH (publish_via_partition_root = true)',
  mixSql(transactions),
]

export const steps = {
  async ours({ root, rows }) {
    const from = process.hrtime.bigint()
    const summary = await runProject(root)
    const wall = Number(process.hrtime.bigint() - from) / 1e6
    if (summary.rows.accepted < rows) throw new Error(`${summary.rows.accepted} rows were taken, and ${rows} are there`)
    return { wall }
  },
}

/** A program of PostgreSQL's client package. Debian's own are in a folder for each version; those in the path only choose among them. */
function clientProgram(name) {
  const versions = listed('/usr/lib/postgresql').sort((a, b) => b - a)
  const folders = [...versions.map((one) => `/usr/lib/postgresql/${one}/bin`), ...process.env.PATH.split(delimiter)]
  const folder = folders.find((one) => listed(one).includes(name))
  if (folder === undefined)
    throw new Error(`${name} is missing: it comes with PostgreSQL's client package (Debian: postgresql-client)`)
  return join(folder, name)
}

function listed(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Runs a client program against the server; wall time in milliseconds. */
function runClient(program, args, { host, port, user, password, database }) {
  const env = { ...process.env, PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password, PGDATABASE: database }
  return new Promise((resolve, reject) => {
    const from = process.hrtime.bigint()
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (data) => (said += data))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve({ wall: Number(process.hrtime.bigint() - from) / 1e6 })
      else reject(new Error(`${program} ended with ${code}: ${said}`))
    })
  })
}

const makeProject = (root, table, { host, port, user, password, database }) =>
  writeProject(root, {
    'package.json': '{ "private": true, "type": "module" }',
    '.env': `BENCH_PASSWORD=${password}\n`,
    'sluice.config.ts': `import { defineConfig, postgres, secret } from 'sluice'
export default defineConfig({ name: 'bench', lake: { path: 'lake' }, connections: { shop: postgres({ host: '${host}', port: ${port},
  database: '${database}', user: '${user}', password: secret('BENCH_PASSWORD'), tls: 'off' }) } })
`,
    'pipelines/bench/pipeline.ts': `import { cdc, pipeline } from 'sluice'
export default pipeline('bench', { sources: { shop: cdc('shop', { tables: ['public.${table}'], slot: '${table}', publication: '${table}' }) } })
`,
  })

function reportPair(name, target, rows, values) {
  const pace = (of) => `${Math.round(rows / median(values.map(of))).toLocaleString('en')}k/s`
  report({
    name: `${name}, ${rows.toLocaleString('en')}`,
    value: `wall ${ratioText(values, (one) => one.wall)}`,
    target,
    rounds: values.length,
    note: `${pace(([ours]) => ours.wall)} to Parquet, ${pace(([, theirs]) => theirs.wall)} theirs; ${(median(values.map(([ours]) => ours.cpu)) / 1000).toFixed(1)} s CPU, ${Math.round(Math.max(...values.map(([ours]) => ours.rss)))} MB RSS at most`,
  })
}

/** The slot is copied for every round, and the project begins each where its first copy ended. */
async function compareStream({ folder, server, client, transactions, count }) {
  const recvlogical = clientProgram('pg_recvlogical')
  const [first, root] = [join(folder, 'cdc-first'), join(folder, 'cdc-mixed')]
  await makeProject(first, 'mixed', server)
  await step(import.meta.url, 'ours', { root: first, rows: 0 })
  await client.query("SELECT pg_copy_logical_replication_slot('mixed', 'kept')")
  await client.query('CALL mix()')
  const { rows: found } = await client.query('SELECT pg_current_wal_insert_lsn() AS at')
  const copySlot = async (name) => {
    await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [
      name,
    ])
    await client.query("SELECT pg_copy_logical_replication_slot('kept', $1)", [name])
  }
  const rows = transactions * 1000
  const values = await rounds(
    count,
    async () => {
      await copySlot('mixed')
      await rm(root, { recursive: true, force: true })
      await cp(first, root, { recursive: true })
      return step(import.meta.url, 'ours', { root, rows })
    },
    async () => {
      await copySlot('theirs')
      const options = { proto_version: 2, streaming: 'on', publication_names: 'mixed' }
      const named = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
      const args = [
        '--dbname',
        server.database,
        '--start',
        '--slot',
        'theirs',
        '--file',
        '/dev/null',
        '--endpos',
        found[0].at,
        '--no-loop',
        ...named,
      ]
      return runClient(recvlogical, args, server)
    },
  )
  reportPair('changes to Parquet, against pg_recvlogical', '≤ 0.70x (≤ 0.55x)', rows, values)
  await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots')
}

async function compareCopy({ folder, server, client, rows, count }) {
  const psql = clientProgram('psql')
  const root = join(folder, 'cdc-big')
  await makeProject(root, 'big', server)
  const values = await rounds(
    count,
    async () => {
      await forget(root)
      await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots')
      return step(import.meta.url, 'ours', { root, rows })
    },
    () => runClient(psql, ['-X', '-q', '-c', `\\copy big to '${join(folder, 'big.csv')}' csv`], server),
  )
  reportPair('rows of a first copy, against psql \\copy', '≤ 1.25x (≤ 1.00x)', rows, values)
}

export async function run({ folder, quick, count }) {
  const [rows, transactions] = quick ? [200_000, 200] : [1_000_000, 1000]
  const { startPostgres } = await jiti.import('../test/servers/postgres.ts')
  const server = await startPostgres({
    walLevel: 'logical',
    settings: { max_wal_size: '4GB', shared_buffers: '256MB' },
  })
  const client = await server.superuserClient()
  try {
    for (const sql of setupSql(rows, transactions)) await client.query(sql)
    await compareStream({ folder, server, client, transactions, count })
    await compareCopy({ folder, server, client, rows, count })
  } finally {
    await client.end()
    await server.stop()
  }
}
