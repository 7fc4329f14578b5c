/** A model's SQL as DuckDB's own parser reads it: what it reads, and what it may not be. */
import { type Problem, problem, sluiceError } from '../../base/errors.ts'
import type { Session } from '../../engines/engine.ts'
import { parseStatements } from '../../engines/statement.ts'
import { namedTables, outsideIn } from '../../sql/outside.ts'
import { placeOf } from '../../sql/place.ts'

/** A statement, judged. */
export interface JudgedStatement {
  /** `<layer>.<table>`, spelled as in the statement, by whatever construct it is read. */
  readonly tables: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * Judges the SQL of a model without binding it: one query, that is one statement to the engine, and reads nothing but tables. What cannot be
 * parsed at all has no problem here: the engine says more when it is asked for its columns.
 *
 * @example (await judgeStatement(session, { sql: "TABLE 'x.csv'", file: 'stage/x.sql' })).problems[0].name // 'Sql.ReadsOutside'
 */
export async function judgeStatement(
  session: Session,
  { sql, file }: { readonly sql: string; readonly file: string },
): Promise<JudgedStatement> {
  const parsed = await parseStatements(session, sql)
  if ('error' in parsed) return { tables: [], problems: [] }
  if ('notQuery' in parsed) return { tables: [], problems: [notOneQuery(sql, file)] }
  // The engine counts bytes.
  const bytes = Buffer.from(sql)
  const offset = (at: number): number => bytes.subarray(0, at).toString().length
  const outside = outsideIn(parsed.statements).map(({ what, offset: start }) =>
    problem('Sql.ReadsOutside', { what }, { at: placeOf(file, sql, { start: offset(start), end: offset(start) + 1 }) }),
  )
  const { qualified, bare } = namedTables(parsed.statements)
  const known =
    outside.length > 0 ? [] : bare.map((table) => problem('Sql.UnknownTable', { table, known: [] }, { at: { file } }))
  return { tables: qualified, problems: [...outside, ...known] }
}

/**
 * The same for SQL that code returns while a run goes on.
 *
 * @throws Sql.ReadsOutside, Sql.NotOneSelect, Sql.SeveralStatements
 */
export async function assertQuery(session: Session, sql: string): Promise<void> {
  const parsed = await parseStatements(session, sql)
  if ('error' in parsed) return
  if ('notQuery' in parsed)
    throw isPivot(sql) ? sluiceError('Sql.SeveralStatements', pivot) : sluiceError('Sql.NotOneSelect', other)
  const [outside] = outsideIn(parsed.statements)
  if (outside !== undefined) throw sluiceError('Sql.ReadsOutside', { what: outside.what })
}

const pivot = { what: 'A PIVOT without the values that become columns' }
const other = { found: 'is something else than a query' }

const isPivot = (sql: string): boolean => /\bpivot(?:_wider)?\b/i.test(sql)

function notOneQuery(sql: string, file: string): Problem {
  const at = /\bpivot(?:_wider)?\b/i.exec(sql)
  if (at === null) return problem('Sql.NotOneSelect', other, { at: placeOf(file, sql, { start: 0, end: 1 }) })
  const place = placeOf(file, sql, { start: at.index, end: at.index + at[0].length })
  return problem('Sql.SeveralStatements', pivot, { at: place })
}
