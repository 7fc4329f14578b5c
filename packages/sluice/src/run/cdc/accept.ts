/** Takes shapes and truncations that paused captured tables as they are, from the same position on. */
import type { Json } from '../../base/json.ts'
import { printLsn } from '../../changes/lsn.ts'
import { whyWaiting, writeAccepted } from '../../sources/cdc/accept.ts'
import type { ProjectContext, TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'
import type { CdcAccepted } from './api.ts'
import { type LogView, viewLog, workOnLog } from './log-work.ts'
import { sourceOf } from './open.ts'

/** What waits, and why. @example await pendingOf(context, 'raw.shop', undefined, signal) */
export async function pendingOf(
  context: Pick<ProjectContext, 'lake' | 'engine'>,
  log: string,
  captured: string | undefined,
  signal: AbortSignal,
): Promise<readonly CdcAccepted[]> {
  return viewLog(context, log, signal, (view) => waitingIn(view, captured))
}

async function waitingIn({ session, cursor, log }: LogView, captured: string | undefined): Promise<CdcAccepted[]> {
  const accepted: CdcAccepted[] = []
  for (const table of cursor.waiting.filter((one) => captured === undefined || one === captured))
    accepted.push({ table, changes: await whyWaiting(session, log, table) })
  return accepted
}

/** @throws Source.LogMissing */
export async function runAccept(context: TaskContext): Promise<TaskOutcome> {
  const { table, command } = context.task
  const { captured } = command as Extract<Command, { kind: 'accept' }>
  return workOnLog(context, sourceOf(context, table), async (work) => {
    const { session, cursor, log, commit, current, source } = work
    const accepted = await waitingIn(work, captured)
    const result = accepted as unknown as Json
    const tables = accepted.map((one) => one.table)
    if (tables.length === 0) return { status: 'unchanged', version: current.version, result }
    const made = await writeAccepted(session, { log, tables, folder: await context.scratch('accepted'), source })
    const waiting = cursor.waiting.filter((one) => !tables.includes(one))
    const { version } = await commit(`accepted: ${tables.join(', ')}`, {
      ...made,
      inputs: [
        {
          ...{ kind: 'changes', connection: source.connection, slot: source.slot, to: printLsn(cursor.position) },
          ...{ from: printLsn(cursor.position), transactions: 0, rows: made.rows },
        },
      ],
      cursor: { ...cursor, waiting },
    })
    return { status: 'succeeded', version, result }
  })
}
