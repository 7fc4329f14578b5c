/**
 * `append`: rows are only ever added, whole batches at a time, each once.
 *
 * A batch is what one version added to an append-only table, or the rows that share a value of the declared column. Batches
 * that were taken in are in `sluice.load_batches`, written in the same transaction. Where the target is to be written again, all batches are taken back
 * first, and the input must have each of them.
 */
import { assert, sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { type LoadContext, type LoadCounts, type LoadModeEntry, refuseNullKeys, removeRows } from '../load-mode.ts'
import { insertRows } from '../lookups.ts'
import { countOf, requireColumns, sampleText } from '../statements.ts'

export const append: LoadModeEntry = {
  rewrites: false,
  repairs: false,
  deletes: () => false,
  updates: false,
  columns: ({ columns }) => columns,
  companions: () => [],
  findsBy: () => [],
  async run(context) {
    assert(context.input.load.mode === 'append', 'the load is an append')
    const { batch } = context.input.load
    if (batch !== undefined) return appendByColumn(context, batch)
    const { added } = context.input
    if (added !== undefined) return appendByVersion(context, added)
    throw sluiceError('Warehouse.AppendWithoutBatches', { target: context.input.target })
  },
}

async function appendByVersion(
  context: LoadContext,
  added: NonNullable<LoadContext['input']['added']>,
): Promise<LoadCounts> {
  const { sql, dialect, staging, input } = context
  const batches = `${dialect.ownSchema}.load_batches`
  const deleted = input.rewrite === true ? await takeBack(context) : 0
  let [read, inserted] = [0, 0]
  for (const { version, relation, rows } of added) {
    read += rows
    const known = await countOf(sql, `SELECT count(*) FROM ${batches} WHERE target = $1 AND batch = $2`, [
      input.target,
      `version ${version}`,
    ])
    if (known > 0) continue
    const batch = `${await staging.lake.from(relation)} AS s`
    const found = await countOf(staging.lake, `SELECT count(*) FROM ${batch}`)
    if (found !== rows) throw sluiceError('Warehouse.RowsDiffer', { target: input.target, expected: rows, found })
    inserted += await insertRows(context, batch, rows)
    await sql.run(`INSERT INTO ${batches} (target, batch, load_id, row_count) VALUES ($1, $2, $3, $4)`, [
      input.target,
      `version ${version}`,
      input.loadId,
      rows,
    ])
  }
  return { read, inserted, updated: 0, deleted, unchanged: read - inserted, rejected: 0 }
}

async function appendByColumn(context: LoadContext, batch: string): Promise<LoadCounts> {
  const { dialect, staging, input, source } = context
  const { lake } = staging
  requireColumns(input, [batch])
  await refuseNullKeys(context, [batch])
  const key = `CAST(${quoteIdentifier(batch)} AS VARCHAR)`
  const batches = `${dialect.ownSchema}.load_batches`
  const loaded = await staging.fetch(
    'sluice_loaded',
    `SELECT batch, row_count FROM ${batches} WHERE target = ${quoteText(input.target)}`,
  )
  await lake.run('DROP TABLE IF EXISTS temp.sluice_batch')
  await lake.run(
    `CREATE TEMP TABLE sluice_batch AS
     SELECT n.batch, n.row_count, CAST(o.row_count AS BIGINT) AS loaded
     FROM (SELECT ${key} AS batch, count(*) AS row_count FROM ${source} AS s GROUP BY 1) AS n
     LEFT JOIN ${loaded} AS o ON n.batch = o.batch`,
  )
  const changed = await lake.all(
    'SELECT batch, loaded, row_count AS now FROM sluice_batch WHERE loaded <> row_count ORDER BY batch',
  )
  if (changed.length > 0) {
    throw sluiceError('Warehouse.BatchChanged', { target: input.target, batches: sampleText(changed) })
  }
  const deleted = input.rewrite === true ? await takeBackColumn(context, loaded) : 0
  const fresh = await countOf(lake, 'SELECT coalesce(sum(row_count), 0) FROM sluice_batch WHERE loaded IS NULL')
  const rows = `${source} AS s WHERE ${key} IN (SELECT batch FROM sluice_batch WHERE loaded IS NULL)`
  const inserted = await insertRows(context, rows, fresh)
  await staging.insert(
    batches,
    ['target', 'batch', 'load_id', 'row_count'],
    `SELECT ${quoteText(input.target)} AS target, batch, ${quoteText(input.loadId)} AS load_id, row_count
     FROM sluice_batch WHERE loaded IS NULL`,
  )
  return { read: input.rows, inserted, updated: 0, deleted, unchanged: input.rows - inserted, rejected: 0 }
}

/** Takes all batches back; how many rows those were. */
async function takeBack(context: LoadContext): Promise<number> {
  const { sql, dialect, input } = context
  await sql.run(`DELETE FROM ${dialect.ownSchema}.load_batches WHERE target = $1`, [input.target])
  return removeRows(context)
}

/** @throws Warehouse.RewriteLoses where the input lacks batches that were taken in: their rows are nowhere else */
async function takeBackColumn(context: LoadContext, loaded: string): Promise<number> {
  const { staging, input } = context
  const lost = `FROM ${loaded} AS o WHERE NOT EXISTS (SELECT 1 FROM sluice_batch AS n WHERE n.batch = o.batch)`
  const count = await countOf(staging.lake, `SELECT count(*) ${lost}`)
  if (count > 0) {
    const samples = sampleText(await staging.lake.all(`SELECT batch, row_count ${lost} ORDER BY batch LIMIT 3`))
    throw sluiceError('Warehouse.RewriteLoses', { target: input.target, count, samples })
  }
  await staging.lake.run('UPDATE sluice_batch SET loaded = NULL')
  return takeBack(context)
}
