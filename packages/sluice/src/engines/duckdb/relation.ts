/** Renders relations as DuckDB's SQL: files of one shape are read as one, every column is cast to the relation's type. */
import { key } from '../../lake/fields.ts'
import type { Relation, RelationField, RelationFile } from '../../lake/relation.ts'
import { quoteIdentifier, quoteText, readParquetSql } from '../../sql/quote.ts'

/** Files that hold the same columns in the same types: one `read_parquet` reads one type. */
interface Shape {
  readonly columns: RelationFile['columns']
  readonly files: { readonly local: string; readonly held: NonNullable<RelationFile['held']> }[]
}

/**
 * What stands after FROM to read a relation.
 *
 * @example await relationSql(relation, async (file) => file.path) // (SELECT CAST("id" AS INTEGER) AS "id" FROM read_parquet(['/lake/…'], …))
 * @param localOf where a file is on this machine
 */
export async function relationSql(
  relation: Relation,
  localOf: (file: RelationFile) => Promise<string>,
): Promise<string> {
  const { fields, files, filter, versions } = relation
  const locals = await Promise.all(files.map(localOf))
  const shapes = shapesOf(files, locals)
  const sql = versions === undefined ? latestSql(fields, shapes) : snapshotSql(fields, shapes, versions)
  return filter === undefined ? `(${sql})` : `(SELECT * FROM (${sql}) WHERE ${filter})`
}

function shapesOf(files: readonly RelationFile[], locals: readonly string[]): readonly Shape[] {
  const shapes = new Map<string, Shape>()
  /** Files of one shape mostly share their columns. */
  const known = new Map<RelationFile['columns'], Shape>()
  for (const [at, { columns, held = [] }] of files.entries()) {
    let shape = known.get(columns)
    if (shape === undefined) {
      const name = JSON.stringify(columns)
      shape = shapes.get(name) ?? { columns, files: [] }
      shapes.set(name, shape)
      known.set(columns, shape)
    }
    shape.files.push({ local: locals[at] as string, held })
  }
  return [...shapes.values()]
}

function latestSql(fields: readonly RelationField[], shapes: readonly Shape[]): string {
  if (shapes.length === 0) return emptySql(fields)
  return shapes
    .map(({ columns, files }) => {
      const list = fields.map((field, at) => columnSql(field, columns[at]))
      return `SELECT ${list.join(', ')} FROM ${readParquetSql(files.map(({ local }) => local))}`
    })
    .join(' UNION ALL ')
}

function snapshotSql(
  fields: readonly RelationField[],
  shapes: readonly Shape[],
  versions: NonNullable<Relation['versions']>,
): string {
  const taken = new Set(fields.map(({ name }) => key(name)))
  const added = [
    { name: '_version', type: 'INTEGER' },
    { name: '_committed_at', type: 'TIMESTAMP WITH TIME ZONE' },
    { name: '_version_date', type: 'DATE' },
  ].filter(({ name }) => !taken.has(name))
  if (shapes.length === 0) return emptySql([...fields, ...added])
  const rows = versions.map(
    ({ version, committedAt }) =>
      `(${version}, TIMESTAMPTZ ${quoteText(committedAt)}, DATE ${quoteText(committedAt.slice(0, 10))})`,
  )
  return shapes
    .map(({ columns, files }) => {
      const list = fields.map((field, at) => columnSql(field, columns[at], '_f.'))
      const spans = files.flatMap(({ local, held }) =>
        held.map(([first, last]) => `(${quoteText(local)}, ${first}, ${last})`),
      )
      const read = readParquetSql(
        files.map(({ local }) => local),
        "filename = '_sluice_file'",
      )
      return (
        `SELECT ${[...list, ...added.map(({ name }) => `_v.${name}`)].join(', ')} FROM ${read} AS _f ` +
        `JOIN (VALUES ${spans.join(', ')}) AS _s(_sluice_path, _sluice_first, _sluice_last) ON _f._sluice_file = _s._sluice_path ` +
        `JOIN (VALUES ${rows.join(', ')}) AS _v(_version, _committed_at, _version_date) ON _v._version BETWEEN _s._sluice_first AND _s._sluice_last`
      )
    })
    .join(' UNION ALL ')
}

function emptySql(fields: readonly RelationField[]): string {
  return `SELECT ${fields.map((field) => columnSql(field, null)).join(', ')} WHERE false`
}

function columnSql({ name, type }: RelationField, inFile: RelationField | null | undefined, from = ''): string {
  const value = inFile == null ? 'NULL' : `${from}${quoteIdentifier(inFile.name)}`
  return `CAST(${value} AS ${type}) AS ${quoteIdentifier(name)}`
}
