/** Which files a version cannot keep as they are: every reader of the table as an Iceberg table must find its types in them. */
import { icebergPromotes, isReadAs } from '../sql/types/lattice.ts'
import { assignFields, carryFiles, key } from './fields.ts'
import type { CommitRecord, DataFile, Field } from './record.ts'

/** Files to be written again, as the next version sees them. */
export interface Rewriting {
  readonly fields: readonly Field[]
  readonly files: readonly DataFile[]
}

/**
 * The files of a version whose types Iceberg v2 does not read as those of the next one. A change that is refused rewrites nothing.
 *
 * @example rewritingOf(record, [{ name: 'day', type: 'TIMESTAMP', nullable: true }]).files // those with `day` as a DATE
 * @param wanted The columns of the next version.
 */
export function rewritingOf(parent: CommitRecord, wanted: readonly Omit<Field, 'id'>[]): Rewriting {
  const { fields } = assignFields(parent.table, parent, wanted, false)
  const types = new Map(fields.map(({ name, type }) => [key(name), type]))
  const files = carryFiles(parent, fields).filter((file) =>
    Object.entries(file.types ?? {}).some(([name, type]) => {
      const now = types.get(key(name)) ?? type
      return isReadAs(now, type) && !icebergPromotes(type, now)
    }),
  )
  return { fields, files }
}
