/**
 * A commit record as it is stored: format 3. What files have in common is said once, as a shape, and statistics go by field id.
 */
import { key } from '../fields.ts'
import type { ColumnStats, CommitRecord, DataFile, Field } from '../record.ts'
import { openSealed, sealJson } from './sealed-json.ts'
import { type OlderRecord, upgrade } from './upgrade.ts'

/** How a file's place in a partitioned table is said: by a column's value, or by the month of a date, counted from January 1970. */
export interface PartitionField {
  readonly transform: 'identity' | 'month'
  /** Absent where what was written before format 3 does not say whose months they are, and for what is no column. */
  readonly field?: number
  /** Of an identity: what the partition is called. */
  readonly name?: string
}

/** The typed values of a file's partition: of months their number, of others the value as text. */
export interface PartitionValues {
  readonly fields: readonly PartitionField[]
  readonly values: readonly (string | number | null)[]
}

interface Shape extends Pick<DataFile, 'fields' | 'types'> {
  readonly partition?: readonly PartitionField[]
}

/** Nulls, least, greatest, values, NaNs, bytes; what is not known is null, and left out at the end. */
type StoredStats = readonly (string | number | null)[]

interface StoredFile extends Omit<DataFile, 'fields' | 'types' | 'partition' | 'stats'> {
  /** Its place in the record's shapes. */
  readonly shape: number
  readonly partition?: PartitionValues['values']
  /** By field id. */
  readonly stats: { readonly [field: string]: StoredStats }
}

interface StoredRecord extends Omit<CommitRecord, 'files'> {
  readonly shapes: readonly Shape[]
  readonly files: readonly StoredFile[]
}

/** @example await storage.create(versionPath(record.table, record.version), encodeRecord(record)) */
export function encodeRecord(record: CommitRecord): string {
  const ids = new Map(record.fields.map(({ id, name }) => [key(name), id]))
  const places = new Map<string, number>()
  const shapes: Shape[] = []
  const files = record.files.map(({ fields, types, partition, stats, ...file }): StoredFile => {
    const split = partition === undefined ? undefined : partitionValues(record, partition)
    const shape = {
      fields,
      ...(types === undefined ? {} : { types }),
      ...(split === undefined ? {} : { partition: split.fields }),
    }
    const text = JSON.stringify(shape)
    const place = places.get(text) ?? shapes.push(shape) - 1
    places.set(text, place)
    const byId = Object.entries(stats).flatMap(([name, of]) => {
      const id = ids.get(key(name))
      return id === undefined ? [] : [[id, encodeStats(of)] as const]
    })
    return {
      ...file,
      shape: place,
      ...(split === undefined ? {} : { partition: split.values }),
      stats: Object.fromEntries(byId),
    }
  })
  return sealJson({ ...record, shapes, files } satisfies StoredRecord)
}

/**
 * Reads a record's bytes, of any format, and believes them only if their digest holds.
 *
 * @example const record = decodeRecord(bytes, 'raw/sales/_versions/000000000007.json')
 * @throws Lake.RecordCorrupt, Lake.FormatNewer
 */
export function decodeRecord(bytes: Uint8Array, path: string): CommitRecord {
  const stored = openSealed(bytes, path) as StoredRecord | OlderRecord
  if (stored.format < 3) return upgrade(stored as OlderRecord)
  const { shapes, files, ...record } = stored as StoredRecord
  const names = new Map(record.fields.map(({ id, name }) => [String(id), name]))
  return {
    ...record,
    files: files.map(({ shape, partition: values, stats, ...file }): DataFile => {
      const { fields, types, partition } = shapes[shape] as Shape
      const byName = Object.entries(stats).flatMap(([id, of]) => {
        const name = names.get(id)
        return name === undefined ? [] : [[name, decodeStats(of)] as const]
      })
      return {
        ...file,
        fields,
        ...(types === undefined ? {} : { types }),
        ...(partition === undefined ? {} : { partition: partitionNames({ fields: partition, values: values ?? [] }) }),
        stats: Object.fromEntries(byName),
      }
    }),
  }
}

/**
 * A partition with its transforms and typed values, as Iceberg knows them.
 *
 * @example partitionValues(record, { year: '2010', month: '12' }) // { fields: [{ transform: 'month', field: 2 }], values: [491] }
 */
export function partitionValues(
  { fields, monthOf }: Pick<CommitRecord, 'fields' | 'monthOf'>,
  partition: NonNullable<DataFile['partition']>,
): PartitionValues {
  const split = Object.entries(partition)
  if (isMonth(partition, fields)) {
    const { year, month } = partition
    const value = year == null || month == null ? null : (Number(year) - 1970) * 12 + Number(month) - 1
    return { fields: [{ transform: 'month', ...(monthOf === undefined ? {} : { field: monthOf }) }], values: [value] }
  }
  const ids = new Map(fields.map(({ id, name }) => [key(name), id]))
  return {
    fields: split.map(([name]) => {
      const field = ids.get(key(name))
      return { transform: 'identity', name, ...(field === undefined ? {} : { field }) }
    }),
    values: split.map(([, value]) => value),
  }
}

/** Whether a partition is the year and month of a date: then neither is a column. @example isMonth(file.partition, record.fields) */
export function isMonth(
  partition: NonNullable<DataFile['partition']>,
  fields: readonly Pick<Field, 'name'>[],
): boolean {
  const names = Object.keys(partition)
  if (names.length !== 2 || !('year' in partition) || !('month' in partition)) return false
  return !fields.some(({ name }) => names.includes(key(name)))
}

function partitionNames({ fields, values }: PartitionValues): NonNullable<DataFile['partition']> {
  const names = fields.flatMap(({ transform, name }, at): (readonly [string, string | null])[] => {
    const value = values[at] ?? null
    if (transform === 'identity') return [[name ?? '', value === null ? null : String(value)]]
    if (value === null) return [['year', null], ['month', null]] // biome-ignore format: a pair a line says no more
    const month = ((Number(value) % 12) + 12) % 12
    return [
      ['year', String(1970 + (Number(value) - month) / 12)],
      ['month', String(month + 1).padStart(2, '0')],
    ]
  })
  return Object.fromEntries(names)
}

function encodeStats({ nulls, min, max, values, nans, bytes }: ColumnStats): StoredStats {
  const all = [nulls, min ?? null, max ?? null, values ?? null, nans ?? null, bytes ?? null]
  return all.slice(0, all.findLastIndex((one) => one !== null) + 1)
}

function decodeStats(stored: StoredStats): ColumnStats {
  const [nulls, min, max, values, nans, bytes] = stored as [number, string?, string?, number?, number?, number?]
  return {
    nulls,
    ...(min == null ? {} : { min }),
    ...(max == null ? {} : { max }),
    ...(values == null ? {} : { values }),
    ...(nans == null ? {} : { nans }),
    ...(bytes == null ? {} : { bytes }),
  }
}
