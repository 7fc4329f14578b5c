/** The columns of a source's table, as the engine types them. */
import { historyColumns } from './cdc/rules.ts'
import type { CdcSource, ChangesModel, Check, Column, ColumnType, EachValue, ProcedureSource, Source } from './types.ts'

const engineTypes: { readonly [type in Exclude<ColumnType, `decimal(${number},${number})`>]: string } = {
  text: 'VARCHAR',
  tinyint: 'TINYINT',
  smallint: 'SMALLINT',
  integer: 'INTEGER',
  bigint: 'BIGINT',
  real: 'FLOAT',
  float: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
  time: 'TIME',
  json: 'JSON',
  binary: 'BLOB',
  uuid: 'UUID',
}

/** The column types, `decimal(p,s)` aside. */
export const simpleTypes = Object.keys(engineTypes) as (keyof typeof engineTypes)[]

/**
 * DuckDB's name of a column type, spelled as DuckDB spells it itself.
 *
 * @example duckDbType('decimal(12,3)') // 'DECIMAL(12,3)'
 */
export function duckDbType(type: ColumnType): string {
  const simple = engineTypes[type as keyof typeof engineTypes]
  if (simple !== undefined) return simple
  return type.toUpperCase().replaceAll(' ', '')
}

/** A column of a table: its name, the engine's type, and whether NULL is legal. */
export interface TableColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/**
 * The columns of a source's table: its own in order; then for files `_file`, `_file_date` (where a file date is declared) and `_row` (where row
 * numbers are), for procedures the values that single calls were made for, and for changes those of their log.
 *
 * @example sourceColumns(source) // [{ name: 'id', type: 'INTEGER', nullable: false }, { name: '_file', type: 'VARCHAR', nullable: false }]
 */
export function sourceColumns(source: Source): readonly TableColumn[] {
  if (source.kind === 'cdc') return logColumns(source.partitionBy)
  if (source.kind === 'procedure') return [...columnsOf(source.columns), ...columnsOf(eachColumns(source))]
  return [
    ...columnsOf(source.columns),
    { name: '_file', type: 'VARCHAR', nullable: false },
    ...(source.fileDate === undefined ? [] : [{ name: '_file_date', type: 'DATE', nullable: false }]),
    ...(source.rowNumbers === true ? [{ name: '_row', type: 'BIGINT', nullable: false }] : []),
  ]
}

/**
 * The columns that a source declares: a log of changes has columns of its own alone.
 *
 * @example declaredColumns(source) // { id: { type: 'integer' } }
 */
export function declaredColumns(source: Source): { readonly [column: string]: Column } {
  return source.kind === 'cdc' ? {} : source.columns
}

/**
 * The checks that a source declares: changes are checked where tables are made of them.
 *
 * @example declaredChecks(source) // [{ kind: 'notNull', column: 'id' }]
 */
export function declaredChecks(source: Source): readonly Check[] {
  return source.kind === 'cdc' ? [] : source.checks
}

/**
 * A source with other checks in place of those that it declares.
 *
 * @example withChecks(source, declaredChecks(source).filter(({ severity }) => severity !== 'warn'))
 */
export function withChecks(source: Source, checks: readonly Check[]): Source {
  return source.kind === 'cdc' ? source : { ...source, checks }
}

/**
 * The columns of a log of changes; `_date` and `_hour` are of the commit, in UTC, and what its files are split by.
 *
 * @example logColumns('day').map(({ name }) => name) // ['_table', '_op', …]
 */
export function logColumns(partitionBy: CdcSource['partitionBy']): readonly TableColumn[] {
  const instant = 'TIMESTAMP WITH TIME ZONE'
  const column = (name: string, type: string, nullable = false): TableColumn => ({ name, type, nullable })
  return [
    column('_table', 'VARCHAR'),
    column('_op', 'VARCHAR'),
    column('_xid', 'BIGINT', true),
    column('_lsn', 'BIGINT'),
    column('_position', 'VARCHAR'),
    column('_seq', 'BIGINT'),
    column('_committed_at', instant),
    column('_effective_at', instant),
    column('key', 'VARCHAR', true),
    column('before', 'VARCHAR', true),
    column('after', 'VARCHAR', true),
    column('_unchanged', 'VARCHAR', true),
    column('_date', 'DATE'),
    ...(partitionBy === 'hour' ? [column('_hour', 'INTEGER')] : []),
  ]
}

/**
 * The columns that Sluice adds to a table of changes, after its own: none to current rows, and to a history what happened, when, and its order.
 *
 * @example addedColumns('history').map(({ name }) => name) // ['_op', '_lsn', '_seq', '_sequence', '_committed_at', '_effective_at']
 */
export function addedColumns(as: ChangesModel['as']): readonly TableColumn[] {
  if (as === 'current') return []
  return Object.entries(historyColumns).map(([name, type]) => ({ name, type, nullable: false }))
}

/**
 * The parameters of a procedure that take one call for each value of another table.
 *
 * @example eachValues(source) // [{ table: 'raw.regions', column: 'region_id', type: 'integer', as: 'region_id' }]
 */
export function eachValues({ parameters }: Pick<ProcedureSource, 'parameters'>): readonly EachValue[] {
  return Object.values(parameters).flatMap((value) =>
    typeof value === 'object' && value !== null && '$each' in value ? [value.$each] : [],
  )
}

/**
 * The columns that keep those values.
 *
 * @example eachColumns(source) // { region_id: { type: 'integer' } }
 */
export function eachColumns(source: Pick<ProcedureSource, 'parameters'>): { readonly [column: string]: Column } {
  return Object.fromEntries(eachValues(source).flatMap(({ as, type }) => (as === undefined ? [] : [[as, { type }]])))
}

/**
 * Declared columns as columns of a table.
 *
 * @example columnsOf({ id: { type: 'integer' } }) // [{ name: 'id', type: 'INTEGER', nullable: false }]
 */
export function columnsOf(columns: { readonly [column: string]: Column }): readonly TableColumn[] {
  return Object.entries(columns).map(([name, { type, nullable = false }]) => ({
    name,
    type: duckDbType(type),
    nullable,
  }))
}
