/** Table metadata: what a reader of Iceberg begins with. Pure; everything follows from the commit records. https://iceberg.apache.org/spec/#table-metadata */
import { sha256 } from '../../base/json.ts'
import { uuidOf } from '../commits/commit.ts'
import { key } from '../fields.ts'
import type { CommitRecord } from '../record.ts'
import { type PartitionSpec, partitionOf, unpartitioned } from './partition.ts'
import type { IcebergSchema } from './schema.ts'

/** A version as Iceberg knows it. */
export interface IcebergSnapshot {
  readonly 'sequence-number': number
  readonly 'snapshot-id': number
  readonly 'parent-snapshot-id'?: number
  readonly 'timestamp-ms': number
  readonly 'manifest-list': string
  readonly 'schema-id': number
  readonly summary: { readonly operation: string; readonly [property: string]: string }
}

/** The metadata of a table; members that no other part reads are named by the specification alone. */
export interface TableMetadata {
  readonly 'format-version': 2
  readonly 'table-uuid': string
  readonly location: string
  readonly 'current-snapshot-id': number
  readonly schemas: readonly IcebergSchema[]
  readonly 'partition-specs': readonly PartitionSpec[]
  /** Oldest first. */
  readonly snapshots: readonly IcebergSnapshot[]
  readonly [member: string]: unknown
}

/** At most this many of the newest versions are in the metadata. */
export const longestHistory = 500

/** What of a version is in the metadata. */
export interface DescribedVersion {
  readonly snapshot: IcebergSnapshot
  readonly schema: IcebergSchema
  readonly specs: readonly PartitionSpec[]
}

/** The id of a version's snapshot, which nobody has to remember. @example snapshotIdOf(uuid)(7) // 2718281828459045 */
export function snapshotIdOf(uuid: string): (version: number) => number {
  return (version) => Number.parseInt(sha256(`${uuid}:${version}`).slice(0, 13), 16)
}

/** The identity of a table that a record is of. @example tableUuid(record) // '6f1c…' */
export function tableUuid(record: CommitRecord): string {
  return record.uuid ?? uuidOf(record)
}

/** What a version's files were listed with. */
export interface ListedVersion extends Pick<DescribedVersion, 'schema' | 'specs'> {
  readonly uuid: string
  /** The address of its manifest list. */
  readonly list: string
}

/**
 * Describes a version.
 *
 * @example describe(record, { uuid, schema, specs, list: 'file:///data/lake/raw/sales/metadata/snap-7.avro' })
 */
export function describe(record: CommitRecord, { uuid, schema, specs, list }: ListedVersion): DescribedVersion {
  const { version, operation, run, files, rows, bytes } = record
  return {
    schema,
    specs,
    snapshot: {
      'sequence-number': version,
      'snapshot-id': snapshotIdOf(uuid)(version),
      'timestamp-ms': Date.parse(record.committedAt),
      'manifest-list': list,
      'schema-id': schema['schema-id'],
      summary: {
        operation: operation === 'append' ? 'append' : operation === 'compact' ? 'replace' : 'overwrite',
        'total-data-files': String(files.length),
        'total-records': String(rows),
        'total-files-size': String(bytes),
        'sluice.version': String(version),
        'sluice.run': run,
      },
    },
  }
}

/** What the metadata of a version is put together from. */
export interface MetadataInput {
  /** The newest one. */
  readonly record: CommitRecord
  /** The address of the table's folder. */
  readonly location: string
  readonly uuid: string
  /** Oldest first; the last is of `record`. */
  readonly versions: readonly Pick<DescribedVersion, 'snapshot'>[]
  /** Of these versions; those of no version here are left out. */
  readonly schemas: readonly IcebergSchema[]
  readonly specs: readonly PartitionSpec[]
}

/**
 * Puts a table's metadata together.
 *
 * @example JSON.stringify(tableMetadata({ record, location, uuid, versions, schemas, specs }))
 */
export function tableMetadata({ record, location, uuid, versions, schemas, specs }: MetadataInput): TableMetadata {
  const snapshots = linked(versions.slice(-longestHistory).map(({ snapshot }) => snapshot))
  const newest = snapshots.at(-1)!
  const used = new Set(snapshots.map((snapshot) => snapshot['schema-id']))
  const columns = new Set(record.fields.map(({ id }) => id))
  // Readers take no spec of a column that is gone.
  const known = [unpartitioned, ...specs].filter(({ fields }) =>
    fields.every((field) => columns.has(field['source-id'])),
  )
  const byId = new Map(known.map((spec) => [spec['spec-id'], spec]))
  const current = record.files.length === 0 ? unpartitioned : partitionOf(record, record.files.at(-1)!).spec
  const withoutIds = record.files.some(({ hasFieldIds }) => hasFieldIds !== true)
  return {
    'format-version': 2,
    'table-uuid': uuid,
    location,
    'last-sequence-number': record.version,
    'last-updated-ms': newest['timestamp-ms'],
    'last-column-id': record.nextFieldId - 1,
    'current-schema-id': newest['schema-id'],
    schemas: distinct(schemas).filter((schema) => used.has(schema['schema-id'])),
    'default-spec-id': current['spec-id'],
    'partition-specs': [...byId.values()],
    'last-partition-id': Math.max(999, ...known.flatMap(({ fields }) => fields.map((field) => field['field-id']))),
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties: {
      'write.format.default': 'parquet',
      ...(withoutIds ? { 'schema.name-mapping.default': nameMapping(record) } : {}),
    },
    'current-snapshot-id': newest['snapshot-id'],
    refs: { main: { 'snapshot-id': newest['snapshot-id'], type: 'branch' } },
    snapshots,
    'snapshot-log': snapshots.map((snapshot) => ({
      'snapshot-id': snapshot['snapshot-id'],
      'timestamp-ms': snapshot['timestamp-ms'],
    })),
    'metadata-log': [],
  }
}

/** Each with its parent, and none before it in time: readers take no history that goes back, as a clock that was set back would make. */
function linked(snapshots: readonly IcebergSnapshot[]): readonly IcebergSnapshot[] {
  let latest = 0
  let parent: number | undefined
  return snapshots.map(({ 'parent-snapshot-id': _, ...snapshot }) => {
    latest = Math.max(latest, snapshot['timestamp-ms'])
    const one = {
      ...snapshot,
      'timestamp-ms': latest,
      ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
    }
    parent = snapshot['snapshot-id']
    return one
  })
}

const distinct = (schemas: readonly IcebergSchema[]): readonly IcebergSchema[] => [
  ...new Map(schemas.map((schema) => [schema['schema-id'], schema])).values(),
]

/** Where files have no ids: they were written before there were any, and go by names. */
function nameMapping({ fields, files }: CommitRecord): string {
  const inFiles = files.filter(({ hasFieldIds }) => hasFieldIds !== true).flatMap((file) => file.fields)
  const mapping = fields.map(({ id, name }) => ({
    'field-id': id,
    names: [...new Set(inFiles.filter((one) => key(one) === key(name)))],
  }))
  return JSON.stringify(mapping)
}
