/** `replace`: the target is the version. DELETE and INSERT in one transaction: readers see the old rows or the new ones. */
import { columnList, countOf, type LoadModeEntry } from '../load-mode.ts'

export const replace: LoadModeEntry = {
  rewrites: true,
  columns: ({ columns }) => columns,
  companions: () => [],
  async run({ sql, input, target, source }) {
    const deleted = await countOf(sql, `SELECT count(*) FROM ${target}`)
    // Never TRUNCATE: it commits on Redshift, and readers would see the table empty.
    await sql.run(`DELETE FROM ${target}`)
    const names = columnList(input.columns.map((column) => column.name))
    await sql.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${source} AS s`)
    return { read: input.rows, inserted: input.rows, updated: 0, deleted, unchanged: 0, rejected: 0 }
  },
}
