/** Tries every check before anything runs: its SQL is parsed and bound, its regular expression compiled, its values held against their column. */
import { isSluiceError, type Problem, problem } from '../../base/errors.ts'
import { columnsOf, declaredColumns } from '../../definition/columns.ts'
import { checksOf } from '../../definition/problems/declared.ts'
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import type { Path } from '../../definition/problems/places.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import type { Check, Pipeline, Project } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { parseStatements } from '../../engines/statement.ts'
import type { PlanColumn } from '../../plan/types.ts'
import { checkColumns, checkName, isRowCheck } from '../../quality/rules.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { expressionMisfit } from '../../sql/outside.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import { kindOfType, type Misfit, valueMisfit } from './check-values.ts'

/** Columns by table; a table that is not there has none that are known. */
type Columns = { readonly [table: string]: readonly PlanColumn[] }

/**
 * The problems of every check of a project; the session holds every table that is known, empty.
 *
 * @example await checkProblems(session, project, columns, noPlaces)
 */
export async function checkProblems(
  session: Session,
  project: Project,
  columns: Columns,
  places: PlacesOf,
): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  for (const pipeline of project.pipelines) {
    for (const { check, table, path } of checksOf(pipeline)) {
      // What a table of changes refuses is judged over the change, with the transforms.
      if (pipeline.models[table]?.kind === 'changes' && isRefusing(check)) continue
      // A column that the table has not is reported as such already.
      const all = columns[table]
      if (all !== undefined && checkColumns(check).some((name) => !all.some((one) => one.name === name))) continue
      const misfit = await checkMisfit(session, judgedColumns(pipeline, table, check, columns), check, columns)
      if (misfit === undefined) continue
      problems.push(problemOf(misfit, { check, table, path, file: pipeline.file }, places))
    }
  }
  return problems
}

function problemOf(
  { detail, token, suggestion }: Misfit,
  { check, table, path, file }: { check: Check; table: string; path: Path; file: string },
  places: PlacesOf,
): Problem {
  const at = places(file).at(path, token ?? ('sql' in check ? check.sql : undefined))
  const params = { table, check: checkName(check), detail: detail.replace(/\.$/, '') }
  return problem('Sql.CheckUnfit', params, { at, ...(suggestion === undefined ? {} : { suggestion }) })
}

/** Of rows, and judged before they are rows of the table. */
const isRefusing = (check: Check): boolean => isRowCheck(check) && check.severity !== 'warn'

/** The columns that a check is judged over: rows of files are, before it is known of them what Sluice adds. */
function judgedColumns(
  pipeline: Pipeline,
  table: string,
  check: Check,
  columns: Columns,
): readonly PlanColumn[] | undefined {
  const source = pipeline.sources[table.slice(table.indexOf('.') + 1)]
  const isSource = source?.kind === 'files' && table.startsWith(`${pipeline.layers[0]}.`)
  return isSource && isRefusing(check) ? columnsOf(declaredColumns(source)) : columns[table]
}

/**
 * Why a check cannot run over these columns; undefined where it can. Of columns that are not known, only the text of its SQL is judged.
 *
 * @example await checkMisfit(session, columns, { kind: 'row', sql: 'a > ' }, {}) // { detail: 'syntax error at end of input' }
 */
export async function checkMisfit(
  session: Session,
  columns: readonly PlanColumn[] | undefined,
  check: Check,
  tables: Columns,
): Promise<Misfit | undefined> {
  if ('sql' in check) {
    const detail = await textMisfit(session, check.sql)
    if (detail !== undefined) return { detail, token: check.sql }
  }
  if (columns === undefined || columns.length === 0)
    return check.kind === 'pattern' ? tryPattern(session, check) : undefined
  const names = columns.map(({ name }) => name)
  const absent = checkColumns(check).find((name) => !names.includes(name))
  if (absent !== undefined) return absentColumn(absent, names)
  const value = await valueMisfit(session, columns, check)
  if (value !== undefined) return value
  return check.kind === 'row' ? tryRow(session, columns, check.sql) : tryCheck(session, columns, check, tables)
}

/**
 * Why a text is not one expression that reads its own row or table alone.
 *
 * @example await textMisfit(session, 'a > 1, b > 2') // 'it is more than one expression'
 */
export async function textMisfit(session: Session, sql: string): Promise<string | undefined> {
  // Alone, and not in parentheses: those could be closed by the text itself. A comment at its end ends with the line.
  const parsed = await parseStatements(session, `SELECT ${sql}\n`)
  if ('error' in parsed) return parsed.error
  if ('notQuery' in parsed) return 'it is more than one expression'
  return expressionMisfit(parsed.statements)
}

/** A row without any value, in the types of the columns: what fails over it fails because of the check itself. */
function emptyRow(columns: readonly PlanColumn[], first: readonly string[] = []): string {
  const list = columns.map(({ name, type }) => `NULL::${type} AS ${quoteIdentifier(name)}`)
  return `(SELECT ${[...first, ...list].join(', ')})`
}

async function tryRow(session: Session, columns: readonly PlanColumn[], sql: string): Promise<Misfit | undefined> {
  const names = columns.map(({ name }) => name)
  // Beside a column that is none of its own, an aggregate is refused.
  const query = `SELECT _sluice_row, (${sql}\n) AS holds FROM ${emptyRow(columns, ['1 AS _sluice_row'])}`
  try {
    const type = (await session.describe(query))[1]?.type ?? ''
    if (type !== 'BOOLEAN') return { detail: `it gives ${type}, and not true or false`, token: sql }
  } catch (error) {
    return misfitOf(error, names, sql)
  }
  try {
    await session.all(query)
    return undefined
  } catch (error) {
    // Without any value, only a constant of its own can be beyond its type; what else fails may need a value.
    const misfit = misfitOf(error, names, sql)
    return /^(?:Conversion|Out of Range)/.test(engineWords(error)) ? misfit : undefined
  }
}

async function tryCheck(
  session: Session,
  columns: readonly PlanColumn[],
  check: Check,
  tables: Columns,
): Promise<Misfit | undefined> {
  const other = check.kind === 'reference' ? check.to : check.kind === 'reconcile' ? check.with : undefined
  const known = other === undefined ? [] : (tables[other] ?? [])
  // A table that is not there, or has no columns that are known, is reported elsewhere.
  if (other !== undefined && known.length === 0) return undefined
  if (check.kind === 'reference' && check.toColumns.some((name) => !known.some((one) => one.name === name)))
    return undefined
  if (check.kind === 'reference') {
    const misfit = pairMisfit(check, columns, known)
    if (misfit !== undefined) return misfit
  }
  const related = other === undefined ? {} : { [other]: quoteName(other) }
  try {
    await runTableChecks(session, { relation: emptyRow(columns), checks: [check], related, now: new Date(0) })
    return undefined
  } catch (error) {
    const names = [...columns, ...known].map(({ name }) => name)
    return misfitOf(error, names, 'sql' in check ? check.sql : check.kind === 'pattern' ? check.pattern : undefined)
  }
}

/** Both sides of a reference are compared column by column. */
function pairMisfit(
  { columns, to, toColumns }: Extract<Check, { kind: 'reference' }>,
  own: readonly PlanColumn[],
  foreign: readonly PlanColumn[],
): Misfit | undefined {
  for (const [i, name] of columns.entries()) {
    const here = own.find((column) => column.name === name)?.type ?? ''
    const there = foreign.find((column) => column.name === toColumns[i])?.type ?? here
    if (kindOfType(here) !== kindOfType(there))
      return {
        detail: `"${name}" is ${here}, and "${toColumns[i]}" of ${to} is ${there}: they are never equal`,
        token: name,
      }
  }
  return undefined
}

async function tryPattern(session: Session, check: { readonly pattern: string }): Promise<Misfit | undefined> {
  try {
    await session.all('SELECT regexp_full_match($1, $2)', ['', check.pattern])
    return undefined
  } catch (error) {
    return misfitOf(error, [], check.pattern)
  }
}

/** The engine's words about a check, with what was probably meant. */
function misfitOf(error: unknown, names: readonly string[], token: string | undefined): Misfit {
  const words = engineWords(error)
  const at = token === undefined ? {} : { token }
  const column = /Referenced column "([^"]+)" not found/.exec(words)?.[1]
  if (column !== undefined) return { ...absentColumn(column, names), ...at }
  if (words.includes('_sluice_row')) return { detail: 'it is over many rows, as aggregates are', ...at }
  const detail = words
    .replace(/^[A-Z][A-Za-z ]* Error: /, '')
    .replace(/^invalid perl operator: (.*)$/, 'its regular expression is not of RE2, which has no "$1"')
    .replace(/^invalid escape sequence: (.*)$/, 'its regular expression is not of RE2, which has no "$1"')
    .replace(/\. You might need to add explicit type casts\.$/, '')
  return { detail, ...at }
}

function absentColumn(column: string, names: readonly string[]): Misfit {
  const meant = suggest(column, names)
  const detail = `it names a column "${column}" that is not there (columns: ${names.join(', ')})`
  return { detail, token: column, ...(meant === undefined ? {} : { suggestion: meant }) }
}

function engineWords(error: unknown): string {
  let cause = error
  // A check's own error has the engine's as its cause.
  while (isSluiceError(cause, 'Quality.CheckInvalid') && cause.cause !== undefined) cause = cause.cause
  if (!isSluiceError(cause)) throw error
  return String(cause.params['detail'] ?? cause.message).split('\n', 1)[0]!
}
