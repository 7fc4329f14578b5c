/** `replace`: the target is the version. DELETE and INSERT in one transaction: readers see the old rows or the new ones. */
import { countOf, type LoadModeEntry } from '../load-mode.ts'
import { insertRows } from '../lookups.ts'

export const replace: LoadModeEntry = {
  rewrites: true,
  columns: ({ columns }) => columns,
  companions: () => [],
  findsBy: () => [],
  async run(context) {
    const { sql, input, target, source } = context
    const deleted = await countOf(sql, `SELECT count(*) FROM ${target}`)
    // Never TRUNCATE: it commits on Redshift, and on PostgreSQL readers would wait for it and then see the table empty.
    await sql.run(`DELETE FROM ${target}`)
    await insertRows(context, `${source} AS s`)
    return { read: input.rows, inserted: input.rows, updated: 0, deleted, unchanged: 0, rejected: 0 }
  },
}
