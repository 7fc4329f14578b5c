/** The columns of a source's table, as the engine types them. */
import type { Column, ColumnType, EachValue, ProcedureSource, Source } from './types.ts'

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

/** The columns that Sluice adds to a source's table. */
export const systemColumns = ['_file', '_file_date', '_row'] as const

/**
 * The columns of a source's table: its own in order; then for files `_file`, `_file_date` (where a file date is declared) and `_row` (where row
 * numbers are), and for procedures the values that single calls were made for.
 *
 * @example sourceColumns(source) // [{ name: 'id', type: 'INTEGER', nullable: false }, { name: '_file', type: 'VARCHAR', nullable: false }]
 */
export function sourceColumns(source: Source): readonly TableColumn[] {
  if (source.kind === 'procedure') return [...columnsOf(source.columns), ...columnsOf(eachColumns(source))]
  return [
    ...columnsOf(source.columns),
    { name: '_file', type: 'VARCHAR', nullable: false },
    ...(source.fileDate === undefined ? [] : [{ name: '_file_date', type: 'DATE', nullable: false }]),
    ...(source.rowNumbers === true ? [{ name: '_row', type: 'BIGINT', nullable: false }] : []),
  ]
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
