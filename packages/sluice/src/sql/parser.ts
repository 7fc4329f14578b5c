/**
 * The door to this folder: reads a model's SQL and says what it reads, makes and may do wrong.
 *
 * The parser is a WebAssembly module of 24 MB, so it is loaded only when it is needed. Whatever it cannot read, or reads incompletely, is
 * a warning and not an error: DuckDB has the last word on its own dialect.
 */
import type { Problem } from '../base/errors.ts'
import type { ColumnLineage, SqlAnalysis, TableSchema } from './analysis.ts'
import { type Tokens, tokenise } from './lexer.ts'
import { utf16Offsets } from './place.ts'
import { formatSql, type Rendered, type RenderTarget, renderSql, type Translator } from './render.ts'
import { adder, type Reported, reporter, stretchOf } from './report.ts'
import { dependencies, resolveQuery } from './resolve.ts'
import type { Column, Reporter, Resolution, Result } from './scope.ts'
import { isTree } from './tree.ts'
import { checkWords, missingWord, parseable, tablesByWords } from './words.ts'

/** The SQL of a model and where it is from. */
export interface ModelText {
  readonly sql: string
  readonly file: string
  /** The table it makes. */
  readonly table: string
  /** What `getvariable` may name. @default anything, which is then nobody's to promise */
  readonly parameters?: readonly string[]
}

/** An opened parser; all its functions are pure and synchronous. */
export interface SqlParser {
  /**
   * Analyses a model against the tables it may read. A table of the schema without columns is one whose columns are not known yet.
   *
   * @example parser.analyse({ sql: 'select quantity from raw.sales', file: 'stage/a.sql', table: 'stage.a' }, schema).columns
   */
  analyse(model: ModelText, schema: TableSchema): SqlAnalysis
  /**
   * The known tables that a model reads, sorted, without looking at columns.
   *
   * @example parser.tablesOf('select 1 as a from raw.sales', ['raw.sales']) // ['raw.sales']
   */
  tablesOf(sql: string, known: readonly string[]): readonly string[]
  /**
   * SQL laid out evenly, or the same text where that would lose anything.
   *
   * @example parser.formatSql('select a from raw.sales')
   */
  formatSql(sql: string): string
  /**
   * A model's SQL for another engine, or the constructs that are not known to mean the same there.
   *
   * @example parser.renderSql({ sql: 'select a from raw.x', file: 'stage/x.sql', table: 'stage.x' }, 'redshift')
   */
  renderSql(model: ModelText, target: RenderTarget): Rendered
}

/** The largest model that is parsed, in characters: beyond it the parser takes seconds. */
const largestModel = 250_000

type Parse = (
  sql: string,
) => { readonly tree: readonly unknown[] } | { readonly error: string; readonly start?: number }

/**
 * Loads the parser; later calls are free.
 *
 * @example const parser = await openSqlParser()
 */
export async function openSqlParser(): Promise<SqlParser> {
  const polyglot = await import('@polyglot-sql/sdk')
  const parse: Parse = (sql) => {
    try {
      const result = polyglot.parse(sql, polyglot.Dialect.DuckDB)
      if (result.success && Array.isArray(result.ast)) return { tree: result.ast as readonly unknown[] }
      const start = result.errorStart
      return { error: result.error ?? 'no reason given', ...(start === undefined ? {} : { start }) }
    } catch (error) {
      // A WebAssembly trap (its stack, its memory) says nothing about the query.
      return { error: error instanceof Error ? error.message : String(error) }
    }
  }
  const first = (work: () => { readonly success: boolean; readonly sql?: readonly string[] }): string | undefined => {
    try {
      const result = work()
      return result.success && result.sql?.length === 1 ? result.sql[0] : undefined
    } catch {
      return undefined
    }
  }
  const translator: Translator = {
    parse,
    format: (sql) => first(() => polyglot.format(sql, polyglot.Dialect.DuckDB)),
    translate: (sql, target) =>
      first(() =>
        polyglot.transpile(sql, polyglot.Dialect.DuckDB, dialects(polyglot)[target], { unsupportedLevel: 'raise' }),
      ),
  }
  return {
    formatSql: (sql) => formatSql(translator, sql),
    renderSql: (model, target) => renderSql(translator, model, target),
    analyse: (model, schema) => analyseSql(parse, model, schema),
    tablesOf(sql, known) {
      const schema = Object.fromEntries(known.map((table) => [table, []]))
      return analyseSql(parse, { sql, file: '', table: '' }, schema).tables
    },
  }
}

function dialects({ Dialect }: typeof import('@polyglot-sql/sdk')) {
  return {
    duckdb: Dialect.DuckDB,
    spark: Dialect.Spark,
    redshift: Dialect.Redshift,
    postgres: Dialect.PostgreSQL,
  } as const
}

function analyseSql(parse: Parse, model: ModelText, schema: TableSchema): SqlAnalysis {
  const words = tokenise(model.sql)
  const problems: Problem[] = []
  const reported: Reported = {
    model,
    knownTables: Object.keys(schema).sort(),
    problems,
    nondeterministic: new Set(),
    offset: utf16Offsets(model.sql),
    findWord: (word) => words.tokens.find((token) => token.kind === 'word' && token.text === word),
  }
  const report = reporter(reported)
  const tables = new Set<string>()
  let columns: readonly ColumnLineage[] = []
  const sound = checkWords(words, adder(reported), report, model.parameters)
  const result = sound ? parseAndResolve(parse, words, schema, tables, reported, report) : undefined
  if (result === undefined) for (const table of tablesByWords(words.tokens, reported.knownTables)) tables.add(table)
  else columns = outputColumns(result, reported, report)
  return {
    tables: [...tables].sort(),
    columns,
    nondeterministic: [...reported.nondeterministic].sort(),
    problems: problems.sort(byPlace),
  }
}

function byPlace(a: Problem, b: Problem): number {
  return (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0)
}

/** Undefined where the parser's tree is missing or cannot be trusted. */
function parseAndResolve(
  parse: Parse,
  words: Tokens,
  schema: TableSchema,
  tables: Set<string>,
  reported: Reported,
  report: Reporter,
): Result | undefined {
  const { sql } = reported.model
  if (sql.length > largestModel) {
    report.lineageUnknown(`it is longer than ${largestModel} characters`)
    return undefined
  }
  const parsed = parse(parseable(sql, words.tokens))
  if ('error' in parsed) {
    const start = parsed.start === undefined ? 0 : reported.offset(parsed.start)
    const near = words.tokens.find((token) => token.end > start)
    report.lineageUnknown(
      `the analysis cannot follow it${near === undefined ? '' : ` at "${sql.slice(near.start, near.end).slice(0, 40)}"`}`,
      near,
    )
    return undefined
  }
  const [query, ...others] = parsed.tree.filter(isTree)
  if (query === undefined || others.length > 0) {
    report.lineageUnknown('the analysis cannot follow it')
    return undefined
  }
  const missing = missingWord(words.tokens, query, reported.offset)
  if (missing !== undefined) {
    report.lineageUnknown(`the analysis does not know what "${missing.text}" means here`, missing)
    return undefined
  }
  return resolveQuery(query, undefined, undefined, resolution(schema, tables, report))
}

function resolution(schema: TableSchema, tables: Set<string>, report: Reporter): Resolution {
  const known = new Map(
    Object.entries(schema).map(([name, columns]) => [
      name.toLowerCase(),
      { name, columns: columns.map((column): Column => ({ ...column, from: new Set([`${name}.${column.name}`]) })) },
    ]),
  )
  return {
    report,
    tables,
    table: (name) => known.get(name.toLowerCase()),
    query: (node, scope, to) => resolveQuery(node, scope.ctes, scope, to),
    uses: dependencies,
  }
}

/** What the query gives, as a table's columns: each with a name, no name twice. */
function outputColumns(result: Result, reported: Reported, report: Reporter): readonly ColumnLineage[] {
  const put = adder(reported)
  const seen = new Set<string>()
  result.columns.forEach((column, at) => {
    const place = (): ReturnType<typeof stretchOf> => stretchOf(column.at, reported)
    if (column.name === undefined) put('Sql.UnnamedColumn', { position: at + 1 }, place())
    else if (seen.has(column.name.toLowerCase())) put('Sql.DuplicateColumn', { column: column.name }, place())
    else seen.add(column.name.toLowerCase())
  })
  const failed = reported.problems.some(({ severity }) => severity === 'error')
  if (result.open && !failed && reported.knownTables.length > 0) {
    report.lineageUnknown('some of its columns depend on data, or on tables that are not known yet')
  }
  return result.columns.flatMap(({ name, from }) =>
    name === undefined ? [] : [{ column: name, from: [...from].sort() }],
  )
}
