/** The columns that a table has beyond those that its source declares, where it takes new columns of files (`drift: 'evolve'`). */
import { duckDbType, simpleTypes, sourceColumns } from './columns.ts'
import type { Column, ColumnType, FilesSource, Source } from './types.ts'

/**
 * The type of a column that the engine has under this name; undefined for one that no column can be declared as.
 *
 * @example columnTypeOf('DECIMAL(12,2)') // 'decimal(12,2)'
 */
export function columnTypeOf(engineType: string): ColumnType | undefined {
  if (engineType.startsWith('DECIMAL(')) return engineType.toLowerCase() as ColumnType
  return simpleTypes.find((type) => duckDbType(type) === engineType)
}

/**
 * A source with columns that files brought: nullable, and absent from other files. Those that it declares already, in whatever case, stay as they are.
 *
 * @example withColumns(source, [{ name: 'discount', type: 'text' }])
 */
export function withColumns(
  source: FilesSource,
  columns: readonly { readonly name: string; readonly type: ColumnType }[],
): FilesSource {
  const known = new Set(sourceColumns(source).map(({ name }) => name.toLowerCase()))
  const added: Record<string, Column> = {}
  for (const { name, type } of columns) {
    if (known.has(name.toLowerCase())) continue
    known.add(name.toLowerCase())
    added[name] = { type, nullable: true, optional: true }
  }
  return Object.keys(added).length === 0 ? source : { ...source, columns: { ...source.columns, ...added } }
}

/**
 * A source with all columns that its table has: those that files brought before belong to it, where it takes new ones.
 *
 * @example grownSource(source, record.fields)
 */
export function grownSource<S extends Source>(
  source: S,
  fields: readonly { readonly name: string; readonly type: string }[],
): S {
  if (source.kind !== 'files' || source.drift !== 'evolve') return source
  const columns = fields.flatMap(({ name, type: engineType }) => {
    const type = columnTypeOf(engineType)
    return type === undefined ? [] : [{ name, type }]
  })
  return withColumns(source, columns) as S
}
