/** Stable field ids, and what happens to earlier files when the columns of a table change. */
import { sluiceError } from '../base/errors.ts'
import { isReadAs } from '../sql/types/lattice.ts'
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
    if (hasFiles && old !== undefined && !isReadAs(type, old.type))
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

/** Names in DuckDB do not differ by case. */
export function key(name: string): string {
  return name.toLowerCase()
}

function byName(fields: readonly Field[]): Map<string, Field> {
  return new Map(fields.map((field) => [key(field.name), field]))
}
