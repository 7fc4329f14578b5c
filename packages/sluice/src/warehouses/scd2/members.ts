/**
 * Inferred members: rows of a dimension for keys that facts name at a time of which the dimension says nothing.
 *
 * They are no changes. A member is derived from its key and stands before the key's history: it holds from the beginning of time until the first
 * real version, and has nothing but its key. A load of the dimension takes them out, works as if they had never been, and puts them back; their keys
 * are kept in a table of their own, so that a dimension that is made anew has them again. A real change at the very beginning has the member's
 * surrogate, and takes its place.
 */
import type { Dialect, SqlRunner } from '../dialect.ts'
import { columnList, countOf, keyIn, qualified, sameKey } from '../statements.ts'
import { foreverSql, ownTable, type Scd2Load } from './shape.ts'
import { surrogateSql } from './timeline.ts'

/** A dimension, as far as its members are concerned. */
export interface Members {
  readonly dialect: Dialect
  readonly load: Pick<Scd2Load, 'key' | 'columns'>
  /** The dimension's name. */
  readonly target: string
  /** The engine's type of `effective` and `expiry`. */
  readonly instant: string
}

/** The table with the keys of a dimension's members; its name, quoted. */
export function membersTable(target: string, dialect: Dialect): string {
  return ownTable('scd2_inferred', target, dialect)
}

/**
 * The beginning of time, as the first day that every tool can read.
 *
 * @example beginningSql({ dialect: duckDbDialect, instant: 'DATE' }) // "CAST('0001-01-01' AS DATE)"
 */
export function beginningSql({ dialect, instant }: Pick<Members, 'dialect' | 'instant'>): string {
  return `CAST('0001-01-01${instant === 'DATE' ? '' : ' 00:00:00'}' AS ${dialect.columnType(instant)})`
}

/** Makes members of the keys of a table that have no row at the beginning of time yet. */
export async function inferMembers(sql: SqlRunner, members: Members, keys: string): Promise<void> {
  const { key, columns } = members.load
  await sql.run(
    `INSERT INTO ${membersTable(members.target, members.dialect)} (${columnList(key)}) SELECT ${columnList(key, 'm')} FROM ${keys} AS m
     WHERE NOT EXISTS (SELECT 1 FROM ${members.dialect.table(members.target)} AS t
       WHERE ${sameKey(key, 't', 'm')} AND ${qualified(columns.effective, 't')} = ${beginningSql(members)})`,
  )
  await addMembers(sql, members, keys)
}

/**
 * Takes the members out of the dimension.
 *
 * @returns what puts them back
 */
export async function liftMembers(sql: SqlRunner, members: Members): Promise<() => Promise<void>> {
  const table = membersTable(members.target, members.dialect)
  if ((await countOf(sql, `SELECT count(*) FROM ${table}`)) === 0) return async () => undefined
  const { key, columns } = members.load
  const target = members.dialect.table(members.target)
  const first = (alias: string): string => `${qualified(columns.effective, alias)} = ${beginningSql(members)}`
  await sql.run(`DELETE FROM ${target} AS t WHERE ${first('t')} AND ${keyIn(key, 't', table)}`)
  return async () => {
    // What is at the beginning now is real.
    const real = `(SELECT ${columnList(key, 't')} FROM ${target} AS t WHERE ${first('t')}) AS r`
    await sql.run(`DELETE FROM ${table} AS m WHERE ${keyIn(key, 'm', real)}`)
    await addMembers(sql, members, table)
  }
}

async function addMembers(sql: SqlRunner, members: Members, keys: string): Promise<void> {
  const { load, dialect } = members
  const { surrogate, effective, expiry, current } = load.columns
  const target = members.dialect.table(members.target)
  const beginning = beginningSql(members)
  const names = load.key.map((name) => qualified(name, 'm'))
  await sql.run(
    `INSERT INTO ${target} (${columnList([surrogate, ...load.key, effective, expiry, current])})
     SELECT ${surrogateSql(dialect, names, beginning)}, ${names.join(', ')}, ${beginning},
       coalesce(f.sluice_first, ${foreverSql(members)}), f.sluice_first IS NULL
     FROM ${keys} AS m LEFT JOIN (
       SELECT ${columnList(load.key, 't')}, min(${qualified(effective, 't')}) AS sluice_first
       FROM ${target} AS t WHERE ${keyIn(load.key, 't', keys)} GROUP BY ${columnList(load.key, 't')}
     ) AS f ON ${sameKey(load.key, 'f', 'm')}
     WHERE f.sluice_first IS NULL OR f.sluice_first > ${beginning}`,
  )
}
