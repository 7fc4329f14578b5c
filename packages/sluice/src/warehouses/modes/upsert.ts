/** `upsert`: one row per key; rows that are the same already are not written. Deletes by absence, or by a flag in the data. */
import { assert, sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import {
  type LoadContext,
  type LoadModeEntry,
  refuseDuplicateKeys,
  refuseNullKeys,
  refuseUntaken,
  removeRows,
} from '../load-mode.ts'
import { refuseFanOut, resolvedRows } from '../lookups.ts'
import { anyDiffers, columnList, countOf, create, requireColumns, sameKey } from '../statements.ts'
import type { LoadColumn, LoadInput } from '../warehouse.ts'

export const upsert: LoadModeEntry = {
  rewrites: false,
  repairs: true,
  deletes: (load) => load.mode === 'upsert' && load.deletes !== undefined,
  updates: true,
  columns: targetColumns,
  companions: () => [],
  findsBy: (load) => (load.mode === 'upsert' ? load.key : []),
  async run(context) {
    const { sql, dialect, input, target } = context
    assert(input.load.mode === 'upsert', 'the load is an upsert')
    const { key, deletes } = input.load
    requireColumns(input, [...key, typeof deletes === 'object' ? deletes.column : undefined])
    await refuseNullKeys(context, key)
    await refuseDuplicateKeys(context, key)

    const names = [...targetColumns(input).map((column) => column.name), ...context.lookups.map(({ column }) => column)]
    const rest = names.filter((name) => !key.includes(name))
    const { marked, live, gone } = await rowsBy(context)
    const matches = sameKey(key, 't', 's')
    const changes = anyDiffers(dialect, rest, 't', 's')
    const isNew = `t.${quoteIdentifier(key[0]!)} IS NULL`
    const rows = await countOf(sql, `SELECT count(*) FROM ${live} AS s`)
    const [joined] = await sql.all<{ matched: string; updated: string; inserted: string }>(
      `SELECT count(CASE WHEN NOT ${isNew} THEN 1 END) AS matched, count(CASE WHEN NOT ${isNew} AND ${changes} THEN 1 END) AS updated,
         count(CASE WHEN ${isNew} THEN 1 END) AS inserted
       FROM ${live} AS s LEFT JOIN ${target} AS t ON ${matches}`,
    )
    const [matched, updated, inserted] = [joined?.matched, joined?.updated, joined?.inserted].map(Number) as [
      number,
      number,
      number,
    ]
    if (matched + inserted !== rows) {
      const extra = matched + inserted - rows
      throw sluiceError('Warehouse.TargetKeyDuplicate', { target: input.target, columns: key.join(', '), extra })
    }

    const written = async (what: 'to take' | 'to change', statement: string, expected: number): Promise<void> => {
      if (expected === 0) return
      await refuseUntaken(context, what, expected, await countOf(sql, statement))
    }
    const deleted = gone === undefined ? 0 : await removeRows(context, gone)
    const set = rest.map((name) => `${quoteIdentifier(name)} = s.${quoteIdentifier(name)}`).join(', ')
    await written(
      'to change',
      `UPDATE ${target} AS t SET ${set} FROM ${live} AS s WHERE ${matches} AND ${changes}`,
      updated,
    )
    await written(
      'to take',
      `INSERT INTO ${target} (${columnList(names)}) SELECT ${columnList(names, 's')} FROM ${live} AS s
       WHERE NOT EXISTS (SELECT 1 FROM ${target} AS t WHERE ${matches})`,
      inserted,
    )
    const markers = marked === undefined ? 0 : await countOf(sql, `SELECT count(*) FROM ${marked} AS s`)
    const unchanged = rows - inserted - updated
    return { read: rows + markers, inserted, updated, deleted, unchanged, rejected: 0, markers }
  },
}

/** Rows with what they look up: kept, because they are read several times. */
async function withLookups(context: LoadContext, rows: string): Promise<string> {
  if (context.lookups.length === 0) return rows
  await create(context, 'sluice_resolved', await resolvedRows(context, rows, targetColumns(context.input)))
  const [given, found] = [rows, 'sluice_resolved'].map((one) =>
    countOf(context.sql, `SELECT count(*) FROM ${one} AS s`),
  )
  refuseFanOut(context, await given!, await found!)
  return 'sluice_resolved'
}

/** What stands after FROM for the rows that say how things are and for those that say "delete"; and which of the target's rows go. */
async function rowsBy(context: LoadContext): Promise<{ marked?: string; live: string; gone?: string }> {
  const { staging, input, source } = context
  assert(input.load.mode === 'upsert', 'the load is an upsert')
  const { key, deletes } = input.load
  const among = (rows: string): string => `EXISTS (SELECT 1 FROM ${rows} AS s WHERE ${sameKey(key, 't', 's')})`
  const flag =
    typeof deletes === 'object'
      ? `CAST(${quoteIdentifier(deletes.column)} AS VARCHAR) = ${quoteText(deletes.value)}`
      : 'false'
  const rows = await staging.bring(
    'sluice_live',
    `SELECT ${columnList(targetColumns(input).map(({ name }) => name))} FROM ${source} AS f WHERE (${flag}) IS NOT TRUE`,
  )
  const live = await withLookups(context, rows)
  if (deletes === undefined) return { live }
  if (deletes === 'absence') return { live, gone: `NOT ${among(live)}` }
  const marked = await staging.bring('sluice_marked', `SELECT ${columnList(key)} FROM ${source} AS f WHERE ${flag}`)
  return { marked, live, gone: among(marked) }
}

/** The flag is an instruction, not an attribute: the target does not have it. */
function targetColumns({ load, columns }: Pick<LoadInput, 'load' | 'columns'>): readonly LoadColumn[] {
  const flag = load.mode === 'upsert' && typeof load.deletes === 'object' ? load.deletes.column : undefined
  return columns.filter((column) => column.name !== flag)
}
