/** `upsert`: one row per key; rows that are the same already are not written. Deletes by absence, or by a flag in the data. */
import { assert, sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import {
  anyDiffers,
  columnList,
  countOf,
  type LoadContext,
  type LoadModeEntry,
  refuseDuplicateKeys,
  refuseNullKeys,
  requireColumns,
  sameKey,
} from '../load-mode.ts'
import type { LoadColumn, LoadInput } from '../warehouse.ts'

export const upsert: LoadModeEntry = {
  rewrites: false,
  columns: targetColumns,
  companions: () => [],
  async run(context) {
    const { sql, dialect, input, target } = context
    assert(input.load.mode === 'upsert', 'the load is an upsert')
    const { key, deletes } = input.load
    requireColumns(input, [...key, typeof deletes === 'object' ? deletes.column : undefined])
    await refuseNullKeys(context, key)
    await refuseDuplicateKeys(context, key)

    const names = targetColumns(input).map((column) => column.name)
    const rest = names.filter((name) => !key.includes(name))
    const { marked, live, gone } = rowsBy(context)
    const matches = `${live} AS s JOIN ${target} AS t ON ${sameKey(key, 't', 's')}`
    const changes = anyDiffers(dialect, rest, 't', 's')
    const rows = await countOf(sql, `SELECT count(*) FROM ${live} AS s`)
    const matched = await countOf(sql, `SELECT count(*) FROM ${matches}`)
    const updated = await countOf(sql, `SELECT count(*) FROM ${matches} WHERE ${changes}`)
    const absent = `NOT EXISTS (SELECT 1 FROM ${target} AS t WHERE ${sameKey(key, 't', 's')})`
    const inserted = await countOf(sql, `SELECT count(*) FROM ${live} AS s WHERE ${absent}`)
    if (matched + inserted !== rows) {
      const extra = matched + inserted - rows
      throw sluiceError('Warehouse.TargetKeyDuplicate', { target: input.target, columns: key.join(', '), extra })
    }

    const deleted = gone === undefined ? 0 : await countOf(sql, `SELECT count(*) FROM ${target} AS t WHERE ${gone}`)
    if (deleted > 0) await sql.run(`DELETE FROM ${target} AS t WHERE ${gone}`)
    if (updated > 0) {
      const set = rest.map((name) => `${quoteIdentifier(name)} = s.${quoteIdentifier(name)}`).join(', ')
      await sql.run(`UPDATE ${target} AS t SET ${set} FROM ${live} AS s WHERE ${sameKey(key, 't', 's')} AND ${changes}`)
    }
    if (inserted > 0) {
      await sql.run(
        `INSERT INTO ${target} (${columnList(names)}) SELECT ${columnList(names, 's')} FROM ${live} AS s WHERE ${absent}`,
      )
    }
    const markers = marked === undefined ? 0 : await countOf(sql, `SELECT count(*) FROM ${marked} AS s`)
    const unchanged = rows - inserted - updated
    return { read: rows + markers, inserted, updated, deleted, unchanged, rejected: 0, markers }
  },
}

/** The rows that say how things are, those that say "delete", and the target's rows that go. */
function rowsBy({ input, source }: LoadContext): { marked?: string; live: string; gone?: string } {
  assert(input.load.mode === 'upsert', 'the load is an upsert')
  const { key, deletes } = input.load
  if (deletes === undefined) return { live: source }
  if (deletes === 'absence') {
    return { live: source, gone: `NOT EXISTS (SELECT 1 FROM ${source} AS s WHERE ${sameKey(key, 't', 's')})` }
  }
  const flag = `CAST(${quoteIdentifier(deletes.column)} AS VARCHAR) = ${quoteText(deletes.value)}`
  const marked = `(SELECT * FROM ${source} AS f WHERE ${flag})`
  return {
    marked,
    live: `(SELECT * FROM ${source} AS f WHERE (${flag}) IS NOT TRUE)`,
    gone: `EXISTS (SELECT 1 FROM ${marked} AS s WHERE ${sameKey(key, 't', 's')})`,
  }
}

/** The flag is an instruction, not an attribute: the target does not have it. */
function targetColumns({ load, columns }: Pick<LoadInput, 'load' | 'columns'>): readonly LoadColumn[] {
  const flag = load.mode === 'upsert' && typeof load.deletes === 'object' ? load.deletes.column : undefined
  return columns.filter((column) => column.name !== flag)
}
