/** Stable field ids, and what happens to earlier files when the columns of a table change. */
import { sluiceError } from '../base/errors.ts'
import { withNested } from './nested.ts'
import type { CommitRecord, DataFile, Field } from './record.ts'

/** A version's columns after a commit. */
export interface AssignedFields {
  readonly fields: readonly Field[]
  readonly nextFieldId: number
}

/**
 * Gives each column its id: the one of the parent's column of that name (DuckDB's names do not differ by case), or a new one.
 *
 * @example assignFields('raw.sales', undefined, [{ name: 'a', type: 'INTEGER', nullable: true }], false)
 * @param keepsFiles Whether the parent's files stay in the version; then types may only widen.
 * @throws Lake.SchemaConflict
 */
export function assignFields(
  table: string,
  parent: CommitRecord | undefined,
  wanted: readonly Omit<Field, 'id'>[],
  keepsFiles: boolean,
): AssignedFields {
  const ids = { next: parent?.nextFieldId ?? 1 }
  const before = byName(parent?.fields ?? [])
  const hasFiles = keepsFiles && (parent?.files.length ?? 0) > 0
  const fields = wanted.map(({ name, type, nullable }) => {
    const old = before.get(key(name))
    if (hasFiles && old !== undefined && !widens(old.type, type))
      throw sluiceError('Lake.SchemaConflict', { table, column: name, from: old.type, to: type })
    // Earlier files do not hold a new column: it is NULL there.
    return { id: old?.id ?? ids.next++, name, type, nullable: nullable || (hasFiles && (old?.nullable ?? true)) }
  })
  // After all columns, whose ids are then in their order.
  const whole = fields.map((field) => withNested(field, before.get(key(field.name))?.nested, ids))
  return { fields: whole, nextFieldId: ids.next }
}

/**
 * The parent's files as the new version sees them: only fields whose id lives on, with the type in the file where it is no longer the field's.
 */
export function carryFiles(parent: CommitRecord, fields: readonly Field[]): readonly DataFile[] {
  const unchanged =
    parent.fields.length === fields.length &&
    parent.fields.every(
      (old, at) => old.id === fields[at]?.id && old.name === fields[at].name && old.type === fields[at].type,
    )
  if (unchanged) return parent.files
  const old = byName(parent.fields)
  const now = new Map(fields.map((field) => [field.id, field]))
  // A content is one of the columns as they were.
  return parent.files.map(({ types: known, content: _, ...file }) => {
    const held = file.fields.filter((name) => now.has(old.get(key(name))?.id ?? -1))
    const types = held.flatMap((name) => {
      const type = known?.[name] ?? old.get(key(name))?.type
      return type === undefined || type === now.get(old.get(key(name))?.id ?? -1)?.type ? [] : [[name, type] as const]
    })
    return { ...file, fields: held, ...(types.length === 0 ? {} : { types: Object.fromEntries(types) }) }
  })
}

/**
 * Whether every value of one type survives in another.
 *
 * @example widens('INTEGER', 'BIGINT') // true
 */
export function widens(from: string, to: string): boolean {
  if (from === to || to === 'VARCHAR') return true
  const integer = integers.get(from)
  const wider = integers.get(to)
  if (integer !== undefined && wider !== undefined) return wider.min <= integer.min && wider.max >= integer.max
  const target = decimal(to)
  if (target !== undefined) {
    const digits = target.precision - target.scale
    const source = decimal(from)
    if (source !== undefined) return source.scale <= target.scale && source.precision - source.scale <= digits
    return integer !== undefined && integer.digits <= digits
  }
  return to === 'DOUBLE' && (from === 'FLOAT' || (integer !== undefined && integer.digits <= 10))
}

/** Names in DuckDB do not differ by case. */
export function key(name: string): string {
  return name.toLowerCase()
}

function byName(fields: readonly Field[]): Map<string, Field> {
  return new Map(fields.map((field) => [key(field.name), field]))
}

function decimal(type: string): { precision: number; scale: number } | undefined {
  const [, precision, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type) ?? []
  return precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) }
}

const integers = new Map(
  [8n, 16n, 32n, 64n, 128n].flatMap((bits) => {
    const signed = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT'][Math.log2(Number(bits)) - 3] ?? ''
    const half = 2n ** (bits - 1n)
    return [
      [signed, { min: -half, max: half - 1n, digits: String(half).length }],
      [
        signed === 'INTEGER' ? 'UINTEGER' : `U${signed}`,
        { min: 0n, max: half * 2n - 1n, digits: String(half * 2n).length },
      ],
    ] as [string, { min: bigint; max: bigint; digits: number }][]
  }),
)
