/** What options of changes must be to each other. */

import type { CdcInput, ChangesInput } from '../input.ts'
import type { Misfit } from '../problems/consistency.ts'

/** The columns that a table of changes has beside its own, each with the engine's type. */
export const historyColumns = {
  _op: 'VARCHAR',
  _lsn: 'BIGINT',
  _seq: 'BIGINT',
  _sequence: 'DECIMAL(38,0)',
  _committed_at: 'TIMESTAMP WITH TIME ZONE',
  _effective_at: 'TIMESTAMP WITH TIME ZONE',
} as const

/**
 * A captured table in the one spelling of its name: a part is quoted where it has a dot or a quote in it, and nowhere else.
 *
 * @example capturedName('public."MixedCase"') // 'public.MixedCase'
 */
export function capturedName(table: string): string {
  return table.replace(/"((?:[^"]|"")+)"/g, (quoted, part: string) => (/[."]/.test(part) ? quoted : part))
}

/**
 * The options of a log that do not fit each other.
 *
 * @example cdcMisfits({ kind: 'cdc', connection: 'shop', tables: ['public.a', 'public.a'] }) // [{ key: 'tables', expected: '…' }]
 */
export function cdcMisfits({ tables: written, lag = {} }: CdcInput): readonly Misfit[] {
  const misfits: Misfit[] = []
  const tables = written.map(capturedName)
  const twice = tables.find((table, i) => tables.indexOf(table) < i)
  if (twice !== undefined) misfits.push({ key: 'tables', expected: `free of a second "${twice}"` })
  const { warnBytes = 0, alertBytes, warnSeconds = 0, alertSeconds } = lag
  if (
    (alertBytes !== undefined && alertBytes < warnBytes) ||
    (alertSeconds !== undefined && alertSeconds < warnSeconds)
  )
    misfits.push({ key: 'lag', expected: 'made of alerts that are not below the warnings' })
  return misfits
}

/**
 * The options of a table of changes that do not fit each other.
 *
 * @example changesMisfits({ from: 'raw.shop', key: 'id' }) // [{ key: 'table', expected: '…' }]
 */
export function changesMisfits({ table, dms, columns, transforms = {}, key, as }: ChangesInput): readonly Misfit[] {
  if (table === undefined && dms === undefined)
    return [{ key: 'table', expected: 'the table of the log, or "dms" for files that AWS DMS has written' }]
  if (table !== undefined && dms !== undefined)
    return [{ key: 'dms', expected: 'left out, as "table" names a table of a log' }]
  if (dms !== undefined && columns !== undefined)
    return [{ key: 'columns', expected: 'left out, as the source of the files declares them' }]
  if (table !== undefined && (columns === undefined || Object.keys(columns).length === 0))
    return [{ key: 'columns', expected: 'the columns that are taken' }]
  const keys = typeof key === 'string' ? [key] : key
  const remade = keys.find((column) => Object.hasOwn(transforms, column))
  if (remade !== undefined)
    return [{ key: 'transforms', expected: `free of "${remade}", as a row is known by it; make another column of it` }]
  const names = [...Object.keys(columns ?? {}), ...Object.keys(transforms)].map((name) => name.toLowerCase())
  const taken = Object.keys(historyColumns).find((name) => names.includes(name))
  return taken !== undefined && as === 'history'
    ? [{ key: 'columns', expected: `free of "${taken}", which Sluice adds to a history` }]
    : []
}
