/** The files of a version as Iceberg lists them: manifests, one a partition spec, and their list. https://iceberg.apache.org/spec/#manifests */
import { key } from '../fields.ts'
import type { CommitRecord, DataFile } from '../record.ts'
import { type AvroField, type AvroRecord, type AvroType, type AvroValue, containerFile } from './avro.ts'
import { boundOf, type End } from './bounds.ts'
import { type PartitionSpec, type Placed, partitionAvro, partitionOf, unpartitioned } from './partition.ts'
import type { IcebergSchema } from './schema.ts'

/** What a manifest is made of. */
export interface ManifestInput {
  readonly record: CommitRecord
  readonly schema: IcebergSchema
  /** The address of an object of the lake: `file:///data/lake/raw/sales/data/…`. */
  readonly addressOf: (path: string) => string
  /** The id of a version's snapshot. */
  readonly snapshotId: (version: number) => number
}

/** A manifest before it has an address. */
export interface Manifest {
  readonly spec: PartitionSpec
  readonly bytes: Uint8Array
  readonly counts: ManifestCounts
}

/** What the list says of a manifest. */
interface ManifestCounts {
  readonly added: { readonly files: number; readonly rows: number }
  readonly existing: { readonly files: number; readonly rows: number }
  /** The oldest version that a row of it is of. */
  readonly oldest: number
}

const field = (name: string, type: AvroType, id: number): AvroField => ({ name, type, 'field-id': id })
const optional = (name: string, type: AvroType, id: number): AvroField => ({
  ...{ name, type: ['null', type], default: null, 'field-id': id },
})

/** A map with numbers as keys, which Avro has as an array of pairs. */
const byField = (keyId: number, valueId: number, value: AvroType): AvroType => ({
  ...{ type: 'array', logicalType: 'map' },
  items: {
    ...{ type: 'record', name: `k${keyId}_v${valueId}` },
    fields: [field('key', 'int', keyId), field('value', value, valueId)],
  },
})

function entrySchema(partition: AvroRecord): AvroRecord {
  const dataFile: AvroRecord = {
    type: 'record',
    name: 'r2',
    fields: [
      field('content', 'int', 134),
      field('file_path', 'string', 100),
      field('file_format', 'string', 101),
      field('partition', partition, 102),
      field('record_count', 'long', 103),
      field('file_size_in_bytes', 'long', 104),
      optional('column_sizes', byField(117, 118, 'long'), 108),
      optional('value_counts', byField(119, 120, 'long'), 109),
      optional('null_value_counts', byField(121, 122, 'long'), 110),
      optional('nan_value_counts', byField(138, 139, 'long'), 137),
      optional('lower_bounds', byField(126, 127, 'bytes'), 125),
      optional('upper_bounds', byField(129, 130, 'bytes'), 128),
    ],
  }
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      field('status', 'int', 0),
      optional('snapshot_id', 'long', 1),
      optional('sequence_number', 'long', 3),
      optional('file_sequence_number', 'long', 4),
      field('data_file', dataFile, 2),
    ],
  }
}

const listSchema: AvroRecord = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field('manifest_path', 'string', 500),
    field('manifest_length', 'long', 501),
    field('partition_spec_id', 'int', 502),
    field('content', 'int', 517),
    field('sequence_number', 'long', 515),
    field('min_sequence_number', 'long', 516),
    field('added_snapshot_id', 'long', 503),
    field('added_files_count', 'int', 504),
    field('existing_files_count', 'int', 505),
    field('deleted_files_count', 'int', 506),
    field('added_rows_count', 'long', 512),
    field('existing_rows_count', 'long', 513),
    field('deleted_rows_count', 'long', 514),
  ],
}

/**
 * The manifests of a version: all its files, each spec's by themselves.
 *
 * @example for (const { spec, bytes } of manifestsOf({ record, schema, addressOf, snapshotId })) …
 */
export function manifestsOf(input: ManifestInput): readonly Manifest[] {
  const placed = input.record.files.map((file) => ({ file, ...partitionOf(input.record, file) }))
  const specs = new Map(placed.map(({ spec }) => [spec['spec-id'], spec]))
  if (specs.size === 0) specs.set(0, unpartitioned)
  return [...specs.values()].map((spec) =>
    manifestOf(
      input,
      spec,
      placed.filter((one) => one.spec['spec-id'] === spec['spec-id']),
    ),
  )
}

function manifestOf(
  input: ManifestInput,
  spec: PartitionSpec,
  placed: readonly (Placed & { readonly file: DataFile })[],
): Manifest {
  const { record, schema, snapshotId } = input
  const partition: AvroRecord = {
    type: 'record',
    name: 'r102',
    fields: spec.fields.map((one) => optional(one.name, partitionAvro(record.fields, one), one['field-id'])),
  }
  const isAdded = ({ addedIn, merged }: DataFile): boolean => addedIn === record.version && merged === undefined
  const rows = placed.map(({ file, values }) => ({
    status: isAdded(file) ? 1 : 0,
    snapshot_id: snapshotId(file.addedIn),
    sequence_number: file.addedIn,
    file_sequence_number: file.addedIn,
    data_file: dataFile(input, file, values),
  }))
  const bytes = containerFile(entrySchema(partition), rows, {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': JSON.stringify(spec.fields),
    'partition-spec-id': String(spec['spec-id']),
    'format-version': '2',
    content: 'data',
  })
  const count = (files: readonly DataFile[]): ManifestCounts['added'] => ({
    files: files.length,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
  })
  const files = placed.map(({ file }) => file)
  const counts = {
    added: count(files.filter(isAdded)),
    existing: count(files.filter((file) => !isAdded(file))),
    oldest: Math.min(record.version, ...files.map(({ addedIn }) => addedIn)),
  }
  return { spec, bytes, counts }
}

function dataFile(
  { record, schema, addressOf }: ManifestInput,
  file: DataFile,
  partition: Placed['values'],
): AvroValue {
  const own = record.fields.flatMap(({ id, name, type }, at) => {
    const of = file.stats[name]
    const held = file.fields.find((one) => key(one) === key(name))
    // Of parts of nested columns nothing is known, and of the whole nothing is asked.
    if (of === undefined || held === undefined || typeof schema.fields[at]?.type !== 'string') return []
    return [{ id, of, type: schema.fields[at].type, stored: file.types?.[held] ?? type }]
  })
  const pairs = (value: (one: (typeof own)[number]) => AvroValue): AvroValue => {
    const found = own.map((one) => ({ key: one.id, value: value(one) }))
    return found.filter((pair) => pair.value !== undefined)
  }
  const bound = (end: End) =>
    pairs(({ of, type, stored }) => {
      const isFloating = type === 'float' || type === 'double'
      // Beside NaN, which readers order differently, bounds say nothing.
      if (isFloating && of.nans !== 0) return undefined
      return boundOf(type, end === 'lower' ? of.min : of.max, { end, isSingle: /^(?:FLOAT|REAL)/i.test(stored) })
    })
  return {
    content: 0,
    file_path: addressOf(file.path),
    file_format: 'PARQUET',
    partition,
    record_count: file.rows,
    file_size_in_bytes: file.bytes,
    column_sizes: pairs(({ of }) => of.bytes),
    value_counts: pairs(({ of }) => of.values),
    null_value_counts: pairs(({ of }) => of.nulls),
    nan_value_counts: pairs(({ of }) => of.nans),
    lower_bounds: bound('lower'),
    upper_bounds: bound('upper'),
  }
}

/**
 * The list of a version's manifests, which is what a snapshot is.
 *
 * @example manifestList(record.version, snapshotId, manifests.map((manifest, at) => ({ ...manifest, address: addresses[at] })))
 */
export function manifestList(
  version: number,
  snapshotId: ManifestInput['snapshotId'],
  manifests: readonly (Manifest & { readonly address: string })[],
): Uint8Array {
  const rows = manifests.map(({ address, bytes, spec, counts: { added, existing, oldest } }) => ({
    manifest_path: address,
    manifest_length: bytes.length,
    partition_spec_id: spec['spec-id'],
    content: 0,
    sequence_number: version,
    min_sequence_number: oldest,
    added_snapshot_id: snapshotId(version),
    added_files_count: added.files,
    existing_files_count: existing.files,
    deleted_files_count: 0,
    added_rows_count: added.rows,
    existing_rows_count: existing.rows,
    deleted_rows_count: 0,
  }))
  return containerFile(listSchema, rows, {
    'snapshot-id': String(snapshotId(version)),
    'sequence-number': String(version),
    'format-version': '2',
  })
}
