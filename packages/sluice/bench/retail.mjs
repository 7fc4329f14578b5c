// The reference project, whole, against the same SQL typed by hand into DuckDB: cast, filter, check, partition, model, load.
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command, ratioText, report, rounds, step } from './measure.mjs'
import { forget, openDuckDb, runProject } from './project.mjs'

const example = fileURLToPath(new URL('../../../examples/retail/', import.meta.url))

/** Copies the reference project without anything a run has left, and delivers its files. */
export async function retailProject(root, { days, rows }) {
  await mkdir(root, { recursive: true })
  for (const path of ['sluice.config.ts', 'pipelines', 'generate.mjs', 'package.json']) {
    await cp(join(example, path), join(root, path), { recursive: true })
  }
  await command([join(root, 'generate.mjs'), '--fresh', '--days', String(days), '--rows', String(rows)])
}

export const steps = {
  ours: ({ root }) => runProject(root),
  theirs: async ({ inbox, out, models }) => {
    const connection = await openDuckDb()
    const parquet = (name) => `${out}/${name}.parquet`
    const make = (name, sql, options = '') =>
      connection.run(
        `COPY (${sql}) TO '${options === '' ? parquet(name) : `${out}/${name}`}' (FORMAT parquet, COMPRESSION zstd${options})`,
      )
    await make(
      'raw.sales',
      `SELECT * EXCLUDE (filename), regexp_extract(filename, '\\d{4}-\\d{2}-\\d{2}')::DATE AS _file_date, row_number() OVER () AS _row
       FROM read_csv('${inbox}/*.csv', columns = {'invoice_no': 'VARCHAR', 'stock_code': 'VARCHAR', 'description': 'VARCHAR', 'quantity': 'INTEGER',
         'invoice_date': 'TIMESTAMP', 'unit_price': 'DECIMAL(12,3)', 'customer_id': 'VARCHAR', 'country': 'VARCHAR'},
         timestampformat = '%-m/%-d/%Y %-H:%M', header = true, delim = ',', quote = '"', auto_detect = false, ignore_errors = true, filename = true)
       WHERE customer_id IS NOT NULL AND invoice_no NOT LIKE 'C%' AND quantity >= 1 AND unit_price >= 0.001`,
    )
    await connection.run(
      `CREATE SCHEMA raw; CREATE SCHEMA stage; CREATE SCHEMA analytics; CREATE VIEW raw.sales AS FROM '${parquet('raw.sales')}'`,
    )
    await make(
      'stage.sales',
      `SELECT *, year(invoice_date) AS year, month(invoice_date) AS month FROM (${models['stage.sales']})`,
      ', PARTITION_BY (year, month)',
    )
    await connection.run(`CREATE VIEW stage.sales AS FROM read_parquet('${out}/stage.sales/**/*.parquet')`)
    for (const table of ['analytics.dim_product', 'analytics.dim_customer', 'analytics.fact_sales']) {
      await make(table, models[table])
      await connection.run(`CREATE VIEW ${table} AS FROM '${parquet(table)}'`)
    }
    for (const check of [
      'SELECT stock_code, file_date FROM analytics.dim_product GROUP BY ALL HAVING count(*) > 1',
      'SELECT customer_id FROM analytics.dim_customer GROUP BY ALL HAVING count(*) > 1',
      'SELECT date_key, invoice_no, line_no FROM analytics.fact_sales GROUP BY ALL HAVING count(*) > 1',
      'SELECT 1 FROM analytics.fact_sales ANTI JOIN analytics.dim_product USING (stock_code)',
      'SELECT 1 FROM analytics.fact_sales ANTI JOIN analytics.dim_customer USING (customer_id)',
      'SELECT 1 WHERE (SELECT sum(quantity) FROM analytics.fact_sales) <> (SELECT sum(quantity) FROM stage.sales)',
    ]) {
      const found = await connection.runAndReadAll(check)
      if (found.currentRowCount > 0) throw new Error(`A check failed: ${check}`)
    }
    await connection.run(`ATTACH '${out}/warehouse.duckdb' AS w; BEGIN`)
    await connection.run(`CREATE TABLE w.dim_product AS
      SELECT row_number() OVER () AS sk, stock_code, description, file_date AS effective_date,
        coalesce(lead(file_date) OVER (PARTITION BY stock_code ORDER BY file_date), DATE '9999-12-31') AS expiry_date,
        lead(file_date) OVER (PARTITION BY stock_code ORDER BY file_date) IS NULL AS is_current_record
      FROM (SELECT *, lag(description) OVER (PARTITION BY stock_code ORDER BY file_date) AS before, row_number() OVER (PARTITION BY stock_code ORDER BY file_date) AS n
            FROM analytics.dim_product)
      WHERE n = 1 OR description IS DISTINCT FROM before`)
    await connection.run('CREATE TABLE w.dim_customer AS FROM analytics.dim_customer')
    await connection.run('CREATE TABLE w.fact_sales AS FROM analytics.fact_sales; COMMIT; CHECKPOINT w')
  },
}

export async function run({ folder, quick, count }) {
  const { readFile } = await import('node:fs/promises')
  const root = join(folder, 'retail')
  const kept = join(folder, 'retail-inbox')
  const size = quick ? { days: 5, rows: 2000 } : { days: 20, rows: 20_000 }
  await retailProject(root, size)
  await cp(join(root, 'inbox'), kept, { recursive: true })
  const models = {}
  for (const table of ['stage.sales', 'analytics.dim_product', 'analytics.dim_customer', 'analytics.fact_sales']) {
    models[table] = await readFile(join(root, 'pipelines/retail', `${table.replace('.', '/')}.sql`), 'utf8')
  }
  const out = join(folder, 'retail-by-hand')
  const values = await rounds(
    count,
    async () => {
      await forget(root)
      await cp(kept, join(root, 'inbox'), { recursive: true })
      return step(import.meta.url, 'ours', { root })
    },
    async () => {
      await rm(out, { recursive: true, force: true })
      await mkdir(out)
      return step(import.meta.url, 'theirs', { inbox: kept, out, models })
    },
  )
  report({
    name: `retail, ${size.days} files of ${size.rows.toLocaleString('en')} rows`,
    value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
    target: '≤ 1.6x (≤ 1.2x)',
    rounds: values.length,
  })
  for (const path of [root, kept, out]) await rm(path, { recursive: true, force: true })
}
