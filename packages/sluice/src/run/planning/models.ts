/** Analyses models: dependencies and lineage by parsing, output columns by asking the engine over empty tables. */
import { setFlagsFromString } from 'node:v8'
import { isSluiceError, type Problem, problem } from '../../base/errors.ts'
import { declaredColumns, duckDbType, sourceColumns } from '../../definition/columns.ts'
import type { CodeModel, Column, Model, Project, SqlModel } from '../../definition/types.ts'
import type { Engine, Session } from '../../engines/engine.ts'
import type { PlanColumn } from '../../plan/types.ts'
import { castColumn } from '../../quality/casts.ts'
import type { SqlAnalysis, TableSchema } from '../../sql/analysis.ts'
import { openSqlParser, type SqlParser } from '../../sql/parser.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import { analyseChanges, originOf } from './changes.ts'

/** What is known of all models before anything runs. */
export interface ProjectAnalysis {
  readonly analysis: { readonly [table: string]: SqlAnalysis }
  /** Sources and models. */
  readonly columns: { readonly [table: string]: readonly PlanColumn[] }
  readonly problems: readonly Problem[]
}

/**
 * Analyses every model of a project, those that are read before those that read them.
 *
 * @example const { columns, problems } = await analyseModels(project, engine)
 */
export async function analyseModels(project: Project, engine: Engine): Promise<ProjectAnalysis> {
  const columns: Record<string, readonly PlanColumn[]> = {}
  const analysis: Record<string, SqlAnalysis> = {}
  const problems: Problem[] = []
  const models: Record<string, Model> = {}
  const files = new Map<string, string>()
  for (const pipeline of project.pipelines) {
    for (const [name, source] of Object.entries(pipeline.sources)) {
      columns[`${pipeline.layers[0]}.${name}`] = sourceColumns(source)
      problems.push(...unreadable(declaredColumns(source), pipeline.file))
    }
    for (const [table, model] of Object.entries(pipeline.models)) {
      files.set(table, pipeline.file)
      if (model.kind === 'changes' && model.dms === undefined)
        problems.push(...unreadable(model.columns, pipeline.file))
    }
    Object.assign(models, pipeline.models)
  }
  const parser = Object.values(models).some(isParsed) ? await openParser() : undefined
  await using session = await engine.open()
  for (const [table, schema] of Object.entries(columns)) await createEmpty(session, table, schema)
  const known = new Set([...Object.keys(columns), ...Object.keys(models)])
  for (const table of inOrder(models, parser, known)) {
    const model = models[table] as Model
    const found =
      model.kind === 'changes'
        ? await analyseChanges(session, parser, table, model, {
            file: files.get(table)!,
            origin: originOf(project, model),
          })
        : await analyseModel(session, parser, table, model, columns, known)
    analysis[table] = found.analysis
    problems.push(...found.analysis.problems, ...found.problems)
    if (found.columns.length > 0) {
      columns[table] = found.columns
      await createEmpty(session, table, found.columns)
    }
  }
  return { analysis, columns, problems }
}

/** Whether a model has SQL of the user's. */
function isParsed(model: Model): boolean {
  return model.kind === 'sql' || (model.kind === 'changes' && Object.keys(model.transforms).length > 0)
}

/** Columns whose pattern, zone or separators contradict themselves: no file could be read by them. */
function unreadable(columns: { readonly [column: string]: Column }, file: string): readonly Problem[] {
  return Object.entries(columns).flatMap(([name, column]) => {
    try {
      castColumn(name, column, 'text')
      return []
    } catch (error) {
      if (!isSluiceError(error)) throw error
      return problem('Quality.ColumnInvalid', error.params as { column: string; why: string }, { at: { file } })
    }
  })
}

/**
 * The parser is WebAssembly with very large functions: V8's optimising compiler takes more than twice as long for them as a process uses
 * them for (2.7 against 1.2 s of CPU), so that only its fast one is used.
 */
function openParser(): Promise<SqlParser> {
  setFlagsFromString('--liftoff-only')
  return openSqlParser()
}

/** Models after the models they read; those of a cycle last, in any order: the planner names the cycle. */
function inOrder(
  models: Readonly<Record<string, Model>>,
  parser: SqlParser | undefined,
  known: ReadonlySet<string>,
): string[] {
  const reads = new Map(
    Object.entries(models).map(([table, model]) => [
      table,
      readBy(model, parser, known).filter((input) => input in models),
    ]),
  )
  const order: string[] = []
  const open = new Set<string>()
  const visit = (table: string): void => {
    if (open.has(table)) return
    open.add(table)
    for (const input of reads.get(table) ?? []) visit(input)
    order.push(table)
  }
  for (const table of [...reads.keys()].sort()) visit(table)
  return order
}

function readBy(model: Model, parser: SqlParser | undefined, known: ReadonlySet<string>): readonly string[] {
  if (model.kind === 'changes') return [model.from]
  return model.kind === 'sql' ? (parser?.tablesOf(model.sql, [...known]) ?? []) : model.inputs
}

async function analyseModel(
  session: Session,
  parser: SqlParser | undefined,
  table: string,
  model: SqlModel | CodeModel,
  columns: Readonly<Record<string, readonly PlanColumn[]>>,
  known: ReadonlySet<string>,
): Promise<{ analysis: SqlAnalysis; columns: readonly PlanColumn[]; problems: readonly Problem[] }> {
  if (model.kind === 'code') return analyseCode(session, table, model)
  const schema: TableSchema = Object.fromEntries([...known].map((name) => [name, columns[name] ?? []]))
  const analysis = parser!.analyse({ sql: model.sql, file: model.file, table }, schema)
  if (analysis.problems.some(({ severity }) => severity === 'error')) return { analysis, columns: [], problems: [] }
  try {
    const described = await session.describe(model.sql.trim().replace(/(\s*;\s*)+$/, ''))
    return { analysis, columns: described.map((column) => ({ ...column, nullable: true })), problems: [] }
  } catch (error) {
    // An input that could not be described has its own problem already.
    if (analysis.tables.some((input) => columns[input] === undefined)) return { analysis, columns: [], problems: [] }
    if (!isSluiceError(error)) throw error
    const detail = String(error.params['detail'] ?? error.message).replace('Failed to extract statements: ', '')
    const place = engineLocation(model.sql, detail)
    return {
      analysis,
      columns: [],
      problems: [
        problem('Sql.Rejected', { detail: detail.split('\n', 1)[0] as string }, { at: { file: model.file, ...place } }),
      ],
    }
  }
}

async function analyseCode(
  session: Session,
  table: string,
  model: CodeModel,
): Promise<{ analysis: SqlAnalysis; columns: readonly PlanColumn[]; problems: readonly Problem[] }> {
  const analysis: SqlAnalysis = { tables: [...model.inputs].sort(), columns: [], nondeterministic: [], problems: [] }
  if (model.columns !== undefined) {
    const columns = Object.entries(model.columns).map(([name, column]) => ({
      name,
      type: duckDbType(column.type),
      nullable: column.nullable ?? false,
    }))
    return { analysis, columns, problems: [] }
  }
  try {
    const made = await model.make(
      Object.fromEntries(
        model.inputs.map((name) => [
          name,
          { name: quoteName(name), rows: (sql?: string) => session.all(sql ?? `SELECT * FROM ${quoteName(name)}`) },
        ]),
      ),
    )
    if (typeof made !== 'string') return { analysis, columns: [], problems: [] }
    const described = await session.describe(made)
    return { analysis, columns: described.map((column) => ({ ...column, nullable: true })), problems: [] }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { analysis, columns: [], problems: [problem('Sql.CodeModel', { table, detail }, { severity: 'warning' })] }
  }
}

async function createEmpty(session: Session, table: string, columns: readonly PlanColumn[]): Promise<void> {
  await session.run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(table.split('.')[0] as string)}`)
  const list = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ')
  await session.run(`CREATE TABLE ${quoteName(table)} (${list})`)
}

/** DuckDB shows the place as `LINE 3: …` with a caret below; the statement is ours, prefixed by `DESCRIBE `. */
function engineLocation(sql: string, detail: string): { line?: number; column?: number } {
  const match = /LINE (\d+): (.*)\n(\s*)\^/.exec(detail)
  if (match === null) return {}
  const line = Number(match[1])
  const shown = (match[3] as string).length - `LINE ${match[1]}: `.length
  const text = (match[2] as string).replace(/^\.\.\./, '').replace(/\.\.\.$/, '')
  const source = `DESCRIBE ${sql.trim()}`.split('\n')[line - 1] ?? ''
  const at = source.indexOf(text)
  const column =
    at + shown - ((match[2] as string).startsWith('...') ? 3 : 0) + 1 - (line === 1 ? 'DESCRIBE '.length : 0)
  return at < 0 ? { line } : { line, column: Math.max(1, column) }
}
