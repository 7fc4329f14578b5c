/** The catalog of a table, derived from its records alone: delete it and make it again, and every byte is the same. */
import { canonicalJson } from '../base/json.ts'
import type { CommitRecord, Field, InputReference } from './record.ts'

/** What is known of a table. */
export interface CatalogTable {
  readonly table: string
  readonly version: number
  readonly committedAt: string
  readonly fields: readonly Field[]
  readonly rows: number
  readonly bytes: number
  readonly files: number
  readonly partitions: readonly CatalogPartition[]
  /** Kept versions, newest first. */
  readonly versions: readonly CatalogVersion[]
}

/** One partition of the current version. */
export interface CatalogPartition {
  readonly values: { readonly [column: string]: string | null }
  readonly rows: number
  readonly bytes: number
  readonly files: number
}

/** One version and where it came from. */
export interface CatalogVersion
  extends Pick<
    CommitRecord,
    'version' | 'committedAt' | 'operation' | 'rollbackOf' | 'rows' | 'bytes' | 'run' | 'definition' | 'accounting'
  > {
  readonly inputs: readonly InputReference[]
}

/**
 * Derives a table's catalog from its kept versions; undefined without any.
 *
 * @example catalogOf(await lake.versions('raw.sales'))
 */
export function catalogOf(records: readonly CommitRecord[]): CatalogTable | undefined {
  const ordered = [...records].sort((a, b) => b.version - a.version)
  const current = ordered[0]
  if (current === undefined) return undefined
  const { table, version, committedAt, fields, rows, bytes } = current
  return {
    table,
    version,
    committedAt,
    fields,
    rows,
    bytes,
    files: current.files.length,
    partitions: partitionsOf(current),
    versions: ordered.map(versionEntry),
  }
}

function partitionsOf(record: CommitRecord): readonly CatalogPartition[] {
  const partitions = new Map<string, CatalogPartition>()
  for (const { partition, rows, bytes } of record.files) {
    if (partition === undefined) continue
    const name = canonicalJson(partition)
    const sofar = partitions.get(name) ?? { values: partition, rows: 0, bytes: 0, files: 0 }
    partitions.set(name, { ...sofar, rows: sofar.rows + rows, bytes: sofar.bytes + bytes, files: sofar.files + 1 })
  }
  return [...partitions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, partition]) => partition)
}

function versionEntry(record: CommitRecord): CatalogVersion {
  const { version, committedAt, operation, rollbackOf, rows, bytes, run, definition, accounting, inputs } = record
  return {
    version,
    committedAt,
    operation,
    ...(rollbackOf === undefined ? {} : { rollbackOf }),
    rows,
    bytes,
    run,
    definition,
    accounting,
    inputs,
  }
}
