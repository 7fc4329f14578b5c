/**
 * `incremental`: the version is the whole truth, and exactly the keys whose rows changed are replaced.
 *
 * For each key the warehouse keeps the number of its rows and an order-free fingerprint of them (`sluice.load_keys`). Late rows
 * change the fingerprint of their key, wherever it is; a key that vanished from the version is deleted. A key that did not change
 * is not touched, not even where someone edited its rows in the warehouse.
 */
import { assert } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import {
  columnList,
  countOf,
  type LoadContext,
  type LoadModeEntry,
  refuseNullKeys,
  requireColumns,
} from '../load-mode.ts'

export const incremental: LoadModeEntry = {
  columns: ({ columns }) => columns,
  companions: () => [],
  async run(context) {
    const { sql, input, target, source } = context
    assert(input.load.mode === 'incremental', 'the load is incremental')
    const by = input.load.by
    requireColumns(input, [by])
    await refuseNullKeys(context, [by])
    await compareKeys(context, by)

    const touched = `(SELECT sluice_key FROM sluice_delta)`
    const inTarget = `CAST(${quoteIdentifier(by)} AS VARCHAR) IN ${touched}`
    const [keys, inserted] = [
      await sql.all<{ sluice_key: string }>('SELECT sluice_key FROM sluice_delta ORDER BY sluice_key'),
      await countOf(sql, 'SELECT coalesce(sum(sluice_rows), 0) FROM sluice_delta'),
    ]
    let deleted = 0
    if (keys.length > 0) {
      deleted = await countOf(sql, `SELECT count(*) FROM ${target} AS t WHERE ${inTarget}`)
      if (deleted > 0) await sql.run(`DELETE FROM ${target} WHERE ${inTarget}`)
      const names = columnList(input.columns.map((column) => column.name))
      await sql.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${source} AS s WHERE ${inTarget}`)
      await sql.run(`DELETE FROM sluice.load_keys WHERE target = $1 AND key_value IN ${touched}`, [input.target])
      await sql.run(
        `INSERT INTO sluice.load_keys (target, key_value, row_count, fingerprint)
         SELECT $1, sluice_key, sluice_rows, sluice_fingerprint FROM sluice_delta WHERE sluice_rows > 0`,
        [input.target],
      )
    }
    return {
      read: input.rows,
      inserted,
      updated: 0,
      deleted,
      unchanged: input.rows - inserted,
      rejected: 0,
      keys: keys.map((key) => key.sluice_key),
    }
  },
}

/** Makes `sluice_delta`: the keys that are new, changed or gone, with the rows and the fingerprint that they have now. */
async function compareKeys({ sql, dialect, input, source }: LoadContext, by: string): Promise<void> {
  await sql.run('DROP TABLE IF EXISTS sluice_delta')
  // The key is compared as text, so that keys of any type share one table.
  await sql.run(
    `CREATE TEMP TABLE sluice_delta AS
     SELECT coalesce(n.sluice_key, o.key_value) AS sluice_key, coalesce(n.sluice_rows, 0) AS sluice_rows,
            n.sluice_fingerprint AS sluice_fingerprint
     FROM (SELECT CAST(${quoteIdentifier(by)} AS VARCHAR) AS sluice_key, count(*) AS sluice_rows,
                  ${dialect.fingerprint(input.columns.map((column) => column.name))} AS sluice_fingerprint
           FROM ${source} AS s GROUP BY 1) AS n
     FULL JOIN (SELECT key_value, row_count, fingerprint FROM sluice.load_keys WHERE target = $1) AS o
       ON n.sluice_key = o.key_value
     WHERE n.sluice_key IS NULL OR o.key_value IS NULL OR n.sluice_rows <> o.row_count OR n.sluice_fingerprint <> o.fingerprint`,
    [input.target],
  )
}
