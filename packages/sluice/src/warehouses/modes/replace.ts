/** `replace`: the target is the version. DELETE and INSERT in one transaction: readers see the old rows or the new ones. */
import { type LoadModeEntry, removeRows } from '../load-mode.ts'
import { insertRows } from '../lookups.ts'

export const replace: LoadModeEntry = {
  rewrites: true,
  repairs: true,
  deletes: () => true,
  updates: false,
  columns: ({ columns }) => columns,
  companions: () => [],
  findsBy: () => [],
  async run(context) {
    const { input, source } = context
    // Never TRUNCATE: it commits on Redshift, and on PostgreSQL readers would wait for it and then see the table empty.
    const deleted = await removeRows(context)
    const inserted = await insertRows(context, `${source} AS s`, input.rows)
    return { read: input.rows, inserted, updated: 0, deleted, unchanged: 0, rejected: 0 }
  },
}
