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
  qualified,
  refuseNullKeys,
  requireColumns,
} from '../load-mode.ts'

export const incremental: LoadModeEntry = {
  rewrites: true,
  columns: ({ columns }) => columns,
  companions: () => [],
  async run(context) {
    const { sql, input, target, source } = context
    assert(input.load.mode === 'incremental', 'the load is incremental')
    const by = input.load.by
    requireColumns(input, [by])
    await refuseNullKeys(context, [by])
    const before = await countOf(sql, `SELECT count(*) FROM ${target}`)
    if (context.rebuilt) {
      await sql.run(`DELETE FROM ${target}`)
      await sql.run('DELETE FROM sluice.load_keys WHERE target = $1', [input.target])
    }
    await compareKeys(context, by)

    const keys = await sql.all<{ sluice_key: string; sluice_rows: string }>(
      'SELECT sluice_key, sluice_rows FROM sluice_delta ORDER BY sluice_key',
    )
    const inserted = keys.reduce((sum, key) => sum + Number(key.sluice_rows), 0)
    const gone = keys.some((key) => Number(key.sluice_rows) === 0)
    for (const rows of touchedRows(context, by, gone)) await sql.run(`DELETE FROM ${target} AS t WHERE ${rows}`)
    const deleted = before - (await countOf(sql, `SELECT count(*) FROM ${target}`))
    if (keys.length > 0) {
      const names = columnList(input.columns.map((column) => column.name))
      await sql.run(
        `INSERT INTO ${target} (${names}) SELECT ${names} FROM ${source} AS s
         WHERE ${quoteIdentifier(by)} IN (SELECT sluice_value FROM sluice_delta WHERE sluice_rows > 0)`,
      )
      await sql.run(
        'DELETE FROM sluice.load_keys WHERE target = $1 AND key_value IN (SELECT sluice_key FROM sluice_delta)',
        [input.target],
      )
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

/**
 * The target's rows of the keys in `sluice_delta`, as conditions, one after the other. Keys that are there are compared as what they
 * are, which lets DuckDB skip what cannot match; of keys that are gone only the text is left.
 */
function touchedRows({ dialect, types }: LoadContext, by: string, someGone: boolean): readonly string[] {
  // The text is of the type that the key had when it was loaded; the target's type holds all of them.
  const type = types.get(by.toLowerCase())!
  const gone = (expression: string): string => `(SELECT ${expression} FROM sluice_delta WHERE sluice_rows = 0)`
  const there = `${qualified(by, 't')} IN (SELECT sluice_value FROM sluice_delta WHERE sluice_rows > 0)`
  if (!someGone) return [there]
  return [
    there,
    `${qualified(by, 't')} IN ${gone(dialect.tryCast('sluice_key', type))}`,
    `CAST(${qualified(by, 't')} AS VARCHAR) IN ${gone('sluice_key')}`,
  ]
}

/** Makes `sluice_delta`: the keys that are new, changed or gone, with the rows and the fingerprint that they have now. */
async function compareKeys({ sql, dialect, input, source }: LoadContext, by: string): Promise<void> {
  const hash = dialect.rowHash(input.columns.map((column) => column.name))
  await sql.run('DROP TABLE IF EXISTS sluice_delta')
  // What is remembered is the key as text, so that keys of any type share one table.
  await sql.run(
    `CREATE TEMP TABLE sluice_delta AS
     SELECT coalesce(n.sluice_key, o.key_value) AS sluice_key, n.sluice_value AS sluice_value,
            coalesce(n.sluice_rows, 0) AS sluice_rows, n.sluice_fingerprint AS sluice_fingerprint
     FROM (SELECT CAST(sluice_value AS VARCHAR) AS sluice_key, sluice_value, count(*) AS sluice_rows,
                  ${dialect.fingerprint('sluice_hash')} AS sluice_fingerprint
           FROM (SELECT ${quoteIdentifier(by)} AS sluice_value, ${hash} AS sluice_hash FROM ${source} AS s) AS h
           GROUP BY sluice_value) AS n
     FULL JOIN (SELECT key_value, row_count, fingerprint FROM sluice.load_keys WHERE target = $1) AS o
       ON n.sluice_key = o.key_value
     WHERE n.sluice_key IS NULL OR o.key_value IS NULL OR n.sluice_rows <> o.row_count OR n.sluice_fingerprint <> o.fingerprint`,
    [input.target],
  )
}
