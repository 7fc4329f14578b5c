/** How a version's files are split, as Iceberg's partition specs: by months of a date or by columns. https://iceberg.apache.org/spec/#partitioning */
import { key } from '../fields.ts'
import { partitionValues } from '../record/encode.ts'
import type { CommitRecord, DataFile, Field } from '../record.ts'
import type { AvroType, AvroValue } from './avro.ts'
import { daysOf } from './bounds.ts'
import { icebergType, stableId } from './schema.ts'

/** A spec as table metadata has it. */
export interface PartitionSpec {
  readonly 'spec-id': number
  readonly fields: readonly PartitionSpecField[]
}

/** One value of a partition. */
export interface PartitionSpecField {
  readonly name: string
  readonly transform: 'identity' | 'month'
  readonly 'source-id': number
  readonly 'field-id': number
}

/** A file's place. */
export interface Placed {
  readonly spec: PartitionSpec
  /** By the spec's names. */
  readonly values: { readonly [name: string]: AvroValue }
}

/** Of a table that is not split; what there is always. */
export const unpartitioned: PartitionSpec = { 'spec-id': 0, fields: [] }

/** Types whose values have one text and no other, and are said in a manifest. Files split by others are not said to be split by them. */
const partitionTypes: {
  readonly [type: string]: { readonly avro: AvroType; readonly read: (text: string) => AvroValue }
} = {
  boolean: { avro: 'boolean', read: (text) => (text === 'true' ? true : text === 'false' ? false : undefined) },
  int: { avro: 'int', read: (text) => (/^-?\d+$/.test(text) ? Number(text) : undefined) },
  long: { avro: 'long', read: (text) => (/^-?\d+$/.test(text) ? BigInt(text) : undefined) },
  date: { avro: { type: 'int', logicalType: 'date' }, read: daysOf },
  string: { avro: 'string', read: (text) => text },
}

/**
 * Where a file is. A value that a manifest cannot say leaves its file outside of all partitions, where every reader looks.
 *
 * @example partitionOf(record, file).values // { invoice_date_month: 491 }
 */
export function partitionOf(
  record: Pick<CommitRecord, 'fields' | 'monthOf'>,
  { partition }: Pick<DataFile, 'partition'>,
): Placed {
  if (partition === undefined) return { spec: unpartitioned, values: {} }
  const { fields, values } = partitionValues(record, partition)
  const ids = new Map(record.fields.map((field) => [field.id, field]))
  const split = fields.flatMap(({ transform, field: id }, at) => {
    const field = id === undefined ? undefined : ids.get(id)
    if (field === undefined) return []
    const value = values[at] ?? null
    const read = transform === 'month' || value === null ? value : typeOf(field)?.read(String(value))
    return read === undefined ? [] : [{ field: specField(record.fields, field, transform), value: read }]
  })
  if (split.length === 0) return { spec: unpartitioned, values: {} }
  return {
    spec: specOf(split.map(({ field }) => field)),
    values: Object.fromEntries(split.map(({ field, value }) => [field.name, value])),
  }
}

/** The type of a partition value in a manifest. @example partitionAvro(fields, specField) // { type: 'int', logicalType: 'date' } */
export function partitionAvro(fields: readonly Field[], { transform, 'source-id': id }: PartitionSpecField): AvroType {
  if (transform === 'month') return 'int'
  return typeOf(fields.find((field) => field.id === id)!)!.avro
}

const typeOf = (field: Field): (typeof partitionTypes)[string] | undefined => partitionTypes[String(icebergType(field))]

/** Ids follow from the column alone, as versions that are gone cannot be counted; from 1000 on they are no column's. */
function specField(
  fields: readonly Field[],
  { id, name }: Field,
  transform: PartitionSpecField['transform'],
): PartitionSpecField {
  const taken = new Set(fields.map((field) => key(field.name)))
  // An identity has the name of its column; any other may have none of a column.
  let own = transform === 'identity' ? name : `${name}_${transform}`
  while (transform !== 'identity' && taken.has(key(own))) own += '_'
  return { name: own, transform, 'source-id': id, 'field-id': 1000 + 2 * id + (transform === 'month' ? 1 : 0) }
}

const specOf = (fields: readonly PartitionSpecField[]): PartitionSpec => ({
  // Beyond 0, which is that of no partition.
  'spec-id': stableId(fields) + 1,
  fields,
})
