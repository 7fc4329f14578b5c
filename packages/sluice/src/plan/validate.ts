/** Columns that a definition names, against the columns that the tables will have. */
import { type Location, type Problem, problem } from '../base/errors.ts'
import { lookupsOf } from '../definition/cdc/cdc.ts'
import { suggest } from '../definition/problems/suggest.ts'
import type { Check, Load, TableOptions } from '../definition/types.ts'
import type { PlanInput } from './types.ts'

/** A column that is named somewhere. */
interface ColumnUse {
  readonly table: string
  readonly column: string
  /** Who names it, for the message. */
  readonly used: string
}

/**
 * The columns that checks, partitions and loads name and that their tables will not have. Tables whose columns are not known, because their
 * model has problems of its own, are passed over.
 *
 * @example unknownColumns(input)
 */
export function unknownColumns(input: PlanInput): readonly Problem[] {
  return input.project.pipelines.flatMap((pipeline) =>
    [
      ...Object.entries(pipeline.tables).flatMap(([table, options]) => columnsOfTable(table, options)),
      ...Object.entries(pipeline.loads).flatMap(([target, load]) => columnsOfLoad(target, load)),
    ].flatMap((use) => unknownColumn(use, input, { file: pipeline.file })),
  )
}

function unknownColumn(use: ColumnUse, input: PlanInput, at: Location): readonly Problem[] {
  const known = (input.columns[use.table] ?? []).map(({ name }) => name)
  if (known.length === 0 || known.includes(use.column)) return []
  const suggestion = suggest(use.column, known)
  return [problem('Plan.UnknownColumn', { ...use, known }, { at, ...(suggestion === undefined ? {} : { suggestion }) })]
}

function columnsOfTable(table: string, { partitionBy, checks = [] }: TableOptions): readonly ColumnUse[] {
  const partition =
    partitionBy === undefined ? [] : [{ table, column: partitionBy.column, used: `partitionBy of ${table}` }]
  return [...partition, ...checks.flatMap((check) => columnsOfCheck(table, check))]
}

function columnsOfCheck(table: string, check: Check): readonly ColumnUse[] {
  const used = `the check ${check.name ?? check.kind} of ${table}`
  const own = 'column' in check ? [check.column] : 'columns' in check ? check.columns : []
  const foreign = check.kind === 'reference' ? check.toColumns : []
  return [
    ...own.map((column) => ({ table, column, used })),
    ...foreign.map((column) => ({ table: check.kind === 'reference' ? check.to : table, column, used })),
  ]
}

function columnsOfLoad(target: string, load: Load): readonly ColumnUse[] {
  const lookedUp = lookupsOf(load)
  const isOwn = (column: string | undefined): boolean => column !== undefined && Object.hasOwn(lookedUp, column)
  const named: readonly (readonly [string, readonly (string | undefined)[]])[] = [
    ['by', load.mode === 'incremental' ? [load.by] : []],
    ['batch', load.mode === 'append' ? [load.batch] : []],
    ['key', load.mode === 'upsert' || load.mode === 'scd2' ? load.key : []],
    ['deletes', load.mode === 'upsert' || load.mode === 'scd2' ? [deleteColumn(load.deletes)] : []],
    ['track', load.mode === 'scd2' ? (load.track ?? []) : []],
    ['effective', load.mode === 'scd2' ? [load.effective] : []],
    ['sequence', load.mode === 'scd2' ? [load.sequence] : []],
    ['lookups', Object.values(lookedUp).flatMap(({ key, at }) => [...Object.keys(key), at])],
    ['distribute', isOwn(load.distribute) ? [] : [load.distribute]],
    // SCD2 adds columns of its own, which it may be sorted by.
    ['sort', load.mode === 'scd2' ? [] : (load.sort ?? []).filter((column) => !isOwn(column))],
  ]
  return named.flatMap(([part, columns]) =>
    columns.flatMap((column) =>
      column === undefined ? [] : [{ table: load.from, column, used: `"${part}" of the load ${target}` }],
    ),
  )
}

function deleteColumn(deletes: 'absence' | { readonly column: string } | undefined): string | undefined {
  return typeof deletes === 'object' ? deletes.column : undefined
}
