/** What the warehouse will refuse of a plan's loads, as far as it can be known before: types that change under something that needs them. */
import { projectIndex } from '../../definition/project-index.ts'
import type { Plan, PlanTask } from '../../plan/types.ts'
import type { ProjectContext } from '../context.ts'

/**
 * The plan, with a warning at each load whose columns widen where a view or an index forbids it. The warehouse is asked only where the definition of
 * a load that it knows has changed.
 *
 * @example const { tasks } = await foreseeRefusals(context, plan)
 */
export async function foreseeRefusals(context: ProjectContext, plan: Plan): Promise<Plan> {
  const changed = plan.tasks.filter(
    ({ kind, action, reason, current }) =>
      kind === 'load' && action === 'run' && reason === 'changed-definition' && current !== undefined,
  )
  if (changed.length === 0 || !(await context.warehouseExists())) return plan
  const warnings = await context.withWarehouse(async (warehouse) => {
    const found = new Map<string, readonly string[]>()
    for (const task of changed) {
      const load = projectIndex(context.project).load(task.table)?.load
      if (load === undefined) continue
      const drift = await warehouse.drift({ target: task.table, load, columns: task.columns })
      found.set(
        task.id,
        drift.flatMap(({ column, found: is, expected, blockers }) =>
          blockers === undefined
            ? []
            : [
                `the load will be refused: the type of "${column}" changes from ${is} to ${expected}, which ${blockers.join(', ')} forbids; drop it before, and make it again after`,
              ],
        ),
      )
    }
    return found
  })
  const warned = (task: PlanTask): PlanTask => {
    const own = warnings.get(task.id) ?? []
    return own.length === 0 ? task : { ...task, warnings: [...task.warnings, ...own] }
  }
  return { ...plan, tasks: plan.tasks.map(warned) }
}
