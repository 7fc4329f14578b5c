/** The five invariants of a dimension, asserted on the keys that a load touched, inside its transaction. */
import { sluiceError } from '../../base/errors.ts'
import type { SqlRunner } from '../dialect.ts'
import { columnList, qualified, sameKey } from '../statements.ts'
import { own, type Scd2Shape } from './shape.ts'

/**
 * SELECTs that count in one row how often invariants are broken: each kind in a column of its own. The first reads the dimension once, and looks
 * at versions of a key that follow each other; that no two keys share a surrogate is the second's, for whoever asks about all keys. The third is
 * needed only where `ends` of the first is not 0.
 *
 * @param keysOf A table with the keys to look at, each once; all keys where it is undefined.
 * @example invariantsSql(shape, '"dim_product"').times
 */
export function invariantsSql(
  shape: Scd2Shape,
  target: string,
  keysOf?: string,
): { readonly times: string; readonly surrogates?: string; readonly gaps: string } {
  const { keys, columns, forever, observations } = shape
  const [effective, expiry, current] = [columns.effective, columns.expiry, columns.current].map((name) =>
    qualified(name, 't'),
  )
  const surrogate = qualified(columns.surrogate, 't')
  const rows = `${target} AS t${keysOf === undefined ? '' : ` JOIN ${keysOf} AS k ON ${sameKey(keys, 'k', 't')}`}`
  const versions = `WITH v AS (
      SELECT ${columnList(keys, 't')}, ${effective} AS effective, ${expiry} AS expiry, ${current} AS is_current,
        lead(${effective}) OVER w AS following, ${surrogate} = lead(${surrogate}) OVER w AS is_twin
      FROM ${rows} WINDOW w AS (PARTITION BY ${columnList(keys, 't')} ORDER BY ${effective}))`
  const ends = `expiry <> ${forever} AND (following IS NULL OR following > expiry)`
  return {
    // A current row is the last of its key: of two, one is not.
    times: `${versions}
      SELECT count(CASE WHEN is_current <> (expiry = ${forever}) OR is_current IS NULL OR expiry IS NULL
          OR (is_current AND following IS NOT NULL) THEN 1 END) AS current_rows,
        count(CASE WHEN following < expiry THEN 1 END) AS overlaps,
        count(CASE WHEN expiry <= effective OR effective IS NULL THEN 1 END) AS zero_length,
        count(CASE WHEN is_twin THEN 1 END) AS surrogates,
        count(CASE WHEN ${ends} THEN 1 END) AS ends
      FROM v`,
    ...(keysOf === undefined
      ? { surrogates: `SELECT count(*) - count(DISTINCT ${surrogate}) AS surrogates FROM ${rows}` }
      : {}),
    // A version that ends where none begins was ended by a delete, and every delete is kept.
    gaps: `${versions}
      SELECT count(*) AS gaps FROM (SELECT * FROM v WHERE ${ends}) AS v
      LEFT JOIN ${observations} AS o ON ${sameKey(keys, 'o', 'v')} AND o.${own.effective} = v.expiry AND o.${own.deleted}
      WHERE o.${own.effective} IS NULL`,
  }
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
  const broken = await brokenInvariants(sql, invariantsSql(shape, of.target, of.keysOf))
  if (broken.length > 0) throw sluiceError('Warehouse.Scd2Invariant', { target: of.name, broken: broken.join(', ') })
}

/**
 * What is broken, each with its count.
 *
 * @example await brokenInvariants(sql, invariantsSql(shape, '"dim_product"')) // []
 */
export async function brokenInvariants(
  sql: Pick<SqlRunner, 'all'>,
  { times, surrogates, gaps }: ReturnType<typeof invariantsSql>,
): Promise<readonly string[]> {
  const [counts] = await sql.all(times)
  const exact = surrogates === undefined ? {} : (await sql.all(surrogates))[0]
  const { ends, ...found } = { ...counts, ...exact } as { [name: string]: unknown }
  const all = Number(ends) > 0 ? { ...found, ...(await sql.all(gaps))[0] } : found
  return Object.entries(all).flatMap(([name, count]) => (Number(count) > 0 ? [`${count} ${names[name]}`] : []))
}
