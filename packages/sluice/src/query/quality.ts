/** What the checks found. */
import type { CheckResult } from '../lake/record.ts'
import type { ReadContext } from '../run/api.ts'
import { resolveTable } from './tables.ts'

/** A check's result on the newest version of a table. */
export interface TableCheck extends CheckResult {
  readonly table: string
  readonly version: number
  readonly committedAt: string
}

/**
 * Results of checks on the newest version of one table, or of all; those that did not pass first.
 *
 * @example (await qualityOf(project)).filter((check) => check.status !== 'passed')
 * @throws Definition.UnknownTable
 */
export async function qualityOf(project: ReadContext, table?: string): Promise<readonly TableCheck[]> {
  const name = table === undefined ? undefined : (await resolveTable(project, table)).name
  const order = { failed: 0, refused: 1, warned: 2, passed: 3 }
  return (await project.tables())
    .filter((record) => name === undefined || record.table === name)
    .flatMap((record) =>
      record.checks.map((check) => ({
        table: record.table,
        version: record.version,
        committedAt: record.committedAt,
        ...check,
      })),
    )
    .sort((a, b) => order[a.status] - order[b.status])
}
