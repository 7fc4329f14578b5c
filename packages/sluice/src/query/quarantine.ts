/** Rows that were refused: how many and why, a few of them, and all of them as they were delivered. */
import { type ExportedBytes, exportQuarantine } from '../quality/quarantine.ts'
import type { ReadContext } from '../run/api.ts'
import { openLocked } from './run-query.ts'
import { resolveTable } from './tables.ts'

export type { ExportedBytes as RefusedBytes } from '../quality/quarantine.ts'

/** A refused row. */
export interface QuarantinedRow {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly reasons: readonly string[]
  /** Of a change: where it is in the server's log, and when it was committed. */
  readonly position?: string
  readonly committedAt?: string
  /** The record as it was delivered; bytes that are no UTF-8 appear as U+FFFD. */
  readonly text: string
}

/** What was refused of one table, over all versions. */
export interface TableQuarantine {
  readonly table: string
  readonly rows: number
  /** Rows by their first reason. */
  readonly reasons: { readonly [reason: string]: number }
  /** The versions that refused them, newest first. */
  readonly versions: readonly { readonly version: number; readonly rows: number }[]
  /** Of the newest version that refused any. */
  readonly samples: readonly QuarantinedRow[]
}

/**
 * What was refused of one table, or of all that refused any.
 *
 * @example const [sales] = await quarantineOf(project, 'raw.sales', { samples: 5 })
 * @throws Definition.UnknownTable
 */
export async function quarantineOf(
  project: ReadContext,
  table: string | undefined,
  options: { readonly samples: number; readonly signal?: AbortSignal },
): Promise<readonly TableQuarantine[]> {
  const name = table === undefined ? undefined : (await resolveTable(project, table)).name
  const names = (await project.tables())
    .map((record) => record.table)
    .filter((other) => name === undefined || other === name)
  const found: TableQuarantine[] = []
  for (const one of names) {
    const files = await project.refused(one)
    if (files.length === 0) continue
    const reasons: { [reason: string]: number } = {}
    for (const [reason, rows] of files.flatMap((file) => Object.entries(file.reasons))) {
      reasons[reason] = (reasons[reason] ?? 0) + rows
    }
    const versions = [...new Set(files.map(({ addedIn }) => addedIn))].map((version) => ({
      version,
      rows: rowsIn(files.filter(({ addedIn }) => addedIn === version)),
    }))
    found.push({ table: one, rows: rowsIn(files), reasons, versions, samples: [] })
  }
  if (found.length === 0 || options.samples === 0) return found
  await using session = await openLocked(project, options.signal)
  const result: TableQuarantine[] = []
  for (const one of found) {
    // Bytes go through hex: a BLOB as JSON would be DuckDB's own escapes.
    const rows = await session
      .all<{
        _file: string
        _line: string
        reasons: string[]
        position: string | null
        at: string | null
        bytes: string
      }>(
        "SELECT _file, _line, reasons, CASE WHEN _line = 0 THEN fields ->> '/_position' END AS position, CASE WHEN _line = 0 THEN fields ->> '/_committed_at' END AS at, hex(_bytes) AS bytes FROM sluice.quarantine WHERE \"table\" = $1 ORDER BY version DESC, _file, _record LIMIT $2",
        [one.table, options.samples],
      )
      .catch(async (error: unknown) => {
        // A damaged file of it is named, in place of its samples; what the records count stays true.
        if (!(await project.damagedRefused(one.table))) throw error
        return []
      })
    const samples = rows.map((row) => ({
      file: row._file,
      line: Number(row._line),
      reasons: row.reasons,
      ...(row.position !== null && { position: row.position }),
      ...(row.at !== null && { committedAt: row.at }),
      text: Buffer.from(row.bytes, 'hex')
        .toString('utf8')
        .replace(/\r?\n$|\r$/, ''),
    }))
    result.push({ ...one, samples })
  }
  return result
}

function rowsIn(files: readonly { readonly rows: number }[]): number {
  return files.reduce((sum, { rows }) => sum + rows, 0)
}

/**
 * The refused rows of a table as they were delivered, each file with its header first; the files in their order.
 *
 * @example for await (const { file, bytes } of exportRefused(project, 'raw.sales')) await append(file, bytes)
 */
export async function* exportRefused(
  project: ReadContext,
  table: string,
  signal?: AbortSignal,
): AsyncIterable<ExportedBytes> {
  const { name } = await resolveTable(project, table)
  const files = await project.refused(name)
  await using session = await openLocked(project, signal)
  yield* exportQuarantine(session, files)
}
