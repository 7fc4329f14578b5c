/** What a task's statements may reach: SQL of the project's own runs in them, and reads nothing that its version does not name. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { CommitRecord } from '../../lake/record.ts'
import type { ProjectContext, TaskContext } from '../context.ts'
import { localLake } from '../places.ts'

/**
 * Confines a session to the data files of these records, of the tables that checks compare with, and to the task's own scratch folders; the
 * context that comes back makes those where they can be reached.
 *
 * @example const confined = await confineToInputs(context, session, records, checks)
 */
export async function confineToInputs(
  context: TaskContext,
  session: Session,
  records: readonly CommitRecord[],
  checks: readonly Check[],
): Promise<TaskContext> {
  const scratch = await context.scratch('model')
  const compared = checks.flatMap((check) =>
    check.kind === 'reference' ? [check.to] : check.kind === 'reconcile' ? [check.with] : [],
  )
  const others = await Promise.all([...new Set(compared)].map((table) => context.lake.current(table)))
  const paths = [...records, ...others].flatMap((record) => record?.files.map(({ path }) => path) ?? [])
  await session.confine({ objects: [...new Set(paths)], folders: [scratch] })
  return {
    ...context,
    scratch: async (name) => {
      const folder = join(scratch, name)
      await mkdir(folder, { recursive: true })
      return folder
    },
  }
}

/**
 * The folders of a project: where its files are delivered, kept and made. Expressions that rows are checked and transformed by are parsed before a
 * run, and can name no file; this holds whatever may pass that.
 *
 * @example await session.confine(projectReach(context))
 */
export function projectReach({ root, project }: ProjectContext): {
  objects: readonly string[]
  folders: readonly string[]
} {
  return { objects: [], folders: [root, localLake(root, project.config)] }
}
