/** Analyses models: dependencies and lineage by parsing, output columns by asking the engine over empty tables. */
import { setFlagsFromString } from 'node:v8'
import { isSluiceError, type Problem, problem } from '../../base/errors.ts'
import { declaredColumns, duckDbType, sourceColumns } from '../../definition/columns.ts'
import { parameterText } from '../../definition/parameters.ts'
import { isMisspelt, type PlacesOf } from '../../definition/problems/known-names.ts'
import { noPlaces, type Path } from '../../definition/problems/places.ts'
import { allRead, type Unread } from '../../definition/problems/sound-part.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type {
  BoundParameter,
  CodeModel,
  Column,
  Model,
  Pipeline,
  PipelineParameter,
  Project,
  SqlModel,
} from '../../definition/types.ts'
import type { Engine, Session } from '../../engines/engine.ts'
import type { PlanColumn } from '../../plan/types.ts'
import { castColumn } from '../../quality/casts.ts'
import type { SqlAnalysis, TableSchema } from '../../sql/analysis.ts'
import { openSqlParser, type SqlParser } from '../../sql/parser.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import { contained } from '../definition/contain.ts'
import { argumentsOf, setParameters } from '../parameters.ts'
import { analyseChanges, originOf } from './changes.ts'
import { checkProblems } from './checks.ts'
import type { Reading } from './reading.ts'
import { type JudgedStatement, judgeStatement } from './statement.ts'

/** What is known of all models before anything runs. */
export interface ProjectAnalysis {
  readonly analysis: { readonly [table: string]: SqlAnalysis }
  /** Sources and models. */
  readonly columns: { readonly [table: string]: readonly PlanColumn[] }
  readonly problems: readonly Problem[]
}

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
export async function analyseModels(
  project: Project,
  engine: Engine,
  { places = noPlaces, unread = allRead }: Reading = {},
): Promise<ProjectAnalysis> {
  const columns: Record<string, readonly PlanColumn[]> = {}
  const analysis: Record<string, SqlAnalysis> = {}
  const problems: Problem[] = []
  const models: Record<string, Model> = {}
  const files = new Map<string, string>()
  for (const pipeline of project.pipelines) {
    for (const [name, source] of Object.entries(pipeline.sources)) {
      const table = `${pipeline.layers[0]}.${name}`
      if (!unread.tables.has(table)) columns[table] = sourceColumns(source)
      problems.push(...unreadable(declaredColumns(source), pipeline.file, ['sources', name], places))
    }
    for (const [table, model] of Object.entries(pipeline.models)) {
      files.set(table, pipeline.file)
      if (model.kind === 'changes' && model.dms === undefined)
        problems.push(...unreadable(model.columns, pipeline.file, ['tables', table, 'changes'], places))
    }
    Object.assign(models, pipeline.models)
  }
  const parser = Object.values(models).some(isParsed) ? await openParser() : undefined
  await using session = await engine.open()
  // Nothing that is analysed reads a file: tables are empty, and in memory.
  await session.confine({ objects: [], folders: [] })
  for (const [table, schema] of Object.entries(columns)) await createEmpty(session, table, schema)
  const fileOf = (table: string): string => {
    const model = models[table]
    return model?.kind === 'sql' ? model.file : files.get(table)!
  }
  const known = new Set([...Object.keys(columns), ...Object.keys(models), ...unread.tables])
  const broken = new Set(unread.tables)
  for (const table of inOrder(models, parser, known)) {
    const model = models[table] as Model
    const found =
      model.kind === 'changes'
        ? await analyseChanges(session, parser, table, model, {
            file: files.get(table)!,
            origin: originOf(project, model),
            places,
          })
        : await analyseModel(
            session,
            parser,
            { table, model, parameters: projectIndex(project).model(table)?.pipeline.parameters, file: fileOf(table) },
            columns,
            known,
          )
    const own = [...found.analysis.problems, ...found.problems].filter((one) => isKnowable(one, unread))
    analysis[table] = { ...found.analysis, problems: found.analysis.problems.filter((one) => own.includes(one)) }
    problems.push(...own)
    if (own.some(({ severity }) => severity === 'error')) broken.add(table)
    if (found.columns.length > 0) {
      columns[table] = found.columns
      await createEmpty(session, table, found.columns)
    }
  }
  problems.push(...(await checkProblems(session, project, columns, places)))
  const waiting = waitingTables(broken, analysis, columns)
  const isWaiting = ({ name, at }: Problem): boolean =>
    name === 'Sql.LineageUnknown' && [...waiting.keys()].some((table) => fileOf(table) === at?.file)
  return {
    analysis,
    columns,
    problems: [...problems.filter((one) => !isWaiting(one)), ...notChecked(waiting, fileOf)],
  }
}

/** A table that is not known may be one of a pipeline that could not be read. */
function isKnowable({ name, message, suggestion }: Problem, { incomplete }: Unread): boolean {
  if (!incomplete || name !== 'Sql.UnknownTable') return true
  return isMisspelt(/"([^"]+)"/.exec(message)?.[1] ?? '', suggestion)
}

/** The tables that could not be described because of what they read, each with the table that is the reason. */
function waitingTables(
  broken: ReadonlySet<string>,
  analysis: ProjectAnalysis['analysis'],
  columns: ProjectAnalysis['columns'],
): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>()
  const reasonOf = (table: string, above: readonly string[]): string | undefined => {
    if (broken.has(table)) return table
    if (reasons.has(table) || columns[table] !== undefined || above.includes(table)) return reasons.get(table)
    const reads = analysis[table]?.tables ?? []
    const reason = reads.map((input) => reasonOf(input, [...above, table])).find((found) => found !== undefined)
    if (reason !== undefined) reasons.set(table, reason)
    return reason
  }
  for (const table of Object.keys(analysis)) reasonOf(table, [])
  return reasons
}

/** Said once for each table that is the reason, instead of a problem for everything that reads it. */
function notChecked(waiting: ReadonlyMap<string, string>, fileOf: (table: string) => string): readonly Problem[] {
  return [...new Set(waiting.values())].map((because) => {
    const tables = [...waiting.keys()].filter((table) => waiting.get(table) === because)
    return problem('Sql.NotChecked', { tables, because }, { at: { file: fileOf(tables[0]!) }, severity: 'warning' })
  })
}

/** Milliseconds that a code model may take over empty tables. */
const longestMake = 15_000

/** Whether a model has SQL of the user's. */
function isParsed(model: Model): boolean {
  return model.kind === 'sql' || (model.kind === 'changes' && Object.keys(model.transforms).length > 0)
}

/** Columns whose pattern, zone or separators contradict themselves: no file could be read by them. */
function unreadable(
  columns: { readonly [column: string]: Column },
  file: string,
  path: Path,
  places: PlacesOf,
): readonly Problem[] {
  return Object.entries(columns).flatMap(([name, column]) => {
    try {
      castColumn(name, column, 'text')
      return []
    } catch (error) {
      if (!isSluiceError(error)) throw error
      const at = places(file).at([...path, 'columns', name])
      return problem('Quality.ColumnInvalid', error.params as { column: string; why: string }, { at })
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

interface ModelOfPipeline {
  readonly table: string
  readonly model: SqlModel | CodeModel
  readonly parameters: Pipeline['parameters']
  /** Where it is written. */
  readonly file: string
}

function exampleOf(name: string, { type, default: value }: PipelineParameter): BoundParameter {
  const read = value === undefined ? undefined : parameterText(value, type)
  return { name, type, value: read !== undefined && 'text' in read ? read.text : null }
}

async function analyseModel(
  session: Session,
  parser: SqlParser | undefined,
  { table, model, parameters = {}, file }: ModelOfPipeline,
  columns: Readonly<Record<string, readonly PlanColumn[]>>,
  known: ReadonlySet<string>,
): Promise<{ analysis: SqlAnalysis; columns: readonly PlanColumn[]; problems: readonly Problem[] }> {
  // Any value has the type that matters; the default is the likeliest.
  const examples = Object.entries(parameters).map(([name, one]) => exampleOf(name, one))
  await setParameters(session, examples)
  if (model.kind === 'code') return analyseCode(session, table, model, { file, examples })
  const schema: TableSchema = Object.fromEntries([...known].map((name) => [name, columns[name] ?? []]))
  const read = parser!.analyse({ sql: model.sql, file: model.file, table, parameters: Object.keys(parameters) }, schema)
  const analysis = withStatement(read, await judgeStatement(session, model), known)
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

/** What the engine's own parser adds: tables by constructs that the analysis does not follow, and problems of a kind that it has not found. */
function withStatement(
  analysis: SqlAnalysis,
  { tables, problems }: JudgedStatement,
  known: ReadonlySet<string>,
): SqlAnalysis {
  const spelled = new Map([...known].map((name) => [name.toLowerCase(), name]))
  const read = tables.flatMap((name) => spelled.get(name.toLowerCase()) ?? [])
  const hasError = analysis.problems.some(({ severity }) => severity === 'error')
  const names = new Set(analysis.problems.map(({ name }) => name))
  const added = problems.filter(({ name }) => !names.has(name) && !(hasError && name === 'Sql.UnknownTable'))
  return {
    ...analysis,
    tables: [...new Set([...analysis.tables, ...read])].sort(),
    problems: [...analysis.problems, ...added],
  }
}

async function analyseCode(
  session: Session,
  table: string,
  model: CodeModel,
  { file, examples }: { readonly file: string; readonly examples: readonly BoundParameter[] },
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
    const inputs = Object.fromEntries(
      model.inputs.map((name) => [
        name,
        { name: quoteName(name), rows: (sql?: string) => session.all(sql ?? `SELECT * FROM ${quoteName(name)}`) },
      ]),
    )
    const given = argumentsOf(examples.filter(({ name }) => model.parameters?.includes(name)))
    const make = async () => await model.make(inputs, given)
    const made = await contained(make, { file, limitMs: longestMake, isPlain: false })
    if (typeof made !== 'string') return { analysis, columns: [], problems: [] }
    const { problems } = await judgeStatement(session, { sql: made, file })
    if (problems.length > 0) return { analysis, columns: [], problems }
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
