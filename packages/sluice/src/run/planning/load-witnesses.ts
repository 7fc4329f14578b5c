/** What the load ledger has seen of tables of the lake. */
import { projectIndex } from '../../definition/project-index.ts'
import { loadWitness, type Witness } from '../../lake/record/witnesses.ts'
import type { TargetState } from '../../plan/types.ts'
import type { ProjectContext } from '../context.ts'
import { readStart } from '../ledger/ledger.ts'

/**
 * The newest load of each target, as a witness of the version that it loaded.
 *
 * @example const witnesses = await loadWitnesses(context, await targetStates(context), records)
 * @param left The newest record of each table; a load of no newer version has nothing to say.
 */
export async function loadWitnesses(
  { project, state }: Pick<ProjectContext, 'project' | 'state'>,
  targets: { readonly [target: string]: TargetState },
  left: readonly { readonly table: string; readonly version: number }[],
): Promise<readonly Witness[]> {
  const witnesses: Witness[] = []
  for (const { target, load } of projectIndex(project).loads) {
    const seen = targets[target]
    const version = left.find(({ table }) => table === load.from)?.version ?? 0
    if (seen?.run === undefined || seen.version <= version) continue
    // A run that is not of this project's ledger loaded from another lake.
    if ((await readStart(state, seen.run)) === undefined) continue
    witnesses.push(loadWitness(target, load.from, seen.version, seen.run))
  }
  return witnesses
}
