/** Analyses tables of changes: the columns that their transforms make, and where each comes from. */

import { isSluiceError, type Problem, problem } from '../../base/errors.ts'
import { addedColumns, columnsOf } from '../../definition/columns.ts'
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { ChangesModel, Check, Project } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { PlanColumn } from '../../plan/types.ts'
import { checkName, isRowCheck } from '../../quality/rules.ts'
import type { ColumnLineage, SqlAnalysis } from '../../sql/analysis.ts'
import type { SqlParser } from '../../sql/parser.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import { beyondRow, transformSql } from '../../sql/transform.ts'
import { checkMisfit, textMisfit } from './checks.ts'

/** What is known of a table of changes before anything runs. */
export interface AnalysedChanges {
  readonly analysis: SqlAnalysis
  readonly columns: readonly PlanColumn[]
  readonly problems: readonly Problem[]
}

/** The row, as the parser is told of it. */
const row = '_sluice.row'

/**
 * Analyses a table of changes.
 *
 * @param origin where its columns come from: `oltp:public.customers`, or the table of the files
 * @example (await analyseChanges(session, parser, 'stage.customers', model, at)).columns
 */
export async function analyseChanges(
  session: Session,
  parser: SqlParser | undefined,
  table: string,
  model: ChangesModel,
  { file, origin, places }: { readonly file: string; readonly origin: string; readonly places: PlacesOf },
): Promise<AnalysedChanges> {
  const declared = columnsOf(model.columns)
  const problems: Problem[] = []
  const nondeterministic = new Set<string>()
  const tell = (column: string, detail: string): void => {
    const at = places(file).at(['tables', table, 'changes', 'transforms', column])
    problems.push(problem('Sql.Transform', { table, column, detail: detail.replace(/\.$/, '') }, { at }))
  }
  const nameIn = (name: string): string => `${origin}.${model.columns[name]?.from ?? name}`
  const made = new Map<string, ColumnLineage['from']>()
  const types = new Map<string, string>()
  for (const [column, expression] of Object.entries(model.transforms)) {
    const why = beyondRow(expression) ?? (await textMisfit(session, expression))
    if (why !== undefined) {
      tell(column, why)
      continue
    }
    const sql = `SELECT (${expression}\n) AS ${quoteIdentifier(column)} FROM _sluice."row"`
    const found = parser?.analyse({ sql, file, table }, { [row]: declared })
    for (const name of found?.nondeterministic ?? []) nondeterministic.add(name)
    const error = found?.problems.find(({ severity }) => severity === 'error')
    if (error !== undefined) {
      tell(column, error.name.endsWith('UnknownTable') ? 'it reads another table' : error.message)
      continue
    }
    made.set(
      column,
      (found?.columns[0]?.from ?? []).map((from) => nameIn(from.slice(row.length + 1))),
    )
    const type = await typeOf(session, declared, column, expression)
    if ('why' in type) tell(column, type.why)
    else types.set(column, type.name)
  }
  const names = [...new Set([...declared.map(({ name }) => name), ...types.keys()])]
  const columns = names.map((name): PlanColumn => {
    const column = declared.find((one) => one.name === name)
    // Of a row that was deleted, a history knows the key alone.
    const nullable = !model.key.includes(name) && (model.as === 'history' || column?.nullable !== false)
    return { name, type: types.get(name) ?? column!.type, nullable }
  })
  for (const check of model.checks.filter(isRefusing)) {
    const why = (await checkMisfit(session, columns, check, {}))?.detail
    const params = { table, check: checkName(check), detail: why?.replace(/\.$/, '') ?? '' }
    const at = places(file).at(['tables', table], 'sql' in check ? check.sql : 'checks')
    if (why !== undefined) problems.push(problem('Sql.RowCheck', params, { at }))
  }
  const lineage = names.map((column) => ({ column, from: made.get(column) ?? [nameIn(column)] }))
  const analysis = { tables: [model.from], columns: lineage, nondeterministic: [...nondeterministic].sort(), problems }
  return { analysis, columns: [...columns, ...addedColumns(model.as)], problems: [] }
}

/** Of rows, and judged while changes are read; one that only warns is judged over the table. */
const isRefusing = (check: Check): boolean => isRowCheck(check) && check.severity !== 'warn'

/** The type of what an expression makes of a row, as the engine says it; or why it refuses. */
async function typeOf(
  session: Session,
  columns: readonly PlanColumn[],
  column: string,
  expression: string,
): Promise<{ readonly name: string } | { readonly why: string }> {
  const list = columns.map(({ name, type }) => `NULL::${type} AS ${quoteIdentifier(name)}`)
  const relation = `(SELECT 1 AS _sluice_row, ${list.join(', ')})`
  try {
    // Beside a column that is none of its own, an aggregate is refused.
    const described = await session.describe(transformSql(relation, ['_sluice_row'], { [column]: expression }))
    return { name: described[1]!.type }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const why = String(error.params['detail'] ?? error.message).split('\n', 1)[0]!
    return { why: why.includes('_sluice_row') ? 'it is over many rows, as aggregates are' : why }
  }
}

/**
 * Where the columns of a table of changes come from: a table of a server, or of files.
 *
 * @example originOf(project, model) // 'oltp:public.customers'
 */
export function originOf(project: Project, { from, table }: ChangesModel): string {
  const source = projectIndex(project).source(from)?.source
  return source?.kind === 'cdc' && table !== undefined ? `${source.connection}:${table}` : from
}
