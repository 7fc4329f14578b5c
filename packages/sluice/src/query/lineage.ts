/** Where tables and columns come from and go to: one graph, from definitions and parsed SQL. */

import { posix } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import { lookupsOf } from '../definition/cdc/cdc.ts'
import { eachValues } from '../definition/columns.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { Project, Source } from '../definition/types.ts'
import type { ReadContext } from '../run/api.ts'
import type { SqlAnalysis } from '../sql/analysis.ts'

/** An arrow: `to` is made from `from`. Nodes are tables, columns (`stage.sales.quantity`), files (`inbox/sales_*.csv`), procedures (`erp:dbo.usp_sales`), or a database's tables (`oltp:public.sales`). */
export interface LineageEdge {
  readonly from: string
  readonly to: string
}

/** A part of the graph, around one node. */
export interface Lineage {
  readonly node: string
  readonly level: 'table' | 'column'
  /** Everything it is made from, nearest first. */
  readonly up: readonly LineageEdge[]
  /** Everything made from it, nearest first. */
  readonly down: readonly LineageEdge[]
}

/**
 * The lineage of a table (`stage.sales`, `fact_sales`) or of a column (`stage.sales.quantity`).
 *
 * @example await lineageOf(project, 'fact_sales.revenue')
 * @throws Cli.UnknownName with the nearest name
 */
export async function lineageOf(project: ReadContext, name: string): Promise<Lineage> {
  const analysis = await project.analysis()
  const defined = tableEdges(project.definition, analysis)
  const isWhole = project.problems.every(({ severity }) => severity !== 'error')
  // Of a definition that can be read in part only, the rest is known from what was committed.
  const tables = isWhole ? defined : distinct([...defined, ...(await committedEdges(project))])
  const columns = columnEdges(project.definition, analysis, await columnsOfTables(project))
  for (const [level, edges] of [
    ['table', tables],
    ['column', columns],
  ] as const) {
    const node = nodeNamed(name, edges)
    if (node !== undefined) return { node, level, up: walk(node, edges, 'up'), down: walk(node, edges, 'down') }
  }
  throw unknownName(name, [...nodes(tables)], [...nodes(columns)])
}

/** A wrong column of a known table is compared with that table's columns alone. */
function unknownName(name: string, tables: readonly string[], columns: readonly string[]): Error {
  const table = tables.find((known) => name.startsWith(`${known}.`))
  const known = table === undefined ? tables : columns.filter((column) => column.startsWith(`${table}.`))
  const short = table === undefined ? name : name.slice(table.length + 1)
  const near = suggest(
    short,
    known.map((one) => (table === undefined ? one : one.slice(table.length + 1))),
  )
  const params = { what: table === undefined ? 'table or column' : 'column', name, known }
  const suggestion = near === undefined || table === undefined ? near : `${table}.${near}`
  return sluiceError('Cli.UnknownName', params, suggestion === undefined ? {} : { suggestion })
}

/** All arrows between tables, from files and procedures to the warehouse. */
export function tableEdges(
  project: Project,
  analysis: { readonly [table: string]: SqlAnalysis },
): readonly LineageEdge[] {
  const { sources, models, loads } = projectIndex(project)
  return [
    ...sources.flatMap(({ table: to, source }) => originsOf(source).map((from) => ({ from, to }))),
    ...models.flatMap(({ table: to, model }) =>
      (model.kind === 'code' ? model.inputs : (analysis[to]?.tables ?? [])).map((from) => ({ from, to })),
    ),
    ...loads.flatMap(({ target, load }) => [
      { from: load.from, to: `warehouse.${target}` },
      ...[...new Set(Object.values(lookupsOf(load)).map(({ dimension }) => dimension))].map((dimension) => ({
        from: `warehouse.${dimension}`,
        to: `warehouse.${target}`,
      })),
    ]),
  ]
}

/** The arrows that the newest versions were made along; files by their folder. */
async function committedEdges(project: ReadContext): Promise<readonly LineageEdge[]> {
  return (await project.tables()).flatMap(({ table, inputs }) =>
    inputs.flatMap((input) => {
      if (input.kind === 'table') return [{ from: input.table, to: table }]
      return input.kind === 'file' ? [{ from: `${posix.dirname(input.path)}/*`, to: table }] : []
    }),
  )
}

function distinct(edges: readonly LineageEdge[]): readonly LineageEdge[] {
  return [...new Map(edges.map((edge) => [`${edge.from}\0${edge.to}`, edge])).values()]
}

/** Where a source's rows come from: for a procedure also the tables whose values it is called for. */
function originsOf(source: Source): readonly string[] {
  if (source.kind === 'files') return [source.path]
  if (source.kind === 'cdc') return source.tables.map((table) => `${source.connection}:${table}`)
  return [`${source.connection}:${source.procedure}`, ...eachValues(source).map(({ table }) => table)]
}

/** All arrows between columns; a load carries each column on under its own name. */
function columnEdges(
  project: Project,
  analysis: { readonly [table: string]: SqlAnalysis },
  columns: ReadonlyMap<string, readonly string[]>,
): readonly LineageEdge[] {
  const inModels = Object.entries(analysis).flatMap(([table, { columns: made }]) =>
    made.flatMap(({ column, from }) => from.map((source) => ({ from: source, to: `${table}.${column}` }))),
  )
  const inLoads = projectIndex(project).loads.flatMap(({ target, load: { from } }) =>
    (columns.get(from) ?? []).map((column) => ({ from: `${from}.${column}`, to: `warehouse.${target}.${column}` })),
  )
  return [...inModels, ...inLoads, ...lookupEdges(project)]
}

/** A surrogate key that a load looks up comes from the dimension's. */
function lookupEdges(project: Project): readonly LineageEdge[] {
  const { loads } = projectIndex(project)
  const surrogates = new Map(
    loads.flatMap(({ target, load }) => (load.mode === 'scd2' ? [[target, load.columns.surrogate] as const] : [])),
  )
  return loads.flatMap(({ target, load }) =>
    Object.entries(lookupsOf(load)).map(([column, { dimension }]) => ({
      from: `warehouse.${dimension}.${surrogates.get(dimension)}`,
      to: `warehouse.${target}.${column}`,
    })),
  )
}

async function columnsOfTables(project: ReadContext): Promise<ReadonlyMap<string, readonly string[]>> {
  const planned = Object.entries(await project.analysis()).map(
    ([table, { columns }]) => [table, columns.map((c) => c.column)] as const,
  )
  const committed = (await project.tables()).map(
    (record) => [record.table, record.fields.map((field) => field.name)] as const,
  )
  return new Map([...committed, ...planned])
}

function nodes(edges: readonly LineageEdge[]): ReadonlySet<string> {
  return new Set(edges.flatMap(({ from, to }) => [from, to]))
}

/** The node of that name; a target of a load may leave `warehouse.` out, or be named as in a query. */
function nodeNamed(name: string, edges: readonly LineageEdge[]): string | undefined {
  const known = nodes(edges)
  return [name, `warehouse.${name}`, name.replace('warehouse.main.', 'warehouse.')].find((candidate) =>
    known.has(candidate),
  )
}

/** Arrows reached from a node, nearest first; each once, also where the graph has a cycle. */
function walk(start: string, edges: readonly LineageEdge[], direction: 'up' | 'down'): readonly LineageEdge[] {
  const [here, there] = direction === 'up' ? (['to', 'from'] as const) : (['from', 'to'] as const)
  const found: LineageEdge[] = []
  const seen = new Set([start])
  for (let front = [start]; front.length > 0; ) {
    const step = front.flatMap((node) => edges.filter((edge) => edge[here] === node))
    found.push(...step.filter((edge) => !found.includes(edge)))
    front = [...new Set(step.map((edge) => edge[there]))].filter((node) => !seen.has(node))
    for (const node of front) seen.add(node)
  }
  return found
}
