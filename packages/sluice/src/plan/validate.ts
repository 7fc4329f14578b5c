/** Columns that a definition names, against the columns that the tables will have. */
import { type Problem, problem } from '../base/errors.ts'
import { lookupsOf } from '../definition/cdc/cdc.ts'
import { checksOf, tablesOf } from '../definition/problems/declared.ts'
import { noPlaces, type Path } from '../definition/problems/places.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { Load } from '../definition/types.ts'
import type { PlanInput } from './types.ts'

/** A column that is named somewhere. */
interface ColumnUse {
  readonly table: string
  readonly column: string
  /** Who names it, for the message. */
  readonly used: string
  readonly path: Path
}

/**
 * The columns that checks, partitions and loads name and that their tables will not have. Tables whose columns are not known, because their
 * model has problems of its own, are passed over; so are those whose columns the definition alone tells, for there they are checked.
 *
 * @example unknownColumns(input)
 */
export function unknownColumns(input: PlanInput): readonly Problem[] {
  const told = tablesOf(input.project)
  return input.project.pipelines.flatMap((pipeline) =>
    [
      ...Object.entries(pipeline.tables).flatMap(([table, { partitionBy }]) =>
        partitionBy === undefined
          ? []
          : [
              {
                table,
                column: partitionBy.column,
                used: `partitionBy of ${table}`,
                path: ['tables', table, 'partitionBy'],
              },
            ],
      ),
      ...checksOf(pipeline).flatMap(columnsOfCheck),
      ...Object.entries(pipeline.loads).flatMap(([target, load]) => columnsOfLoad(target, load)),
    ]
      .filter(({ table }) => told.get(table) === undefined)
      .flatMap((use) => unknownColumn(use, input, pipeline.file)),
  )
}

/**
 * Histories from snapshots whose instants come from a source that does not hold them all, each once: a delivery replaces the others, or a file that
 * came with other content is there twice.
 *
 * @example unsoundSnapshots(input)
 */
export function unsoundSnapshots({ project, analysis, places = noPlaces }: PlanInput): readonly Problem[] {
  const { loads, source } = projectIndex(project)
  return loads.flatMap(({ target, load, pipeline }) => {
    if (load.mode !== 'scd2' || load.snapshot === undefined) return []
    const at = places(pipeline.file).at(['loads', target], 'snapshot')
    return tablesBehind(`${load.from}.${load.snapshot}`, analysis).flatMap((table) => {
      const from = source(table)?.source
      if (from === undefined || from.kind === 'cdc') return []
      if (from.mode === 'replace')
        return [problem('Warehouse.SnapshotReplaced', { target, from: load.from, source: table }, { at })]
      if (from.kind !== 'files') return []
      if (from.changedContent === 'append' || from.duplicateContent === 'skip')
        return [problem('Warehouse.SnapshotChanged', { target, source: table }, { at })]
      // A name without a date comes again with each day, and would take the place of the day before.
      return from.changedContent === 'replace' && from.fileDate === undefined
        ? [problem('Warehouse.SnapshotOverwritten', { target, source: table }, { at })]
        : []
    })
  })
}

/** The tables that a column's values come through, itself first. */
function tablesBehind(column: string, analysis: PlanInput['analysis']): readonly string[] {
  const seen = new Set([column])
  for (const one of seen) {
    const [table, name] = splitColumn(one)
    const made = analysis[table]?.columns.find((other) => other.column.toLowerCase() === name.toLowerCase())
    for (const from of made?.from ?? []) seen.add(from)
  }
  return [...new Set([...seen].map((one) => splitColumn(one)[0]))]
}

/** @example splitColumn('raw.sales.quantity') // ['raw.sales', 'quantity'] */
function splitColumn(column: string): readonly [table: string, column: string] {
  const [layer, table, ...name] = column.split('.')
  return [`${layer}.${table}`, name.join('.')]
}

function unknownColumn(use: ColumnUse, { columns, places = noPlaces }: PlanInput, file: string): readonly Problem[] {
  const known = (columns[use.table] ?? []).map(({ name }) => name)
  if (known.length === 0 || known.includes(use.column)) return []
  const { path, ...params } = use
  const suggestion = suggest(use.column, known)
  const at = places(file).at(path, use.column)
  return [
    problem('Plan.UnknownColumn', { ...params, known }, { at, ...(suggestion === undefined ? {} : { suggestion }) }),
  ]
}

function columnsOfCheck({ check, table, path }: ReturnType<typeof checksOf>[number]): readonly ColumnUse[] {
  const used = `the check ${check.name ?? check.kind} of ${table}`
  const own = 'column' in check ? [check.column] : 'columns' in check ? check.columns : []
  const foreign = check.kind === 'reference' ? check.toColumns : []
  return [
    ...own.map((column) => ({ table, column, used, path })),
    ...foreign.map((column) => ({ table: check.kind === 'reference' ? check.to : table, column, used, path })),
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
    ['snapshot', load.mode === 'scd2' ? [load.snapshot] : []],
    ['sequence', load.mode === 'scd2' ? [load.sequence] : []],
    ['lookups', Object.values(lookedUp).flatMap(({ key, at }) => [...Object.keys(key), at])],
    ['distribute', isOwn(load.distribute) ? [] : [load.distribute]],
    // SCD2 adds columns of its own, which it may be sorted by.
    ['sort', load.mode === 'scd2' ? [] : (load.sort ?? []).filter((column) => !isOwn(column))],
  ]
  return named.flatMap(([part, columns]) =>
    columns.flatMap((column) =>
      column === undefined
        ? []
        : [{ table: load.from, column, used: `"${part}" of the load ${target}`, path: ['loads', target] }],
    ),
  )
}

function deleteColumn(deletes: 'absence' | { readonly column: string } | undefined): string | undefined {
  return typeof deletes === 'object' ? deletes.column : undefined
}
