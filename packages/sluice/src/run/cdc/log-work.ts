/** Work on a log of changes by a command: what is there, and how more is committed to it. */
import { sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { printLsn } from '../../changes/lsn.ts'
import { logColumns } from '../../definition/columns.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { completeFile } from '../../engines/parquet-footer.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { readMark } from '../../sources/cdc/copy/kept-copy.ts'
import { type Cursor, readCursor, writeCursor } from '../../sources/cdc/cursor.ts'
import { settledNames } from '../../sources/cdc/server/names.ts'
import type { Candidate } from '../../sources/source.ts'
import type { ProjectContext, TaskContext } from '../context.ts'

/** A log as it stands. */
export interface LogView {
  readonly session: Session
  readonly current: CommitRecord
  readonly cursor: Cursor
  /** A SELECT of the log. */
  readonly log: string
}

/** Work on it, and its commit. */
export interface LogWork extends LogView {
  readonly context: TaskContext
  readonly source: CdcSource
  commit(
    what: string,
    made: Pick<Candidate, 'files' | 'inputs'> & { rows: number; cursor: Cursor },
    parent?: CommitRecord,
  ): Promise<CommitRecord>
}

/**
 * Looks at a log.
 *
 * @example await viewLog(context, 'raw.shop', signal, async ({ session, log }) => …)
 * @throws Source.LogMissing
 */
export async function viewLog<T>(
  { lake, engine }: Pick<ProjectContext, 'lake' | 'engine'>,
  table: string,
  signal: AbortSignal,
  look: (log: LogView) => Promise<T>,
): Promise<T> {
  const current = await lake.current(table)
  if (current?.watermark === undefined) throw sluiceError('Source.LogMissing', { table })
  await using session = await engine.open({ signal })
  const log = `SELECT * FROM ${await session.from(relationOf(current))}`
  return await look({ session, current, cursor: readCursor(current.watermark), log })
}

/**
 * Works on the log of a task.
 *
 * @example await workOnLog(context, source, async ({ session, log, commit }) => …)
 * @throws Source.LogMissing
 */
export async function workOnLog<T>(
  context: TaskContext,
  source: CdcSource,
  work: (log: LogWork) => Promise<T>,
): Promise<T> {
  const { lake, run, attempt, fencingToken, fence, signal, state } = context
  const { table } = context.task
  const mark = await readMark(state, table)
  return viewLog(context, table, signal, (view) =>
    work({
      ...{ ...view, context, source: settledNames(source, view.cursor, mark) },
      async commit(what, { files, inputs, rows, cursor }, parent) {
        const { version } = parent ?? (await lake.current(table)) ?? view.current
        const { record } = await lake.commit({
          ...{ table, run, attempt, definition: view.current.definition, operation: 'append', files, inputs },
          taskKey: digest({ what, after: version, position: printLsn(cursor.position), run }),
          ...{ expectedParent: version, fencingToken, fence },
          verifyFile: (file, fields) => completeFile(view.session, file, fields),
          fields: logColumns(source.partitionBy),
          accounting: { read: rows, accepted: rows, quarantined: 0, dropped: {} },
          ...{ checks: [], quarantine: [], warnings: [what] },
          watermark: writeCursor(cursor),
        })
        return record
      },
    }),
  )
}
