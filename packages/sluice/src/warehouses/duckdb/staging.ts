/** The lake's Parquet and an attached DuckDB file are one database: nothing is staged. */
import type { Staging } from '../staging.ts'
import { columnList, countOf } from '../statements.ts'

/**
 * The staging of a session that reads both.
 *
 * @example duckDbStaging(session).bring('rows', 'SELECT 1 AS n') // '(SELECT 1 AS n)'
 */
export function duckDbStaging(sql: Staging['lake']): Staging {
  const relation = async (_name: string, select: string): Promise<string> => `(${select})`
  return {
    lake: sql,
    create: async (name, select) => {
      await sql.run(`DROP TABLE IF EXISTS temp.${name}`)
      return countOf(sql, `CREATE TEMP TABLE ${name} AS ${select}`)
    },
    bring: relation,
    insert: (table, columns, select) => countOf(sql, `INSERT INTO ${table} (${columnList(columns)}) ${select}`),
    fetch: relation,
  }
}
