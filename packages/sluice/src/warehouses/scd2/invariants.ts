/** The five invariants of a dimension, asserted on the keys that a load touched, inside its transaction. */
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { SqlRunner } from '../dialect.ts'
import { columnList, sameKey } from '../load-mode.ts'
import { own, type Scd2Shape } from './shape.ts'

/**
 * A SELECT of one row: how often each invariant is broken.
 *
 * @param keysOf A table with the keys to look at, each once; all keys where it is undefined.
 * @example invariantsSql(shape, '"dim_product"')
 */
export function invariantsSql(shape: Scd2Shape, target: string, keysOf?: string): string {
  const { keys, columns, forever, observations } = shape
  const [effective, expiry, current, surrogate] = [
    columns.effective,
    columns.expiry,
    columns.current,
    columns.surrogate,
  ].map((name) => quoteIdentifier(name))
  const touched = keysOf === undefined ? '' : `JOIN ${keysOf} AS k ON ${sameKey(keys, 'k', 't')}`
  // A version that ends where none begins was ended by a delete, and every delete is kept. A current row is its key's last, so two are none.
  return `
    WITH v AS (
      SELECT ${columnList(keys, 't')}, t.${effective} AS effective, t.${expiry} AS expiry, t.${current} AS is_current, t.${surrogate} AS surrogate,
        lead(t.${effective}) OVER (PARTITION BY ${columnList(keys, 't')} ORDER BY t.${effective}) AS following
      FROM ${target} AS t ${touched})
    SELECT
      count(CASE WHEN is_current <> (expiry = ${forever}) OR is_current IS NULL OR expiry IS NULL
        OR (is_current AND following IS NOT NULL) THEN 1 END) AS current_rows,
      count(CASE WHEN following < expiry THEN 1 END) AS overlaps,
      count(CASE WHEN expiry <> ${forever} AND (following IS NULL OR following > expiry) AND o.${own.effective} IS NULL THEN 1 END) AS gaps,
      count(CASE WHEN expiry <= effective OR effective IS NULL THEN 1 END) AS zero_length,
      count(*) - count(DISTINCT surrogate) AS surrogates
    FROM v LEFT JOIN ${observations} AS o ON ${sameKey(keys, 'o', 'v')} AND o.${own.effective} = v.expiry AND o.${own.deleted}`
}

const names: { readonly [column: string]: string } = {
  current_rows: 'keys without exactly one current row',
  overlaps: 'overlapping versions',
  gaps: 'gaps that no delete explains',
  zero_length: 'intervals of no length',
  surrogates: 'surrogate keys that are not unique',
}

/**
 * Asserts the invariants.
 *
 * @throws Warehouse.Scd2Invariant
 */
export async function assertInvariants(
  sql: SqlRunner,
  shape: Scd2Shape,
  of: { readonly target: string; readonly name: string; readonly keysOf?: string },
): Promise<void> {
  const [row] = await sql.all(invariantsSql(shape, of.target, of.keysOf))
  const broken = Object.entries(row ?? {}).filter(([, count]) => Number(count) > 0)
  if (broken.length > 0) {
    throw sluiceError('Warehouse.Scd2Invariant', {
      target: of.name,
      broken: broken.map(([column, count]) => `${count} ${names[column]}`).join(', '),
    })
  }
}
