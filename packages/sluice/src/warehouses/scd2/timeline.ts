/**
 * The timeline of keys from their changes: the one place that says what SCD2 means. Pure SQL.
 *
 * Changes of a key are ordered by their instant; there is one per instant. A change opens a version where nothing was before, after
 * a delete, or where a tracked column differs from the change before, with NULL as a value. A version holds until the next
 * opening or delete, half-open. Columns that are not tracked show the last change inside the version.
 */
import type { Dialect } from '../dialect.ts'
import { columnList, qualified } from '../statements.ts'
import { own, type Scd2Shape } from './shape.ts'

/** Where a change of the working log comes from. */
export const origin = {
  /** The version that holds now, known already; it only begins the timeline. */
  seed: 0,
  /** New in this load. */
  fresh: 1,
  /** Known already, of a key whose history is made anew. */
  replayed: 2,
} as const

/**
 * A SELECT over the working log (`sluice_log`) that adds to each change: `sluice_opens` (it opens a version), `sluice_differs` (an
 * attribute differs from the change before), `sluice_closes` (it ends a version), `sluice_next` (when what it begins ends; NULL where it holds still),
 * and `sluice_final_<n>`, the values that its version shows in the n-th untracked column.
 *
 * @example timelineSql(duckDbDialect, shape)
 */
export function timelineSql(dialect: Dialect, shape: Scd2Shape): string {
  const { keys, tracked, untracked, attributes } = shape
  const byKey = `PARTITION BY ${columnList(keys)}`
  const inTime = `OVER (${byKey} ORDER BY ${own.effective})`
  const before = attributes.map((name, index) => `lag(${qualified(name)}) ${inTime} AS sluice_before_${index}`)
  const differs = (names: readonly string[]): string =>
    names.length === 0
      ? '(1 = 0)'
      : `(${names.map((name) => dialect.differs(qualified(name), `sluice_before_${attributes.indexOf(name)}`)).join(' OR ')})`
  const finals = untracked.map(
    (name, index) =>
      `, last_value(${qualified(name)}) OVER (PARTITION BY ${columnList(keys)}, sluice_run ORDER BY ${own.effective}
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS sluice_final_${index}`,
  )
  return `
    WITH ordered AS (
      SELECT l.*, lag(${own.deleted}) ${inTime} AS sluice_before_deleted${before.map((one) => `, ${one}`).join('')}
      FROM sluice_log AS l),
    marked AS (
      SELECT o.*, NOT ${own.deleted} AND (sluice_before_deleted IS NULL OR sluice_before_deleted OR ${differs(tracked)}) AS sluice_opens,
        NOT ${own.deleted} AND ${differs(attributes)} AS sluice_differs,
        ${own.deleted} AND sluice_before_deleted IS NOT NULL AND NOT sluice_before_deleted AS sluice_closes
      FROM ordered AS o),
    bounded AS (
      SELECT m.*,
        min(CASE WHEN sluice_opens OR ${own.deleted} THEN ${own.effective} END)
          OVER (${byKey} ORDER BY ${own.effective} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS sluice_next${
            untracked.length === 0
              ? ''
              : `,
        sum(CASE WHEN sluice_opens OR ${own.deleted} THEN 1 ELSE 0 END)
          OVER (${byKey} ORDER BY ${own.effective} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS sluice_run`
          }
      FROM marked AS m)
    SELECT b.*${finals.join('')} FROM bounded AS b`
}

/**
 * The surrogate key: the MD5 of the key's texts, each with its length, and the instant; the same on every warehouse and after every rebuild.
 *
 * @param keys The key's values, as SQL.
 * @example surrogateSql(duckDbDialect, ['"k"'], 'sluice_effective')
 */
export function surrogateSql(dialect: Dialect, keys: readonly string[], effective: string): string {
  const parts = keys.map((key) => {
    const text = `CAST(${key} AS VARCHAR)`
    return `CAST(length(${text}) AS VARCHAR) || ':' || ${text}`
  })
  return `md5(${[...parts, dialect.instantText(effective)].join(` || '|' || `)})`
}
