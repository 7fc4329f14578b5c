/**
 * What is read, as data: exactly these files, and where each field is in them. No listing, no glob, no SQL and no place on this machine: an engine
 * renders it, and a warehouse may load it without one.
 */
import { isReadAs } from '../sql/types/lattice.ts'
import { key } from './fields.ts'
import type { CommitRecord, DataFile, Field } from './record.ts'

/** A column of a relation. */
export type RelationField = Pick<Field, 'name' | 'type'>

/** A file of a relation: one of the lake, by its path, or one on this machine that nothing has adopted yet. */
export type RelationFile = ({ readonly path: string } | { readonly localFile: string }) & {
  /** For each field its column in the file; null where the file does not hold it. */
  readonly columns: readonly (RelationField | null)[]
  /** Of several versions: which hold the file, from the first to the last of each unbroken run. */
  readonly held?: readonly (readonly [first: number, last: number])[]
}

/** Rows to be read. Plain data: it can be sent to another process, and means the same there but for files on this machine. */
export interface Relation {
  readonly fields: readonly RelationField[]
  readonly files: readonly RelationFile[]
  /** Which of the rows: a condition on the fields. */
  readonly filter?: string
  /**
   * Of a relation of several versions: each of them. A row is there once for each version that holds its file, with `_version`, `_committed_at` and
   * `_version_date` (its day, UTC).
   */
  readonly versions?: readonly Pick<CommitRecord, 'version' | 'committedAt'>[]
}

/** A file that a version holds, or that one will hold. */
type SomeFile = Pick<DataFile, 'fields' | 'types'> &
  ({ readonly path: string } | { readonly localFile: string } | { readonly setAside: { readonly path: string } })

/**
 * The rows of a version, or of some of its files; a column that a file does not hold is NULL.
 *
 * @example await session.all(`SELECT count(*) FROM ${await session.from(relationOf(record))}`)
 */
export function relationOf(
  { fields, files }: { readonly fields: readonly RelationField[]; readonly files: readonly SomeFile[] },
  filter?: string,
): Relation {
  const shapes = new Map<string, RelationFile['columns']>()
  return {
    fields: fields.map(({ name, type }) => ({ name, type })),
    files: files.map((file) => ({ ...placeOf(file), columns: columnsIn(file, fields, shapes) })),
    ...(filter === undefined ? {} : { filter }),
  }
}

const placeOf = (file: SomeFile): { readonly path: string } | { readonly localFile: string } =>
  'localFile' in file ? { localFile: file.localFile } : { path: 'setAside' in file ? file.setAside.path : file.path }

/**
 * The rows of all given versions, in the columns of the newest; a column of the table that has the name of one that is added stands in its place, as a
 * log of changes has its own `_committed_at`. A compaction is left out beside the version whose rows it has. Each file is there once, whatever the
 * number of versions that hold it; for some versions or days, only their files are read.
 */
export function snapshotOf(records: readonly CommitRecord[]): Relation {
  const given = new Set(records.map(({ version }) => version))
  const ordered = records
    .filter(({ compacted }) => compacted === undefined || !given.has(compacted.of))
    .sort((a, b) => b.version - a.version)
  const fields = (ordered[0]?.fields ?? []).map((field) => ({ ...field, type: commonType(field, ordered) }))
  /** A file may be another one under each version's names, for names are what fields are found by. */
  const found = new Map<string, { readonly path: string; readonly columns: RelationFile['columns']; held: number[] }>()
  for (const record of ordered) {
    const here = new Map(record.fields.map((field) => [field.id, field]))
    const own = fields.map((field) => here.get(field.id))
    const shapes = new Map<string, RelationFile['columns']>()
    const names = new Map<RelationFile['columns'], string>()
    for (const file of record.files) {
      const columns = columnsIn(file, own, shapes)
      const name = names.get(columns) ?? JSON.stringify(columns)
      names.set(columns, name)
      const one = found.get(`${file.path}\0${name}`)
      if (one === undefined) found.set(`${file.path}\0${name}`, { path: file.path, columns, held: [record.version] })
      else one.held.push(record.version)
    }
  }
  return {
    fields: fields.map(({ name, type }) => ({ name, type })),
    files: [...found.values()].map(({ path, columns, held }) => ({ path, columns, held: ranges(held) })),
    versions: ordered.map(({ version, committedAt }) => ({ version, committedAt })),
  }
}

/** Where fields are in a file; one array for all files that hold the same columns in the same types. */
function columnsIn(
  file: Pick<DataFile, 'fields' | 'types'>,
  fields: readonly (RelationField | undefined)[],
  shapes: Map<string, RelationFile['columns']>,
): RelationFile['columns'] {
  const shape = shapeOf(file)
  const known = shapes.get(shape)
  if (known !== undefined) return known
  const columns = fields.map((field) => {
    const name = field && file.fields.find((one) => key(one) === key(field.name))
    return field === undefined || name === undefined ? null : { name, type: file.types?.[name] ?? field.type }
  })
  shapes.set(shape, columns)
  return columns
}

function shapeOf({ fields, types }: Pick<DataFile, 'fields' | 'types'>): string {
  const names = fields.join('\0')
  return types === undefined ? names : `${names}\0\0${JSON.stringify(Object.entries(types).sort())}`
}

/** The newest type, where every version's is read as it; otherwise text, which holds all of them. */
function commonType(field: Field, records: readonly CommitRecord[]): string {
  const types = records.flatMap((record) => record.fields.filter(({ id }) => id === field.id).map(({ type }) => type))
  return types.every((type) => isReadAs(field.type, type)) ? field.type : 'VARCHAR'
}

/** Unbroken runs of descending numbers, as [first, last]. */
function ranges(descending: readonly number[]): readonly [number, number][] {
  const found: [number, number][] = []
  for (const number of descending) {
    const last = found.at(-1)
    if (last !== undefined && last[0] === number + 1) last[0] = number
    else found.push([number, number])
  }
  return found
}
