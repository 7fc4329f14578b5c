/** Finds the versions that a task reads: those of the plan, or those that this run has made since. */

import { sluiceError } from '../../base/errors.ts'
import type { Session } from '../../engines/engine.ts'
import { rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import type { TaskContext } from '../context.ts'

/**
 * The records of a task's inputs, verified byte by byte.
 *
 * @throws Run.NoVersion where an input was never made
 * @throws Lake.FileCorrupt where a data file is not what was committed
 */
export async function resolveInputs(context: TaskContext): Promise<readonly CommitRecord[]> {
  const records: CommitRecord[] = []
  for (const input of context.task.inputs) {
    const made = context.task.dependsOn
      .map((id) => ({ id, outcome: context.outcomes.get(id) }))
      .find(({ id, outcome }) => id.slice(id.indexOf(':') + 1) === input.table && outcome?.version !== undefined)
    const version = made?.outcome?.version ?? (typeof input.version === 'number' ? input.version : undefined)
    const current = await context.lake.current(input.table)
    const isCurrent = current === undefined || version === undefined || rowsVersion(current) === version
    const record = isCurrent ? current : await context.lake.record(input.table, version)
    if (record === undefined) throw sluiceError('Run.NoVersion', { table: input.table })
    records.push(record)
  }
  for (const record of records) await context.lake.verify(record)
  return records
}

/** Makes each record a view `<layer>.<table>` of the session. */
export async function attachInputs(session: Session, records: readonly CommitRecord[]): Promise<void> {
  const schemas = new Set(records.map((record) => record.table.split('.')[0] as string))
  for (const schema of schemas) await session.run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)}`)
  for (const record of records) {
    await session.run(
      `CREATE VIEW ${quoteName(record.table)} AS SELECT * FROM ${await session.from(relationOf(record))}`,
    )
  }
}
