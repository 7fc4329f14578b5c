// Rows from a server to committed Parquet, against the bare loop of its driver that only counts them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { median, ratioText, report, rounds, step } from './measure.mjs'
import { forget, runProject, writeProject } from './project.mjs'

const jiti = createJiti(import.meta.url)

/** The same ten columns on each server. */
const postgresColumns = {
  ...{ id: 'integer', code: 'text', name: 'text', amount: 'decimal(18, 4)', price: 'decimal(12, 2)' },
  ...{ quantity: 'integer', created: 'timestamp', flag: 'boolean', ratio: 'float' },
  note: { type: 'text', nullable: true },
}
const sqlServerColumns = { ...postgresColumns, price: 'decimal(19, 4)', created: 'text' }

const setupSql = (rows) => `
  CREATE ROLE reader LOGIN PASSWORD 'secret';
  CREATE TABLE big AS SELECT i AS id, 'C' || i AS code, 'Name of row ' || i AS name, (i * 97 + 0.1234)::numeric(18, 4) AS amount,
    (i + 0.5)::numeric(12, 2) AS price, i % 50 AS quantity, timestamp '2024-01-01 10:20:00.123456' + i * interval '1 second' AS created,
    i % 2 = 0 AS flag, i / 3.0::float8 AS ratio, CASE WHEN i % 7 > 0 THEN 'note ' || i % 77 END AS note FROM generate_series(1, ${rows}) AS i;
  CREATE FUNCTION usp_copied() RETURNS SETOF big LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM public.big';
  CREATE PROCEDURE usp_cursor(INOUT rows refcursor DEFAULT 'c') LANGUAGE plpgsql SECURITY DEFINER
    AS 'BEGIN OPEN rows FOR SELECT * FROM public.big; END'`

const pgOptions = ({ port }) => ({
  host: '127.0.0.1',
  port,
  user: 'reader',
  password: 'secret',
  database: 'postgres',
  ssl: false,
})

/** Counts the rows of a statement as the driver gives them: as text, one after the other, and none is kept. */
async function countRows(client, text) {
  const { default: pg } = await import('pg')
  let counted = 0
  const query = client.query(new pg.Query({ text, rowMode: 'array', types: { getTypeParser: () => String } }))
  query.on('row', () => counted++)
  await new Promise((resolve, reject) => query.on('end', resolve).on('error', reject))
  return counted
}

export const steps = {
  async ours({ root, rows }) {
    const from = process.hrtime.bigint()
    const summary = await runProject(root)
    const wall = Number(process.hrtime.bigint() - from) / 1e6
    if (summary.rows.accepted !== rows) throw new Error(`${summary.rows.accepted} of ${rows} rows were taken`)
    return { wall }
  },
  async postgres({ port, rows, isCursor }) {
    const { default: pg } = await import('pg')
    const client = new pg.Client(pgOptions({ port }))
    await client.connect()
    if (isCursor) await client.query("BEGIN; CALL usp_cursor('c')")
    const counted = await countRows(client, isCursor ? 'FETCH ALL FROM c' : 'SELECT * FROM usp_copied()')
    if (counted !== rows) throw new Error(`counted ${counted} of ${rows} rows`)
    await client.end()
  },
  async sqlserver({ port, rows }) {
    const { Connection, Request, TYPES } = (await import('tedious')).default
    const connection = new Connection({
      server: '127.0.0.1',
      authentication: { type: 'default', options: { userName: 'reader', password: 'secret' } },
      options: { port, encrypt: false, requestTimeout: 0 },
    })
    await new Promise((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())))
    let counted = 0
    await new Promise((resolve, reject) => {
      const request = new Request('big', (error) => (error ? reject(error) : resolve()))
      request.addParameter('rows', TYPES.Int, rows)
      request.on('row', () => counted++)
      connection.callProcedure(request)
    })
    connection.close()
    if (counted !== rows) throw new Error(`counted ${counted} of ${rows} rows`)
  },
}

async function makeProject(root, builder, port, source) {
  await writeProject(root, {
    'package.json': '{ "private": true, "type": "module" }',
    '.env': 'BENCH_PASSWORD=secret\n',
    'sluice.config.ts': `import { defineConfig, ${builder}, secret } from 'sluice'
export default defineConfig({ name: 'bench', lake: { path: 'lake' }, engine: { memoryLimit: '1GB' }, concurrency: 2, connections: {
  erp: ${builder}({ host: '127.0.0.1', port: ${port}, database: 'postgres', user: 'reader', password: secret('BENCH_PASSWORD'), tls: 'off' }) } })
`,
    'pipelines/bench/pipeline.ts': `import { parameter, pipeline, procedures } from 'sluice'
export default pipeline('bench', { sources: { ...procedures('erp', [${source}]) } })
`,
  })
}

async function compare(name, { root, rows, count }, theirs) {
  const values = await rounds(
    count,
    async () => {
      await forget(root)
      return step(import.meta.url, 'ours', { root, rows })
    },
    theirs,
  )
  const pace = (of) => `${Math.round(rows / median(values.map(of))).toLocaleString('en')}k rows/s`
  report({
    name: `${name}, ${rows.toLocaleString('en')} rows`,
    value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
    target: '≤ 2.00x wall (≤ 1.20x)',
    rounds: values.length,
    note: `${pace(([ours]) => ours.wall)} to Parquet, ${pace(([, bare]) => bare.wall)} counted; ${Math.round(Math.max(...values.map(([ours]) => ours.rss)))} MB RSS`,
  })
}

export async function run({ folder, quick, count }) {
  const rows = quick ? 200_000 : 1_000_000
  const { startPostgres } = await jiti.import('../test/servers/postgres.ts')
  const server = await startPostgres()
  try {
    const owner = await server.superuserClient()
    await owner.query(setupSql(rows)).finally(() => owner.end())
    for (const [name, procedure, isCursor] of [
      ['PostgreSQL function (COPY)', 'public.usp_copied', false],
      ['PostgreSQL cursor (rows)', 'public.usp_cursor', true],
    ]) {
      const root = join(folder, procedure)
      await makeProject(
        root,
        'postgres',
        server.port,
        `{ procedure: '${procedure}', table: 'big', columns: ${JSON.stringify(postgresColumns)} }`,
      )
      await compare(name, { root, rows, count }, () =>
        step(import.meta.url, 'postgres', { port: server.port, rows, isCursor }),
      )
    }
  } finally {
    await server.stop()
  }
  const double = fork(new URL('../test/connections/sqlserver-volume-server.ts', import.meta.url), {
    execArgv: ['--import', 'jiti/register'],
  })
  try {
    const [port] = await once(double, 'message')
    const root = join(folder, 'sqlserver')
    const parameters = `{ rows: parameter(${rows}, 'integer') }`
    await makeProject(
      root,
      'sqlServer',
      port,
      `{ procedure: 'big', parameters: ${parameters}, columns: ${JSON.stringify(sqlServerColumns)} }`,
    )
    await compare('SQL Server double', { root, rows, count }, () => step(import.meta.url, 'sqlserver', { port, rows }))
  } finally {
    double.kill()
  }
}
