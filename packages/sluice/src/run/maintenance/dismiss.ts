/** Takes refused rows out of quarantine: by name, because they were replayed, or because they are older than the declared `quarantineDays`. */
import { sluiceError } from '../../base/errors.ts'
import type { Lake } from '../../lake/lake.ts'
import { refusedAt } from '../../lake/record/refused.ts'
import type { CommitRecord, DismissedFile, QuarantineFile } from '../../lake/record.ts'
import type { ProjectContext, TaskContext, TaskOutcome } from '../context.ts'
import type { Command } from '../execution/command-plan.ts'
import { isDamage } from '../intact.ts'
import type { AgedOut } from '../ledger/events.ts'
import { allRefused } from '../read.ts'
import { retentionOf } from './retention.ts'

type Dismissing = Pick<TaskContext, 'run' | 'fencingToken' | 'fence'>

const dayMs = 86_400_000

/**
 * The task of `sluice quarantine dismiss`.
 *
 * @throws Quality.NothingToDismiss
 */
export async function runDismiss(context: TaskContext): Promise<TaskOutcome> {
  const { lake, task, run } = context
  const { table, version } = task.command as Extract<Command, { kind: 'dismiss' }>
  const current = await lake.current(table)
  // An earlier attempt may have come as far as its commit.
  if (current?.compacted?.run === run && current.dismissed !== undefined)
    return { status: 'succeeded', version: current.version }
  const files = (await refusedOf(context, table)).filter(({ addedIn }) => version === undefined || addedIn === version)
  if (current === undefined || files.length === 0)
    throw sluiceError('Quality.NothingToDismiss', { table, ...(version === undefined ? {} : { version }) })
  const record = await commitDismissal(context, current, files, 'by hand')
  return { status: 'succeeded', version: record.version }
}

/**
 * Removes the refused rows of some tables that are older than their rules allow; tables without a rule keep theirs.
 *
 * @example const aged = await ageOut(context, tables, { run, fencingToken, fence, dryRun: false })
 */
export async function ageOut(
  context: Pick<ProjectContext, 'lake' | 'clock' | 'project' | 'warn'>,
  tables: readonly string[],
  by: Dismissing & { readonly dryRun: boolean },
): Promise<readonly AgedOut[]> {
  const aged: AgedOut[] = []
  for (const table of tables) {
    try {
      aged.push(...(await ageOutTable(context, table, by)))
    } catch (error) {
      if (!isDamage(error)) throw error
      context.warn(error.message)
    }
  }
  return aged
}

async function ageOutTable(
  context: Parameters<typeof ageOut>[0],
  table: string,
  by: Parameters<typeof ageOut>[2],
): Promise<readonly AgedOut[]> {
  const { quarantineDays: olderThanDays } = retentionOf(context, table)
  const current = olderThanDays === undefined ? undefined : await context.lake.current(table)
  if (current === undefined || olderThanDays === undefined) return []
  const before = context.clock.now().getTime() - olderThanDays * dayMs
  const old = (await refusedOf(context, table)).flatMap((file) => {
    const at = refusedAt(file)
    return at !== undefined && at.getTime() < before ? [{ file, at: at.toISOString() }] : []
  })
  if (old.length === 0) return []
  const files = old.map(({ file }) => file)
  if (!by.dryRun) await commitDismissal({ lake: context.lake, ...by }, current, files, 'aged out')
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  const instants = old.map(({ at }) => at).sort()
  return [{ table, rows, olderThanDays, from: instants[0]!, to: instants.at(-1)! }]
}

async function refusedOf(
  context: Pick<ProjectContext, 'lake' | 'warn'>,
  table: string,
): Promise<readonly QuarantineFile[]> {
  return allRefused(context, await context.lake.versions(table, ({ message }) => context.warn(message)))
}

function commitDismissal(
  { lake, run, fencingToken, fence }: Dismissing & { readonly lake: Lake },
  { table, version }: CommitRecord,
  files: readonly QuarantineFile[],
  why: DismissedFile['why'],
): Promise<CommitRecord> {
  const dismissed = files.map(({ path, rows, addedIn }) => ({ path, rows, addedIn, why }))
  return lake.dismiss({ table, version, dismissed, run, fencingToken, fence })
}
