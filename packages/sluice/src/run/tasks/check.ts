/** Checks of a candidate against other tables, and what a model's candidate is. */
import type { Check } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { NewFile } from '../../lake/lake.ts'
import { relationOf } from '../../lake/relation.ts'
import type { Candidate } from '../../sources/source.ts'
import type { TaskContext } from '../context.ts'

/** A model's output on the way to being published. */
export type ModelCandidate = Omit<Candidate, 'inputs' | 'files'> & { readonly files: readonly NewFile[] }

/** The tables that checks name, as their newest versions: the plan has them made before. */
export async function relatedTables(
  context: TaskContext,
  session: Session,
  checks: readonly Check[],
): Promise<Record<string, string>> {
  const names = new Set(
    checks.flatMap((check) =>
      check.kind === 'reference' ? [check.to] : check.kind === 'reconcile' ? [check.with] : [],
    ),
  )
  const related: Record<string, string> = {}
  for (const name of names) {
    const record = await context.lake.current(name)
    if (record === undefined) continue
    await context.lake.verify(record)
    related[name] = await session.from(relationOf(record))
  }
  return related
}
