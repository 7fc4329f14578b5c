/** Turns records into SELECTs over exactly their files: no listing, no glob; a column that a file does not hold is NULL. */
import { quoteIdentifier, quoteText, readParquetSql } from '../sql/quote.ts'
import type { Storage } from '../storage/storage.ts'
import { key, widens } from './fields.ts'
import type { CommitRecord, DataFile, Field } from './record.ts'

/**
 * A SELECT of a version's rows.
 *
 * @example await latestSql(storage, record) // SELECT CAST("id" AS INTEGER) AS "id" FROM read_parquet(['/lake/…'], hive_partitioning = false)
 */
export async function latestSql(storage: Storage, record: Pick<CommitRecord, 'fields' | 'files'>): Promise<string> {
  const selects: string[] = []
  for (const files of groupByShape(record.files)) {
    const columns = record.fields.map((field) => column(field.name, field.type, physical(files[0], field)))
    selects.push(`SELECT ${columns.join(', ')} FROM ${await relation(storage, files)}`)
  }
  return selects.length > 0 ? selects.join(' UNION ALL ') : emptySelect(record.fields)
}

/**
 * A SELECT of all given versions' rows, with `_version`, `_committed_at` and `_version_date` (its day, UTC), in the columns of the newest; a column of
 * the table that has one of these names stands in its place, as a log of changes has its own `_committed_at`. A compaction is left out beside the version whose rows it has. Each file is read once, whatever the number of versions that hold it; for some versions or days, only their files are.
 */
export async function snapshotSql(storage: Storage, records: readonly CommitRecord[]): Promise<string> {
  const given = new Set(records.map(({ version }) => version))
  const ordered = records
    .filter(({ compacted }) => compacted === undefined || !given.has(compacted.of))
    .sort((a, b) => b.version - a.version)
  const fields = (ordered[0]?.fields ?? []).map((field) => ({ ...field, type: commonType(field, ordered) }))
  /** By columns and their types in the file, for one relation reads one type: the files, each with the versions that hold it. */
  const groups = new Map<string, { readonly list: string; readonly files: Map<string, number[]> }>()
  for (const record of ordered) {
    const here = new Map(record.fields.map((field) => [field.id, field]))
    const known = new Map<string, Map<string, number[]>>()
    for (const file of record.files) {
      const shape = shapeOf(file)
      let files = known.get(shape)
      if (files === undefined) {
        const own = fields.map((field) => here.get(field.id))
        const list = fields.map(({ name, type }, at) => column(name, type, physical(file, own[at]), '_f.')).join(', ')
        const inFile = own.map((field) => field && (file.types?.[physical(file, field) ?? ''] ?? field.type))
        const id = JSON.stringify([list, inFile])
        const group = groups.get(id) ?? { list, files: new Map<string, number[]>() }
        groups.set(id, group)
        files = group.files
        known.set(shape, files)
      }
      const held = files.get(file.path)
      if (held === undefined) files.set(file.path, [record.version])
      else held.push(record.version)
    }
  }
  const versions = ordered.map(
    ({ version, committedAt }) =>
      `(${version}, TIMESTAMPTZ ${quoteText(committedAt)}, DATE ${quoteText(committedAt.slice(0, 10))})`,
  )
  const taken = new Set(fields.map(({ name }) => key(name)))
  const added = [
    { name: '_version', type: 'INTEGER' },
    { name: '_committed_at', type: 'TIMESTAMP WITH TIME ZONE' },
    { name: '_version_date', type: 'DATE' },
  ].filter(({ name }) => !taken.has(name))
  const selects: string[] = []
  for (const { list, files } of groups.values()) {
    const spans: string[] = []
    for (const [path, held] of files)
      for (const [first, last] of ranges(held))
        spans.push(`(${quoteText((await storage.materialise(path)).file)}, ${first}, ${last})`)
    selects.push(
      `SELECT ${[list, ...added.map(({ name }) => `_v.${name}`)].join(', ')} FROM ${await relation(
        storage,
        [...files.keys()].map((path) => ({ path })),
        '_sluice_file',
      )} AS _f ` +
        `JOIN (VALUES ${spans.join(', ')}) AS _s(_sluice_path, _sluice_first, _sluice_last) ON _f._sluice_file = _s._sluice_path ` +
        `JOIN (VALUES ${versions.join(', ')}) AS _v(_version, _committed_at, _version_date) ON _v._version BETWEEN _s._sluice_first AND _s._sluice_last`,
    )
  }
  if (selects.length > 0) return selects.join(' UNION ALL ')
  return emptySelect([...fields, ...added])
}

/** Files that hold the same columns in the same types can be read as one relation. */
function groupByShape(files: readonly DataFile[]): DataFile[][] {
  const groups = new Map<string, DataFile[]>()
  for (const file of files) {
    const shape = shapeOf(file)
    const group = groups.get(shape)
    if (group === undefined) groups.set(shape, [file])
    else group.push(file)
  }
  return [...groups.values()]
}

/** The columns of a file, and the types that are not the version's. */
function shapeOf(file: DataFile): string {
  const names = file.fields.join('\0')
  return file.types === undefined ? names : `${names}\0\0${JSON.stringify(Object.entries(file.types).sort())}`
}

/** The field's name in the file; undefined where the file does not hold it. */
function physical(file: DataFile | undefined, field: Field | undefined): string | undefined {
  if (field === undefined) return undefined
  return file?.fields.find((name) => key(name) === key(field.name))
}

function column(name: string, type: string, inFile: string | undefined, relation = ''): string {
  const value = inFile === undefined ? 'NULL' : `${relation}${quoteIdentifier(inFile)}`
  return `CAST(${value} AS ${type}) AS ${quoteIdentifier(name)}`
}

async function relation(
  storage: Storage,
  files: readonly { readonly path: string }[],
  filename?: string,
): Promise<string> {
  const paths = await Promise.all(files.map(async ({ path }) => (await storage.materialise(path)).file))
  return readParquetSql(paths, ...(filename === undefined ? [] : [`filename = ${quoteText(filename)}`]))
}

function emptySelect(fields: readonly { readonly name: string; readonly type: string }[]): string {
  return `SELECT ${fields.map((field) => column(field.name, field.type, undefined)).join(', ')} WHERE false`
}

/** The newest type, where every version's widens to it; otherwise text, which holds all of them. */
function commonType(field: Field, records: readonly CommitRecord[]): string {
  const types = records.flatMap((record) => record.fields.filter(({ id }) => id === field.id).map(({ type }) => type))
  return types.every((type) => widens(type, field.type)) ? field.type : 'VARCHAR'
}

/** Unbroken runs of descending numbers, as [first, last]. */
function ranges(descending: readonly number[]): [number, number][] {
  const found: [number, number][] = []
  for (const number of descending) {
    const last = found.at(-1)
    if (last !== undefined && last[0] === number + 1) last[0] = number
    else found.push([number, number])
  }
  return found
}
