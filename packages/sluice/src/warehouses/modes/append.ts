/**
 * `append`: rows are only ever added, whole batches at a time, each once.
 *
 * A batch is what one version added to an append-only table, or the rows that share a value of the declared column. Batches
 * that were taken in are in `sluice.load_batches`, written in the same transaction.
 */
import { assert, sluiceError } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import {
  columnList,
  countOf,
  type LoadContext,
  type LoadCounts,
  type LoadModeEntry,
  refuseNullKeys,
  requireColumns,
  sampleText,
} from '../load-mode.ts'

export const append: LoadModeEntry = {
  rewrites: false,
  columns: ({ columns }) => columns,
  companions: () => [],
  async run(context) {
    assert(context.input.load.mode === 'append', 'the load is an append')
    const { batch } = context.input.load
    if (batch !== undefined) return appendByColumn(context, batch)
    if (context.input.added !== undefined) return appendByVersion(context, context.input.added)
    throw sluiceError('Warehouse.AppendWithoutBatches', { target: context.input.target })
  },
}

async function appendByVersion(
  { sql, input, target }: LoadContext,
  added: NonNullable<LoadContext['input']['added']>,
): Promise<LoadCounts> {
  const names = columnList(input.columns.map((column) => column.name))
  let [read, inserted] = [0, 0]
  for (const { version, relation, rows } of added) {
    read += rows
    const known = await countOf(sql, 'SELECT count(*) FROM sluice.load_batches WHERE target = $1 AND batch = $2', [
      input.target,
      `version ${version}`,
    ])
    if (known > 0) continue
    const found = await countOf(sql, `SELECT count(*) FROM (${relation}) AS s`)
    if (found !== rows) throw sluiceError('Warehouse.RowsDiffer', { target: input.target, expected: rows, found })
    await sql.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM (${relation}) AS s`)
    await sql.run('INSERT INTO sluice.load_batches (target, batch, load_id, row_count) VALUES ($1, $2, $3, $4)', [
      input.target,
      `version ${version}`,
      input.loadId,
      rows,
    ])
    inserted += rows
  }
  return { read, inserted, updated: 0, deleted: 0, unchanged: read - inserted, rejected: 0 }
}

async function appendByColumn(context: LoadContext, batch: string): Promise<LoadCounts> {
  const { sql, input, target, source } = context
  requireColumns(input, [batch])
  await refuseNullKeys(context, [batch])
  const key = `CAST(${quoteIdentifier(batch)} AS VARCHAR)`
  await sql.run('DROP TABLE IF EXISTS sluice_batch')
  await sql.run(
    `CREATE TEMP TABLE sluice_batch AS
     SELECT n.batch, n.row_count, o.row_count AS loaded
     FROM (SELECT ${key} AS batch, count(*) AS row_count FROM ${source} AS s GROUP BY 1) AS n
     LEFT JOIN (SELECT batch, row_count FROM sluice.load_batches WHERE target = $1) AS o ON n.batch = o.batch`,
    [input.target],
  )
  const changed = await sql.all(
    'SELECT batch, loaded, row_count AS now FROM sluice_batch WHERE loaded <> row_count ORDER BY batch',
  )
  if (changed.length > 0) {
    throw sluiceError('Warehouse.BatchChanged', { target: input.target, batches: sampleText(changed) })
  }
  const names = columnList(input.columns.map((column) => column.name))
  const fresh = `${key} IN (SELECT batch FROM sluice_batch WHERE loaded IS NULL)`
  const inserted = await countOf(sql, 'SELECT coalesce(sum(row_count), 0) FROM sluice_batch WHERE loaded IS NULL')
  await sql.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${source} AS s WHERE ${fresh}`)
  await sql.run(
    `INSERT INTO sluice.load_batches (target, batch, load_id, row_count)
     SELECT $1, batch, $2, row_count FROM sluice_batch WHERE loaded IS NULL`,
    [input.target, input.loadId],
  )
  return { read: input.rows, inserted, updated: 0, deleted: 0, unchanged: input.rows - inserted, rejected: 0 }
}
