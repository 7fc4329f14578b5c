/** A version's columns as an Iceberg schema, with the ids that the fields have here. https://iceberg.apache.org/spec/#schemas-and-data-types */
import { createHash } from 'node:crypto'
import { parseType } from '../../sql/types/parse.ts'
import type { CommitRecord, NestedField } from '../record.ts'

/** A type as table metadata spells it. */
export type IcebergType =
  | string
  | { readonly type: 'struct'; readonly fields: readonly IcebergField[] }
  | {
      readonly type: 'list'
      readonly 'element-id': number
      readonly element: IcebergType
      readonly 'element-required': false
    }
  | {
      readonly type: 'map'
      readonly 'key-id': number
      readonly key: IcebergType
      readonly 'value-id': number
      readonly value: IcebergType
      readonly 'value-required': false
    }

/** A column. Nothing is required: an older file may lack it. */
export interface IcebergField {
  readonly id: number
  readonly name: string
  readonly required: false
  readonly type: IcebergType
}

/** The columns of a version. */
export interface IcebergSchema {
  readonly type: 'struct'
  readonly 'schema-id': number
  readonly fields: readonly IcebergField[]
}

/** A column whose values Iceberg v2 has no type for, or not as they are in the files. */
export interface Unsupported {
  readonly column: string
  readonly type: string
}

/**
 * The schema of a version; or the columns that keep the table from being read as an Iceberg table.
 *
 * @example icebergSchema(record) // { schema: { type: 'struct', 'schema-id': 71828182, fields: [{ id: 1, name: 'day', required: false, type: 'date' }] } }
 */
export function icebergSchema({ fields }: Pick<CommitRecord, 'fields'>): {
  readonly schema: IcebergSchema
  readonly unsupported: readonly Unsupported[]
} {
  const unsupported: Unsupported[] = []
  const columns = fields.map((field): IcebergField => {
    const type = icebergType(field)
    if (type === undefined) unsupported.push({ column: field.name, type: field.type })
    return { id: field.id, name: field.name, required: false, type: type ?? 'binary' }
  })
  return { schema: { type: 'struct', 'schema-id': stableId(columns), fields: columns }, unsupported }
}

/**
 * A positive number that equal things have in common, whatever came before them: versions that are gone cannot be counted.
 *
 * @example stableId([{ transform: 'month', field: 3 }]) // 31415926
 */
export function stableId(value: unknown): number {
  return createHash('sha256').update(JSON.stringify(value)).digest().readUInt32BE() >>> 2
}

/**
 * The Iceberg type of a column; undefined where there is none that readers find in its files. DuckDB writes integers of 128 bits as floating numbers,
 * unsigned ones of 32 and 64 bits in the space of signed ones, and milliseconds and nanoseconds as such.
 *
 * @example icebergType({ id: 3, name: 'amount', type: 'DECIMAL(12,2)' }) // 'decimal(12, 2)'
 */
export function icebergType({ type, nested }: NestedField): IcebergType | undefined {
  const parsed = parseType(type)
  switch (parsed.kind) {
    case 'exact': {
      if (/^(?:decimal|numeric)/i.test(type)) return `decimal(${String(parsed.max).length}, ${parsed.scale})`
      if (parsed.max < 2n ** 31n) return 'int'
      return parsed.max < 2n ** 63n && parsed.min < 0n ? 'long' : undefined
    }
    case 'float':
      return parsed.bits === 24 ? 'float' : 'double'
    case 'text':
      return 'string'
    case 'date':
      return 'date'
    case 'timestamp':
      return parsed.digits === 6 || parsed.digits === 0 ? 'timestamp' : undefined
    case 'named':
      return /^enum\b/i.test(parsed.name) ? 'string' : namedTypes[parsed.name]
    default:
      return nestedType(parsed.kind, nested)
  }
}

const namedTypes: { readonly [name: string]: string } = {
  ...{ boolean: 'boolean', uuid: 'uuid', time: 'time', blob: 'binary', json: 'string', timestamptz: 'timestamptz' },
}

function nestedType(kind: 'list' | 'map' | 'struct', parts: readonly NestedField[] = []): IcebergType | undefined {
  const types = parts.map(icebergType)
  if (types.length === 0 || types.includes(undefined)) return undefined
  const [first, second] = parts
  const [one, other] = types as readonly IcebergType[]
  if (kind === 'struct')
    return {
      type: 'struct',
      fields: parts.map(({ id, name }, at) => ({ id, name, required: false, type: types[at] as IcebergType })),
    }
  if (kind === 'list') return { type: 'list', 'element-id': first!.id, element: one!, 'element-required': false }
  return { type: 'map', 'key-id': first!.id, key: one!, 'value-id': second!.id, value: other!, 'value-required': false }
}
