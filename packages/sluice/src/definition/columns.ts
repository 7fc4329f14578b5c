/** The columns of a source's table, as the engine types them. */
import type { Column, ColumnType, Source } from './types.ts'

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
 * The columns of a source's table: its own in order, then `_file`, `_file_date` (where a file date is declared) and `_row` (where row numbers are).
 *
 * @example sourceColumns(source) // [{ name: 'id', type: 'INTEGER', nullable: false }, { name: '_file', type: 'VARCHAR', nullable: false }]
 */
export function sourceColumns(source: Source): readonly TableColumn[] {
  return [
    ...columnsOf(source.columns),
    { name: '_file', type: 'VARCHAR', nullable: false },
    ...(source.fileDate === undefined ? [] : [{ name: '_file_date', type: 'DATE', nullable: false }]),
    ...(source.rowNumbers === true ? [{ name: '_row', type: 'BIGINT', nullable: false }] : []),
  ]
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
