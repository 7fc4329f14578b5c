/** The names that a project knows, and the tables behind them. */

import { sluiceError } from '../base/errors.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { Project } from '../definition/types.ts'
import type { CommitRecord } from '../lake/record.ts'
import type { ReadContext } from '../run/api.ts'
import { quoteName } from '../sql/quote.ts'
import { type QueryOptions, type QueryResult, runQuery } from './run-query.ts'

/** A table by any of its names. */
export interface TableName {
  readonly kind: 'lake' | 'warehouse'
  /** `<layer>.<table>`, or the name of a load's target. */
  readonly name: string
  /** How a query names it, quoted. */
  readonly relation: string
}

/**
 * Sources, models and loads of a project, by their full names.
 *
 * @example definedTables(project.definition).lake // ['raw.sales', 'stage.sales']
 */
export function definedTables(project: Project): {
  readonly lake: readonly string[]
  readonly warehouse: readonly string[]
} {
  const { sources, models, loads } = projectIndex(project)
  return {
    lake: [...sources, ...models].map(({ table }) => table),
    warehouse: loads.map(({ target }) => target),
  }
}

/**
 * The table that a name means: `raw.sales`, `sales` where only one layer has it, `fact_sales` or `warehouse.fact_sales`.
 *
 * @example await resolveTable(project, 'stage.sales')
 * @throws Definition.UnknownTable with the nearest name
 */
export async function resolveTable(project: ReadContext, name: string): Promise<TableName> {
  const defined = definedTables(project.definition)
  const lake = [
    ...new Set([
      ...defined.lake,
      ...(await project.tables()).map((record) => record.table),
      ...(await project.damaged()).map((one) => one.table),
    ]),
  ]
  const target = name.replace(/^warehouse\.(main\.)?/, '')
  if (lake.includes(name)) return { kind: 'lake', name, relation: quoteName(name) }
  if (defined.warehouse.includes(target)) {
    return {
      kind: 'warehouse',
      name: target,
      relation: quoteName(`warehouse.main.${target}`),
    }
  }
  const inLayers = lake.filter((table) => table.split('.')[1] === name)
  if (inLayers.length === 1) return { kind: 'lake', name: inLayers[0]!, relation: quoteName(inLayers[0]!) }
  const known = [...lake, ...defined.warehouse]
  const suggestion = inLayers[0] ?? suggest(name, known)
  throw sluiceError('Definition.UnknownTable', { table: name, known }, suggestion === undefined ? {} : { suggestion })
}

/**
 * The newest record of a lake table.
 *
 * @throws Query.NothingYet where it has no version
 */
export async function newestRecord(project: ReadContext, table: string): Promise<CommitRecord> {
  const record = (await project.tables()).find((candidate) => candidate.table === table)
  const damage = record === undefined ? (await project.damaged()).find((one) => one.table === table) : undefined
  if (damage !== undefined) throw damage.error
  if (record === undefined) throw sluiceError('Query.NothingYet', { table })
  return record
}

/**
 * Rows of a table, as it is or as a version left it.
 *
 * @example await previewTable(project, 'stage.sales', { limit: 20, version: 3 })
 * @throws Query.NothingYet, Query.UnknownVersion, Definition.UnknownTable
 */
export async function previewTable(
  project: ReadContext,
  name: string,
  options: QueryOptions & { readonly version?: number } = {},
): Promise<QueryResult> {
  const { limit, version, signal } = options
  const table = await resolveTable(project, name)
  if (table.kind === 'lake') {
    if (version === undefined) await newestRecord(project, table.name)
    else if ((await project.versions(table.name)).length === 0)
      throw sluiceError('Query.NothingYet', { table: table.name })
  } else if (!(await project.loads()).some((row) => row.target === table.name)) {
    throw sluiceError('Query.NothingYet', { table: table.name })
  }
  const reading = { ...(limit === undefined ? {} : { limit }), ...(signal === undefined ? {} : { signal }) }
  const atMost = limit === undefined ? '' : ` LIMIT ${limit + 1}`
  if (version === undefined) return runQuery(project, `SELECT * FROM ${table.relation}${atMost}`, reading)
  const known = table.kind === 'lake' ? (await project.versions(table.name)).map((record) => record.version) : []
  if (!known.includes(version)) throw sluiceError('Query.UnknownVersion', { table: table.name, version, known })
  const sql = `SELECT * EXCLUDE (_version, _committed_at, _version_date) FROM ${quoteName(`${table.name}__snapshot`)} WHERE _version = ${version}${atMost}`
  return runQuery(project, sql, reading)
}
